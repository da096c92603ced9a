// Where a pod may run and would like to run: nodes, other pods, topology, taints it tolerates.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, list, string, struct } from '../../api/schema/build.ts'

export const NodeSelectorRequirement = struct(
  'core.v1.NodeSelectorRequirement',
  'Condition on a label or a field of a node.',
  {
    key: string({ proto: 1, always: true, doc: 'Label key or field path that the condition applies to.' }),
    operator: string({
      proto: 2,
      always: true,
      enum: ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'],
      doc: 'How the value of the node is compared with values: In, NotIn, Exists, DoesNotExist, Gt or Lt. Gt and Lt compare integers. For fields, only In and NotIn are allowed.',
    }),
    values: list(string({}), {
      proto: 3,
      doc: 'Values to compare with. Required for In and NotIn. Must be empty for Exists and DoesNotExist, and exactly one integer for Gt and Lt.',
    }),
  },
)
export type NodeSelectorRequirement = Of<typeof NodeSelectorRequirement>

export const NodeSelectorTerm = struct(
  'core.v1.NodeSelectorTerm',
  'Conditions that a node must all meet. A term without conditions matches no node.',
  {
    matchExpressions: list(NodeSelectorRequirement, { proto: 1, doc: 'Conditions on the labels of the node.' }),
    matchFields: list(NodeSelectorRequirement, {
      proto: 2,
      doc: 'Conditions on fields of the node. Only metadata.name is supported.',
    }),
  },
  { atomic: true },
)
export type NodeSelectorTerm = Of<typeof NodeSelectorTerm>

export const NodeSelector = struct(
  'core.v1.NodeSelector',
  'Selects nodes. A node matches if it meets at least one of the terms.',
  {
    nodeSelectorTerms: list(NodeSelectorTerm, {
      proto: 1,
      always: true,
      doc: 'Terms of the selector, of which at least one must match. At least one is required.',
    }),
  },
  { atomic: true },
)
export type NodeSelector = Of<typeof NodeSelector>

export const VolumeNodeAffinity = struct(
  'core.v1.VolumeNodeAffinity',
  'Constraint on the nodes from which a volume can be accessed.',
  {
    required: NodeSelector.field({ proto: 1, doc: 'Nodes from which the volume can be accessed.' }),
  },
)
export type VolumeNodeAffinity = Of<typeof VolumeNodeAffinity>

export const PreferredSchedulingTerm = struct(
  'core.v1.PreferredSchedulingTerm',
  'Preference for nodes that match a term.',
  {
    weight: int32({
      proto: 1,
      always: true,
      doc: 'Weight of the preference, from 1 to 100. It is added to the score of nodes that match.',
    }),
    preference: NodeSelectorTerm.value({
      proto: 2,
      doc: 'Term that selects the preferred nodes. An empty term matches all nodes.',
    }),
  },
)
export type PreferredSchedulingTerm = Of<typeof PreferredSchedulingTerm>

export const NodeAffinity = struct('core.v1.NodeAffinity', 'Constraints on the nodes that a pod can be scheduled on.', {
  requiredDuringSchedulingIgnoredDuringExecution: NodeSelector.field({
    proto: 1,
    doc: 'Nodes that the pod can be scheduled on. If the node no longer matches later, the pod stays there.',
  }),
  preferredDuringSchedulingIgnoredDuringExecution: list(PreferredSchedulingTerm, {
    proto: 2,
    doc: 'Nodes that are preferred. Among the nodes that meet all requirements, those with the highest sum of weights are preferred.',
  }),
})
export type NodeAffinity = Of<typeof NodeAffinity>

