// Pod groups, as jobs name them.
import type { Of } from '../../api/kind.ts'
import { int32, list, string, struct } from '../../api/schema/build.ts'

export const WorkloadPodGroupBasicSchedulingPolicy = struct(
  'scheduling.v1alpha3.WorkloadPodGroupBasicSchedulingPolicy',
  '',
  {},
)
export type WorkloadPodGroupBasicSchedulingPolicy = Of<typeof WorkloadPodGroupBasicSchedulingPolicy>

export const WorkloadPodGroupGangSchedulingPolicy = struct(
  'scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy',
  '',
  {
    minCount: int32({ proto: 1, optional: true }),
  },
)
export type WorkloadPodGroupGangSchedulingPolicy = Of<typeof WorkloadPodGroupGangSchedulingPolicy>

export const WorkloadPodGroupSchedulingPolicy = struct('scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy', '', {
  basic: WorkloadPodGroupBasicSchedulingPolicy.field({ proto: 1 }),
  gang: WorkloadPodGroupGangSchedulingPolicy.field({ proto: 2 }),
})
export type WorkloadPodGroupSchedulingPolicy = Of<typeof WorkloadPodGroupSchedulingPolicy>

export const TopologyConstraint = struct('scheduling.v1alpha3.TopologyConstraint', '', {
  key: string({ proto: 1, always: true, required: true }),
})
export type TopologyConstraint = Of<typeof TopologyConstraint>

export const WorkloadPodGroupSchedulingConstraints = struct(
  'scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints',
  '',
  {
    topology: list(TopologyConstraint, { proto: 1 }),
  },
)
export type WorkloadPodGroupSchedulingConstraints = Of<typeof WorkloadPodGroupSchedulingConstraints>

export const WorkloadPodGroupSingleDisruptionMode = struct(
  'scheduling.v1alpha3.WorkloadPodGroupSingleDisruptionMode',
  '',
  {},
)
export type WorkloadPodGroupSingleDisruptionMode = Of<typeof WorkloadPodGroupSingleDisruptionMode>

export const WorkloadPodGroupAllDisruptionMode = struct('scheduling.v1alpha3.WorkloadPodGroupAllDisruptionMode', '', {})
export type WorkloadPodGroupAllDisruptionMode = Of<typeof WorkloadPodGroupAllDisruptionMode>

export const WorkloadPodGroupDisruptionMode = struct('scheduling.v1alpha3.WorkloadPodGroupDisruptionMode', '', {
  single: WorkloadPodGroupSingleDisruptionMode.field({ proto: 1 }),
  all: WorkloadPodGroupAllDisruptionMode.field({ proto: 2 }),
})
export type WorkloadPodGroupDisruptionMode = Of<typeof WorkloadPodGroupDisruptionMode>

export const WorkloadPodGroupResourceClaim = struct('scheduling.v1alpha3.WorkloadPodGroupResourceClaim', '', {
  name: string({ proto: 1, always: true, required: true }),
  resourceClaimName: string({ proto: 2, optional: true }),
  resourceClaimTemplateName: string({ proto: 3, optional: true }),
})
export type WorkloadPodGroupResourceClaim = Of<typeof WorkloadPodGroupResourceClaim>
