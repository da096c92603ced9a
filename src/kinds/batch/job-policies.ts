// What the fields of a Job must agree on: indexes and their limits, what failures and successes mean.
// Source: pkg/apis/batch/validation (validateJobSpec, validatePodFailurePolicy, validateSuccessPolicy).
import type { Path, Problem } from '../../api/path.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { JobSpec, PodFailurePolicyRule } from './jobspec.ts'

type Spec = DeepReadonly<JobSpec>

const maxIndexed = 100_000
/** With more completions than `maxIndexed` these are bounded, so that the lists of indexes stay short. */
const maxOfMany = 10_000
const maxRules = 20
const maxValues = 255
const maxManagerLength = 63

export function* validateCompletions(spec: Spec, at: Path): Iterable<Problem> {
  const { completionMode, completions, parallelism = 0, backoffLimitPerIndex, maxFailedIndexes, managedBy } = spec
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined)
    yield at.field('backoffLimitPerIndex').required('when maxFailedIndexes is specified')
  if (managedBy !== undefined) yield* validateManager(managedBy, at.field('managedBy'))
  if (completionMode !== 'Indexed') {
    if (backoffLimitPerIndex !== undefined)
      yield at.field('backoffLimitPerIndex').invalid(backoffLimitPerIndex, 'requires indexed completion mode')
    return
  }
  if (completions === undefined) yield at.field('completions').required('when completion mode is Indexed')
  const most = (value: number, limit: number, field: string, when: string) =>
    value > limit ? [at.field(field).invalid(value, `must be less than or equal to ${limit}${when}`)] : []
  yield* most(parallelism, maxIndexed, 'parallelism', ' when completion mode is Indexed')
  if (backoffLimitPerIndex === undefined) return
  if (completions !== undefined && maxFailedIndexes !== undefined && maxFailedIndexes > completions)
    yield at.field('maxFailedIndexes').invalid(maxFailedIndexes, 'must be less than or equal to completions')
  yield* most(maxFailedIndexes ?? 0, maxIndexed, 'maxFailedIndexes', '')
  if ((completions ?? 0) <= maxIndexed) return
  const many = ` when completions are above ${maxIndexed} and used with backoff limit per index`
  if (maxFailedIndexes === undefined)
    yield at.field('maxFailedIndexes').required(`must be specified when completions is above ${maxIndexed}`)
  yield* most(parallelism, maxOfMany, 'parallelism', many)
  yield* most(maxFailedIndexes ?? 0, maxOfMany, 'maxFailedIndexes', many)
}

function* validateManager(name: string, at: Path): Iterable<Problem> {
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/.+$/.test(name))
    yield at.invalid(name, 'must be a domain-prefixed path (such as "acme.io/foo")')
  if (name.length > maxManagerLength) yield at.invalid(name, `may not be more than ${maxManagerLength} bytes`)
}

export function* validatePolicies(spec: Spec, at: Path): Iterable<Problem> {
  const { podFailurePolicy, podReplacementPolicy, successPolicy, template } = spec
  if (podFailurePolicy) {
    if (template.spec.restartPolicy !== 'Never')
      yield at
        .field('template', 'spec', 'restartPolicy')
        .invalid(template.spec.restartPolicy, 'only "Never" is supported when podFailurePolicy is specified')
    if (podReplacementPolicy !== undefined && podReplacementPolicy !== 'Failed')
      yield at.field('podReplacementPolicy').notSupported(podReplacementPolicy, ['Failed'])
    const rules = at.field('podFailurePolicy', 'rules')
    if (podFailurePolicy.rules.length > maxRules) yield rules.tooMany(podFailurePolicy.rules.length, maxRules)
    for (const [i, rule] of podFailurePolicy.rules.entries()) yield* validateRule(spec, rule, rules.index(i))
  }
  if (successPolicy) yield* validateSuccess(spec, at.field('successPolicy'))
}

function* validateRule(spec: Spec, rule: DeepReadonly<PodFailurePolicyRule>, at: Path): Iterable<Problem> {
  const { action, onExitCodes, onPodConditions } = rule
  if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    yield at.field('action').invalid(action, 'requires the backoffLimitPerIndex to be set')
  if (onExitCodes && onPodConditions?.length)
    yield at.invalid(rule, 'specifying both OnExitCodes and OnPodConditions is not supported')
  if (!onExitCodes && !onPodConditions?.length)
    yield at.invalid(rule, 'specifying one of OnExitCodes and OnPodConditions is required')
  if (!onExitCodes) return
  const { containerName, operator, values } = onExitCodes
  const path = at.field('onExitCodes')
  const { containers, initContainers = [] } = spec.template.spec
  if (containerName !== undefined && ![...containers, ...initContainers].some(c => c.name === containerName))
    yield path
      .field('containerName')
      .invalid(containerName, 'must be one of the container or initContainer names in the pod template')
  if (!values.length) yield path.field('values').invalid(values, 'at least one value is required')
  if (values.length > maxValues) yield path.field('values').tooMany(values.length, maxValues)
  for (const [i, value] of values.entries()) {
    if (operator === 'In' && value === 0)
      yield path.field('values').index(i).invalid(value, 'must not be 0 for the In operator')
    if (values.indexOf(value) < i) yield path.field('values').index(i).duplicate(value)
  }
  if (values.some((value, i) => value < (values[i - 1] ?? value)))
    yield path.field('values').invalid(values, 'must be ordered')
}

function* validateSuccess({ completionMode, completions = 0, successPolicy }: Spec, at: Path): Iterable<Problem> {
  if (completionMode !== 'Indexed') {
    yield at.invalid(successPolicy, 'requires indexed completion mode')
    return
  }
  const { rules } = successPolicy!
  if (!rules.length)
    yield at.field('rules').required('at least one rules must be specified when the successPolicy is specified')
  if (rules.length > maxRules) yield at.field('rules').tooMany(rules.length, maxRules)
  for (const [i, rule] of rules.entries()) {
    const path = at.field('rules').index(i)
    const { succeededCount, succeededIndexes } = rule
    if (succeededCount === undefined && succeededIndexes === undefined)
      yield path.required('at least one of succeededCount or succeededIndexes must be specified')
    if (succeededCount !== undefined && succeededCount > completions)
      yield path
        .field('succeededCount')
        .invalid(succeededCount, `must be less than or equal to ${completions} (the number of specified completions)`)
    if (succeededIndexes !== undefined)
      yield* validateIndexes(succeededIndexes, completions, path.field('succeededIndexes'))
  }
}

function* validateIndexes(text: string, completions: number, at: Path): Iterable<Problem> {
  let before = -1
  for (const part of text.split(',')) {
    const range = /^(\d+)(?:-(\d+))?$/.exec(part)
    if (!range) {
      yield at.invalid(
        text,
        `error parsing succeededIndexes: cannot convert string to integer for index: ${JSON.stringify(part)}`,
      )
      return
    }
    const [first, last] = [Number(range[1]), Number(range[2] ?? range[1])]
    if (first <= before || last < first) {
      yield at.invalid(
        text,
        `error parsing succeededIndexes: non-increasing order, previous: ${before}, current: ${first}`,
      )
      return
    }
    if (last >= completions) {
      yield at.invalid(text, `error parsing succeededIndexes: too large index: ${JSON.stringify(String(last))}`)
      return
    }
    before = last
  }
}
