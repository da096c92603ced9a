// The next step of a Job: whether it ends, and if not, which pods to create or stop. Pure.
//
//   running ─► SuccessCriteriaMet ─► (pods ended) ─► Complete
//         └──► FailureTarget ─────► (pods ended) ─► Failed
//
// Source: pkg/controller/job (job_controller.go, backoff_utils.go, success_policy.go).
import { parseTime } from '../../api/time.ts'
import { isActive, isTerminating } from '../pods.ts'
import { byDeletionOrder } from '../replicas.ts'
import { parseIndexes } from './indexes.ts'
import {
  allFailures,
  endOf,
  hasLimitPerIndex,
  indexOf,
  isIndexed,
  isTracked,
  type Tally,
  waitsForEnd,
} from './tally.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { Job } from '../../kinds/batch/job.ts'

const firstBackoffMs = 10_000
const maxBackoffMs = 600_000
const burst = 500

export interface Verdict {
  type: 'Complete' | 'Failed'
  reason: string
  message: string
}

export const findJobCondition = (job: Job, type: string) =>
  job.status.conditions?.find(c => c.type === type && c.status === 'True')

/** How the Job ends before all its work is done, or undefined if it goes on. With a verdict its pods are stopped. */
export function planVerdict(job: Job, pods: readonly Pod[], counted: Tally, now: number): Verdict | undefined {
  const met = findJobCondition(job, 'SuccessCriteriaMet')
  if (met) return { type: 'Complete', reason: met.reason ?? '', message: met.message ?? '' }
  const failing = findJobCondition(job, 'FailureTarget')
  if (failing) return { type: 'Failed', reason: failing.reason ?? '', message: failing.message ?? '' }
  const failed = (reason: string, message: string): Verdict => ({ type: 'Failed', reason, message })
  if (counted.failJob) return failed('PodFailurePolicy', counted.failJob)
  const { backoffLimit = 6, completions, maxFailedIndexes } = job.spec
  const restarts = restartsThatCount(job, pods)
  if (counted.totalFailed > backoffLimit || (restarts > 0 && restarts >= backoffLimit))
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  if (untilDeadline(job, now) === 0) return failed('DeadlineExceeded', 'Job was active longer than specified deadline')
  if (!isIndexed(job)) return undefined
  const givenUp = counted.failedIndexes.size
  if (maxFailedIndexes !== undefined && givenUp > maxFailedIndexes)
    return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes')
  if (givenUp > 0 && givenUp + counted.completedIndexes.size >= (completions ?? 0))
    return failed('FailedIndexes', 'Job has failed indexes')
  const rule = successRule(job, counted.completedIndexes)
  if (rule === undefined) return undefined
  return { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` }
}

/**
 * The verdict of a Job whose work is done.
 * @param active the number of pods that run after this step
 */
export function planCompletion(job: Job, counted: Tally, active: number): Verdict | undefined {
  const { completions } = job.spec
  const enough = completions === undefined ? counted.totalSucceeded > 0 : counted.totalSucceeded >= completions
  if (!enough || active > 0) return undefined
  return { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
}

/** With restartPolicy OnFailure, every restart of a container in a running pod counts as a failure. */
function restartsThatCount({ spec }: Job, pods: readonly Pod[]): number {
  if (spec.template.spec.restartPolicy !== 'OnFailure') return 0
  return pods
    .filter(({ status }) => status.phase === 'Running' || status.phase === 'Pending')
    .flatMap(({ status }) => [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)
}

/** Milliseconds that the Job may still be active, at least 0. Undefined without a deadline or while it does not run. */
export function untilDeadline({ spec, status }: Job, now: number): number | undefined {
  const start = parseTime(status.startTime)
  if (spec.activeDeadlineSeconds === undefined || start === undefined || spec.suspend) return undefined
  return Math.max(0, start + spec.activeDeadlineSeconds * 1000 - now)
}

function successRule({ spec }: Job, completed: ReadonlySet<number>): number | undefined {
  if (!completed.size) return undefined
  const at = (spec.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount = Infinity }) => {
    if (succeededIndexes === undefined) return completed.size >= succeededCount
    const wanted = parseIndexes(succeededIndexes, spec.completions)
    const have = [...wanted].filter(i => completed.has(i)).length
    return wanted.size > 0 && (have === wanted.size || have >= succeededCount)
  })
  return at < 0 ? undefined : at
}

export interface PodsPlan {
  /** The index of each pod to create; undefined for Jobs without indexes. */
  create: (number | undefined)[]
  remove: Pod[]
  /** Milliseconds until the next pod may be created that still backs off. */
  again?: number
}

/**
 * Which pods to create or stop while the Job runs, never both in one step: with surplus pods, nothing is created.
 * Why there is no new pod yet: the limits of `parallelism` and `completions` are reached (wantedActive), a terminating
 * pod must end first (waitsForEnd), or the last failure was too recent (backoff).
 */
export function planPods(job: Job, pods: readonly Pod[], counted: Tally, now: number): PodsPlan {
  const active = pods.filter(isActive)
  if (job.spec.suspend) return { create: [], remove: active }
  const wanted = wantedActive(job, active.length, counted)
  const remove = surplus(job, active, Math.max(0, active.length - wanted), now).slice(0, burst)
  if (remove.length) return { create: [], remove }
  const leaving = waitsForEnd(job) ? pods.filter(isTerminating) : []
  const missing = Math.min(burst, wanted - active.length - leaving.length)
  if (missing <= 0) return { create: [], remove: [] }
  if (hasLimitPerIndex(job)) return planIndexes(job, [...active, ...leaving], counted, missing, now)
  const again = backoff(pods, counted, now)
  if (again > 0) return { create: [], remove: [], again }
  const create = isIndexed(job)
    ? freeIndexes(job, [...active, ...leaving], counted, missing)
    : Array.from({ length: missing }, () => undefined)
  return { create, remove: [] }
}

function wantedActive({ spec }: Job, active: number, { totalSucceeded }: Tally): number {
  const { completions, parallelism = 1 } = spec
  // Without `completions`, no pods are created after the first success; those that run may finish.
  if (completions === undefined) return totalSucceeded > 0 ? active : parallelism
  return Math.max(0, Math.min(parallelism, completions - totalSucceeded))
}

/**
 * The active pods to stop, `atLeast` or more: pods with an index out of range or one that another pod has, then those
 * that are the least loss.
 */
function surplus(job: Job, active: readonly Pod[], atLeast: number, now: number): Pod[] {
  const order = (a: Pod, b: Pod) => byDeletionOrder({ pod: a, rank: 0 }, { pod: b, rank: 0 }, now)
  const remove: Pod[] = []
  let left = [...active]
  if (isIndexed(job)) {
    const byIndex = Map.groupBy(active, indexOf)
    for (const [index, same] of byIndex) {
      const hasIndex = index >= 0 && index < (job.spec.completions ?? 0)
      remove.push(...(hasIndex ? [...same].sort(order).slice(0, -1) : same))
    }
    const removed = new Set(remove)
    left = active.filter(pod => !removed.has(pod))
  }
  return [...remove, ...left.sort(order).slice(0, Math.max(0, atLeast - remove.length))]
}

/** With a limit for each index, each backs off by itself after its failures. */
function planIndexes(job: Job, used: readonly Pod[], counted: Tally, missing: number, now: number): PodsPlan {
  const waits = new Map(
    freeIndexes(job, used, counted, missing).map(index => [index, indexBackoff(counted.awaited.get(index), now)]),
  )
  const create = [...waits].filter(([, wait]) => wait === 0).map(([index]) => index)
  if (create.length || !waits.size) return { create, remove: [] }
  return { create, remove: [], again: Math.min(...waits.values()) }
}

function freeIndexes(
  job: Job,
  used: readonly Pod[],
  { completedIndexes, failedIndexes }: Tally,
  most: number,
): number[] {
  const taken = new Set(used.map(indexOf))
  const free: number[] = []
  for (let i = 0; i < (job.spec.completions ?? 0) && free.length < most; i++)
    if (!taken.has(i) && !completedIndexes.has(i) && !failedIndexes.has(i)) free.push(i)
  return free
}

/** Milliseconds until a pod may be created: 10, 20, 40 … seconds after the last of the failures since a success. */
function backoff(pods: readonly Pod[], { failed, ignored }: Tally, now: number): number {
  const lastSuccess = Math.max(0, ...pods.filter(p => p.status.phase === 'Succeeded').map(endOf))
  // Pods that the Job itself stopped, recognized by the missing finalizer, are no failures.
  const ended = pods.filter(pod => pod.status.phase === 'Failed' && (isTracked(pod) || !pod.metadata.deletionTimestamp))
  const failures = [...new Set([...failed, ...ignored, ...ended])].map(endOf).filter(end => end > lastSuccess)
  return failures.length ? remaining(failures.length, Math.max(...failures), now) : 0
}

const indexBackoff = (last: Pod | undefined, now: number): number =>
  last ? remaining(allFailures(last) + 1, endOf(last), now) : 0

const remaining = (failures: number, last: number, now: number): number =>
  Math.max(0, last + Math.min(firstBackoffMs * 2 ** Math.min(failures - 1, 30), maxBackoffMs) - now)
