// The Job controller: runs pods until enough of them have succeeded. tally.ts reads what the pods did, plan.ts decides
// whether the Job ends and which pods to create or stop, count.ts computes the status; this file carries it out.
import { counter } from '../../base/metrics.ts'
import { Job } from '../../kinds/batch/job.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { defineController, keyOf } from '../harness.ts'
import { claim, orphansOf } from '../owners.ts'
import { isActive, isReady, isTerminating } from '../pods.ts'
import { createDraft, removePod, slowStart } from '../replicas.ts'
import { reported } from '../reported.ts'
import { isSettled, planCount, planStart, raise, withEnd } from './count.ts'
import {
  findJobCondition,
  planCompletion,
  planPods,
  type PodsPlan,
  planVerdict,
  untilDeadline,
  type Verdict,
} from './plan.ts'
import { jobPod } from './pod.ts'
import { untrack } from './untrack.ts'
import { isIndexed, isTracked, type Tally, tally, trackingFinalizer } from './tally.ts'

const finished = counter('job_controller_jobs_finished_total', 'Jobs that ended, by mode, result and reason.')
const podsFinished = counter('job_controller_job_pods_finished_total', 'Pods of Jobs that ended and were counted.')

const controllerName = 'kubernetes.io/job-controller'

/** Index of pods by the Job that their controller reference names, whether that Job exists or not. */
const jobIndex = ({ metadata }: Pod): readonly string[] =>
  (metadata.ownerReferences ?? [])
    .filter(o => o.kind === 'Job' && o.controller)
    .map(o => keyOf(metadata.namespace ?? '', o.name))

export const jobController = defineController({
  name: 'job-controller',
  reconciles: Job,
  owns: [Pod],
  watches: [orphansOf(Pod, Job, job => job.spec.selector)],
  async reconcile(job, ctx) {
    if (job.spec.managedBy && job.spec.managedBy !== controllerName) return
    const pods = await claim(ctx, Pod, Job, job, job.spec.selector, undefined, [trackingFinalizer])
    if (findJobCondition(job, 'Complete') || findJobCondition(job, 'Failed')) return untrackAll(pods, ctx)
    if (job.metadata.deletionTimestamp) return untrackAll(pods, ctx)
    const now = ctx.now()
    const { job: started, news } = planStart(job, now)
    const counted = tally(started, pods)
    const verdict = planVerdict(started, pods, counted, now)
    const plan: PodsPlan = verdict
      ? { create: [], remove: pods.filter(isActive) }
      : planPods(started, pods, counted, now)
    const done: Done = { created: 0, removed: [] }
    await reported(
      () => carryOut(started, plan, verdict, counted, done, ctx),
      async failure => {
        const numbers = numbersAfter(pods, done)
        const outcome = failure
          ? undefined
          : (verdict ?? (started.spec.suspend ? undefined : planCompletion(started, counted, numbers.active)))
        // A Job that is complete is neither suspended nor resumed any more.
        const base =
          outcome && news ? { ...started, status: { ...started.status, conditions: job.status.conditions } } : started
        await track({ before: job, job: base as Job, pods, counted, outcome, numbers }, ctx)
        if (news && !outcome) ctx.event(job, 'Normal', news, `Job ${news.toLowerCase()}`)
      },
    )
    // A deadline that has passed has led to a verdict above, so it is not waited for.
    const waits = [plan.again, untilDeadline(started, now)].filter(ms => ms !== undefined && ms > 0) as number[]
    return waits.length ? { again: Math.min(...waits) } : undefined
  },
  async deleted({ namespace, name }, ctx) {
    // The pods of a deleted job are not counted any more, so they must not keep the finalizer.
    await untrackAll(ctx.cache(Pod).byIndex('jobs', jobIndex, keyOf(namespace, name)), ctx)
  },
})

async function untrackAll(pods: readonly Pod[], ctx: Context): Promise<void> {
  await Promise.all(pods.filter(isTracked).map(pod => untrack(pod, ctx)))
}

/** What has been done of a plan, also of one that failed half-way. */
interface Done {
  created: number
  removed: readonly Pod[]
}

async function carryOut(
  job: Job,
  plan: PodsPlan,
  verdict: Verdict | undefined,
  counted: Tally,
  done: Done,
  ctx: Context,
): Promise<void> {
  // A pod that is stopped while the Job goes on is not counted, so it loses the finalizer before it is deleted.
  const stop = async (pod: Pod) => {
    if (!verdict && isTracked(pod)) await untrack(pod, ctx)
    await removePod(ctx, job, pod)
    return pod
  }
  const stopped = await Promise.allSettled(plan.remove.map(stop))
  done.removed = stopped.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = stopped.find(result => result.status === 'rejected')
  if (failed) throw failed.reason
  const queue = [...plan.create]
  await slowStart(queue.length, 1, async () => {
    const index = queue.shift()
    const last = index === undefined ? undefined : counted.awaited.get(index)
    if (await createDraft(ctx, job, jobPod(job, index, last))) done.created++
  })
}

function numbersAfter(pods: readonly Pod[], { created, removed }: Done) {
  const active = pods.filter(isActive)
  const ready = active.filter(isReady).length - removed.filter(isReady).length
  return {
    active: active.length - removed.length + created,
    ready,
    terminating: pods.filter(isTerminating).length + removed.length,
  }
}

interface Round {
  before: Job
  /** The Job with the start and suspension that `planStart` set. */
  job: Job
  pods: readonly Pod[]
  counted: Tally
  outcome: Verdict | undefined
  numbers: { active: number; ready: number; terminating: number }
}

/** Notes, untracks and counts pods (see count.ts), and ends the Job when nothing is left to count. */
async function track({ before, job, pods, counted, outcome, numbers }: Round, ctx: Context): Promise<void> {
  const count = planCount(job, pods, counted, outcome, numbers, ctx.now())
  const noted = await ctx.writeStatus(Job, { ...job, status: before.status }, count.status)
  await untrackAll(count.untrack, ctx)
  const untracked = new Set(count.untrack)
  const rest = pods.filter(pod => !untracked.has(pod))
  const raised = raise(count.status, rest)
  const ended = outcome && !count.more && isSettled(raised)
  const final = ended ? withEnd(raised, outcome, ctx.now()) : raised
  await ctx.writeStatus(Job, noted, final)
  const mode = isIndexed(job) ? 'Indexed' : 'NonIndexed'
  const grown = (name: 'succeeded' | 'failed') => Math.max(0, (final[name] ?? 0) - (before.status[name] ?? 0))
  for (const result of ['succeeded', 'failed'] as const)
    if (grown(result)) podsFinished.add({ completion_mode: mode, result }, grown(result))
  if (ended) reportEnd(job, final.succeeded ?? 0, outcome, ctx)
}

function reportEnd(job: Job, succeeded: number, { type, reason, message }: Verdict, ctx: Context): void {
  const mode = isIndexed(job) ? 'Indexed' : 'NonIndexed'
  finished.add({
    completion_mode: mode,
    result: type === 'Complete' ? 'succeeded' : 'failed',
    reason: type === 'Complete' ? '' : reason,
  })
  if (type === 'Failed') return ctx.event(job, 'Warning', reason, message)
  if (succeeded > (job.spec.completions ?? Infinity)) {
    const text = 'Too many succeeded pods running after completion count reached'
    ctx.event(job, 'Warning', 'TooManySucceededPods', text)
  }
  ctx.event(job, 'Normal', 'Completed', 'Job completed')
}
