// What the schema of a kind may be, level by level. Whether it is structural, and its defaults fit, comes first.
// Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go
// (ValidateCustomResourceDefinitionOpenAPISchema).
import type { Problems } from '../../api/checks.ts'
import type { Path, Problem } from '../../api/path.ts'
import { validateDefaults } from './default-rules.ts'
import { validateExpressions } from './expression-level-rules.ts'
import { printedSchema } from './inside.ts'
import { oneSchema, type SchemaProps } from './jsonschema.ts'
import { validateListType, validateMapType } from './merge-type-rules.ts'
import { isUnsupported, validateStructural } from './structural-rules.ts'
import { validateRules } from './validation-rule-rules.ts'

type Schema = SchemaProps

export function* validateSchema(schema: Schema, hasStatus: boolean, at: Path): Problems {
  if (hasStatus) yield* validateRoot(schema, at)
  if (schema.nullable) yield at.field('nullable').forbidden('nullable cannot be true at the root')
  let isStructural = true
  if (!isUnsupported(schema)) {
    const problems: Problem[] = [...validateStructural(schema, at)]
    yield* problems
    isStructural = !problems.length
    if (isStructural) yield* validateDefaults(schema, at)
  }
  yield* validateLevel(schema, { isRoot: true, inMetadata: false }, at)
  // The types of values are certain only in a structural schema.
  if (!isStructural) return
  const isValid = (part: Schema, path: Path) =>
    isEmpty(validateLevel(part, { isRoot: path === at, inMetadata: false }, path))
  yield* validateExpressions(schema, at, isValid)
}

const isEmpty = (problems: Iterable<unknown>): boolean => {
  for (const _ of problems) return false
  return true
}

/** Fields of the root that are kept when the status is looked at alone, in the order they have inside. */
const rootFields = [
  'description',
  'type',
  'format',
  'title',
  'maximum',
  'exclusiveMaximum',
  'minimum',
  'exclusiveMinimum',
  'maxLength',
  'minLength',
  'pattern',
  'maxItems',
  'minItems',
  'uniqueItems',
  'multipleOf',
  'required',
  'items',
  'properties',
  'externalDocs',
  'example',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
]

const rootNames = rootFields.map(name =>
  name
    .replace('x-kubernetes', 'x')
    .split('-')
    .map(word => word.charAt(0).toUpperCase() + word.slice(1))
    .join(''),
)

function* validateRoot(schema: Schema, at: Path): Problems {
  const { type } = schema
  if (type && type !== 'object')
    yield at
      .field('type')
      .invalid(
        type,
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
      )
  else if (Object.entries(schema).some(([name, value]) => value && !rootFields.includes(name)))
    yield at.invalid(
      printedSchema(schema),
      `only [${rootNames.join(' ')}] fields are allowed at the root of the schema if the status subresource is enabled`,
    )
}

interface Place {
  isRoot: boolean
  /** Within the metadata, kind or apiVersion of an object. */
  inMetadata: boolean
  /** Why there may be no default. */
  noDefault?: string
}

const metadataFields = ['metadata', 'kind', 'apiVersion']

function* validateLevel(schema: Schema, place: Place, at: Path): Problems {
  yield* validateSupported(schema, place, at)
  if (schema.uniqueItems)
    yield at
      .field('uniqueItems')
      .forbidden('uniqueItems cannot be set to true since the runtime complexity becomes quadratic')
  const { additionalProperties, properties = {} } = schema
  if (additionalProperties !== undefined && additionalProperties !== true && Object.keys(properties).length)
    yield at.field('additionalProperties').forbidden('additionalProperties and properties are mutual exclusive')
  for (const [below, where, path] of levelsBelow(schema, place, at)) yield* validateLevel(below, where, path)
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    yield at.field('x-kubernetes-preserve-unknown-fields').invalid(false, 'must be true or undefined')
  yield* validateMapType(schema, at)
  yield* validateListType(schema, at)
  yield* validateRules(schema, at.field('x-kubernetes-validations'))
}

function* levelsBelow(schema: Schema, place: Place, at: Path): Iterable<[Schema, Place, Path]> {
  const inner = { ...place, isRoot: false }
  const additional = oneSchema(schema.additionalProperties)
  if (additional) {
    const reason = 'inside additionalProperties applying to object metadata'
    yield [additional, place.inMetadata ? { ...inner, noDefault: reason } : inner, at.field('additionalProperties')]
  }
  for (const [name, property] of byName(schema.properties)) {
    const isMetadata = (place.isRoot || schema['x-kubernetes-embedded-resource']) && metadataFields.includes(name)
    const noDefault = isMetadata && place.isRoot ? `in top-level ${name}` : inner.noDefault
    const where = { ...inner, inMetadata: inner.inMetadata || Boolean(isMetadata), ...(noDefault && { noDefault }) }
    yield [property, where, at.field('properties').key(name)]
  }
  if (schema.not) yield [schema.not, inner, at.field('not')]
  for (const junction of ['allOf', 'oneOf', 'anyOf'] as const)
    for (const [i, part] of (schema[junction] ?? []).entries()) yield [part, inner, at.field(junction).index(i)]
  for (const [name, definition] of byName(schema.definitions))
    yield [definition, inner, at.field('definitions').key(name)]
  const items = schema.items
  if (Array.isArray(items))
    for (const [i, item] of items.entries()) yield [item as Schema, inner, at.field('items').index(i)]
  else if (oneSchema(items)) yield [oneSchema(items)!, inner, at.field('items')]
  for (const [name, dependency] of byName(schema.dependencies)) {
    const below = oneSchema(dependency)
    if (below) yield [below, inner, at.field('dependencies').key(name)]
  }
}

const byName = <T>(map: Readonly<Record<string, T>> | undefined): [string, T][] =>
  Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']

function* validateSupported(schema: Schema, place: Place, at: Path): Problems {
  const { type } = schema
  if (type && !types.includes(type)) yield at.field('type').notSupported(type, types)
  if (schema.default !== undefined && place.noDefault)
    yield at.field('default').forbidden(`must not be set ${place.noDefault}`)
  if (schema.id) yield at.field('id').forbidden('id is not supported')
  if (schema.additionalItems !== undefined)
    yield at.field('additionalItems').forbidden('additionalItems is not supported')
  for (const field of ['patternProperties', 'definitions'] as const)
    if (Object.keys(schema[field] ?? {}).length) yield at.field(field).forbidden(`${field} is not supported`)
  if (schema.dependencies) yield at.field('dependencies').forbidden('dependencies is not supported')
  if (schema.$ref !== undefined) yield at.field('$ref').forbidden('$ref is not supported')
  if (type === 'null') yield at.field('type').forbidden('type cannot be set to null, use nullable as an alternative')
  if (Array.isArray(schema.items) && schema.items.length)
    yield at.field('items').forbidden('items must be a schema object and not an array')
  if (place.inMetadata && schema['x-kubernetes-embedded-resource'])
    yield at.field('x-kubernetes-embedded-resource').forbidden('must not be used inside of resource meta')
}
