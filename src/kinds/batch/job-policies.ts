// What the fields of a Job must agree on: indexes and their limits, what failures and successes mean.
// Source: pkg/apis/batch/validation (validateJobSpec, validatePodFailurePolicy, validateSuccessPolicy).
import { asGiven } from '../../api/schema/empties.ts'
import { named, notNegative, type Problems, supported } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { domainPathErrors, qualifiedNameErrors } from '../../api/names.ts'
import { noValue, type Path } from '../../api/path.ts'
import {
  type JobSpec,
  type PodFailurePolicyOnExitCodesRequirement,
  type PodFailurePolicyRule,
  SuccessPolicy,
  type SuccessPolicyRule,
} from './jobspec.ts'

type Spec = JobSpec

const maxIndexed = 100_000
/** With more completions than `maxIndexed` these are bounded, so that the lists of indexes stay short. */
const maxOfMany = 10_000
const maxRules = 20
const maxValues = 255
const maxManagerLength = 63
const maxIndexesLength = 64 * 1024

export function* validateCompletions(spec: Spec, at: Path): Problems {
  const { completionMode = 'NonIndexed', backoffLimitPerIndex, maxFailedIndexes, managedBy } = spec
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined)
    yield at.field('backoffLimitPerIndex').required('when maxFailedIndexes is specified')
  if (managedBy !== undefined) yield* validateManager(managedBy, at.field('managedBy'))
  yield* supported(completionMode, ['NonIndexed', 'Indexed'], at.field('completionMode'))
  if (completionMode === 'Indexed') yield* validateIndexed(spec, at)
  if (completionMode !== 'NonIndexed') return
  for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
    if (spec[field] !== undefined) yield at.field(field).invalid(spec[field], 'requires indexed completion mode')
}

function* validateIndexed(spec: Spec, at: Path): Problems {
  const { completions, parallelism = 0, backoffLimitPerIndex, maxFailedIndexes } = spec
  if (completions === undefined) yield at.field('completions').required('when completion mode is Indexed')
  const most = (value: number, limit: number, field: string, when: string) =>
    value > limit ? [at.field(field).invalid(value, `must be less than or equal to ${limit}${when}`)] : []
  yield* most(parallelism, maxIndexed, 'parallelism', ' when completion mode is Indexed')
  if (completions !== undefined && maxFailedIndexes !== undefined && maxFailedIndexes > completions)
    yield at.field('maxFailedIndexes').invalid(maxFailedIndexes, 'must be less than or equal to completions')
  yield* most(maxFailedIndexes ?? 0, maxIndexed, 'maxFailedIndexes', '')
  if ((completions ?? 0) <= maxIndexed || backoffLimitPerIndex === undefined) return
  const many = ` when completions are above ${maxIndexed} and used with backoff limit per index`
  if (maxFailedIndexes === undefined)
    yield at.field('maxFailedIndexes').required(`must be specified when completions is above ${maxIndexed}`)
  yield* most(parallelism, maxOfMany, 'parallelism', many)
  yield* most(maxFailedIndexes ?? 0, maxOfMany, 'maxFailedIndexes', many)
}

function* validateManager(name: string, at: Path): Problems {
  if (!name) yield at.required()
  else yield* named(domainPathErrors, name, at)
  if (name.length > maxManagerLength) yield at.tooLong(maxManagerLength)
}

export function* validatePolicies(spec: Spec, at: Path): Problems {
  const { completionMode, podFailurePolicy, podReplacementPolicy, successPolicy } = spec
  const rules = at.field('podFailurePolicy', 'rules')
  const failures = podFailurePolicy?.rules ?? []
  if (failures.length > maxRules) yield rules.tooMany(failures.length, maxRules)
  for (const [i, rule] of failures.entries()) yield* validateRule(spec, rule, rules.index(i))
  if (podReplacementPolicy !== undefined) {
    const policies = podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed']
    yield* supported(podReplacementPolicy, policies, at.field('podReplacementPolicy'))
  }
  if (!successPolicy) return
  const path = at.field('successPolicy')
  if (completionMode === 'Indexed') yield* validateSuccess(spec, path)
  else yield path.invalid(goStruct(SuccessPolicy, successPolicy), 'requires indexed completion mode')
}

const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore']
const statuses = ['False', 'True', 'Unknown']

/** One of a few texts, which are listed in Go's way where there is none. */
function* listed(value: string, texts: readonly string[], at: Path): Problems {
  if (!value) yield at.required(`valid values: [${texts.map(text => JSON.stringify(text)).join(' ')}]`)
  else yield* supported(value, texts, at)
}