export const PodAffinityTerm = struct(
  'core.v1.PodAffinityTerm',
  'Set of pods and a topology in which they count as co-located.',
  {
    labelSelector: LabelSelector.field({ proto: 1, doc: 'Selects the pods by their labels. If unset, no pods match.' }),
    namespaces: list(string({}), {
      proto: 2,
      doc: 'Namespaces of the pods, in addition to those that namespaceSelector selects. If both are unset, the namespace of this pod is used.',
    }),
    topologyKey: string({
      proto: 3,
      always: true,
      doc: 'Label key of nodes. Nodes with the same value of this label are one topology domain, such as a zone. Required.',
    }),
    namespaceSelector: LabelSelector.field({
      proto: 4,
      doc: 'Selects the namespaces of the pods by their labels. An empty selector selects all namespaces.',
    }),
    matchLabelKeys: list(string({}), {
      proto: 5,
      doc: 'Label keys of this pod. The selected pods must have the same values of these labels. Requires labelSelector, which must not use the same keys.',
    }),
    mismatchLabelKeys: list(string({}), {
      proto: 6,
      doc: 'Label keys of this pod. The selected pods must have other values of these labels. Requires labelSelector. A key must not also be in matchLabelKeys.',
    }),
  },
)
export type PodAffinityTerm = Of<typeof PodAffinityTerm>

export const WeightedPodAffinityTerm = struct(
  'core.v1.WeightedPodAffinityTerm',
  'Preference for or against being co-located with some pods.',
  {
    weight: int32({
      proto: 1,
      always: true,
      doc: 'Weight of the preference, from 1 to 100. It is added to the score of nodes that match.',
    }),
    podAffinityTerm: PodAffinityTerm.value({ proto: 2, doc: 'Pods and topology that the preference applies to.' }),
  },
)
export type WeightedPodAffinityTerm = Of<typeof WeightedPodAffinityTerm>

export const PodAffinity = struct('core.v1.PodAffinity', 'Pods that a pod must or should be co-located with.', {
  requiredDuringSchedulingIgnoredDuringExecution: list(PodAffinityTerm, {
    proto: 1,
    doc: 'Terms that must all be met: a node is suitable only if matching pods run in its topology domain. Later changes do not remove the pod from its node.',
  }),
  preferredDuringSchedulingIgnoredDuringExecution: list(WeightedPodAffinityTerm, {
    proto: 2,
    doc: 'Preferred co-location. Nodes with the highest sum of the weights of the terms that are met are preferred.',
  }),
})
export type PodAffinity = Of<typeof PodAffinity>

export const PodAntiAffinity = struct(
  'core.v1.PodAntiAffinity',
  'Pods that a pod must or should not be co-located with.',
  {
    requiredDuringSchedulingIgnoredDuringExecution: list(PodAffinityTerm, {
      proto: 1,
      doc: 'Terms that must all be met: a node is suitable only if no matching pods run in its topology domain. Later changes do not remove the pod from its node.',
    }),
    preferredDuringSchedulingIgnoredDuringExecution: list(WeightedPodAffinityTerm, {
      proto: 2,
      doc: 'Preferred separation. Nodes with the lowest sum of the weights of the terms that match are preferred.',
    }),
  },
)
export type PodAntiAffinity = Of<typeof PodAntiAffinity>

export const Affinity = struct('core.v1.Affinity', 'Scheduling constraints of a pod.', {
  nodeAffinity: NodeAffinity.field({ proto: 1, doc: 'Constraints on the nodes that the pod can be scheduled on.' }),
  podAffinity: PodAffinity.field({
    proto: 2,
    doc: 'Pods that this pod must or should be co-located with, for example in the same zone.',
  }),
  podAntiAffinity: PodAntiAffinity.field({
    proto: 3,
    doc: 'Pods that this pod must or should not be co-located with.',
  }),
})
export type Affinity = Of<typeof Affinity>

