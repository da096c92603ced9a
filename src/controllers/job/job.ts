// The Job controller: runs pods until enough have succeeded. plan.ts decides; this file carries out. Ended pods keep
// a finalizer until they are counted, so that none is counted twice or missed:
//
//   UID noted in the status ─► finalizer taken off ─► counter raised, note removed
import type { Draft } from '../../api/kind.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { Job as JobKind, type JobCondition, type JobStatus } from '../../kinds/batch/job.ts'
import { Pod as PodKind } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { defineController } from '../harness.ts'
import { claim, orphansOf } from '../owners.ts'
import { isActive, isReady, isTerminating, type Pod } from '../pods.ts'
import { removePod, slowStart } from '../replicas.ts'
import { formatIndexes } from './indexes.ts'
import {
  findJobCondition,
  indexFailures,
  indexOf,
  isIndexed,
  isTracked,
  type Job,
  planPods,
  planVerdict,
  type Tally,
  tally,
  trackingFinalizer,
  type Verdict,
} from './plan.ts'
import { jobPod } from './pod.ts'
import { messageOf } from '../../base/errors.ts'

const maxNoted = 500

export const jobController = defineController({
  name: 'job-controller',
  reconciles: JobKind,
  owns: [PodKind],
  watches: [orphansOf(PodKind, JobKind, job => job.spec.selector)],
  async reconcile(job, ctx) {
    if (job.spec.managedBy && job.spec.managedBy !== 'kubernetes.io/job-controller') return
    const pods = await claim(ctx, PodKind, JobKind, job, job.spec.selector)
    if (findJobCondition(job, 'Complete') || findJobCondition(job, 'Failed')) return letGo(pods, ctx)
    if (job.metadata.deletionTimestamp) return letGo(pods, ctx)
    const started = await begin(job, ctx)
    const counted = tally(started, pods)
    const verdict = planVerdict(started, pods, counted, ctx.now())
    const plan = verdict ? { create: [], remove: pods.filter(isActive) } : planPods(started, pods, counted, ctx.now())
    for (const pod of plan.remove) await stop(started, pod, ctx)
    const created = await start(started, plan.create, indexFailures(pods, counted.ignored), ctx)
    const noted = await note(started, pods, counted, ctx)
    const stopped = new Set(plan.remove)
    const rest = pods.filter(pod => !stopped.has(pod))
    await ctx.writeStatus(JobKind, noted, statusOf(noted, rest, verdict, { created, stopped: stopped.size }, ctx))
    const waits = [plan.again, untilDeadline(started, ctx.now())].filter(ms => ms !== undefined)
    return waits.length ? { again: Math.min(...waits) } : undefined
  },
  async gone({ namespace, name }, ctx) {
    // Its pods must not wait for a counter that is gone.
    const pods = ctx.cache(PodKind).list(namespace)
    await letGo(
      pods.filter(pod => pod.metadata.ownerReferences?.some(o => o.kind === 'Job' && o.name === name)),
      ctx,
    )
  },
})

async function letGo(pods: readonly Pod[], ctx: Context): Promise<void> {
  await Promise.all(pods.filter(isTracked).map(pod => untrack(pod, ctx)))
}

async function untrack(pod: Pod, ctx: Context): Promise<void> {
  const finalizers = pod.metadata.finalizers!.filter(f => f !== trackingFinalizer)
  const { uid, resourceVersion } = pod.metadata
  await ctx.patch(PodKind, pod, 'merge', { metadata: { uid, resourceVersion, finalizers } })
}

/** Writes down that the Job has started, is suspended or goes on. */
async function begin(job: Job, ctx: Context): Promise<Job> {
  const now = timeText(ctx.now())
  const { suspend } = job.spec
  const { startTime: _start, ...status } = job.status
  const suspended = findJobCondition(job, 'Suspended')
  const condition = (value: 'True' | 'False', reason: string, message: string): JobCondition => ({
    type: 'Suspended',
    status: value,
    reason,
    message,
    lastProbeTime: now,
    lastTransitionTime: now,
  })
  const others = (status.conditions ?? []).filter(c => c.type !== 'Suspended')
  if (suspend && !suspended) {
    ctx.event(job, 'Normal', 'Suspended', 'Job suspended')
    const conditions = [...others, condition('True', 'JobSuspended', 'Job suspended')]
    return ctx.writeStatus(JobKind, job, { ...status, conditions })
  }
  if (suspend || (job.status.startTime && !suspended)) return job
  if (!suspended) return ctx.writeStatus(JobKind, job, { ...status, startTime: now })
  ctx.event(job, 'Normal', 'Resumed', 'Job resumed')
  const conditions = [...others, condition('False', 'JobResumed', 'Job resumed')]
  return ctx.writeStatus(JobKind, job, { ...status, startTime: now, conditions })
}

