// Values of expressions as JSON, for what expressions make: patches, messages, audit annotations.
// Source: cel-go common/types (the ConvertToNative methods to google.protobuf.Value).
import { jsonOf } from './adapt.ts'
import { toText } from './convert.ts'
import { Duration, Failure, List, Mapping, Optional, Timestamp, Uint, failure, typeName, type Value } from './values.ts'
import { spend } from './work.ts'

/** JSON, or a failure for what has no form in it. */
export function toJson(value: Value): unknown {
  spend(1)
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'number':
      return value
    case 'bigint':
      return numberOf(value)
  }
  if (value === null || value instanceof Failure) return value
  const json = jsonOf(value)
  if (json !== undefined) return json
  if (value instanceof Uint) return numberOf(value.value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Timestamp || value instanceof Duration) return toText(value)
  if (value instanceof Optional) return value.value === undefined ? null : toJson(value.value)
  if (value instanceof List) return listOf(value)
  if (value instanceof Mapping) return objectOf(value)
  return failure(`type conversion error from '${typeName(value)}' to JSON`)
}

/** Whole numbers stay whole where JavaScript's numbers cannot hold them. */
const numberOf = (value: bigint): number | bigint => (BigInt(Number(value)) === value ? Number(value) : value)

function listOf(list: List): unknown {
  const items: unknown[] = []
  for (const element of list) {
    const json = toJson(element)
    if (json instanceof Failure) return json
    items.push(json)
  }
  return items
}

function objectOf(map: Mapping): unknown {
  const entries: [string, unknown][] = []
  for (const key of map.keys()) {
    if (typeof key !== 'string') return failure(`type conversion error: key of type '${typeName(key)}' in JSON`)
    const json = toJson(map.get(key)!)
    if (json instanceof Failure) return json
    entries.push([key, json])
  }
  return Object.fromEntries(entries)
}
