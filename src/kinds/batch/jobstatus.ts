// How far a job is: the parts of its status.
import type { Of } from '../../api/kind.ts'
import { int32, list, string, struct, time } from '../../api/schema/build.ts'

export const JobCondition = struct('batch.v1.JobCondition', 'One aspect of the current state of a Job.', {
  type: string({
    proto: 1,
    always: true,
    doc: 'Type of the condition: Complete, Failed, Suspended or SuccessCriteriaMet.',
  }),
  status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
  lastProbeTime: time({ proto: 3, always: true, doc: 'Time when the condition was last checked.' }),
  lastTransitionTime: time({ proto: 4, always: true, doc: 'Time when the status of the condition last changed.' }),
  reason: string({ proto: 5, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
  message: string({ proto: 6, doc: 'Human-readable message with details about the last transition.' }),
})
export type JobCondition = Of<typeof JobCondition>

export const UncountedTerminatedPods = struct(
  'batch.v1.UncountedTerminatedPods',
  'UIDs of pods that have terminated but are not counted in the status yet.',
  {
    succeeded: list(string({}), { proto: 1, listType: 'set', doc: 'UIDs of pods that have succeeded.' }),
    failed: list(string({}), { proto: 2, listType: 'set', doc: 'UIDs of pods that have failed.' }),
  },
)
export type UncountedTerminatedPods = Of<typeof UncountedTerminatedPods>

export const JobStatus = struct('batch.v1.JobStatus', 'Most recently observed state of a Job.', {
  conditions: list(JobCondition, {
    proto: 1,
    mergeKey: 'type',
    doc: 'Current conditions of the Job. Once it has finished, Complete or Failed is True.',
  }),
  startTime: time({
    proto: 2,
    optional: true,
    doc: 'Time when the controller started the Job. It is reset when a suspended Job is resumed.',
  }),
  completionTime: time({
    proto: 3,
    optional: true,
    doc: 'Time when the Job completed successfully. Not set if it failed.',
  }),
  active: int32({ proto: 4, doc: 'Number of pods that are pending or running and not terminating.' }),
  succeeded: int32({ proto: 5, doc: 'Number of pods that have succeeded.' }),
  failed: int32({ proto: 6, doc: 'Number of pods that have failed.' }),
  terminating: int32({ proto: 11, optional: true, doc: 'Number of pods that are terminating.' }),
  completedIndexes: string({
    proto: 7,
    doc: 'Indexes that have been completed, as numbers and ranges such as 1,3-5. Only for completionMode Indexed.',
  }),
  failedIndexes: string({
    proto: 10,
    optional: true,
    doc: 'Indexes that have failed, as numbers and ranges such as 1,3-5. Only with backoffLimitPerIndex.',
  }),
  uncountedTerminatedPods: UncountedTerminatedPods.field({
    proto: 8,
    doc: 'Pods that have terminated but are not counted yet.',
  }),
  ready: int32({ proto: 9, optional: true, doc: 'Number of active pods that are ready and not terminating.' }),
})
export type JobStatus = Of<typeof JobStatus>
