// How much of a device may be asked for at once. Source: pkg/apis/resource/validation (validateRequestPolicy and below).
import type { Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import { compareQuantities, quantityNanos } from '../../api/quantity.ts'
import type { CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity } from './resourceslicespec.ts'

const maxOptions = 10

/** Only devices that several claims can have at once are given in parts. */
export function* validateCapacity(capacity: DeviceCapacity, isShared: boolean, at: Path): Problems {
  const { value, requestPolicy: policy } = capacity
  if (!policy) return
  const path = at.field('requestPolicy')
  if (!isShared) yield path.forbidden('allowMultipleAllocations must be true')
  else if (policy.validValues?.length && policy.validRange)
    yield path.forbidden(
      'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time',
    )
  else yield* validatePolicy(policy, value, path)
}

function* validatePolicy(policy: CapacityRequestPolicy, most: string, at: Path): Problems {
  const { validValues = [], validRange, default: usual } = policy
  const field = validValues.length ? 'validValues' : 'validRange'
  if (!validValues.length && !validRange) return
  if (usual === undefined) return yield at.field('default').required(`required when ${field} is defined`)
  if (validRange) yield* validateRange(validRange, usual, most, at.field(field))
  else yield* validateValues(validValues, usual, most, at.field(field))
}

function* validateValues(values: readonly string[], usual: string, most: string, at: Path): Problems {
  for (const [i, value] of values.entries())
    if (i > 0 && compareQuantities(values[i - 1]!, value) > 0)
      yield at.index(i).invalid(value, 'values must be sorted in ascending order')
  if (values.length > maxOptions) yield at.tooMany(values.length, maxOptions)
  else
    for (const [i, value] of values.entries()) {
      if (compareQuantities(value, most) > 0)
        yield at.index(i).invalid(value, `option is larger than capacity value: ${most}`)
      if (values.slice(0, i).some(before => compareQuantities(before, value) === 0)) yield at.index(i).duplicate(value)
    }
  if (!values.some(value => compareQuantities(value, usual) === 0))
    yield at.invalid(usual, 'default value is not valid according to the requestPolicy')
}

function* validateRange(range: CapacityRequestPolicyRange, usual: string, most: string, at: Path): Problems {
  const { min, max, step } = range
  if (min === undefined) return yield at.field('min').required('required when validRange is defined')
  if (compareQuantities(min, most) > 0) yield at.field('min').invalid(min, `min is larger than capacity value: ${most}`)
  if (compareQuantities(usual, min) < 0) yield at.field('default').invalid(usual, `default is less than min: ${min}`)
  if (max !== undefined) {
    if (compareQuantities(min, max) > 0) yield at.field('max').invalid(min, `min is larger than max: ${max}`)
    if (compareQuantities(max, most) > 0)
      yield at.field('max').invalid(max, `max is larger than capacity value: ${most}`)
    if (compareQuantities(usual, max) > 0) yield at.field('default').invalid(usual, `default is more than max: ${max}`)
  }
  if (step === undefined) return
  const path = at.field('step')
  if (compareQuantities(step, '0') <= 0) return yield path.invalid(step, 'must be greater than zero')
  const [one, from, end] = [step, min, most].map(amount => quantityNanos(amount) ?? 0n) as [bigint, bigint, bigint]
  if (from + one > end)
    yield path.invalid(step, `one step ${(from + one) / 1_000_000_000n} is larger than capacity value: ${most}`)
  for (const value of [usual, ...(max === undefined ? [] : [max])])
    if (((quantityNanos(value) ?? 0n) - from) % one !== 0n)
      yield path.invalid(value, `value is not a multiple of a given step (${step}) from (${min})`)
}
