// Pod groups, as jobs name them.
import type { Of } from '../../api/kind.ts'
import { int32, list, string, struct } from '../../api/schema/build.ts'

export const WorkloadPodGroupBasicSchedulingPolicy = struct(
  'scheduling.v1alpha3.WorkloadPodGroupBasicSchedulingPolicy',
  'Schedules the pods of a group individually.',
  {},
)
export type WorkloadPodGroupBasicSchedulingPolicy = Of<typeof WorkloadPodGroupBasicSchedulingPolicy>

export const WorkloadPodGroupGangSchedulingPolicy = struct(
  'scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy',
  'Schedules the pods of a group together, or not at all.',
  {
    minCount: int32({
      proto: 1,
      optional: true,
      doc: 'Minimum number of pods that must be schedulable at the same time. Must be positive.',
    }),
  },
)
export type WorkloadPodGroupGangSchedulingPolicy = Of<typeof WorkloadPodGroupGangSchedulingPolicy>

export const WorkloadPodGroupSchedulingPolicy = struct(
  'scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy',
  'How the pods of a group are scheduled. Exactly one field must be set.',
  {
    basic: WorkloadPodGroupBasicSchedulingPolicy.field({ proto: 1, doc: 'Schedules the pods individually.' }),
    gang: WorkloadPodGroupGangSchedulingPolicy.field({ proto: 2, doc: 'Schedules the pods together, or not at all.' }),
  },
)
export type WorkloadPodGroupSchedulingPolicy = Of<typeof WorkloadPodGroupSchedulingPolicy>

export const TopologyConstraint = struct(
  'scheduling.v1alpha3.TopologyConstraint',
  'Requires all pods of a group to be in the same topology domain.',
  {
    key: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Label key of nodes. Nodes with the same value of this label are one topology domain.',
    }),
  },
)
export type TopologyConstraint = Of<typeof TopologyConstraint>

export const WorkloadPodGroupSchedulingConstraints = struct(
  'scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints',
  'Constraints on the placement of the pods of a group relative to each other.',
  {
    topology: list(TopologyConstraint, {
      proto: 1,
      doc: 'Topology domains, such as a zone, that the pods must share.',
    }),
  },
)
export type WorkloadPodGroupSchedulingConstraints = Of<typeof WorkloadPodGroupSchedulingConstraints>

export const WorkloadPodGroupSingleDisruptionMode = struct(
  'scheduling.v1alpha3.WorkloadPodGroupSingleDisruptionMode',
  'Disrupts the pods of a group individually.',
  {},
)
export type WorkloadPodGroupSingleDisruptionMode = Of<typeof WorkloadPodGroupSingleDisruptionMode>

export const WorkloadPodGroupAllDisruptionMode = struct(
  'scheduling.v1alpha3.WorkloadPodGroupAllDisruptionMode',
  'Disrupts the pods of a group only all together.',
  {},
)
export type WorkloadPodGroupAllDisruptionMode = Of<typeof WorkloadPodGroupAllDisruptionMode>

export const WorkloadPodGroupDisruptionMode = struct(
  'scheduling.v1alpha3.WorkloadPodGroupDisruptionMode',
  'How the pods of a group are disrupted, for example by preemption. Exactly one field must be set.',
  {
    single: WorkloadPodGroupSingleDisruptionMode.field({ proto: 1, doc: 'Disrupts the pods individually.' }),
    all: WorkloadPodGroupAllDisruptionMode.field({ proto: 2, doc: 'Disrupts the pods only all together.' }),
  },
)
export type WorkloadPodGroupDisruptionMode = Of<typeof WorkloadPodGroupDisruptionMode>

export const WorkloadPodGroupResourceClaim = struct(
  'scheduling.v1alpha3.WorkloadPodGroupResourceClaim',
  'ResourceClaim that the pods of a group share. Exactly one of resourceClaimName and resourceClaimTemplateName must be set.',
  {
    name: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name by which the pods refer to the claim, unique within the group.',
    }),
    resourceClaimName: string({
      proto: 2,
      optional: true,
      doc: 'Name of an existing ResourceClaim in the same namespace.',
    }),
    resourceClaimTemplateName: string({
      proto: 3,
      optional: true,
      doc: 'Name of a ResourceClaimTemplate in the same namespace. A ResourceClaim is created from it for the group.',
    }),
  },
)
export type WorkloadPodGroupResourceClaim = Of<typeof WorkloadPodGroupResourceClaim>
