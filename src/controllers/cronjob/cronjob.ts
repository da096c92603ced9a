// The CronJob controller: creates a Job at each time of a schedule, and deletes finished Jobs beyond the history
// limits. `run` decides whether a Job starts now. Source: pkg/controller/cronjob.
import { isReason, messageOf } from '../../base/errors.ts'
import { exponentialBuckets, histogram } from '../../base/metrics.ts'
import type { Draft } from '../../api/kind.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { isTimeZone, nextTime, parseSchedule, type Schedule } from '../../kinds/batch/schedule.ts'
import { referenceTo } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { defineController, type Result } from '../harness.ts'
import { isControlledBy } from '../owner-reference.ts'
import { isTerminatingNamespace } from '../replicas.ts'
import { CronJob } from '../../kinds/batch/cronjob.ts'
import { Job } from '../../kinds/batch/job.ts'

/** More missed times than this are reported: probably a clock is wrong. */
const maxMissed = 100
const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp'
/** Added to each wait, so that the timer never fires before the scheduled time. */
const slackMs = 100

const skews = histogram(
  'cronjob_controller_job_creation_skew_duration_seconds',
  'From the time of a schedule to the creation of its Job.',
  exponentialBuckets(1, 2, 10),
)

export const cronJobController = defineController({
  name: 'cronjob-controller',
  reconciles: CronJob,
  owns: [Job],
  async reconcile(cron, ctx) {
    const jobs = ctx
      .cache(Job)
      .ownedBy(cron)
      .filter(job => isControlledBy(job, cron))
    if (cron.metadata.deletionTimestamp) return
    reportJobs(cron, jobs, ctx)
    await removeOld(cron, jobs, ctx)
    const tidy = await ctx.writeStatus(CronJob, cron, statusOf(cron, jobs))
    return run(tidy, jobs, ctx)
  },
})

const ended = (job: Job, type: 'Complete' | 'Failed') =>
  job.status.conditions?.some(c => c.type === type && c.status === 'True') ?? false
const isEnded = (job: Job) => ended(job, 'Complete') || ended(job, 'Failed')

/** Records events for Jobs that ended, vanished or appeared since the status was written. */
function reportJobs(cron: CronJob, jobs: readonly Job[], ctx: Context): void {
  const known = new Map(jobs.map(job => [job.metadata.uid, job]))
  const active = new Set((cron.status.active ?? []).map(({ uid }) => uid))
  for (const { uid, name } of cron.status.active ?? []) {
    const job = known.get(uid)
    if (!job) ctx.event(cron, 'Normal', 'MissingJob', `Active job went missing: ${name}`)
    else if (isEnded(job)) {
      const how = ended(job, 'Complete') ? 'Complete' : 'Failed'
      ctx.event(cron, 'Normal', 'SawCompletedJob', `Saw completed job: ${name}, condition: ${how}`)
    }
  }
  for (const job of jobs) {
    if (isEnded(job) || active.has(job.metadata.uid) || isOwn(cron, job)) continue
    const text = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`
    ctx.event(cron, 'Warning', 'UnexpectedJob', text)
  }
}

/** Whether this controller created the Job. Its name proves it, also when the status does not list the Job yet. */
const isOwn = (cron: CronJob, { metadata }: Job): boolean => {
  const at = parseTime(metadata.annotations?.[scheduledAnnotation])
  return at !== undefined && metadata.name === nameAt(cron, at)
}

const nameAt = (cron: CronJob, at: number) => `${cron.metadata.name}-${Math.floor(at / 60_000)}`

async function run(cron: CronJob, jobs: readonly Job[], ctx: Context): Promise<Result> {
  if (cron.spec.suspend) return
  let schedule: Schedule
  try {
    schedule = parseSchedule(cron.spec.schedule)
  } catch (error) {
    const text = `unparseable schedule: ${JSON.stringify(cron.spec.schedule)} : ${messageOf(error)}`
    ctx.event(cron, 'Warning', 'UnparseableSchedule', text)
    return
  }
  const { timeZone } = cron.spec
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    const text = `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`
    ctx.event(cron, 'Warning', 'UnknownTimeZone', text)
    return
  }
  const now = ctx.now()
  const due = planDue(cron, schedule, now)
  if (due.tooMany)
    ctx.event(
      cron,
      'Warning',
      'TooManyMissedTimes',
      'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
    )
  const next = nextTime(schedule, now, cron.spec.timeZone)
  const again = next === undefined ? undefined : { again: next - now + slackMs }
  if (due.at === undefined) return again
  const deadline = cron.spec.startingDeadlineSeconds
  if (deadline !== undefined && due.at + deadline * 1000 < now) {
    ctx.event(
      cron,
      'Warning',
      'MissSchedule',
      `Missed scheduled time to start a job: ${new Date(due.at).toUTCString().replace('GMT', '+0000')}`,
    )
    return again
  }
  // Only Jobs in the status count, so that those that were created from the template by hand block nothing.
  const active = new Set((cron.status.active ?? []).map(({ uid }) => uid))
  if (cron.spec.concurrencyPolicy === 'Forbid' && active.size) {
    const text = 'Not starting job because prior execution is running and concurrency policy is Forbid'
    ctx.event(cron, 'Normal', 'JobAlreadyActive', text)
    return again
  }
  if (cron.spec.concurrencyPolicy === 'Replace') {
    for (const job of jobs) if (active.has(job.metadata.uid ?? '')) await remove(cron, job, ctx)
    cron = { ...cron, status: { ...cron.status, active: [] } }
  }
  await begin(cron, due.at, ctx)
  return again
}

/**
 * The latest scheduled time since the last run, in `at`. Earlier times that were missed are not made up for. For
 * example, hourly runs missed at 1:00 and 2:00 lead to one Job at 2:10, that of 2:00.
 */
export function planDue(cron: CronJob, schedule: Schedule, now: number): { at?: number; tooMany?: number } {
  const last = parseTime(cron.status.lastScheduleTime ?? cron.metadata.creationTimestamp) ?? now
  const deadline = cron.spec.startingDeadlineSeconds
  const from = deadline === undefined ? last : Math.max(last, now - deadline * 1000)
  let at: number | undefined
  let missed = 0
  for (let time = nextTime(schedule, from, cron.spec.timeZone); time !== undefined && time <= now; missed++) {
    at = time
    // Far behind, the loop jumps close to now instead of stepping through months of minutes.
    if (missed > maxMissed) time = Math.max(time, now - 2 * (time - from))
    const after = nextTime(schedule, time, cron.spec.timeZone)
    if (after === undefined || after <= time) break
    time = after
  }
  if (at === undefined) return {}
  return missed > maxMissed ? { at, tooMany: missed } : { at }
}

async function begin(cron: CronJob, at: number, ctx: Context): Promise<void> {
  const draft = jobOf(cron, at)
  const name = draft.metadata!.name!
  try {
    await ctx.create(Job, draft, { owner: cron })
    skews.observe(Math.max(0, ctx.now() - at) / 1000)
    ctx.event(cron, 'Normal', 'SuccessfulCreate', `Created job ${name}`)
  } catch (error) {
    if (isTerminatingNamespace(error)) return
    // The Job was created before, and then the status could not be written.
    if (!isReason(error, 'AlreadyExists')) {
      ctx.event(cron, 'Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`)
      throw error
    }
  }
  const job = await ctx.client.find(Job, { namespace: cron.metadata.namespace ?? '', name })
  // A Job of another owner has the name.
  if (job && !isControlledBy(job, cron)) return
  const active = [...(cron.status.active ?? []), ...(job && !isEnded(job) ? [referenceTo(job)] : [])]
  await ctx.writeStatus(CronJob, cron, { ...cron.status, active, lastScheduleTime: timeText(at) })
}

