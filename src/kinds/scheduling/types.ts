// Pod groups, as jobs name them.
import type { Of } from '../../api/kind.ts'
import { int32, list, string, struct } from '../../api/schema/build.ts'

export const WorkloadPodGroupBasicSchedulingPolicy = struct(
  'scheduling.v1alpha3.WorkloadPodGroupBasicSchedulingPolicy',
  'The pods of a group are scheduled each for itself.',
  {},
)
export type WorkloadPodGroupBasicSchedulingPolicy = Of<typeof WorkloadPodGroupBasicSchedulingPolicy>

export const WorkloadPodGroupGangSchedulingPolicy = struct(
  'scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy',
  'The pods of a group start together.',
  {
    minCount: int32({ proto: 1, optional: true, doc: 'Fewest pods that must have room at once.' }),
  },
)
export type WorkloadPodGroupGangSchedulingPolicy = Of<typeof WorkloadPodGroupGangSchedulingPolicy>

export const WorkloadPodGroupSchedulingPolicy = struct(
  'scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy',
  'How the pods of a group are scheduled; exactly one is set.',
  {
    basic: WorkloadPodGroupBasicSchedulingPolicy.field({ proto: 1, doc: 'Each for itself.' }),
    gang: WorkloadPodGroupGangSchedulingPolicy.field({ proto: 2, doc: 'Together.' }),
  },
)
export type WorkloadPodGroupSchedulingPolicy = Of<typeof WorkloadPodGroupSchedulingPolicy>

export const TopologyConstraint = struct('scheduling.v1alpha3.TopologyConstraint', 'Pods that must be in one place.', {
  key: string({ proto: 1, always: true, required: true, doc: 'Node label whose values are the places.' }),
})
export type TopologyConstraint = Of<typeof TopologyConstraint>

export const WorkloadPodGroupSchedulingConstraints = struct(
  'scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints',
  'Where the pods of a group must be in relation to each other.',
  {
    topology: list(TopologyConstraint, { proto: 1, doc: 'Places they must share.' }),
  },
)
export type WorkloadPodGroupSchedulingConstraints = Of<typeof WorkloadPodGroupSchedulingConstraints>

export const WorkloadPodGroupSingleDisruptionMode = struct(
  'scheduling.v1alpha3.WorkloadPodGroupSingleDisruptionMode',
  'The pods of a group can be pushed off one by one.',
  {},
)
export type WorkloadPodGroupSingleDisruptionMode = Of<typeof WorkloadPodGroupSingleDisruptionMode>

export const WorkloadPodGroupAllDisruptionMode = struct(
  'scheduling.v1alpha3.WorkloadPodGroupAllDisruptionMode',
  'The pods of a group are pushed off all together.',
  {},
)
export type WorkloadPodGroupAllDisruptionMode = Of<typeof WorkloadPodGroupAllDisruptionMode>

export const WorkloadPodGroupDisruptionMode = struct(
  'scheduling.v1alpha3.WorkloadPodGroupDisruptionMode',
  'How the pods of a group are pushed off nodes; exactly one is set.',
  {
    single: WorkloadPodGroupSingleDisruptionMode.field({ proto: 1, doc: 'One by one.' }),
    all: WorkloadPodGroupAllDisruptionMode.field({ proto: 2, doc: 'All together.' }),
  },
)
export type WorkloadPodGroupDisruptionMode = Of<typeof WorkloadPodGroupDisruptionMode>

export const WorkloadPodGroupResourceClaim = struct(
  'scheduling.v1alpha3.WorkloadPodGroupResourceClaim',
  'A claim that the pods of a group share.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'Name of the claim in the group.' }),
    resourceClaimName: string({ proto: 2, optional: true, doc: 'An existing ResourceClaim.' }),
    resourceClaimTemplateName: string({
      proto: 3,
      optional: true,
      doc: 'A template from which one is made for the group.',
    }),
  },
)
export type WorkloadPodGroupResourceClaim = Of<typeof WorkloadPodGroupResourceClaim>
