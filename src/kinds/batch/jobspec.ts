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
  'Condition on the exit codes of the containers of a failed pod.',
  {
    containerName: string({
      proto: 1,
      optional: true,
      doc: 'Name of the container whose exit code is checked. If unset, all containers are checked.',
    }),
    operator: string({
      proto: 2,
      always: true,
      enum: ['In', 'NotIn'],
      doc: 'How exit codes other than 0 are compared with values: In matches if one of them is listed, NotIn if one of them is not.',
    }),
    values: list(int32({}), {
      proto: 3,
      always: true,
      listType: 'set',
      doc: 'Exit codes to compare with, in ascending order. From 1 to 255 of them. 0 is not allowed for In.',
    }),
  },
)
export type PodFailurePolicyOnExitCodesRequirement = Of<typeof PodFailurePolicyOnExitCodesRequirement>

export const PodFailurePolicyOnPodConditionsPattern = struct(
  'batch.v1.PodFailurePolicyOnPodConditionsPattern',
  'Condition that a failed pod must have.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the pod condition, such as DisruptionTarget.' }),
    status: string({
      proto: 2,
      always: true,
      doc: 'Status of the pod condition: True, False or Unknown. Defaults to True.',
    }),
  },
)
export type PodFailurePolicyOnPodConditionsPattern = Of<typeof PodFailurePolicyOnPodConditionsPattern>

export const PodFailurePolicyRule = struct(
  'batch.v1.PodFailurePolicyRule',
  'Action to take for certain pod failures. Exactly one of onExitCodes and onPodConditions must be set.',
  {
    action: string({
      proto: 1,
      always: true,
      enum: ['FailJob', 'FailIndex', 'Ignore', 'Count'],
      doc: 'FailJob fails the whole Job, FailIndex fails the index of the pod (requires backoffLimitPerIndex), Ignore does not count the failure towards backoffLimit, Count does.',
    }),
    onExitCodes: PodFailurePolicyOnExitCodesRequirement.field({
      proto: 2,
      doc: 'Condition on the exit codes of the containers.',
    }),
    onPodConditions: list(PodFailurePolicyOnPodConditionsPattern, {
      proto: 3,
      doc: 'Conditions of the pod, of which at least one must match.',
    }),
  },
)
export type PodFailurePolicyRule = Of<typeof PodFailurePolicyRule>

export const PodFailurePolicy = struct('batch.v1.PodFailurePolicy', 'How failures of pods affect a Job.', {
  rules: list(PodFailurePolicyRule, {
    proto: 1,
    always: true,
    doc: 'Rules that are evaluated in order. The first one that matches determines the action. If none does, the failure counts towards backoffLimit. At most 20.',
  }),
})
export type PodFailurePolicy = Of<typeof PodFailurePolicy>

export const SuccessPolicyRule = struct(
  'batch.v1.SuccessPolicyRule',
  'Condition under which a Job is successful. At least one field must be set.',
  {
    succeededIndexes: string({
      proto: 1,
      optional: true,
      doc: 'Indexes that must succeed, as numbers and ranges such as 1,3-5. With succeededCount, only that many of them must.',
    }),
    succeededCount: int32({
      proto: 2,
      optional: true,
      doc: 'Number of indexes that must succeed, out of succeededIndexes or else out of all.',
    }),
  },
)
export type SuccessPolicyRule = Of<typeof SuccessPolicyRule>

export const SuccessPolicy = struct(
  'batch.v1.SuccessPolicy',
  'Conditions under which an Indexed Job is successful before all indexes have succeeded.',
  {
    rules: list(SuccessPolicyRule, {
      proto: 1,
      always: true,
      doc: 'Rules that are evaluated in order. Once one of them is met, the Job succeeds and its remaining pods are terminated. From 1 to 20.',
    }),
  },
)
export type SuccessPolicy = Of<typeof SuccessPolicy>

export const JobSchedulingConfiguration = struct(
  'batch.v1.JobSchedulingConfiguration',
  'How the pods of a Job are scheduled as a group.',
  {
    schedulingPolicy: WorkloadPodGroupSchedulingPolicy.field({
      proto: 1,
      doc: 'Whether the pods are scheduled individually or as a gang.',
    }),
    schedulingConstraints: WorkloadPodGroupSchedulingConstraints.field({
      proto: 2,
      doc: 'Constraints on the placement of the pods relative to each other.',
    }),
    disruptionMode: WorkloadPodGroupDisruptionMode.field({
      proto: 3,
      doc: 'Whether the pods are disrupted individually or all together.',
    }),
    resourceClaims: listByKey('name', WorkloadPodGroupResourceClaim, {
      proto: 4,
      mergeKey: 'name',
      doc: 'ResourceClaims that the pods share.',
    }),
  },
)
export type JobSchedulingConfiguration = Of<typeof JobSchedulingConfiguration>

