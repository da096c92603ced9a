// What a LimitRange leaves open and what its bounds must agree on.
// Source: pkg/apis/core/v1/defaults.go (SetDefaults_LimitRangeItem), pkg/apis/core/validation (ValidateLimitRange).
import type { Path, Problem } from '../../api/path.ts'
import { compareQuantities, quantityMilli } from '../../api/quantity.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { LimitRangeItem } from './limitrange.ts'

/** For containers: what is the most is also the default limit, that is the default request, else the least is. */
export function completeLimits(item: LimitRangeItem): void {
  if (item.type !== 'Container') return
  item.default = { ...item.max, ...item.default }
  item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest }
}

const storageTypes = new Set(['PersistentVolumeClaim'])

export function* validateLimits(limits: DeepReadonly<LimitRangeItem[]>, at: Path): Iterable<Problem> {
  const seen = new Set<string>()
  for (const [i, item] of limits.entries()) {
    const path = at.index(i)
    if (seen.has(item.type)) yield path.field('type').duplicate(item.type)
    seen.add(item.type)
    if (item.type === 'Pod') {
      for (const field of ['default', 'defaultRequest'] as const)
        if (Object.keys(item[field] ?? {}).length)
          yield path.field(field).forbidden("may not be specified when `type` is 'Pod'")
    }
    if (storageTypes.has(item.type) && item.min?.storage === undefined && item.max?.storage === undefined)
      yield path
        .field('limits')
        .required('either minimum or maximum storage value is required, but neither was provided')
    yield* validateOrder(item, path)
    yield* validateRatios(item, path)
  }
}

/** From least to most: each must not be more than those after it. */
const order = [
  ['min', 'min'],
  ['defaultRequest', 'default request'],
  ['default', 'default'],
  ['max', 'max'],
] as const

function* validateOrder(item: DeepReadonly<LimitRangeItem>, path: Path): Iterable<Problem> {
  for (const [i, [low, lowName]] of order.entries()) {
    for (const [high, highName] of order.slice(i + 1)) {
      for (const [name, value] of Object.entries(item[low] ?? {})) {
        const limit = item[high]?.[name]
        if (limit !== undefined && compareQuantities(value, limit) > 0)
          yield path
            .field(low)
            .key(name)
            .invalid(value, `${lowName} value ${value} is greater than ${highName} value ${limit}`)
      }
    }
  }
}

function* validateRatios(item: DeepReadonly<LimitRangeItem>, path: Path): Iterable<Problem> {
  for (const [name, ratio] of Object.entries(item.maxLimitRequestRatio ?? {})) {
    const at = path.field('maxLimitRequestRatio').key(name)
    if (compareQuantities(ratio, '1') < 0) yield at.invalid(ratio, `ratio ${ratio} is less than 1`)
    const [min, max] = [quantityMilli(item.min?.[name]), quantityMilli(item.max?.[name])]
    if (min > 0 && max > 0 && quantityMilli(ratio) / 1000 > max / min)
      yield at.invalid(ratio, `ratio ${ratio} is greater than max/min = ${(max / min).toFixed(6)}`)
  }
}
