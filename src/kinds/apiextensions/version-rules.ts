// What the versions of a kind may say: their columns, their subresources, and the fields that select.
// Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go; apiserver's cel.ValidFieldPath.
import type { Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresourceScale,
  SelectableField,
} from './definition-types.ts'
import { fieldAt } from './field-path.ts'
import type { Part } from './inside.ts'
import type { SchemaProps } from './jsonschema.ts'
import { validateSchema } from './schema-rules.ts'

type Version = CustomResourceDefinitionVersion

export function* validateVersion(version: Version, hasStatus: boolean, at: Path): Problems {
  const { deprecated = false, deprecationWarning } = version
  if (deprecationWarning !== undefined)
    for (const error of warningErrors(deprecated, deprecationWarning))
      yield at.field('deprecationWarning').invalid(deprecationWarning, error)
  yield* validatePart(version, hasStatus, at, 'schema')
}

/** What one version says, or all do. `schemaField` is the name of the schema there. */
export function* validatePart(
  part: Part,
  hasStatus: boolean,
  at: Path,
  schemaField: 'schema' | 'validation',
): Problems {
  const schema = part.schema?.openAPIV3Schema
  if (schema) yield* validateSchema(schema, hasStatus, at.field(schemaField, 'openAPIV3Schema'))
  const { scale } = part.subresources ?? {}
  if (scale) yield* validateScale(scale, at.field('subresources', 'scale'))
  for (const [i, column] of (part.additionalPrinterColumns ?? []).entries())
    yield* validateColumn(column, at.field('additionalPrinterColumns').index(i))
  const { selectableFields = [] } = part
  if (!selectableFields.length) return
  const path = at.field('selectableFields')
  if (schema) yield* validateSelectable(selectableFields, schema, path)
  else if (schemaField === 'schema')
    yield path.invalid('', 'may only be set when `version.schema.openAPIV3Schema` is not included')
  else yield path.invalid('', 'may only be set when `validations.schema` is included')
}

const maxWarningBytes = 256

function warningErrors(deprecated: boolean, warning: string): string[] {
  if (!deprecated) return ['can only be set for deprecated versions']
  const errors: string[] = []
  if (Buffer.byteLength(warning) > maxWarningBytes) errors.push(`must be <= ${maxWarningBytes} characters long`)
  if (!warning) errors.push('must not be an empty string')
  // Of the characters that are not there to be read only the plain space will do.
  const hidden = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.exec(warning)
  if (hidden)
    errors.push(
      `must only contain printable UTF-8 characters; non-printable character found at index ${Buffer.byteLength(warning.slice(0, hidden.index))}`,
    )
  return errors
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password']

function* validateColumn(column: CustomResourceColumnDefinition, at: Path): Problems {
  const { name, type, format, jsonPath } = column
  if (!name) yield at.field('name').required()
  const types = `must be one of ${columnTypes.join(',')}`
  if (!type) yield at.field('type').required(types)
  else if (!columnTypes.includes(type)) yield at.field('type').invalid(type, types)
  if (format && !columnFormats.includes(format))
    yield at.field('format').invalid(format, `must be one of ${columnFormats.join(',')}`)
  if (!jsonPath) yield at.field('JSONPath').required()
  else yield* startsWithDot(jsonPath, at.field('JSONPath'))
}

function* startsWithDot(path: string, at: Path): Problems {
  if (!path.startsWith('.')) yield at.invalid(path, 'must be a simple json path starting with .')
}

function* validateScale(scale: CustomResourceSubresourceScale, at: Path): Problems {
  const { specReplicasPath: spec, statusReplicasPath: status, labelSelectorPath: selector } = scale
  if (!spec) yield at.field('specReplicasPath').required()
  else yield* validateBelow(spec, ['.spec'], 'should be a json path under .spec', at.field('specReplicasPath'))
  if (!status) yield at.field('statusReplicasPath').required()
  else yield* validateBelow(status, ['.status'], 'should be a json path under .status', at.field('statusReplicasPath'))
  if (selector)
    yield* validateBelow(
      selector,
      ['.spec', '.status'],
      'should be a json path under either .spec or .status',
      at.field('labelSelectorPath'),
    )
}

function* validateBelow(path: string, roots: readonly string[], error: string, at: Path): Problems {
  if (!path.startsWith('.')) yield* startsWithDot(path, at)
  else if (!roots.some(root => path.startsWith(`${root}.`))) yield at.invalid(path, error)
}

const maxSelectable = 8
const selectableTypes = ['string', 'boolean', 'integer']

function* validateSelectable(fields: readonly SelectableField[], schema: SchemaProps, at: Path): Problems {
  const seen = new Set<string>()
  for (const [i, { jsonPath }] of fields.entries()) {
    const path = at.index(i).field('jsonPath')
    if (!jsonPath) {
      yield path.required()
      continue
    }
    const found = fieldAt(jsonPath, schema, { lists: false })
    if ('error' in found) {
      yield path.invalid(jsonPath, `is an invalid path: ${found.error}`)
      continue
    }
    if (found.names[0] === 'metadata') yield path.invalid(jsonPath, 'must not point to fields in metadata')
    if (!selectableTypes.includes(found.schema.type ?? ''))
      yield path.invalid(
        jsonPath,
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      )
    const key = JSON.stringify(found.names)
    if (seen.has(key)) yield path.duplicate(jsonPath)
    seen.add(key)
  }
  if (seen.size > maxSelectable) yield at.tooMany(seen.size, maxSelectable)
}
