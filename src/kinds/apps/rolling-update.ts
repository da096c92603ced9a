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

/** A number that is not negative, or a percentage of at most `most`. */
export function* validateCount(value: number | string | undefined, at: Path, most = 100): Iterable<Problem> {
  if (value === undefined) return
  if (typeof value === 'number') {
    if (value < 0) yield at.invalid(value, 'must be greater than or equal to 0')
  } else if (!/^\d+%$/.test(value))
    yield at.invalid(
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    )
  else if (Number.parseInt(value, 10) > most) yield at.invalid(value, `must not be greater than ${most}%`)
}

export function* validateRollingUpdate(rolling: RollingUpdate | undefined, at: Path): Iterable<Problem> {
  if (!rolling) return
  yield* validateCount(rolling.maxUnavailable, at.field('maxUnavailable'))
  yield* validateCount(rolling.maxSurge, at.field('maxSurge'), Infinity)
  const isZero = (value: number | string | undefined) => value !== undefined && Number.parseInt(String(value), 10) === 0
  if (isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge))
    yield at.field('maxUnavailable').invalid(rolling.maxUnavailable, 'may not be 0 when `maxSurge` is 0')
}
