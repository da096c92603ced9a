// Decodes custom resources. Unlike objects of built-in kinds, they have no Go types, so a value stays as it was sent:
//
// - Fields without a schema are pruned, unless the schema preserves them. Zero values are kept.
// - null is dropped for a field that is not nullable, and replaced by its default if it has one.
// - Defaults are set in objects that are there, at any depth, also within defaults.
// - metadata, also that of embedded objects, is decoded like that of any other object.
// - Keys are sorted, as Go writes maps.
//
// Source: apiextensions-apiserver pkg/apiserver/schema (pruning, defaulting, objectmeta).
import { notAnObject } from '../../base/go-text.ts'
import { isObject, setKey } from '../../api/patch/merge.ts'
import { ObjectMeta } from '../../api/meta.ts'
import { decode, DecodeError, withoutDecimals } from '../../api/schema/decode.ts'
import type { Codec, CodecOptions, Json, JsonObject } from '../../api/schema/node.ts'
import type { Shape } from './shape.ts'

/** Whether a whole object has this field, whatever its schema says. */
export const isOfEveryObject = (name: string): boolean => ['apiVersion', 'kind', 'metadata'].includes(name)

/** The codec of a version. `shape` is called at the first use. */
export function customCodec(shape: () => Shape): Codec {
  return (input, options) => {
    if (!isObject(input)) throw new DecodeError(notAnObject(input))
    // Bodies distinguish 1.0 from 1, which only fields of Go's types need.
    const kept = keepObject(withoutDecimals(input) as JsonObject, shape(), true, '', options)
    if (options.defaults) setDefaults(kept, shape())
    // As in all stored objects, the type and the metadata come first.
    const { kind, apiVersion, metadata, ...rest } = kept
    return {
      ...(kind !== undefined && { kind }),
      ...(apiVersion !== undefined && { apiVersion }),
      metadata: metadata!,
      ...rest,
    }
  }
}

/** Prunes a value. Throws DecodeError for the metadata of an object that cannot be one. */
export function keep(value: Json, shape: Shape, at: string, options: CodecOptions): Json {
  if (Array.isArray(value))
    return value.map((element, i) =>
      shape.items ? keep(element, shape.items, `${at}[${i}]`, options) : sorted(element),
    )
  return isObject(value) ? keepObject(value, shape, shape.embedded, at, options) : value
}

function keepObject(value: JsonObject, shape: Shape, whole: boolean, at: string, options: CodecOptions): JsonObject {
  const out: JsonObject = {}
  for (const key of Object.keys(value).sort()) {
    const inner = value[key]!
    const path = at ? `${at}.${key}` : key
    if (whole && isOfEveryObject(key)) {
      const kept = key === 'metadata' ? keepMetadata(inner, path, options) : inner
      if (kept !== null) out[key] = kept
      continue
    }
    const known = shape.properties.get(key) ?? shape.additional
    if (known) {
      if (inner !== null || known.nullable || known.default !== undefined)
        setKey(out, key, keep(inner, known, path, options))
    } else if (shape.keepsUnknown) setKey(out, key, sorted(inner))
    else options.onUnknown?.(path)
  }
  if (whole && at === '' && !out.metadata) out.metadata = {}
  return out
}

function keepMetadata(value: Json, at: string, { onUnknown }: CodecOptions): Json {
  if (value === null) return null
  return decode(ObjectMeta, value, {
    ...(onUnknown && { onUnknown: path => onUnknown(`${at}.${path}`) }),
  }) as JsonObject
}

/** A copy whose keys are sorted at every depth. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  const out: JsonObject = {}
  for (const key of Object.keys(value).sort()) setKey(out, key, sorted(value[key]!))
  return out
}

/** Sets defaults in place. */
function setDefaults(value: Json, shape: Shape): void {
  if (!shape.hasDefaults) return
  if (Array.isArray(value)) {
    const { items } = shape
    if (!items) return
    for (const [i, element] of value.entries()) {
      if (isReplaced(element, items)) value[i] = structuredClone(items.default!)
      setDefaults(value[i]!, items)
    }
  } else if (isObject(value)) setInObject(value, shape)
}

function setInObject(value: JsonObject, shape: Shape): void {
  let added = false
  for (const [name, property] of shape.properties) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined
    if (property.default === undefined || (given !== undefined && !isReplaced(given, property))) continue
    added ||= given === undefined
    setKey(value, name, structuredClone(property.default))
  }
  for (const [name, inner] of Object.entries(value)) {
    const property = shape.properties.get(name) ?? shape.additional
    if (!property) continue
    if (isReplaced(inner, property)) setKey(value, name, structuredClone(property.default!))
    setDefaults(value[name]!, property)
  }
  if (added) sortKeys(value)
}

/** Whether a default takes the place of a null. */
const isReplaced = (value: Json, shape: Shape): boolean =>
  value === null && !shape.nullable && shape.default !== undefined

function sortKeys(value: JsonObject): void {
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [key] of entries) delete value[key]
  for (const [key, inner] of entries) setKey(value, key, inner)
}
