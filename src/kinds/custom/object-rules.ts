// Rules for custom resources beyond their schema: unique elements of lists, embedded objects, the fields of the
// subresource scale.
// Source: apiextensions-apiserver pkg/apiserver/schema (listtype, objectmeta), pkg/registry/customresource/validator.go.
import { goTypeOf, goValue } from '../../base/go-text.ts'
import type { Problems } from '../../api/checks.ts'
import type { KubeObject, ScalePaths } from '../../api/kind.ts'
import { validateInnerMeta } from '../../api/validate.ts'
import { readPath } from '../../api/jsonpath.ts'
import { dns1035Errors } from '../../api/names.ts'
import { Path } from '../../api/path.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { oneSchema, type SchemaProps } from '../apiextensions/jsonschema.ts'
import { listMapKey, schemaOfField } from './validate.ts'

/** Yields the problems of lists with duplicate elements, at any depth. */
export function* validateLists(schema: SchemaProps, value: Json, at: Path): Problems {
  if (Array.isArray(value)) {
    yield* validateUnique(schema, value, at)
    const items = oneSchema(schema.items)
    if (items) for (const [i, element] of value.entries()) yield* validateLists(items, element, at.index(i))
  } else if (isObject(value))
    for (const [key, inner] of Object.entries(value)) {
      const known = schemaOfField(schema, key)
      if (known) yield* validateLists(known, inner, schema.properties?.[key] ? at.field(key) : at.key(key))
    }
}

function* validateUnique(schema: SchemaProps, value: readonly Json[], at: Path): Problems {
  const type = schema['x-kubernetes-list-type']
  if (type !== 'set' && type !== 'map') return
  const names = schema['x-kubernetes-list-map-keys'] ?? []
  const seen = new Set<string>()
  for (const [i, element] of value.entries()) {
    const key = type === 'set' ? JSON.stringify(element) : listMapKey(names, element)
    if (seen.has(key)) yield at.index(i).duplicate(type === 'set' ? element : keysOf(names, element))
    seen.add(key)
  }
}

const keysOf = (names: readonly string[], element: Json): JsonObject =>
  Object.fromEntries(
    names.flatMap(name => (isObject(element) && element[name] !== undefined ? [[name, element[name]]] : [])),
  )

/** Yields the problems of objects embedded at any depth: they need a type, and a valid name if they have one. */
export function* validateEmbedded(schema: SchemaProps, value: Json, at: Path, isRoot = true): Problems {
  if (Array.isArray(value)) {
    const items = oneSchema(schema.items)
    if (items) for (const [i, element] of value.entries()) yield* validateEmbedded(items, element, at.index(i), false)
    return
  }
  if (!isObject(value)) return
  if (!isRoot && schema['x-kubernetes-embedded-resource']) yield* validateWhole(value, at)
  for (const [key, inner] of Object.entries(value)) {
    const known = schemaOfField(schema, key)
    if (known) yield* validateEmbedded(known, inner, schema.properties?.[key] ? at.field(key) : at.key(key), false)
  }
}

/** Yields the problems of the type and the metadata of an object, which have been decoded. */
export function* validateWhole(value: JsonObject, at: Path): Problems {
  const { apiVersion, kind, metadata } = value
  const path = at.field('apiVersion')
  if (apiVersion !== undefined && typeof apiVersion !== 'string') yield path.invalid(apiVersion, 'must be a string')
  else if (!apiVersion) yield path.required('must not be empty')
  else if (apiVersion.split('/').length > 2)
    yield path.invalid(apiVersion, `unexpected GroupVersion string: ${apiVersion}`)
  yield* validateKind(kind, at.field('kind'))
  if (isObject(metadata)) yield* validateInnerMeta(metadata as KubeObject['metadata'], at.field('metadata'))
}

function* validateKind(kind: Json | undefined, at: Path): Problems {
  if (kind !== undefined && typeof kind !== 'string') return yield at.invalid(kind, 'must be a string')
  if (!kind) return yield at.required('must not be empty')
  const errors = dns1035Errors(kind.toLowerCase())
  if (errors.length) yield at.invalid(kind, `may have mixed case, but should otherwise match: ${errors.join(',')}`)
}

const maxReplicas = 2 ** 31 - 1

/** Yields the problems of the fields that the subresource scale uses. Their paths begin with a dot, as upstream. */
export function* validateScale({ spec, status, selector }: ScalePaths, object: object): Problems {
  for (const path of [spec, status]) {
    const value = readPath(object, path)
    const at = new Path(undefined, path)
    if (value === undefined) continue
    if (typeof value !== 'number' || !Number.isInteger(value)) yield at.invalid(0, accessError(path, value, 'int64'))
    else if (value < 0) yield at.invalid(value, 'should be a non-negative integer')
    else if (value > maxReplicas) yield at.invalid(value, `should be less than or equal to ${maxReplicas}`)
  }
  const labels = selector ? readPath(object, selector) : undefined
  if (labels !== undefined && typeof labels !== 'string')
    yield new Path(undefined, selector).invalid('', accessError(selector, labels, 'string'))
}

/** Go's message for a value of the wrong type. */
const accessError = (path: string, value: Json, expected: string): string =>
  `${path} accessor error: ${goValue(value)} is of the type ${goTypeOf(value)}, expected ${expected}`
