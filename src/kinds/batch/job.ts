// A job runs pods until enough of them have succeeded.
import { warnOfWorkload } from '../core/pod-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, list, string, struct, time } from '../../api/schema/build.ts'
import { JobSpec } from './jobspec.ts'
import { ageColumn, selectorColumn, templateColumns } from '../columns.ts'
import {
  defaultJob,
  jobCompletions,
  jobDuration,
  jobStatus,
  prepareJob,
  validateJob,
  validateJobUpdate,
} from './job-rules.ts'

export const JobCondition = struct('batch.v1.JobCondition', 'One aspect of a Job’s state.', {
  type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
  status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
  lastProbeTime: time({ proto: 3, always: true, doc: 'When the condition was last looked at.' }),
  lastTransitionTime: time({ proto: 4, always: true, doc: 'When the status last changed.' }),
  reason: string({ proto: 5, doc: 'One CamelCase word why.' }),
  message: string({ proto: 6, doc: 'The same for people.' }),
})
export type JobCondition = Of<typeof JobCondition>

export const UncountedTerminatedPods = struct(
  'batch.v1.UncountedTerminatedPods',
  'Ended pods that are not in the counters yet.',
  {
    succeeded: list(string({}), { proto: 1, listType: 'set', doc: 'UIDs of those that succeeded.' }),
    failed: list(string({}), { proto: 2, listType: 'set', doc: 'UIDs of those that failed.' }),
  },
)
export type UncountedTerminatedPods = Of<typeof UncountedTerminatedPods>

export const JobStatus = struct('batch.v1.JobStatus', 'What a Job is.', {
  conditions: list(JobCondition, {
    proto: 1,
    mergeKey: 'type',
    doc: 'What can be said about it; Complete or Failed once it has ended.',
  }),
  startTime: time({ proto: 2, optional: true, doc: 'When it started, or last went on.' }),
  completionTime: time({ proto: 3, optional: true, doc: 'When it ended well.' }),
  active: int32({ proto: 4, doc: 'Pods that wait or run.' }),
  succeeded: int32({ proto: 5, doc: 'Pods that succeeded.' }),
  failed: int32({ proto: 6, doc: 'Pods that failed.' }),
  terminating: int32({ proto: 11, optional: true, doc: 'Pods that are being deleted.' }),
  completedIndexes: string({ proto: 7, doc: 'Numbers that are done, such as 1,3-5.' }),
  failedIndexes: string({ proto: 10, optional: true, doc: 'Numbers that have failed, such as 1,3-5.' }),
  uncountedTerminatedPods: UncountedTerminatedPods.field({
    proto: 8,
    doc: 'Ended pods that are not in the counters yet.',
  }),
  ready: int32({ proto: 9, optional: true, doc: 'Pods that are ready.' }),
})
export type JobStatus = Of<typeof JobStatus>

export const Job = defineKind({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  scope: 'Namespaced',
  completesAgain: true,
  orphansByDefault: {
    warning:
      'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
  },
  categories: ['all'],
  status: true,
  doc: 'A job runs pods until enough of them have succeeded.',
  generation: true,
  unknownSelector: field => `field label ${JSON.stringify(field)} not supported for Job`,
  selectable: { 'status.successful': j => String(j.status.succeeded ?? 0) },
  columns: [
    { name: 'Status', type: 'string', value: o => jobStatus(o) },
    { name: 'Completions', type: 'string', value: o => jobCompletions(o) },
    { name: 'Duration', type: 'string', value: (o, now) => jobDuration(o, now) },
    ageColumn as never,
    ...(templateColumns as []),
    selectorColumn as never,
  ],
  defaults: defaultJob,
  prepare: prepareJob,
  explicit: true,
  warnings: warnOfWorkload,
  validate: validateJob,
  validateUpdate: validateJobUpdate,
  fields: {
    spec: JobSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: JobStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Job = Of<typeof Job>
