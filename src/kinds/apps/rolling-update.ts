// Counts that may be given as a number or a percentage: maxSurge, maxUnavailable.
// Source: apimachinery util/intstr, pkg/apis/apps/validation.
import type { Path, Problem } from '../../api/path.ts'

/** `25%` of `total`, or the number itself. */
export function scaledValue(value: number | string, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value
  const exact = (Number.parseInt(value, 10) * total) / 100
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact)
}

interface RollingUpdate {
  readonly maxUnavailable?: number | string
  readonly maxSurge?: number | string
}

export function* validateRollingUpdate(rolling: RollingUpdate | undefined, at: Path): Iterable<Problem> {
  if (!rolling) return
  for (const field of ['maxUnavailable', 'maxSurge'] as const) {
    const value = rolling[field]
    if (value === undefined) continue
    if (typeof value === 'string' && !/^\d+%$/.test(value))
      yield at
        .field(field)
        .invalid(
          value,
          "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        )
    if (typeof value === 'number' && value < 0)
      yield at.field(field).invalid(value, 'must be greater than or equal to 0')
  }
  if (typeof rolling.maxUnavailable === 'string' && Number.parseInt(rolling.maxUnavailable, 10) > 100)
    yield at.field('maxUnavailable').invalid(rolling.maxUnavailable, 'must not be greater than 100%')
  const isZero = (value: number | string | undefined) => value !== undefined && Number.parseInt(String(value), 10) === 0
  if (isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge))
    yield at.field('maxUnavailable').invalid(rolling.maxUnavailable, 'may not be 0 when `maxSurge` is 0')
}
