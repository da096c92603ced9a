// Fields that an update may not change.
import { sameJson } from '../api/equal.ts'
import { asGiven } from '../api/schema/empties.ts'
import type { Path, Problem } from '../api/path.ts'

/** A problem if a value is not as it was. */
export function* immutableValue(next: unknown, old: unknown, at: Path): Iterable<Problem> {
  if (!sameJson(next, old)) yield at.invalid(next, 'field is immutable')
}

/** A problem for each of `fields` that is not as it was. */
export function* unchanged<T extends object>(
  next: T,
  old: T,
  fields: readonly (keyof T & string)[],
  at: Path,
): Iterable<Problem> {
  for (const field of fields)
    if (!sameJson(next[field], old[field])) yield at.field(field).invalid(asGiven(next, field), 'field is immutable')
}
