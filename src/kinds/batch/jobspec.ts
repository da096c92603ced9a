// What a job is to do: shared by Job and by the template of CronJob.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { bool, int32, int64, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import {
  WorkloadPodGroupDisruptionMode,
  WorkloadPodGroupResourceClaim,
  WorkloadPodGroupSchedulingConstraints,
  WorkloadPodGroupSchedulingPolicy,
} from '../scheduling/types.ts'

export const PodFailurePolicyOnExitCodesRequirement = struct(
  'batch.v1.PodFailurePolicyOnExitCodesRequirement',
  'Compares the exit codes of a pod’s containers with a list.',
  {
    containerName: string({ proto: 1, optional: true, doc: 'Look at this container only.' }),
    operator: string({ proto: 2, always: true, enum: ['In', 'NotIn'], doc: 'In or NotIn; code 0 never counts.' }),
    values: list(int32({}), { proto: 3, always: true, listType: 'set', doc: 'The exit codes.' }),
  },
)
export type PodFailurePolicyOnExitCodesRequirement = Of<typeof PodFailurePolicyOnExitCodesRequirement>

export const PodFailurePolicyOnPodConditionsPattern = struct(
  'batch.v1.PodFailurePolicyOnPodConditionsPattern',
  'A condition of a pod.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition.' }),
    status: string({ proto: 2, always: true, doc: 'Status it must have.' }),
  },
)
export type PodFailurePolicyOnPodConditionsPattern = Of<typeof PodFailurePolicyOnPodConditionsPattern>

export const PodFailurePolicyRule = struct(
  'batch.v1.PodFailurePolicyRule',
  'What a certain failure of a pod means for the Job.',
  {
    action: string({
      proto: 1,
      always: true,
      enum: ['FailJob', 'FailIndex', 'Ignore', 'Count'],
      doc: 'FailJob, FailIndex, Ignore it, or Count it towards the limit.',
    }),
    onExitCodes: PodFailurePolicyOnExitCodesRequirement.field({ proto: 2, doc: 'Exit codes that the rule is for.' }),
    onPodConditions: list(PodFailurePolicyOnPodConditionsPattern, {
      proto: 3,
      doc: 'Conditions that the rule is for; one is enough.',
    }),
  },
)
export type PodFailurePolicyRule = Of<typeof PodFailurePolicyRule>

export const PodFailurePolicy = struct('batch.v1.PodFailurePolicy', 'What failures of pods mean for the Job.', {
  rules: list(PodFailurePolicyRule, { proto: 1, always: true, doc: 'The rules; the first that fits counts.' }),
})
export type PodFailurePolicy = Of<typeof PodFailurePolicy>

export const SuccessPolicyRule = struct('batch.v1.SuccessPolicyRule', 'When enough is done.', {
  succeededIndexes: string({ proto: 1, optional: true, doc: 'Numbers that must be done, such as 1,3-5.' }),
  succeededCount: int32({ proto: 2, optional: true, doc: 'How many of them, or of all, must be done.' }),
})
export type SuccessPolicyRule = Of<typeof SuccessPolicyRule>

export const SuccessPolicy = struct('batch.v1.SuccessPolicy', 'When a Job ends well before all is done.', {
  rules: list(SuccessPolicyRule, { proto: 1, always: true, doc: 'The rules; one is enough.' }),
})
export type SuccessPolicy = Of<typeof SuccessPolicy>

export const JobSchedulingConfiguration = struct(
  'batch.v1.JobSchedulingConfiguration',
  'How the pods of a Job are scheduled as a group.',
  {
    schedulingPolicy: WorkloadPodGroupSchedulingPolicy.field({
      proto: 1,
      doc: 'Whether they start together or each for itself.',
    }),
    schedulingConstraints: WorkloadPodGroupSchedulingConstraints.field({
      proto: 2,
      doc: 'Where they must be in relation to each other.',
    }),
    disruptionMode: WorkloadPodGroupDisruptionMode.field({
      proto: 3,
      doc: 'Whether they are pushed off nodes one by one or all together.',
    }),
    resourceClaims: listByKey('name', WorkloadPodGroupResourceClaim, {
      proto: 4,
      mergeKey: 'name',
      doc: 'Claims on devices that they share.',
    }),
  },
)
export type JobSchedulingConfiguration = Of<typeof JobSchedulingConfiguration>

export const JobSpec = struct('batch.v1.JobSpec', 'What a Job is to be.', {
  parallelism: int32({ proto: 1, optional: true, doc: 'Most pods that run at a time.' }),
  completions: int32({ proto: 2, optional: true, doc: 'How many pods must succeed.' }),
  activeDeadlineSeconds: int64({
    proto: 3,
    optional: true,
    doc: 'Seconds after its start at which the Job is stopped and counted as failed.',
  }),
  podFailurePolicy: PodFailurePolicy.field({ proto: 11, doc: 'What failures of pods mean for the Job.' }),
  successPolicy: SuccessPolicy.field({ proto: 16, doc: 'When the Job ends well before all is done.' }),
  backoffLimit: int32({ proto: 7, optional: true, doc: 'How many pods may fail before the Job does.' }),
  backoffLimitPerIndex: int32({
    proto: 12,
    optional: true,
    doc: 'How many pods may fail for one number before that number does.',
  }),
  maxFailedIndexes: int32({ proto: 13, optional: true, doc: 'How many numbers may fail before the Job does.' }),
  selector: LabelSelector.field({
    proto: 4,
    doc: 'Labels of its pods; set by the server unless manualSelector is true.',
  }),
  manualSelector: bool({
    proto: 5,
    optional: true,
    doc: 'True to choose selector and labels by hand.',
  }),
  template: PodTemplateSpec.value({ proto: 6, doc: 'The pod to make; its restartPolicy is Never or OnFailure.' }),
  ttlSecondsAfterFinished: int32({
    proto: 8,
    optional: true,
    doc: 'Seconds after its end at which the Job is deleted; otherwise it stays.',
  }),
  completionMode: string({
    proto: 9,
    optional: true,
    enum: ['NonIndexed', 'Indexed'],
    doc: 'Indexed gives each pod a number, and each number has to be done once.',
  }),
  suspend: bool({ proto: 10, optional: true, doc: 'True to stop its pods and start none.' }),
  podReplacementPolicy: string({
    proto: 14,
    optional: true,
    enum: ['TerminatingOrFailed', 'Failed'],
    doc: 'Whether a pod is replaced when it begins to end, or once it has failed.',
  }),
  managedBy: string({ proto: 15, optional: true, doc: 'Controller that runs the Job; otherwise the usual one.' }),
  scheduling: JobSchedulingConfiguration.field({ proto: 17, doc: 'How its pods are scheduled as a group.' }),
})
export type JobSpec = Of<typeof JobSpec>
