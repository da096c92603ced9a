// How lists and maps of a schema merge: as a whole, as sets, or by keys that every element has.
// Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
import type { Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import { oneSchema, type SchemaProps } from './jsonschema.ts'

type Schema = SchemaProps

function* hasType(schema: Schema, type: string, why: string, at: Path): Problems {
  if (!schema.type) yield at.field('type').required(`must be ${type} if ${why} is specified`)
  else if (schema.type !== type) yield at.field('type').invalid(schema.type, `must be ${type} if ${why} is specified`)
}

export function* validateMapType(schema: Schema, at: Path): Problems {
  const mapType = schema['x-kubernetes-map-type']
  if (mapType === undefined) return
  yield* hasType(schema, 'object', 'x-kubernetes-map-type', at)
  if (mapType !== 'atomic' && mapType !== 'granular')
    yield at.field('x-kubernetes-map-type').notSupported(mapType, ['atomic', 'granular'])
}

const listTypes = ['atomic', 'set', 'map']

export function* validateListType(schema: Schema, at: Path): Problems {
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  if (listType !== undefined) {
    yield* hasType(schema, 'array', 'x-kubernetes-list-type', at)
    if (listType === 'set' && schema.type === 'array') yield* validateSet(schema, at.field('items'))
    if (!listTypes.includes(listType)) yield at.field('x-kubernetes-list-type').notSupported(listType, listTypes)
  }
  if (keys.length && listType !== 'map') {
    const error = 'must be map if x-kubernetes-list-map-keys is non-empty'
    const path = at.field('x-kubernetes-list-type')
    yield listType === undefined ? path.required(error) : path.invalid(listType, error)
  }
  if (listType === 'map') yield* validateKeys(schema, keys, at)
  if (listType === 'set' || listType === 'map') yield* validateElements(schema, listType, keys, at.field('items'))
}

/** Elements of a set are compared as wholes. */
function* validateSet(schema: Schema, at: Path): Problems {
  const item = oneSchema(schema.items)
  const error = 'must be atomic as item of a list with x-kubernetes-list-type=set'
  const listType = item?.['x-kubernetes-list-type']
  if (item?.type === 'array' && listType !== undefined && listType !== 'atomic')
    yield at.field('x-kubernetes-list-type').invalid(listType, error)
  if (item?.type === 'object' && item['x-kubernetes-map-type'] !== 'atomic')
    // Kubernetes shows the type of the list here, too.
    yield at.field('x-kubernetes-map-type').invalid(listType, error)
}

function* validateKeys(schema: Schema, keys: readonly string[], at: Path): Problems {
  const path = at.field('x-kubernetes-list-map-keys')
  if (!keys.length) yield path.required('must not be empty if x-kubernetes-list-type is map')
  const item = oneSchema(schema.items)
  if (schema.items === undefined)
    yield at.field('items').required('must have a schema if x-kubernetes-list-type is map')
  else if (!item)
    yield at.field('items').invalid(schema.items, 'must only have a single schema if x-kubernetes-list-type is map')
  else if (item.type !== 'object')
    yield at
      .field('items', 'type')
      .invalid(item.type ?? '', "must be object if parent array's x-kubernetes-list-type is map")
  if (item?.type !== 'object') return
  for (const [i, key] of keys.entries()) {
    const property = item.properties?.[key]
    if (!property) yield path.invalid(keys, 'entries must all be names of item properties')
    else if (property.type === 'array' || property.type === 'object')
      yield at
        .field('items', 'properties')
        .key(key)
        .field('type')
        .invalid(item.type, "must be a scalar type if parent array's x-kubernetes-list-type is map")
    if (keys.indexOf(key) < i) yield path.invalid(keys, 'must not contain duplicate entries')
  }
}

/** Elements of sets and maps must not be null, and the keys of maps must be present. */
function* validateElements(schema: Schema, listType: string, keys: readonly string[], at: Path): Problems {
  const item = oneSchema(schema.items)
  if (item?.nullable)
    yield at.field('nullable').forbidden(`cannot be nullable when x-kubernetes-list-type is ${listType}`)
  if (listType !== 'map') return
  const known = 'this property is in x-kubernetes-list-map-keys, so it'
  for (const key of keys) {
    const property = item?.properties?.[key]
    if (!property) continue
    const path = at.field('properties').key(key)
    if (!item.required?.includes(key) && property.default === undefined)
      yield path.field('default').required(`${known} must have a default or be a required property`)
    if (property.nullable) yield path.field('nullable').forbidden(`${known} cannot be nullable`)
  }
}
