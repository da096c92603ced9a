// What a LimitRange leaves open and what its bounds must agree on.
// Source: pkg/apis/core/v1/defaults.go (SetDefaults_LimitRangeItem), pkg/apis/core/validation (ValidateLimitRange).
import { named, type Problems } from '../../api/checks.ts'
import { qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { compareQuantities, quantityMilli } from '../../api/quantity.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { LimitRangeItem } from './limitrangespec.ts'
import { mayOvercommit, validateContainerResourceName, validateResourceName } from './resource-rules.ts'

type Item = LimitRangeItem

/** For containers: what is the most is also the default limit, that is the default request, else the least is. */
export function completeLimits(item: Mutable<LimitRangeItem>): void {
  if (item.type !== 'Container') return
  const limits = { ...item.max, ...item.default }
  if (Object.keys(limits).length) item.default = limits
  const all = { ...item.min, ...limits, ...item.defaultRequest }
  if (Object.keys(all).length) item.defaultRequest = all
}

const types = ['Pod', 'Container', 'PersistentVolumeClaim']
const bounds = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

export function* validateLimits(limits: readonly Item[], at: Path): Problems {
  const seen = new Set<string>()
  for (const [i, item] of limits.entries()) {
    const path = at.index(i)
    yield* validateType(item.type, path.field('type'))
    if (seen.has(item.type)) yield path.field('type').duplicate(item.type)
    seen.add(item.type)
    const isPod = item.type === 'Pod'
    const nameRule = isPod || item.type === 'Container' ? validateContainerResourceName : validateResourceName
    for (const field of bounds) {
      const names = Object.keys(item[field] ?? {})
      if (isPod && names.length && (field === 'default' || field === 'defaultRequest'))
        yield path.field(field).forbidden("may not be specified when `type` is 'Pod'")
      else for (const name of names) yield* nameRule(name, path.field(field).key(name))
    }
    if (item.type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined)
      yield path
        .field('limits')
        .required('either minimum or maximum storage value is required, but neither was provided')
    const all = new Set(bounds.flatMap(field => Object.keys(item[field] ?? {})))
    for (const name of all) yield* validateOrder(item, name, path)
  }
}

function* validateType(type: string, at: Path): Problems {
  const problems = [...named(qualifiedNameErrors, type, at)]
  yield* problems
  if (!problems.length && !type.includes('/') && !types.includes(type))
    yield at.invalid(type, 'must be a standard limit type or fully qualified')
}

/** Lower and higher bound, whose place the problem has, which value it shows, and the names of both. */
const order = [
  ['min', 'max', 'min', 'min', 'min value', 'max value'],
  ['min', 'defaultRequest', 'defaultRequest', 'defaultRequest', 'min value', 'default request value'],
  ['defaultRequest', 'max', 'defaultRequest', 'defaultRequest', 'default request value', 'max value'],
  ['defaultRequest', 'default', 'defaultRequest', 'defaultRequest', 'default request value', 'default limit value'],
  ['min', 'default', 'default', 'min', 'min value', 'default value'],
  ['default', 'max', 'default', 'max', 'default value', 'max value'],
] as const

/** What the bounds of one resource must agree on. */
function* validateOrder(item: Item, name: string, at: Path): Problems {
  const isPod = item.type === 'Pod'
  const of = (field: (typeof bounds)[number]) =>
    isPod && (field === 'default' || field === 'defaultRequest') ? undefined : item[field]?.[name]
  for (const [low, high, place, shown, lowName, highName] of order) {
    const [least, most] = [of(low), of(high)]
    if (least !== undefined && most !== undefined && compareQuantities(least, most) > 0)
      yield at.field(place).key(name).invalid(of(shown), `${lowName} ${least} is greater than ${highName} ${most}`)
  }
  yield* validateRatio(of('maxLimitRequestRatio'), of('min'), of('max'), at.field('maxLimitRequestRatio').key(name))
  const [limit, request] = [of('default'), of('defaultRequest')]
  if (limit === undefined || request === undefined || mayOvercommit(name)) return
  if (compareQuantities(limit, request) !== 0)
    yield at
      .field('defaultRequest')
      .key(name)
      .invalid(request, `default value ${limit} must equal to defaultRequest value ${request} in ${name}`)
}

function* validateRatio(
  ratio: string | undefined,
  min: string | undefined,
  max: string | undefined,
  at: Path,
): Problems {
  if (ratio === undefined) return
  if (compareQuantities(ratio, '1') < 0) yield at.invalid(ratio, `ratio ${ratio} is less than 1`)
  if (min === undefined || max === undefined) return
  const most = quantityMilli(max) / quantityMilli(min)
  if (quantityMilli(ratio) / 1000 > most)
    yield at.invalid(ratio, `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`)
}
