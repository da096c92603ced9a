// A cron job makes Jobs at the times of a schedule.
import { warnOfName, warnOfTemplate } from '../core/pod-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { ObjectMeta } from '../../api/meta.ts'
import type { Path, Problem } from '../../api/path.ts'
import { isTimeZone, scheduleError } from './schedule.ts'
import { bool, int32, int64, list, string, struct, time } from '../../api/schema/build.ts'
import { JobSpec } from './jobspec.ts'
import { ObjectReference } from '../core/reference.ts'
import { ageColumn, joined, selectorCell } from '../columns.ts'
import { age } from '../../api/table.ts'
import { notNegative, oneOf } from '../../api/checks.ts'
import { defaultJobTemplate, validateJobTemplate } from './job-rules.ts'

export const JobTemplateSpec = struct('batch.v1.JobTemplateSpec', 'Template that Jobs are created from.', {
  metadata: ObjectMeta.value({ proto: 1, doc: 'Labels and annotations of the Jobs. Other metadata is ignored.' }),
  spec: JobSpec.value({ proto: 2, doc: 'Desired state of the Jobs.' }),
})
export type JobTemplateSpec = Of<typeof JobTemplateSpec>

export const CronJobSpec = struct('batch.v1.CronJobSpec', 'Desired state of a CronJob.', {
  schedule: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'Schedule in cron format: minute, hour, day of month, month and day of week, as in “30 2 * * 1-5”. Macros such as @daily are allowed.',
  }),
  timeZone: string({
    proto: 8,
    optional: true,
    doc: 'Name of the time zone of the schedule in the IANA database, such as Europe/Berlin. Defaults to the time zone of the controller.',
  }),
  startingDeadlineSeconds: int64({
    proto: 2,
    optional: true,
    doc: 'Seconds after the scheduled time within which a Job that missed it can still be started. After that it counts as missed. If unset, there is no deadline.',
  }),
  concurrencyPolicy: string({
    proto: 3,
    default: 'Allow',
    enum: ['Allow', 'Forbid', 'Replace'],
    doc: 'What happens if the previous Job is still running at a scheduled time: Allow starts another one, Forbid skips the run, Replace deletes the running Job first. Defaults to Allow.',
  }),
  suspend: bool({
    proto: 4,
    default: false,
    optional: true,
    doc: 'If true, no more Jobs are started. Jobs that are already running continue. Defaults to false.',
  }),
  jobTemplate: JobTemplateSpec.value({ proto: 5, doc: 'Template of the Jobs that are created.' }),
  successfulJobsHistoryLimit: int32({
    proto: 6,
    default: 3,
    optional: true,
    doc: 'Number of successful Jobs to keep. Defaults to 3.',
  }),
  failedJobsHistoryLimit: int32({
    proto: 7,
    default: 1,
    optional: true,
    doc: 'Number of failed Jobs to keep. Defaults to 1.',
  }),
})
export type CronJobSpec = Of<typeof CronJobSpec>

export const CronJobStatus = struct('batch.v1.CronJobStatus', 'Most recently observed state of a CronJob.', {
  active: list(ObjectReference, { proto: 1, doc: 'References to the Jobs that are currently running.' }),
  lastScheduleTime: time({ proto: 4, optional: true, doc: 'Scheduled time of the last run that was started.' }),
  lastSuccessfulTime: time({ proto: 5, optional: true, doc: 'Time when a Job last completed successfully.' }),
})
export type CronJobStatus = Of<typeof CronJobStatus>

const maxNameLength = 52

function* validateTimeZone(name: string, at: Path): Iterable<Problem> {
  if (!name) yield at.invalid(name, 'timeZone must be nil or non-empty string')
  else if (name.toLowerCase() === 'local')
    yield at.invalid(name, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones')
  else if (!isTimeZone(name)) yield at.invalid(name, `unknown time zone ${name}`)
}

export const CronJob = defineKind({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  scope: 'Namespaced',
  shortNames: ['cj'],
  categories: ['all'],
  status: true,
  doc: 'CronJob creates Jobs on a repeating schedule.',
  generation: true,
  columns: [
    { name: 'Schedule', type: 'string', value: '.spec.schedule' },
    { name: 'Timezone', type: 'string', value: '.spec.timeZone' },
    { name: 'Suspend', type: 'boolean', value: o => (o.spec.suspend ? 'True' : 'False') },
    { name: 'Active', type: 'integer', value: o => o.status.active?.length ?? 0 },
    {
      name: 'Last Schedule',
      type: 'string',
      value: (o, now) => (o.status.lastScheduleTime ? age(o.status.lastScheduleTime, now) : '<none>'),
    },
    ageColumn,
    { name: 'Containers', type: 'string', wide: true, value: o => joined(containersOf(o).map(c => c.name)) },
    { name: 'Images', type: 'string', wide: true, value: o => joined(containersOf(o).map(c => c.image)) },
    { name: 'Selector', type: 'string', wide: true, value: o => selectorCell(o.spec.jobTemplate.spec.selector) },
  ],
  defaults: c => defaultJobTemplate(c.spec.jobTemplate.spec),
  explicit: true,
  *warnings({ metadata, spec }, old, at) {
    if (!old) yield* warnOfName(metadata.name, 'Pod names and hostnames', at)
    if (metadata.generation !== old?.metadata.generation)
      yield* warnOfTemplate(spec.jobTemplate.spec.template, at.field('spec', 'jobTemplate', 'spec', 'template'))
  },
  *validate({ spec, metadata }, at) {
    yield* oneOf(spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'], at.field('spec', 'concurrencyPolicy'))
    const { schedule, timeZone } = spec
    const wrong = schedule ? scheduleError(schedule) : undefined
    if (!schedule) yield at.field('spec', 'schedule').required()
    if (wrong) yield at.field('spec', 'schedule').invalid(schedule, wrong)
    if (timeZone !== undefined) yield* validateTimeZone(timeZone, at.field('spec', 'timeZone'))
    // Jobs get this name and a number of up to eleven characters.
    if ((metadata.name ?? '').length > maxNameLength)
      yield at.field('metadata', 'name').invalid(metadata.name, `must be no more than ${maxNameLength} characters`)
    yield* notNegative(
      {
        successfulJobsHistoryLimit: spec.successfulJobsHistoryLimit,
        failedJobsHistoryLimit: spec.failedJobsHistoryLimit,
        startingDeadlineSeconds: spec.startingDeadlineSeconds,
      },
      at.field('spec'),
    )
    yield* validateJobTemplate(spec.jobTemplate.spec, at.field('spec', 'jobTemplate', 'spec'))
  },
  fields: {
    spec: CronJobSpec.value({ proto: 2, required: true, doc: 'Desired state of the CronJob.' }),
    status: CronJobStatus.value({ proto: 3, doc: 'Most recently observed state of the CronJob.' }),
  },
})
export type CronJob = Of<typeof CronJob>

const containersOf = ({ spec }: { readonly spec: CronJobSpec }) => spec.jobTemplate.spec.template.spec.containers
