// Rules that ConfigMap and Secret share: what a key may be, how much fits, what immutable means.
// Source: pkg/apis/core/validation (ValidateConfigMap, ValidateSecret).
import type { Path, Problem } from '../../api/path.ts'

const maxBytes = 1024 * 1024

export function* validateDataKeys(
  data: Readonly<Record<string, string | null>> | undefined,
  at: Path,
): Iterable<Problem> {
  let size = 0
  for (const [key, value] of Object.entries(data ?? {})) {
    size += value?.length ?? 0
    if (!/^[-._a-zA-Z0-9]+$/.test(key)) {
      yield at
        .key(key)
        .invalid(
          key,
          "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        )
    } else if (key === '.' || key === '..' || key.startsWith('..'))
      yield at
        .key(key)
        .invalid(key, `must not ${key === '.' ? "be '.'" : key === '..' ? "be '..'" : "start with '..'"}`)
    if (key.length > 253) yield at.key(key).invalid(key, 'must be no more than 253 characters')
  }
  if (size > maxBytes) yield at.tooLong(maxBytes)
}

interface HasImmutable {
  readonly immutable?: boolean
}

export function* validateImmutableData(
  next: HasImmutable,
  old: HasImmutable,
  at: Path,
  fields: readonly string[],
): Iterable<Problem> {
  if (!old.immutable) return
  if (!next.immutable) yield at.field('immutable').forbidden('field is immutable when `immutable` is set')
  const value = (object: object, field: string) => JSON.stringify((object as Record<string, unknown>)[field] ?? {})
  for (const field of fields)
    if (value(next, field) !== value(old, field))
      yield at.field(field).forbidden('field is immutable when `immutable` is set')
}
