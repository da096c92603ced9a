// Fields that an update may not change.
import type { Path, Problem } from '../api/path.ts'

/** Whether two values, in canonical form, are the same. */
export const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** A problem for each of `fields` that is not as it was. */
export function* unchanged<T extends object>(
  next: T,
  old: T,
  fields: readonly (keyof T & string)[],
  at: Path,
): Iterable<Problem> {
  for (const field of fields)
    if (!same(next[field], old[field])) yield at.field(field).invalid(next[field], 'field is immutable')
}
