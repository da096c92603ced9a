// Where a pod may run and would like to run: nodes, other pods, topology, taints it tolerates.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, list, string, struct } from '../../api/schema/build.ts'

export const NodeSelectorRequirement = struct(
  'core.v1.NodeSelectorRequirement',
  'One condition on a label or field of a node.',
  {
    key: string({ proto: 1, always: true, doc: 'The label, or the field.' }),
    operator: string({
      proto: 2,
      always: true,
      enum: ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'],
      doc: 'How the values are compared; Gt and Lt compare whole numbers.',
    }),
    values: list(string({}), {
      proto: 3,
      doc: 'Values for In and NotIn; exactly one number for Gt and Lt; none otherwise.',
    }),
  },
)
export type NodeSelectorRequirement = Of<typeof NodeSelectorRequirement>

export const NodeSelectorTerm = struct(
  'core.v1.NodeSelectorTerm',
  'Conditions on a node that must all hold; a term with none matches nothing.',
  {
    matchExpressions: list(NodeSelectorRequirement, { proto: 1, doc: 'Conditions on labels.' }),
    matchFields: list(NodeSelectorRequirement, { proto: 2, doc: 'Conditions on fields; only metadata.name is known.' }),
  },
  { atomic: true },
)
export type NodeSelectorTerm = Of<typeof NodeSelectorTerm>

export const NodeSelector = struct(
  'core.v1.NodeSelector',
  'Selects nodes: one of the terms must match.',
  {
    nodeSelectorTerms: list(NodeSelectorTerm, { proto: 1, always: true, doc: 'The terms.' }),
  },
  { atomic: true },
)
export type NodeSelector = Of<typeof NodeSelector>

export const VolumeNodeAffinity = struct('core.v1.VolumeNodeAffinity', 'Which nodes can reach a volume.', {
  required: NodeSelector.field({ proto: 1, doc: 'Nodes that can.' }),
})
export type VolumeNodeAffinity = Of<typeof VolumeNodeAffinity>

export const PreferredSchedulingTerm = struct(
  'core.v1.PreferredSchedulingTerm',
  'A wish for certain nodes, with a weight.',
  {
    weight: int32({ proto: 1, always: true, doc: 'How much it counts, 1 to 100.' }),
    preference: NodeSelectorTerm.value({ proto: 2, doc: 'The nodes wished for.' }),
  },
)
export type PreferredSchedulingTerm = Of<typeof PreferredSchedulingTerm>

export const NodeAffinity = struct(
  'core.v1.NodeAffinity',
  'Which nodes a pod must, and which it would rather, run on.',
  {
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector.field({
      proto: 1,
      doc: 'Nodes that the pod may be placed on; later changes do not remove it.',
    }),
    preferredDuringSchedulingIgnoredDuringExecution: list(PreferredSchedulingTerm, {
      proto: 2,
      doc: 'Wishes; the node with the largest sum of weights is chosen.',
    }),
  },
)
export type NodeAffinity = Of<typeof NodeAffinity>

export const PodAffinityTerm = struct(
  'core.v1.PodAffinityTerm',
  'Selects pods, and says how near counts as together.',
  {
    labelSelector: LabelSelector.field({ proto: 1, doc: 'Pods meant; none without it.' }),
    namespaces: list(string({}), {
      proto: 2,
      doc: 'Namespaces of these pods; without this and namespaceSelector, the pod’s own.',
    }),
    topologyKey: string({ proto: 3, always: true, doc: 'Node label whose equal values make nodes the same place.' }),
    namespaceSelector: LabelSelector.field({ proto: 4, doc: 'Selects further namespaces by their labels.' }),
    matchLabelKeys: list(string({}), {
      proto: 5,
      doc: 'Labels in which these pods must have the same value as this pod.',
    }),
    mismatchLabelKeys: list(string({}), {
      proto: 6,
      doc: 'Labels in which these pods must have another value than this pod.',
    }),
  },
)
export type PodAffinityTerm = Of<typeof PodAffinityTerm>

export const WeightedPodAffinityTerm = struct(
  'core.v1.WeightedPodAffinityTerm',
  'A wish about other pods, with a weight.',
  {
    weight: int32({ proto: 1, always: true, doc: 'How much it counts, 1 to 100.' }),
    podAffinityTerm: PodAffinityTerm.value({ proto: 2, doc: 'The pods meant.' }),
  },
)
export type WeightedPodAffinityTerm = Of<typeof WeightedPodAffinityTerm>

