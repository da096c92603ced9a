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

export const PodFailurePolicyOnExitCodesRequirement = struct('batch.v1.PodFailurePolicyOnExitCodesRequirement', '', {
  containerName: string({ proto: 1, optional: true }),
  operator: string({ proto: 2, always: true, enum: ['In', 'NotIn'] }),
  values: list(int32({}), { proto: 3, always: true, listType: 'set' }),
})
export type PodFailurePolicyOnExitCodesRequirement = Of<typeof PodFailurePolicyOnExitCodesRequirement>

export const PodFailurePolicyOnPodConditionsPattern = struct('batch.v1.PodFailurePolicyOnPodConditionsPattern', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
})
export type PodFailurePolicyOnPodConditionsPattern = Of<typeof PodFailurePolicyOnPodConditionsPattern>

export const PodFailurePolicyRule = struct('batch.v1.PodFailurePolicyRule', '', {
  action: string({ proto: 1, always: true, enum: ['FailJob', 'FailIndex', 'Ignore', 'Count'] }),
  onExitCodes: PodFailurePolicyOnExitCodesRequirement.field({ proto: 2 }),
  onPodConditions: list(PodFailurePolicyOnPodConditionsPattern, { proto: 3 }),
})
export type PodFailurePolicyRule = Of<typeof PodFailurePolicyRule>

export const PodFailurePolicy = struct('batch.v1.PodFailurePolicy', '', {
  rules: list(PodFailurePolicyRule, { proto: 1, always: true }),
})
export type PodFailurePolicy = Of<typeof PodFailurePolicy>

export const SuccessPolicyRule = struct('batch.v1.SuccessPolicyRule', '', {
  succeededIndexes: string({ proto: 1, optional: true }),
  succeededCount: int32({ proto: 2, optional: true }),
})
export type SuccessPolicyRule = Of<typeof SuccessPolicyRule>

export const SuccessPolicy = struct('batch.v1.SuccessPolicy', '', {
  rules: list(SuccessPolicyRule, { proto: 1, always: true }),
})
export type SuccessPolicy = Of<typeof SuccessPolicy>

export const JobSchedulingConfiguration = struct('batch.v1.JobSchedulingConfiguration', '', {
  schedulingPolicy: WorkloadPodGroupSchedulingPolicy.field({ proto: 1 }),
  schedulingConstraints: WorkloadPodGroupSchedulingConstraints.field({ proto: 2 }),
  disruptionMode: WorkloadPodGroupDisruptionMode.field({ proto: 3 }),
  resourceClaims: listByKey('name', WorkloadPodGroupResourceClaim, { proto: 4, mergeKey: 'name' }),
})
export type JobSchedulingConfiguration = Of<typeof JobSchedulingConfiguration>

export const JobSpec = struct('batch.v1.JobSpec', '', {
  parallelism: int32({ proto: 1, optional: true }),
  completions: int32({ proto: 2, optional: true }),
  activeDeadlineSeconds: int64({ proto: 3, optional: true }),
  podFailurePolicy: PodFailurePolicy.field({ proto: 11 }),
  successPolicy: SuccessPolicy.field({ proto: 16 }),
  backoffLimit: int32({ proto: 7, optional: true }),
  backoffLimitPerIndex: int32({ proto: 12, optional: true }),
  maxFailedIndexes: int32({ proto: 13, optional: true }),
  selector: LabelSelector.field({ proto: 4 }),
  manualSelector: bool({ proto: 5, default: false, optional: true }),
  template: PodTemplateSpec.value({ proto: 6 }),
  ttlSecondsAfterFinished: int32({ proto: 8, optional: true }),
  completionMode: string({ proto: 9, default: 'NonIndexed', optional: true, enum: ['NonIndexed', 'Indexed'] }),
  suspend: bool({ proto: 10, default: false, optional: true }),
  podReplacementPolicy: string({
    proto: 14,
    default: 'TerminatingOrFailed',
    optional: true,
    enum: ['TerminatingOrFailed', 'Failed'],
  }),
  managedBy: string({ proto: 15, optional: true }),
  scheduling: JobSchedulingConfiguration.field({ proto: 17 }),
})
export type JobSpec = Of<typeof JobSpec>
