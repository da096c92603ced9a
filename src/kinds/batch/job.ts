// A job runs pods until enough of them have succeeded.
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

export const JobCondition = struct('batch.v1.JobCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastProbeTime: time({ proto: 3, always: true }),
  lastTransitionTime: time({ proto: 4, always: true }),
  reason: string({ proto: 5 }),
  message: string({ proto: 6 }),
})
export type JobCondition = Of<typeof JobCondition>

export const UncountedTerminatedPods = struct('batch.v1.UncountedTerminatedPods', '', {
  succeeded: list(string({}), { proto: 1, listType: 'set' }),
  failed: list(string({}), { proto: 2, listType: 'set' }),
})
export type UncountedTerminatedPods = Of<typeof UncountedTerminatedPods>

export const JobStatus = struct('batch.v1.JobStatus', '', {
  conditions: list(JobCondition, { proto: 1, mergeKey: 'type' }),
  startTime: time({ proto: 2, optional: true }),
  completionTime: time({ proto: 3, optional: true }),
  active: int32({ proto: 4 }),
  succeeded: int32({ proto: 5 }),
  failed: int32({ proto: 6 }),
  terminating: int32({ proto: 11, optional: true }),
  completedIndexes: string({ proto: 7 }),
  failedIndexes: string({ proto: 10, optional: true }),
  uncountedTerminatedPods: UncountedTerminatedPods.field({ proto: 8 }),
  ready: int32({ proto: 9, optional: true }),
})
export type JobStatus = Of<typeof JobStatus>

export const Job = defineKind({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  scope: 'Namespaced',
  categories: ['all'],
  status: true,
  doc: 'A job runs pods until enough of them have succeeded.',
  generation: true,
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
  validate: validateJob,
  validateUpdate: validateJobUpdate,
  fields: {
    spec: JobSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: JobStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Job = Of<typeof Job>
