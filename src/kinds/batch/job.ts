// A job runs pods until enough of them have succeeded.
import { warnOfWorkload } from '../core/pod-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
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
import { JobStatus } from './jobstatus.ts'

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
  doc: 'Job runs pods until a set number of them has completed successfully.',
  generation: true,
  unknownSelector: field => `field label ${JSON.stringify(field)} not supported for Job`,
  selectable: { 'status.successful': j => String(j.status.succeeded ?? 0) },
  columns: [
    { name: 'Status', type: 'string', value: o => jobStatus(o) },
    { name: 'Completions', type: 'string', value: o => jobCompletions(o) },
    { name: 'Duration', type: 'string', value: (o, now) => jobDuration(o, now) },
    ageColumn,
    ...(templateColumns as []),
    selectorColumn,
  ],
  defaults: defaultJob,
  prepare: prepareJob,
  explicit: true,
  warnings: warnOfWorkload,
  validate: validateJob,
  validateUpdate: validateJobUpdate,
  fields: {
    spec: JobSpec.value({ proto: 2, doc: 'Desired state of the Job.' }),
    status: JobStatus.value({ proto: 3, doc: 'Most recently observed state of the Job.' }),
  },
})
export type Job = Of<typeof Job>