/** A pod that the controller itself stops does not count. */
async function stop(job: Job, pod: Pod, ctx: Context): Promise<void> {
  if (isTracked(pod)) await untrack(pod, ctx)
  await removePod(ctx, job, pod)
}

async function start(
  job: Job,
  indexes: (number | undefined)[],
  failures: ReadonlyMap<number, number>,
  ctx: Context,
): Promise<number> {
  const queue = [...indexes]
  return slowStart(indexes.length, 1, async () => {
    const index = queue.shift()
    try {
      const pod = await ctx.create(PodKind, jobPod(job, index, failures.get(index ?? -1)), { owner: job })
      ctx.event(job, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`)
    } catch (error) {
      ctx.event(job, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`)
      throw error
    }
  })
}

/** Counts pods that have ended: noted, then untracked, then counted. */
async function note(job: Job, pods: readonly Pod[], counted: Tally, ctx: Context): Promise<Job> {
  const before = job.status.uncountedTerminatedPods
  const uids = (list: readonly Pod[]) => list.map(pod => pod.metadata.uid ?? '')
  // Indexes that are complete already are not counted again.
  const fresh = counted.succeeded.filter(pod => !isIndexed(job) || indexOf(pod) < (job.spec.completions ?? 0))
  const succeeded = [...(before?.succeeded ?? []), ...uids(fresh)].slice(0, maxNoted)
  const failed = [...(before?.failed ?? []), ...uids(counted.failed)].slice(0, maxNoted)
  const ended = new Set([...succeeded, ...failed, ...uids(counted.ignored), ...uids(counted.succeeded)])
  if (!ended.size) return job
  const completedIndexes = isIndexed(job) ? { completedIndexes: formatIndexes(counted.completedIndexes) } : {}
  const failedIndexes =
    job.spec.backoffLimitPerIndex === undefined ? {} : { failedIndexes: formatIndexes(counted.failedIndexes) }
  const noted = await ctx.writeStatus(JobKind, job, {
    ...job.status,
    ...completedIndexes,
    ...failedIndexes,
    uncountedTerminatedPods: { succeeded, failed },
  })
  await letGo(
    pods.filter(pod => ended.has(pod.metadata.uid ?? '')),
    ctx,
  )
  const succeededCount = isIndexed(job) ? counted.completedIndexes.size : (job.status.succeeded ?? 0) + succeeded.length
  return ctx.writeStatus(JobKind, noted, {
    ...noted.status,
    succeeded: succeededCount,
    failed: (job.status.failed ?? 0) + failed.length,
    uncountedTerminatedPods: {},
  })
}

function statusOf(
  job: Job,
  pods: readonly Pod[],
  verdict: Verdict | undefined,
  done: { created: number; stopped: number },
  ctx: Context,
): Draft<JobStatus> {
  const active = pods.filter(isActive)
  const terminating = pods.filter(isTerminating).length + done.stopped
  const numbers = { active: active.length + done.created, ready: active.filter(isReady).length, terminating }
  if (!verdict) return { ...job.status, ...numbers }
  const now = timeText(ctx.now())
  const { reason, message } = verdict
  const condition = (type: string) => ({
    type,
    status: 'True',
    lastProbeTime: now,
    lastTransitionTime: now,
    reason,
    message,
  })
  const [target, end] = verdict.type === 'Complete' ? ['SuccessCriteriaMet', 'Complete'] : ['FailureTarget', 'Failed']
  const conditions = [...(job.status.conditions ?? [])] as JobCondition[]
  if (!conditions.some(c => c.type === target)) conditions.push(condition(target!))
  // The last word waits until no pod is left that could still do something.
  if (active.length === 0 && terminating === 0) {
    conditions.push(condition(end!))
    if (verdict.type === 'Complete') ctx.event(job, 'Normal', 'Completed', 'Job completed')
    else ctx.event(job, 'Warning', reason, message)
  }
  const isEnd = conditions.some(c => c.type === 'Complete')
  return { ...job.status, ...numbers, conditions, ...(isEnd && { completionTime: now }) }
}

function untilDeadline({ spec, status }: Job, now: number): number | undefined {
  const start = parseTime(status.startTime)
  if (spec.activeDeadlineSeconds === undefined || start === undefined || spec.suspend) return undefined
  return Math.max(0, start + spec.activeDeadlineSeconds * 1000 - now) || undefined
}