/** The Job for a scheduled time. Its name follows from the time, so that none is created twice. */
function jobOf(cron: CronJob, at: number): Draft<Job> {
  const { metadata, spec } = cron.spec.jobTemplate
  const { timeZone } = cron.spec
  return {
    metadata: {
      name: nameAt(cron, at),
      ...(metadata.labels && { labels: metadata.labels }),
      annotations: { ...metadata.annotations, [scheduledAnnotation]: zoned(at, timeZone) },
    },
    spec,
  }
}

/** RFC 3339 with the offset of the time zone. */
function zoned(at: number, timeZone = 'UTC'): string {
  if (timeZone === 'UTC') return timeText(at)
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }).formatToParts(at)
  const offset = parts.find(part => part.type === 'timeZoneName')!.value.slice(3) || '+00:00'
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(offset)!
  const shiftMs = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
  return `${timeText(at + shiftMs).slice(0, 19)}${offset}`
}

/** The status: which Jobs run, and when the last one succeeded. */
function statusOf(cron: CronJob, jobs: readonly Job[]): Draft<CronJob['status']> {
  const running = new Set(jobs.filter(job => !isEnded(job)).map(job => job.metadata.uid))
  const active = (cron.status.active ?? []).filter(({ uid }) => running.has(uid))
  const successes = jobs.filter(job => ended(job, 'Complete')).map(job => job.status.completionTime ?? '')
  const last = [cron.status.lastSuccessfulTime ?? '', ...successes].sort().at(-1)
  return { ...cron.status, active, ...(last && { lastSuccessfulTime: last }) }
}

async function removeOld(cron: CronJob, jobs: readonly Job[], ctx: Context): Promise<void> {
  const age = (job: Job) => parseTime(job.status.startTime ?? job.metadata.creationTimestamp) ?? 0
  const name = (job: Job) => job.metadata.name ?? ''
  const limits = [
    ['Complete', cron.spec.successfulJobsHistoryLimit],
    ['Failed', cron.spec.failedJobsHistoryLimit],
  ] as const
  for (const [type, limit] of limits) {
    const old = jobs.filter(job => ended(job, type)).sort((a, b) => age(a) - age(b) || (name(a) < name(b) ? -1 : 1))
    for (const job of old.slice(0, Math.max(0, old.length - limit))) await remove(cron, job, ctx)
  }
}

async function remove(cron: CronJob, job: Job, ctx: Context): Promise<void> {
  if (await ctx.delete(Job, job, { propagationPolicy: 'Background' }))
    ctx.event(cron, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`)
}