export const Toleration = struct(
  'core.v1.Toleration',
  'Allows a pod to be scheduled on and to stay on nodes with matching taints.',
  {
    key: string({
      proto: 1,
      doc: 'Taint key that is tolerated. If empty, operator must be Exists, and all taints are tolerated.',
    }),
    operator: string({
      proto: 2,
      enum: ['Exists', 'Equal', 'Lt', 'Gt'],
      doc: 'How the value of the taint is compared: Exists ignores it, Equal requires the same value. Lt and Gt compare integers and are not enabled. Defaults to Equal.',
    }),
    value: string({ proto: 3, doc: 'Taint value that is tolerated. Must be empty if operator is Exists.' }),
    effect: string({
      proto: 4,
      enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'],
      doc: 'Taint effect that is tolerated: NoSchedule, PreferNoSchedule or NoExecute. If empty, all effects are tolerated.',
    }),
    tolerationSeconds: int64({
      proto: 5,
      optional: true,
      doc: 'Seconds that a running pod tolerates a NoExecute taint before it is evicted. 0 and negative values evict it immediately. Requires effect NoExecute. If unset, the pod is not evicted.',
    }),
  },
)
export type Toleration = Of<typeof Toleration>

export const TopologySpreadConstraint = struct(
  'core.v1.TopologySpreadConstraint',
  'How matching pods are spread across topology domains.',
  {
    maxSkew: int32({
      proto: 1,
      always: true,
      doc: 'Maximum difference between the number of matching pods in a topology domain and the lowest number in any domain. Must be greater than 0.',
    }),
    topologyKey: string({
      proto: 2,
      always: true,
      doc: 'Label key of nodes. Nodes with the same value of this label are one topology domain. Required.',
    }),
    whenUnsatisfiable: string({
      proto: 3,
      always: true,
      enum: ['DoNotSchedule', 'ScheduleAnyway'],
      doc: 'What happens if the constraint cannot be satisfied: DoNotSchedule leaves the pod pending, ScheduleAnyway prefers nodes that reduce the skew.',
    }),
    labelSelector: LabelSelector.field({
      proto: 4,
      doc: 'Selects the pods that are counted, in the namespace of this pod.',
    }),
    minDomains: int32({
      proto: 5,
      optional: true,
      doc: 'Minimum number of topology domains. If there are fewer, the lowest number of pods counts as 0. Must be greater than 0 and requires DoNotSchedule. Defaults to 1.',
    }),
    nodeAffinityPolicy: string({
      proto: 6,
      optional: true,
      enum: ['Ignore', 'Honor'],
      doc: 'Whether nodes that do not match the pod’s nodeSelector and node affinity are left out when the skew is computed: Honor leaves them out, Ignore does not. Defaults to Honor.',
    }),
    nodeTaintsPolicy: string({
      proto: 7,
      optional: true,
      enum: ['Ignore', 'Honor'],
      doc: 'Whether nodes with taints that the pod does not tolerate are left out when the skew is computed: Honor leaves them out, Ignore does not. Defaults to Ignore.',
    }),
    matchLabelKeys: list(string({}), {
      proto: 8,
      doc: 'Label keys of this pod, such as pod-template-hash. Only pods with the same values of these labels are counted. Requires labelSelector, which must not use the same keys.',
    }),
  },
)
export type TopologySpreadConstraint = Of<typeof TopologySpreadConstraint>

export const TopologySelectorLabelRequirement = struct(
  'core.v1.TopologySelectorLabelRequirement',
  'Condition on the value of one label.',
  {
    key: string({ proto: 1, always: true, doc: 'Label key that the condition applies to.' }),
    values: list(string({}), { proto: 2, always: true, doc: 'Values of which the label must have one.' }),
  },
)
export type TopologySelectorLabelRequirement = Of<typeof TopologySelectorLabelRequirement>

export const TopologySelectorTerm = struct(
  'core.v1.TopologySelectorTerm',
  'Conditions that the labels of a topology must all meet.',
  {
    matchLabelExpressions: list(TopologySelectorLabelRequirement, {
      proto: 1,
      doc: 'Conditions on the labels of the topology.',
    }),
  },
  { atomic: true },
)
export type TopologySelectorTerm = Of<typeof TopologySelectorTerm>