export const PodAffinity = struct('core.v1.PodAffinity', 'Pods that a pod must, or would rather, be together with.', {
  requiredDuringSchedulingIgnoredDuringExecution: list(PodAffinityTerm, {
    proto: 1,
    doc: 'Places must have pods of each term.',
  }),
  preferredDuringSchedulingIgnoredDuringExecution: list(WeightedPodAffinityTerm, {
    proto: 2,
    doc: 'Wishes; the place with the largest sum of weights is chosen.',
  }),
})
export type PodAffinity = Of<typeof PodAffinity>

export const PodAntiAffinity = struct(
  'core.v1.PodAntiAffinity',
  'Pods that a pod must, or would rather, be apart from.',
  {
    requiredDuringSchedulingIgnoredDuringExecution: list(PodAffinityTerm, {
      proto: 1,
      doc: 'Places must have no pod of any term.',
    }),
    preferredDuringSchedulingIgnoredDuringExecution: list(WeightedPodAffinityTerm, {
      proto: 2,
      doc: 'Wishes; the place with the smallest sum of weights is chosen.',
    }),
  },
)
export type PodAntiAffinity = Of<typeof PodAntiAffinity>

export const Affinity = struct('core.v1.Affinity', 'Where a pod wants to be.', {
  nodeAffinity: NodeAffinity.field({ proto: 1, doc: 'Nodes it wants.' }),
  podAffinity: PodAffinity.field({ proto: 2, doc: 'Pods it wants to be together with.' }),
  podAntiAffinity: PodAntiAffinity.field({ proto: 3, doc: 'Pods it wants to be apart from.' }),
})
export type Affinity = Of<typeof Affinity>

export const Toleration = struct('core.v1.Toleration', 'Lets a pod run on nodes with a matching taint.', {
  key: string({ proto: 1, doc: 'Key of the taint; empty with Exists for all taints.' }),
  operator: string({
    proto: 2,
    enum: ['Exists', 'Equal', 'Lt', 'Gt'],
    doc: 'Equal compares the value too; Lt and Gt compare whole numbers.',
  }),
  value: string({ proto: 3, doc: 'Value of the taint.' }),
  effect: string({
    proto: 4,
    enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'],
    doc: 'Effect of the taint; empty for all.',
  }),
  tolerationSeconds: int64({
    proto: 5,
    optional: true,
    doc: 'Seconds a running pod may stay once a NoExecute taint appears; otherwise forever.',
  }),
})
export type Toleration = Of<typeof Toleration>

export const TopologySpreadConstraint = struct(
  'core.v1.TopologySpreadConstraint',
  'How evenly pods are spread over places.',
  {
    maxSkew: int32({ proto: 1, always: true, doc: 'By how many pods the fullest place may exceed the emptiest.' }),
    topologyKey: string({ proto: 2, always: true, doc: 'Node label whose values are the places.' }),
    whenUnsatisfiable: string({
      proto: 3,
      always: true,
      enum: ['DoNotSchedule', 'ScheduleAnyway'],
      doc: 'Leave the pod waiting, or place it anyway as well as possible.',
    }),
    labelSelector: LabelSelector.field({ proto: 4, doc: 'Pods that are counted.' }),
    minDomains: int32({
      proto: 5,
      optional: true,
      doc: 'With fewer places than this, the emptiest counts as having no pods.',
    }),
    nodeAffinityPolicy: string({
      proto: 6,
      optional: true,
      enum: ['Ignore', 'Honor'],
      doc: 'Honor counts only nodes that the pod’s affinity allows.',
    }),
    nodeTaintsPolicy: string({
      proto: 7,
      optional: true,
      enum: ['Ignore', 'Honor'],
      doc: 'Honor leaves out nodes with taints that the pod does not tolerate.',
    }),
    matchLabelKeys: list(string({}), {
      proto: 8,
      doc: 'Labels in which counted pods must have the same value as this pod.',
    }),
  },
)
export type TopologySpreadConstraint = Of<typeof TopologySpreadConstraint>

export const TopologySelectorLabelRequirement = struct(
  'core.v1.TopologySelectorLabelRequirement',
  'A label that must have one of some values.',
  {
    key: string({ proto: 1, always: true, doc: 'The label.' }),
    values: list(string({}), { proto: 2, always: true, doc: 'The values.' }),
  },
)
export type TopologySelectorLabelRequirement = Of<typeof TopologySelectorLabelRequirement>

export const TopologySelectorTerm = struct(
  'core.v1.TopologySelectorTerm',
  'Labels of a place, all of which must fit.',
  {
    matchLabelExpressions: list(TopologySelectorLabelRequirement, { proto: 1, doc: 'The labels.' }),
  },
  { atomic: true },
)
export type TopologySelectorTerm = Of<typeof TopologySelectorTerm>
