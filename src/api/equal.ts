// Equality of objects and their parts, in two senses.
//
// - `sameJson`: the values are equal as they are stored. The order of fields does not matter, that of elements does,
//   and undefined is the same as absent.
// - `sameOnWire`: the API server would store the same for both. What a client writes down need not be canonical: it may
//   leave out a zero value that is stored, or spell a quantity in another way.
import { own } from '../base/own.ts'
import { decode } from './schema/decode.ts'
import type { Draft, Struct } from './schema/node.ts'

/** Whether two values are equal as they are stored. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((element, i) => sameJson(element, b[i]))
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key of Object.keys(left)) if (!sameJson(left[key], own(right, key))) return false
  for (const key of Object.keys(right)) if (right[key] !== undefined && own(left, key) === undefined) return false
  return true
}

/** Whether two values of a struct are stored as the same. Throws DecodeError for values of a wrong type. */
export const sameOnWire = <T>(schema: Struct<T>, a: Draft<T>, b: Draft<T>): boolean =>
  sameJson(stored(schema, a), stored(schema, b))

/** A value as the API server would store it. */
export const stored = <T>(schema: Struct<T>, value: Draft<T>) => decode(schema, value, { defaults: true })

/** JSON text with sorted keys: the same for values that are equal by `sameJson`. It serves as a key and for hashes. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
