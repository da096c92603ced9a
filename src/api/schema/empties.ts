// Lists and maps that came without anything in them. They are not stored, as they say nothing; only a problem that
// shows what somebody sent has to tell them from what was not sent at all.
import type { Json } from './node.ts'

const given = new WeakMap<object, Map<string, Json>>()

/** Notes that `field` of `struct` came empty. */
export function noteEmpty(struct: object, field: string, value: Json): void {
  const fields = given.get(struct) ?? new Map<string, Json>()
  given.set(struct, fields.set(field, value))
}

/** What is known of one struct holds for its copy, too. */
export function copyNotes(from: object, to: object): void {
  const fields = given.get(from)
  if (fields) given.set(to, fields)
}

/** The value of a field as it came: empty rather than absent if it was so. */
export const asGiven = <T extends object>(struct: T, field: keyof T & string): T[keyof T & string] =>
  struct[field] ?? (given.get(struct)?.get(field) as T[keyof T & string])
