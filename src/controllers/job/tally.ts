// Adds up what a Job's pods did so far: which succeeded, which failed, and which indexes are completed or given up. A
// pod is counted from the status if its uid is noted there, and from the pod itself while it has the tracking
// finalizer; never from both. Source: pkg/controller/job (job_controller.go, indexed_job_utils.go).
import { parseTime } from '../../api/time.ts'
import { condition, isActive } from '../pods.ts'
import { judge } from './failure-policy.ts'
import { parseIndexes } from './indexes.ts'
import type { Job } from '../../kinds/batch/job.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking'
export const indexLabel = 'batch.kubernetes.io/job-completion-index'
/** How often the index failed before this pod. Each new pod of the index continues the counts. */
export const failureCountAnnotation = 'batch.kubernetes.io/job-index-failure-count'
export const ignoredCountAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count'

export interface Tally {
  /** Pods that have ended and are not in the status yet, by the way they count. */
  succeeded: Pod[]
  failed: Pod[]
  ignored: Pod[]
  totalSucceeded: number
  totalFailed: number
  completedIndexes: Set<number>
  /** Indexes that are given up; only with backoffLimitPerIndex. */
  failedIndexes: Set<number>
  /**
   * The last failed pod of each index that needs another one; only with backoffLimitPerIndex. It keeps its finalizer
   * until the next pod of the index exists and continues its counts.
   */
  awaited: Map<number, Pod>
  /** The message of the failure policy rule that ends the Job, if one does. */
  failJob?: string
}

export const isIndexed = ({ spec }: Job): boolean => spec.completionMode === 'Indexed'
export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(trackingFinalizer) ?? false

export const hasLimitPerIndex = ({ spec }: Job): boolean => spec.backoffLimitPerIndex !== undefined

/** The index of a pod, or -1 if it has none. */
export function indexOf(pod: Pod): number {
  const text = pod.metadata.annotations?.[indexLabel]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : -1
}

/** Whether the pod's index is one of the Job's. True for every pod of a Job without indexes. */
export const hasValidIndex = (job: Job, pod: Pod): boolean =>
  !isIndexed(job) || (indexOf(pod) >= 0 && indexOf(pod) < (job.spec.completions ?? 0))

/** Whether a terminating pod is replaced only after it has ended, and not at once. */
export const waitsForEnd = ({ spec }: Job): boolean =>
  spec.podReplacementPolicy === 'Failed' || spec.podFailurePolicy !== undefined

/** Whether a pod has failed. A terminating one counts as failed too, unless the Job waits for its end. */
export const hasFailed = (job: Job, { status, metadata }: Pod): boolean =>
  status.phase === 'Failed' ||
  (!waitsForEnd(job) && metadata.deletionTimestamp !== undefined && status.phase !== 'Succeeded')

export function tally(job: Job, pods: readonly Pod[]): Tally {
  const { uncountedTerminatedPods: noted, succeeded = 0, failed = 0, completedIndexes } = job.status
  const done = new Set([...(noted?.succeeded ?? []), ...(noted?.failed ?? [])])
  const limit = isIndexed(job) ? (job.spec.completions ?? 0) : Infinity
  const result: Tally = {
    succeeded: [],
    failed: [],
    ignored: [],
    totalSucceeded: succeeded + (noted?.succeeded?.length ?? 0),
    totalFailed: failed + (noted?.failed?.length ?? 0),
    completedIndexes: parseIndexes(completedIndexes, limit),
    failedIndexes: new Set(),
    awaited: new Map(),
  }
  for (const pod of pods) {
    const verdict = hasFailed(job, pod) ? judge(pod, job.spec) : undefined
    if (verdict?.action === 'FailJob') result.failJob ??= verdict.message
    if (!isTracked(pod) || !hasValidIndex(job, pod)) continue
    if (pod.status.phase === 'Succeeded' && isIndexed(job)) result.completedIndexes.add(indexOf(pod))
    if (done.has(pod.metadata.uid ?? '')) continue
    if (pod.status.phase === 'Succeeded') result.succeeded.push(pod)
    else if (verdict) (verdict.action === 'Ignore' ? result.ignored : result.failed).push(pod)
  }
  result.totalSucceeded = isIndexed(job)
    ? result.completedIndexes.size
    : result.totalSucceeded + result.succeeded.length
  result.totalFailed += result.failed.length
  if (hasLimitPerIndex(job)) countIndexes(job, pods, result)
  return result
}

function countIndexes(job: Job, pods: readonly Pod[], result: Tally): void {
  result.failedIndexes = parseIndexes(job.status.failedIndexes, job.spec.completions ?? 0)
  const candidates = pods.filter(pod => isTracked(pod) && hasValidIndex(job, pod) && hasFailed(job, pod))
  for (const pod of candidates) {
    const { action } = judge(pod, job.spec)
    const spent = action !== 'Ignore' && failureCount(pod) >= job.spec.backoffLimitPerIndex!
    if (action === 'FailIndex' || spent) result.failedIndexes.add(indexOf(pod))
  }
  const active = new Set(pods.filter(isActive).map(indexOf))
  for (const pod of candidates) {
    const index = indexOf(pod)
    if (active.has(index) || result.completedIndexes.has(index) || result.failedIndexes.has(index)) continue
    const last = result.awaited.get(index)
    if (!last || (allFailures(last) <= allFailures(pod) && endOf(last) <= endOf(pod))) result.awaited.set(index, pod)
  }
}

function count(pod: Pod, annotation: string): number {
  const text = pod.metadata.annotations?.[annotation] ?? ''
  return /^\d+$/.test(text) && Number(text) < 2 ** 31 ? Number(text) : 0
}

/** Failures of the index before this pod that count. */
const failureCount = (pod: Pod): number => count(pod, failureCountAnnotation)
/** All failures of the index before this pod, also those that a policy ignores. */
export const allFailures = (pod: Pod): number => failureCount(pod) + count(pod, ignoredCountAnnotation)

/** The failure counts of the pod that replaces `last`. */
export function nextCounts(job: Job, last: Pod | undefined): { counted: number; ignored: number } {
  if (!last) return { counted: 0, ignored: 0 }
  const isIgnored = judge(last, job.spec).action === 'Ignore'
  return {
    counted: failureCount(last) + (isIgnored ? 0 : 1),
    ignored: count(last, ignoredCountAnnotation) + (isIgnored ? 1 : 0),
  }
}

/**
 * When a pod ended, in ms since the epoch, by the best source that it has: the end of its containers, the loss of
 * readiness, its deletion, or its creation.
 */
export function endOf(pod: Pod): number {
  const { metadata, status } = pod
  const ends = (status.containerStatuses ?? []).map(c => parseTime(c.state.terminated?.finishedAt))
  if (ends.length && ends.every(end => end !== undefined)) return Math.max(...ends)
  const ready = condition(pod, 'Ready')
  const unready = ready?.status === 'False' ? parseTime(ready.lastTransitionTime) : undefined
  if (unready !== undefined) return unready
  const deleted = parseTime(metadata.deletionTimestamp)
  if (deleted !== undefined) return deleted - (metadata.deletionGracePeriodSeconds ?? 0) * 1000
  return parseTime(metadata.creationTimestamp) ?? 0
}
