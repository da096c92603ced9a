// The next step of a Job. Pure: how many pods have succeeded and failed, whether that settles the Job, and if not,
// which pods to start or stop.
//
//   running ─► SuccessCriteriaMet ─► (pods gone) ─► Complete
//         └──► FailureTarget ─────► (pods gone) ─► Failed
//
// Source: pkg/controller/job (job_controller.go, backoff_utils.go, success_policy.go).
import type { DeepReadonly } from '../../api/schema/node.ts'
import { parseTime } from '../../api/time.ts'
import type { Job as JobObject } from '../../kinds/batch/job.ts'
import { isActive, isTerminal, type Pod, restartsOf } from '../pods.ts'
import { judge } from './failure-policy.ts'
import { parseIndexes } from './indexes.ts'

export type Job = DeepReadonly<JobObject>

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking'
export const indexLabel = 'batch.kubernetes.io/job-completion-index'
const firstBackoffMs = 10_000
const maxBackoffMs = 600_000
const burst = 500

export interface Verdict {
  type: 'Complete' | 'Failed'
  reason: string
  message: string
}

export interface Tally {
  /** Pods that have ended and are not in the status's counters yet, by how they count. */
  succeeded: Pod[]
  failed: Pod[]
  ignored: Pod[]
  totalSucceeded: number
  totalFailed: number
  completedIndexes: Set<number>
  /** Indexes that are given up, where each has a limit of its own. */
  failedIndexes: Set<number>
  /** A failure policy rule ends the Job. */
  failJob?: string
}

export const isIndexed = ({ spec }: Job): boolean => spec.completionMode === 'Indexed'

export const indexOf = (pod: Pod): number =>
  Number(pod.metadata.annotations?.[indexLabel] ?? pod.metadata.labels?.[indexLabel] ?? -1)

export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(trackingFinalizer) ?? false

export const findJobCondition = (job: Job, type: string) =>
  job.status.conditions?.find(c => c.type === type && c.status === 'True')

/** Counts what has ended. A pod is counted while it has the finalizer, or once its UID is written down. */
export function tally(job: Job, pods: readonly Pod[]): Tally {
  const { uncountedTerminatedPods: noted, succeeded = 0, failed = 0, completedIndexes } = job.status
  const done = new Set([...(noted?.succeeded ?? []), ...(noted?.failed ?? [])])
  const result: Tally = {
    succeeded: [],
    failed: [],
    ignored: [],
    totalSucceeded: succeeded + (noted?.succeeded?.length ?? 0),
    totalFailed: failed + (noted?.failed?.length ?? 0),
    completedIndexes: parseIndexes(completedIndexes),
    failedIndexes: parseIndexes(job.status.failedIndexes),
  }
  const onlyFailed = job.spec.podReplacementPolicy === 'Failed'
  for (const pod of pods) {
    if (!isTracked(pod) || done.has(pod.metadata.uid ?? '')) continue
    const leaving = pod.metadata.deletionTimestamp !== undefined && !onlyFailed
    if (pod.status.phase === 'Succeeded') result.succeeded.push(pod)
    else if (pod.status.phase === 'Failed') countFailure(job, pod, result)
    else if (leaving && !job.spec.podFailurePolicy) result.failed.push(pod)
  }
  if (isIndexed(job)) {
    const limit = job.spec.completions ?? 0
    for (const pod of result.succeeded) if (indexOf(pod) < limit) result.completedIndexes.add(indexOf(pod))
    result.totalSucceeded = result.completedIndexes.size
  } else result.totalSucceeded += result.succeeded.length
  result.totalFailed += result.failed.length
  if (job.spec.backoffLimitPerIndex !== undefined) countFailedIndexes(job, pods, result)
  return result
}

/** How often an index has failed before this pod; each new pod of the index carries the count on. */
export const failureCountAnnotation = 'batch.kubernetes.io/job-index-failure-count'

export const failureCount = (pod: Pod): number => Number(pod.metadata.annotations?.[failureCountAnnotation] ?? 0)

/** How often each index has failed so far. */
export function indexFailures(pods: readonly Pod[], ignored: readonly Pod[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const pod of pods) {
    const failed = pod.status.phase === 'Failed' && !ignored.includes(pod) ? 1 : 0
    counts.set(indexOf(pod), Math.max(counts.get(indexOf(pod)) ?? 0, failureCount(pod) + failed))
  }
  return counts
}

function countFailedIndexes(job: Job, pods: readonly Pod[], result: Tally): void {
  for (const [index, failures] of indexFailures(pods, result.ignored))
    if (failures > job.spec.backoffLimitPerIndex! && !result.completedIndexes.has(index))
      result.failedIndexes.add(index)
  for (const pod of result.failed)
    if (judge(pod, job.spec).action === 'FailIndex') result.failedIndexes.add(indexOf(pod))
}

function countFailure(job: Job, pod: Pod, result: Tally): void {
  const verdict = judge(pod, job.spec)
  if (verdict.action === 'Ignore') result.ignored.push(pod)
  else result.failed.push(pod)
  if (verdict.action === 'FailJob') result.failJob ??= verdict.message
}

