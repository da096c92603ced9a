// Notes about lists and maps that were sent empty. They are dropped from objects, as if they had not been sent. Only
// problems, which show the value that was sent, and field ownership must distinguish them from absent ones.
import { isNilList } from './nil.ts'
import type { Json } from './node.ts'

const given = new WeakMap<object, Map<string, Json>>()

/** Notes that `field` of `struct` was sent as the empty `value`. */
export function noteEmpty(struct: object, field: string, value: Json): void {
  const fields = given.get(struct) ?? new Map<string, Json>()
  given.set(struct, fields.set(field, value))
}

/** Copies the notes of a struct to its copy. */
export function copyNotes<T extends object>(from: object, to: T): T {
  const fields = given.get(from)
  if (fields) given.set(to, fields)
  return to
}

/** The value of a field as it was sent, which may be empty rather than absent. */
export const asGiven = <T extends object>(struct: T, field: keyof T & string): T[keyof T & string] =>
  struct[field] === undefined || struct[field] === null || isNilList(struct[field])
    ? (given.get(struct)?.get(field) as T[keyof T & string])
    : struct[field]
