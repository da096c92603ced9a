// Computes a Job's status from its pods. A pod keeps a finalizer until it has been counted, so that none is counted
// twice or missed, even if the controller stops between two steps:
//
//   uid noted in the status ─► finalizer removed from the pod ─► counter raised, uid removed from the status
//
//   stopped after step 1: the uid is in the status already, so it is not noted again, and step 2 follows
//   stopped after step 2: the uid is in the status and the pod has no finalizer, so step 3 follows
//
// A succeeded index needs no uid, since the set of indexes can be written twice without harm.
// Source: pkg/controller/job (trackJobStatusAndRemoveFinalizers).
import type { Draft } from '../../api/kind.ts'
import { timeText } from '../../api/time.ts'
import type { Job } from '../../kinds/batch/job.ts'
import type { JobCondition, JobStatus } from '../../kinds/batch/jobstatus.ts'
import { judge } from './failure-policy.ts'
import { formatIndexes } from './indexes.ts'
import type { Verdict } from './plan.ts'
import { hasFailed, hasLimitPerIndex, hasValidIndex, indexOf, isIndexed, isTracked, type Tally } from './tally.ts'
import type { Pod } from '../../kinds/core/pod.ts'

/** The most uids that one reconcile notes, since the status contains them meanwhile. */
const maxNoted = 500

interface Count {
  /** The status to write before any finalizer is removed. */
  status: Draft<JobStatus>
  /** Pods whose finalizer is removed after that. */
  untrack: Pod[]
  /** Whether more pods wait to be counted. */
  more: boolean
}

interface Numbers {
  active: number
  ready: number
  terminating: number
}

/** Which pods to note and untrack. `verdict` is what was decided about the Job, if it ends. */
export function planCount(
  job: Job,
  pods: readonly Pod[],
  counted: Tally,
  verdict: Verdict | undefined,
  numbers: Numbers,
  now: number,
): Count {
  const settled = raise(job.status, pods)
  const { uncountedTerminatedPods: noted } = settled
  const [succeeded, failed] = [[...(noted?.succeeded ?? [])], [...(noted?.failed ?? [])]]
  const known = new Set([...succeeded, ...failed])
  const untrack: Pod[] = []
  const ordered = isIndexed(job) ? [...pods].sort((a, b) => indexOf(a) - indexOf(b)) : pods
  let more = false
  for (const pod of ordered) {
    if (!isTracked(pod) || !mayUntrack(job, pod, counted, verdict)) continue
    if (untrack.length >= maxNoted) {
      more = true
      break
    }
    untrack.push(pod)
    const uid = pod.metadata.uid ?? ''
    if (known.has(uid)) continue
    if (pod.status.phase === 'Succeeded') {
      if (!isIndexed(job)) succeeded.push(uid)
    } else if (countsAsFailed(job, pod, verdict)) failed.push(uid)
  }
  const status: Draft<JobStatus> = {
    ...settled,
    ...numbers,
    ...(isIndexed(job) && {
      completedIndexes: formatIndexes(counted.completedIndexes),
      succeeded: counted.completedIndexes.size,
    }),
    ...(hasLimitPerIndex(job) && { failedIndexes: formatIndexes(counted.failedIndexes) }),
    uncountedTerminatedPods: { ...(succeeded.length && { succeeded }), ...(failed.length && { failed }) },
    conditions: withTarget(job, verdict, now),
  }
  return { status, untrack, more }
}

/** Whether a pod can be counted: it has ended, or its Job has. */
function mayUntrack(job: Job, pod: Pod, { awaited }: Tally, verdict: Verdict | undefined): boolean {
  if (verdict || job.metadata.deletionTimestamp || pod.status.phase === 'Succeeded') return true
  return hasFailed(job, pod) && awaited.get(indexOf(pod)) !== pod
}

/** Whether a pod counts as failed. When the Job fails, so does every pod that has not succeeded by then. */
function countsAsFailed(job: Job, pod: Pod, verdict: Verdict | undefined): boolean {
  if (!hasValidIndex(job, pod)) return false
  return (hasFailed(job, pod) || verdict?.type === 'Failed') && judge(pod, job.spec).action !== 'Ignore'
}

/** Counts every noted pod that has no finalizer any more, and removes it from the notes. */
export function raise(status: Draft<JobStatus> | Job['status'], pods: readonly Pod[]): Draft<JobStatus> {
  const tracked = new Set(pods.filter(isTracked).map(pod => pod.metadata.uid ?? ''))
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  const [wait, waitFailed] = [succeeded, failed].map(uids => (uids as string[]).filter(uid => tracked.has(uid)))
  return {
    ...status,
    succeeded: (status.succeeded ?? 0) + succeeded.length - wait!.length,
    failed: (status.failed ?? 0) + failed.length - waitFailed!.length,
    uncountedTerminatedPods: {
      ...(wait!.length && { succeeded: wait! }),
      ...(waitFailed!.length && { failed: waitFailed! }),
    },
  }
}

const jobCondition = (type: string, status: 'True' | 'False', reason: string, message: string, now: number) => ({
  type,
  status,
  lastProbeTime: timeText(now),
  lastTransitionTime: timeText(now),
  reason,
  message,
})

const without = (conditions: Job['status']['conditions'], type: string) =>
  (conditions ?? []).filter(c => c.type !== type) as JobCondition[]

/** Adds FailureTarget or SuccessCriteriaMet, which announce how the Job ends once its pods have stopped. */
function withTarget(job: Job, verdict: Verdict | undefined, now: number): JobCondition[] {
  const type = verdict?.type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget'
  const conditions = [...(job.status.conditions ?? [])] as JobCondition[]
  if (!verdict || conditions.some(c => c.type === type && c.status === 'True')) return conditions
  return [...without(conditions, type), jobCondition(type, 'True', verdict.reason, verdict.message, now)]
}

/** The status of a Job that has ended. */
export function withEnd(status: Draft<JobStatus>, { type, reason, message }: Verdict, now: number): Draft<JobStatus> {
  const end = jobCondition(type, 'True', reason, message, now)
  const conditions = [...without(status.conditions as Job['status']['conditions'], type), end]
  return { ...status, conditions, ...(type === 'Complete' && { completionTime: timeText(now) }) }
}

/** Whether the counters are final: no uid is noted and no pod is terminating. */
export const isSettled = (status: Draft<JobStatus>): boolean =>
  !status.uncountedTerminatedPods?.succeeded?.length &&
  !status.uncountedTerminatedPods?.failed?.length &&
  !status.terminating

/** Sets the start time and the condition Suspended. `news` has the reason of the event if the condition changed. */
export function planStart(job: Job, now: number): { job: Job; news?: 'Suspended' | 'Resumed' } {
  const { startTime, ...rest } = job.status
  const isSuspended = rest.conditions?.some(c => c.type === 'Suspended' && c.status === 'True') ?? false
  const suspension = (status: 'True' | 'False', reason: string, message: string) => [
    ...without(rest.conditions, 'Suspended'),
    jobCondition('Suspended', status, reason, message, now),
  ]
  if (job.spec.suspend) {
    if (isSuspended) return { job }
    const conditions = suspension('True', 'JobSuspended', 'Job suspended')
    return { job: { ...job, status: { ...rest, conditions } }, news: 'Suspended' }
  }
  if (startTime && !isSuspended) return { job }
  const started = { ...rest, startTime: timeText(now) }
  if (!isSuspended) return { job: { ...job, status: started } }
  const conditions = suspension('False', 'JobResumed', 'Job resumed')
  return { job: { ...job, status: { ...started, conditions } }, news: 'Resumed' }
}