/** Whether the Job is settled, and how. */
export function planVerdict(job: Job, pods: readonly Pod[], counted: Tally, now: number): Verdict | undefined {
  const failing = findJobCondition(job, 'FailureTarget')
  if (failing) return { type: 'Failed', reason: failing.reason ?? '', message: failing.message ?? '' }
  const met = findJobCondition(job, 'SuccessCriteriaMet')
  if (met) return { type: 'Complete', reason: met.reason ?? '', message: met.message ?? '' }
  const failed = (reason: string, message: string): Verdict => ({ type: 'Failed', reason, message })
  if (counted.failJob) return failed('PodFailurePolicy', counted.failJob)
  const { backoffLimit = 6, activeDeadlineSeconds, completions, template, suspend } = job.spec
  const givenUp = counted.failedIndexes.size
  if (job.spec.maxFailedIndexes !== undefined && givenUp > job.spec.maxFailedIndexes)
    return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes')
  if (givenUp > 0 && givenUp + counted.completedIndexes.size >= (completions ?? Infinity))
    return failed('FailedIndexes', 'Job has failed indexes')
  const active = pods.filter(isActive)
  const restarts =
    template.spec.restartPolicy === 'OnFailure' ? active.reduce((sum, pod) => sum + restartsOf(pod), 0) : 0
  if (counted.totalFailed > backoffLimit || (restarts > 0 && restarts >= Math.max(backoffLimit, 1)))
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  const start = parseTime(job.status.startTime)
  if (
    !suspend &&
    activeDeadlineSeconds !== undefined &&
    start !== undefined &&
    now >= start + activeDeadlineSeconds * 1000
  )
    return failed('DeadlineExceeded', 'Job was active longer than specified deadline')
  const rule = successRule(job, counted.completedIndexes)
  if (rule !== undefined)
    return { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` }
  const enough =
    completions === undefined
      ? counted.totalSucceeded > 0 && active.length === 0
      : counted.totalSucceeded >= completions
  if (!enough) return undefined
  return { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
}

function successRule({ spec }: Job, completed: ReadonlySet<number>): number | undefined {
  const at = (spec.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount }) => {
    const wanted = succeededIndexes === undefined ? undefined : parseIndexes(succeededIndexes)
    const have = wanted ? [...wanted].filter(i => completed.has(i)).length : completed.size
    return have >= (succeededCount ?? wanted?.size ?? Infinity)
  })
  return at < 0 ? undefined : at
}

export interface PodsPlan {
  /** For each pod to make its index; undefined for Jobs without indexes. */
  create: (number | undefined)[]
  remove: Pod[]
  /** When pods that must not be made yet may be, in ms from now. */
  again?: number
}

/** Which pods to make or stop while the Job runs. */
export function planPods(job: Job, pods: readonly Pod[], counted: Tally, now: number): PodsPlan {
  const active = pods.filter(isActive)
  if (job.spec.suspend) return { create: [], remove: active }
  const { completions, parallelism = 1, podReplacementPolicy } = job.spec
  const left =
    completions === undefined
      ? parallelism
      : Math.max(0, completions - counted.totalSucceeded - counted.failedIndexes.size)
  const wanted =
    completions === undefined && counted.totalSucceeded > 0
      ? Math.min(active.length, parallelism)
      : Math.min(parallelism, left)
  if (active.length > wanted) return { create: [], remove: leastFirst(active).slice(0, active.length - wanted) }
  const leaving = pods.filter(pod => pod.metadata.deletionTimestamp && !isTerminal(pod)).length
  const missing = Math.min(burst, wanted - active.length - (podReplacementPolicy === 'Failed' ? leaving : 0))
  if (missing <= 0) return { create: [], remove: [] }
  const wait = job.spec.backoffLimitPerIndex === undefined ? backoff(counted, pods, now) : 0
  if (wait > 0) return { create: [], remove: [], again: wait }
  return {
    create: isIndexed(job) ? freeIndexes(job, active, counted, missing) : Array(missing).fill(undefined),
    remove: [],
  }
}

const leastFirst = (pods: readonly Pod[]) =>
  [...pods].sort(
    (a, b) =>
      Number(!!a.spec.nodeName) - Number(!!b.spec.nodeName) ||
      (parseTime(b.metadata.creationTimestamp) ?? 0) - (parseTime(a.metadata.creationTimestamp) ?? 0),
  )

function freeIndexes(
  job: Job,
  active: readonly Pod[],
  { completedIndexes, failedIndexes }: Tally,
  count: number,
): number[] {
  const used = new Set(active.map(indexOf))
  const free: number[] = []
  for (let i = 0; i < (job.spec.completions ?? 0) && free.length < count; i++)
    if (!used.has(i) && !completedIndexes.has(i) && !failedIndexes.has(i)) free.push(i)
  return free
}

/** After failures in a row, new pods wait 10, 20, 40 … seconds from the last of them. */
function backoff({ failed }: Tally, pods: readonly Pod[], now: number): number {
  const lastSuccess = Math.max(0, ...pods.filter(p => p.status.phase === 'Succeeded').map(endOf))
  const failures = [...new Set([...failed, ...pods.filter(p => p.status.phase === 'Failed')])].filter(
    pod => endOf(pod) > lastSuccess,
  )
  if (!failures.length) return 0
  const last = Math.max(...failures.map(endOf))
  return last + Math.min(firstBackoffMs * 2 ** (failures.length - 1), maxBackoffMs) - now
}

/** When a pod ended, as far as it says. */
export function endOf(pod: Pod): number {
  const times = (pod.status.containerStatuses ?? []).map(status => parseTime(status.state.terminated?.finishedAt) ?? 0)
  const ready = pod.status.conditions?.find(c => c.type === 'Ready')
  return (
    Math.max(0, ...times) || (parseTime(ready?.lastTransitionTime) ?? parseTime(pod.metadata.creationTimestamp) ?? 0)
  )
}
