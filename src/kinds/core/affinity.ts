// Where a pod may run and would like to run: nodes, other pods, topology, taints it tolerates.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, list, string, struct } from '../../api/schema/build.ts'

export const NodeSelectorRequirement = struct('core.v1.NodeSelectorRequirement', '', {
  key: string({ proto: 1, always: true }),
  operator: string({ proto: 2, always: true, enum: ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'] }),
  values: list(string({}), { proto: 3 }),
})
export type NodeSelectorRequirement = Of<typeof NodeSelectorRequirement>

export const NodeSelectorTerm = struct('core.v1.NodeSelectorTerm', '', {
  matchExpressions: list(NodeSelectorRequirement, { proto: 1 }),
  matchFields: list(NodeSelectorRequirement, { proto: 2 }),
})
export type NodeSelectorTerm = Of<typeof NodeSelectorTerm>

export const NodeSelector = struct('core.v1.NodeSelector', '', {
  nodeSelectorTerms: list(NodeSelectorTerm, { proto: 1, always: true }),
})
export type NodeSelector = Of<typeof NodeSelector>

export const VolumeNodeAffinity = struct('core.v1.VolumeNodeAffinity', '', {
  required: NodeSelector.field({ proto: 1 }),
})
export type VolumeNodeAffinity = Of<typeof VolumeNodeAffinity>

export const PreferredSchedulingTerm = struct('core.v1.PreferredSchedulingTerm', '', {
  weight: int32({ proto: 1, always: true }),
  preference: NodeSelectorTerm.value({ proto: 2 }),
})
export type PreferredSchedulingTerm = Of<typeof PreferredSchedulingTerm>

export const NodeAffinity = struct('core.v1.NodeAffinity', '', {
  requiredDuringSchedulingIgnoredDuringExecution: NodeSelector.field({ proto: 1 }),
  preferredDuringSchedulingIgnoredDuringExecution: list(PreferredSchedulingTerm, { proto: 2 }),
})
export type NodeAffinity = Of<typeof NodeAffinity>

export const PodAffinityTerm = struct('core.v1.PodAffinityTerm', '', {
  labelSelector: LabelSelector.field({ proto: 1 }),
  namespaces: list(string({}), { proto: 2 }),
  topologyKey: string({ proto: 3, always: true }),
  namespaceSelector: LabelSelector.field({ proto: 4 }),
  matchLabelKeys: list(string({}), { proto: 5 }),
  mismatchLabelKeys: list(string({}), { proto: 6 }),
})
export type PodAffinityTerm = Of<typeof PodAffinityTerm>

export const WeightedPodAffinityTerm = struct('core.v1.WeightedPodAffinityTerm', '', {
  weight: int32({ proto: 1, always: true }),
  podAffinityTerm: PodAffinityTerm.value({ proto: 2 }),
})
export type WeightedPodAffinityTerm = Of<typeof WeightedPodAffinityTerm>

export const PodAffinity = struct('core.v1.PodAffinity', '', {
  requiredDuringSchedulingIgnoredDuringExecution: list(PodAffinityTerm, { proto: 1 }),
  preferredDuringSchedulingIgnoredDuringExecution: list(WeightedPodAffinityTerm, { proto: 2 }),
})
export type PodAffinity = Of<typeof PodAffinity>

export const PodAntiAffinity = struct('core.v1.PodAntiAffinity', '', {
  requiredDuringSchedulingIgnoredDuringExecution: list(PodAffinityTerm, { proto: 1 }),
  preferredDuringSchedulingIgnoredDuringExecution: list(WeightedPodAffinityTerm, { proto: 2 }),
})
export type PodAntiAffinity = Of<typeof PodAntiAffinity>

export const Affinity = struct('core.v1.Affinity', '', {
  nodeAffinity: NodeAffinity.field({ proto: 1 }),
  podAffinity: PodAffinity.field({ proto: 2 }),
  podAntiAffinity: PodAntiAffinity.field({ proto: 3 }),
})
export type Affinity = Of<typeof Affinity>

export const Toleration = struct('core.v1.Toleration', '', {
  key: string({ proto: 1 }),
  operator: string({ proto: 2, enum: ['Exists', 'Equal', 'Lt', 'Gt'] }),
  value: string({ proto: 3 }),
  effect: string({ proto: 4, enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] }),
  tolerationSeconds: int64({ proto: 5, optional: true }),
})
export type Toleration = Of<typeof Toleration>

export const TopologySpreadConstraint = struct('core.v1.TopologySpreadConstraint', '', {
  maxSkew: int32({ proto: 1, always: true }),
  topologyKey: string({ proto: 2, always: true }),
  whenUnsatisfiable: string({ proto: 3, always: true, enum: ['DoNotSchedule', 'ScheduleAnyway'] }),
  labelSelector: LabelSelector.field({ proto: 4 }),
  minDomains: int32({ proto: 5, optional: true }),
  nodeAffinityPolicy: string({ proto: 6, optional: true, enum: ['Ignore', 'Honor'] }),
  nodeTaintsPolicy: string({ proto: 7, optional: true, enum: ['Ignore', 'Honor'] }),
  matchLabelKeys: list(string({}), { proto: 8 }),
})
export type TopologySpreadConstraint = Of<typeof TopologySpreadConstraint>

export const TopologySelectorLabelRequirement = struct('core.v1.TopologySelectorLabelRequirement', '', {
  key: string({ proto: 1, always: true }),
  values: list(string({}), { proto: 2, always: true }),
})
export type TopologySelectorLabelRequirement = Of<typeof TopologySelectorLabelRequirement>

export const TopologySelectorTerm = struct('core.v1.TopologySelectorTerm', '', {
  matchLabelExpressions: list(TopologySelectorLabelRequirement, { proto: 1 }),
})
export type TopologySelectorTerm = Of<typeof TopologySelectorTerm>