export const JobSpec = struct('batch.v1.JobSpec', 'Desired state of a Job.', {
  parallelism: int32({
    proto: 1,
    optional: true,
    doc: 'Maximum number of pods that run at the same time. 0 pauses the Job. Can be changed later. Defaults to 1.',
  }),
  completions: int32({
    proto: 2,
    optional: true,
    doc: 'Number of pods that must succeed. If unset, the success of any pod completes the Job. Can only be changed together with parallelism for an Indexed Job. Defaults to 1 if parallelism is not set either.',
  }),
  activeDeadlineSeconds: int64({
    proto: 3,
    optional: true,
    doc: 'Seconds that the Job may be active before its pods are terminated and it is marked as failed. If unset, there is no limit.',
  }),
  podFailurePolicy: PodFailurePolicy.field({
    proto: 11,
    doc: 'How failures of pods affect the Job. Requires restartPolicy Never. Cannot be changed. By default, every failure counts towards backoffLimit.',
  }),
  successPolicy: SuccessPolicy.field({
    proto: 16,
    doc: 'Conditions under which the Job is successful before all indexes have succeeded. Only for completionMode Indexed. Cannot be changed.',
  }),
  backoffLimit: int32({
    proto: 7,
    optional: true,
    doc: 'Number of pod failures after which the Job is marked as failed. Defaults to 6, or with backoffLimitPerIndex to no limit.',
  }),
  backoffLimitPerIndex: int32({
    proto: 12,
    optional: true,
    doc: 'Number of pod failures of an index after which the index is marked as failed. Only for completionMode Indexed. Cannot be changed.',
  }),
  maxFailedIndexes: int32({
    proto: 13,
    optional: true,
    doc: 'Number of failed indexes above which the Job is marked as failed. Requires backoffLimitPerIndex. At most completions. If unset, the other indexes continue to the end.',
  }),
  selector: LabelSelector.field({
    proto: 4,
    doc: 'Labels of the pods that the Job manages. Set by the server to a unique label, unless manualSelector is true. Cannot be changed.',
  }),
  manualSelector: bool({
    proto: 5,
    optional: true,
    doc: 'If true, the selector and the labels of the template are not generated. The user must then make sure that they match no other pods. Cannot be changed. Defaults to false.',
  }),
  template: PodTemplateSpec.value({
    proto: 6,
    doc: 'Template of the pods. restartPolicy must be Never or OnFailure. Cannot be changed, except for some scheduling fields of a suspended Job that has not started.',
  }),
  ttlSecondsAfterFinished: int32({
    proto: 8,
    optional: true,
    doc: 'Seconds after the Job has finished until it is deleted automatically. If unset, it is not deleted.',
  }),
  completionMode: string({
    proto: 9,
    optional: true,
    enum: ['NonIndexed', 'Indexed'],
    doc: 'NonIndexed counts successful pods. Indexed gives each pod an index from 0 to completions - 1 and requires one success for each. Cannot be changed. Defaults to NonIndexed.',
  }),
  suspend: bool({
    proto: 10,
    optional: true,
    doc: 'If true, active pods are deleted and none are created. When it is unset, startTime is reset and the Job continues. Defaults to false.',
  }),
  podReplacementPolicy: string({
    proto: 14,
    optional: true,
    enum: ['TerminatingOrFailed', 'Failed'],
    doc: 'When a pod is replaced: TerminatingOrFailed as soon as it is terminating or has failed, Failed only once it has fully terminated. Defaults to Failed with podFailurePolicy, which requires it, else to TerminatingOrFailed.',
  }),
  managedBy: string({
    proto: 15,
    optional: true,
    doc: 'Name of the controller that manages the Job, as a domain with a path. Other controllers ignore it. Cannot be changed. Defaults to kubernetes.io/job-controller.',
  }),
  scheduling: JobSchedulingConfiguration.field({
    proto: 17,
    doc: 'How the pods are scheduled as a group. Alpha, without effect.',
  }),
})
export type JobSpec = Of<typeof JobSpec>
