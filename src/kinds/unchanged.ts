// Fields that an update may not change.
import { asGiven } from '../api/schema/empties.ts'
import type { Path, Problem } from '../api/path.ts'

/** Whether two values say the same, whatever the order of their fields. Undefined counts as absent. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b))
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i]))
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>]
  return [...new Set([...Object.keys(x), ...Object.keys(y)])].every(key => same(x[key], y[key]))
}

/** A problem if a value is not as it was. */
export function* immutableValue(next: unknown, old: unknown, at: Path): Iterable<Problem> {
  if (!same(next, old)) yield at.invalid(next, 'field is immutable')
}

/** A problem for each of `fields` that is not as it was. */
export function* unchanged<T extends object>(
  next: T,
  old: T,
  fields: readonly (keyof T & string)[],
  at: Path,
): Iterable<Problem> {
  for (const field of fields)
    if (!same(next[field], old[field])) yield at.field(field).invalid(asGiven(next, field), 'field is immutable')
}