function* validateRule(spec: Spec, rule: PodFailurePolicyRule, at: Path): Problems {
  const { action, onExitCodes, onPodConditions } = rule
  yield* listed(action, actions, at.field('action'))
  if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    yield at.field('action').invalid(action, 'requires the backoffLimitPerIndex to be set')
  if (onExitCodes) yield* validateExitCodes(spec, onExitCodes, at.field('onExitCodes'))
  for (const [i, { type, status }] of (onPodConditions ?? []).entries()) {
    const path = at.field('onPodConditions').index(i)
    yield* named(qualifiedNameErrors, type, path.field('type'))
    yield* listed(status, statuses, path.field('status'))
  }
  if (onExitCodes && onPodConditions?.length)
    yield at.invalid(noValue, 'specifying both OnExitCodes and OnPodConditions is not supported')
  if (!onExitCodes && !onPodConditions?.length)
    yield at.invalid(noValue, 'specifying one of OnExitCodes and OnPodConditions is required')
}

function* validateExitCodes(spec: Spec, requirement: PodFailurePolicyOnExitCodesRequirement, at: Path): Problems {
  const { containerName, operator, values } = requirement
  yield* listed(operator, ['In', 'NotIn'], at.field('operator'))
  const { containers, initContainers } = spec.template.spec
  const all = [...(containers ?? []), ...(initContainers ?? [])]
  if (containerName !== undefined && !all.some(c => c.name === containerName))
    yield at
      .field('containerName')
      .invalid(containerName, 'must be one of the container or initContainer names in the pod template')
  const path = at.field('values')
  const codes = values ?? []
  if (!codes.length) yield path.invalid(asGiven(requirement, 'values'), 'at least one value is required')
  if (codes.length > maxValues) yield path.tooMany(codes.length, maxValues)
  for (const [i, code] of codes.entries()) {
    if (operator === 'In' && code === 0) yield path.index(i).invalid(code, 'must not be 0 for the In operator')
    if (codes.indexOf(code) < i) yield path.index(i).duplicate(code)
  }
  if (codes.some((code, i) => code < (codes[i - 1] ?? code))) yield path.invalid(codes, 'must be ordered')
}

function* validateSuccess({ completions = 0, successPolicy }: Spec, at: Path): Problems {
  const rules = successPolicy?.rules ?? []
  if (!rules.length)
    yield at.field('rules').required('at least one rules must be specified when the successPolicy is specified')
  if (rules.length > maxRules) yield at.field('rules').tooMany(rules.length, maxRules)
  for (const [i, rule] of rules.entries()) yield* validateSuccessRule(rule, completions, at.field('rules').index(i))
}

function* validateSuccessRule(rule: SuccessPolicyRule, completions: number, at: Path): Problems {
  const { succeededCount: count, succeededIndexes: indexes } = rule
  if (count === undefined && indexes === undefined)
    yield at.required('at least one of succeededCount or succeededIndexes must be specified')
  const path = at.field('succeededIndexes')
  if ((indexes ?? '').length > maxIndexesLength) yield path.tooLong(maxIndexesLength)
  const counted = countIndexes(indexes ?? '', completions)
  if (typeof counted === 'string') yield path.invalid(indexes, `error parsing succeededIndexes: ${counted}`)
  if (count === undefined) return
  yield* notNegative({ succeededCount: count }, at)
  const most = (limit: number, what: string) =>
    at.field('succeededCount').invalid(count, `must be less than or equal to ${limit} (the number of ${what})`)
  if (count > completions) yield most(completions, 'specified completions')
  const total = typeof counted === 'number' ? counted : 0
  if (indexes !== undefined && count > total) yield most(total, 'indexes in the specified succeededIndexes field')
}

/** How many indexes a text such as `1,3-5` names, or what is wrong with it. */
function countIndexes(text: string, completions: number): number | string {
  let total = 0
  let last: number | undefined
  for (const part of text ? text.split(',') : []) {
    const limits = part.split('-')
    if (limits.length > 2)
      return `the fragment ${JSON.stringify(part)} violates the requirement that an index interval can have at most two parts separated by '-'`
    for (const limit of limits) {
      if (!/^[+-]?\d+$/.test(limit)) return `cannot convert string to integer for index: ${JSON.stringify(limit)}`
      if (Number(limit) >= completions) return `too large index: ${JSON.stringify(limit)}`
    }
    const first = Number(limits[0])
    const end = Number(limits.at(-1))
    const decreasing = (before: number, current: number) =>
      `non-increasing order, previous: ${before}, current: ${current}`
    if (limits.length > 1 && first >= end) return decreasing(first, end)
    if (last !== undefined && last >= first) return decreasing(last, first)
    total += end - first + 1
    last = end
  }
  return total
}
