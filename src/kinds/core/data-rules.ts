// Rules that ConfigMap and Secret share: what a key may be, how much fits, what immutable means.
// Source: pkg/apis/core/validation (ValidateConfigMap, ValidateSecret).
import { sameJson } from '../../api/equal.ts'
import { named, type Problems } from '../../api/checks.ts'
import { configKeyErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'

/** How much one object may hold. */
export const maxDataBytes = 1024 * 1024

export function* validateDataKeys(data: Readonly<Record<string, unknown>> | undefined, at: Path): Problems {
  for (const key of Object.keys(data ?? {})) yield* named(configKeyErrors, key, at.key(key))
}

/** Bytes of base64 texts without line breaks. */
export const decodedBytes = (texts: readonly (string | null)[]): number =>
  texts.reduce((sum, text) => sum + (text === null ? 0 : Buffer.byteLength(text, 'base64')), 0)

interface HasImmutable {
  readonly immutable?: boolean
}

export function* validateImmutableData<T extends HasImmutable>(
  next: T,
  old: T,
  at: Path,
  fields: readonly (keyof T & string)[],
): Problems {
  if (!old.immutable) return
  const problem = 'field is immutable when `immutable` is set'
  if (!next.immutable) yield at.field('immutable').forbidden(problem)
  for (const field of fields)
    if (!sameJson(next[field] ?? {}, old[field] ?? {})) yield at.field(field).forbidden(problem)
}
