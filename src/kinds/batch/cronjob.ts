// A cron job makes Jobs at the times of a schedule.
import { warnOfName, warnOfTemplate } from '../core/pod-warnings.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
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

export const JobTemplateSpec = struct('batch.v1.JobTemplateSpec', 'The Job to make.', {
  metadata: ObjectMeta.value({ proto: 1, doc: 'Labels and annotations of the Job.' }),
  spec: JobSpec.value({ proto: 2, doc: 'What the Job is to be.' }),
})
export type JobTemplateSpec = Of<typeof JobTemplateSpec>

export const CronJobSpec = struct('batch.v1.CronJobSpec', 'What a CronJob is to be.', {
  schedule: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'When to start Jobs, as five cron fields: minute, hour, day, month, weekday.',
  }),
  timeZone: string({
    proto: 8,
    optional: true,
    doc: 'Time zone of the schedule, such as Europe/Berlin; otherwise that of the controller.',
  }),
  startingDeadlineSeconds: int64({
    proto: 2,
    optional: true,
    doc: 'Seconds by which a Job may start late; after that it is left out.',
  }),
  concurrencyPolicy: string({
    proto: 3,
    default: 'Allow',
    enum: ['Allow', 'Forbid', 'Replace'],
    doc: 'While a Job still runs: Allow a second, Forbid it, or Replace the first.',
  }),
  suspend: bool({ proto: 4, default: false, optional: true, doc: 'True to start no more Jobs.' }),
  jobTemplate: JobTemplateSpec.value({ proto: 5, doc: 'The Job to make.' }),
  successfulJobsHistoryLimit: int32({
    proto: 6,
    default: 3,
    optional: true,
    doc: 'How many successful Jobs are kept.',
  }),
  failedJobsHistoryLimit: int32({ proto: 7, default: 1, optional: true, doc: 'How many failed Jobs are kept.' }),
})
export type CronJobSpec = Of<typeof CronJobSpec>

export const CronJobStatus = struct('batch.v1.CronJobStatus', 'What a CronJob is.', {
  active: list(ObjectReference, { proto: 1, doc: 'Its Jobs that run.' }),
  lastScheduleTime: time({ proto: 4, optional: true, doc: 'When a Job was last due and started.' }),
  lastSuccessfulTime: time({ proto: 5, optional: true, doc: 'When a Job last ended well.' }),
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
  doc: 'A cron job makes Jobs at the times of a schedule.',
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
    ageColumn as never,
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
    spec: CronJobSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: CronJobStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type CronJob = Of<typeof CronJob>

const containersOf = ({ spec }: { readonly spec: DeepReadonly<CronJobSpec> }) =>
  spec.jobTemplate.spec.template.spec.containers
