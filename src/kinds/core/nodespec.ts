// What a node is to be: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { bool, list, string, struct, time } from '../../api/schema/build.ts'

export const Taint = struct('core.v1.Taint', 'Mark on a node that repels pods which do not tolerate it.', {
  key: string({ proto: 1, always: true, doc: 'Key of the taint.' }),
  value: string({ proto: 2, doc: 'Value of the taint.' }),
  effect: string({
    proto: 3,
    always: true,
    enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'],
    doc: 'Effect on pods that do not tolerate the taint: NoSchedule keeps new pods away, PreferNoSchedule avoids placing them here, NoExecute also evicts running pods.',
  }),
  timeAdded: time({ proto: 4, optional: true, doc: 'Time when the taint was added. Toleration periods begin then.' }),
})
export type Taint = Of<typeof Taint>

export const ConfigMapNodeConfigSource = struct(
  'core.v1.ConfigMapNodeConfigSource',
  'Deprecated: ConfigMap with the configuration of a kubelet.',
  {
    namespace: string({ proto: 1, always: true, doc: 'Namespace of the ConfigMap.' }),
    name: string({ proto: 2, always: true, doc: 'Name of the ConfigMap.' }),
    uid: string({ proto: 3, doc: 'UID of the ConfigMap.' }),
    resourceVersion: string({ proto: 4, doc: 'Resource version of the ConfigMap.' }),
    kubeletConfigKey: string({ proto: 5, always: true, doc: 'Key of the ConfigMap that holds the configuration.' }),
  },
)
export type ConfigMapNodeConfigSource = Of<typeof ConfigMapNodeConfigSource>

export const NodeConfigSource = struct(
  'core.v1.NodeConfigSource',
  'Deprecated: source of the configuration of a kubelet.',
  {
    configMap: ConfigMapNodeConfigSource.field({ proto: 2, doc: 'ConfigMap with the configuration.' }),
  },
)
export type NodeConfigSource = Of<typeof NodeConfigSource>

export const NodePodPreemptionPolicy = struct(
  'core.v1.NodePodPreemptionPolicy',
  'Restrictions on the preemption of pods on a node.',
  {
    disableResizePreemption: list(string({}), {
      proto: 1,
      listType: 'set',
      doc: 'Owners, such as autoscalers, that have disabled preemption for in-place resizes on this node. Preemption is disabled while the list is not empty.',
    }),
  },
)
export type NodePodPreemptionPolicy = Of<typeof NodePodPreemptionPolicy>

export const NodeSpec = struct('core.v1.NodeSpec', 'Attributes of a node.', {
  podCIDR: string({
    proto: 1,
    doc: 'Range of IP addresses that is assigned to the pods of the node. Equals the first entry of podCIDRs.',
  }),
  podCIDRs: list(string({}), {
    proto: 7,
    mergeKey: '',
    listType: 'set',
    doc: 'Ranges of IP addresses that are assigned to the pods of the node, at most one for each IP family.',
  }),
  providerID: string({ proto: 3, doc: 'ID of the machine at its cloud provider, as provider://id.' }),
  unschedulable: bool({
    proto: 4,
    doc: 'If true, no new pods are scheduled on the node. kubectl cordon sets it, kubectl uncordon removes it.',
  }),
  taints: list(Taint, { proto: 5, doc: 'Taints of the node, which repel pods that do not tolerate them.' }),
  configSource: NodeConfigSource.field({
    proto: 6,
    doc: 'Deprecated: source of the kubelet configuration. It is ignored.',
  }),
  externalID: string({ proto: 2, doc: 'Deprecated: it is ignored.' }),
  podPreemptionPolicy: NodePodPreemptionPolicy.field({
    proto: 8,
    doc: 'Restrictions on the preemption of pods on the node. Alpha, without effect.',
  }),
})
export type NodeSpec = Of<typeof NodeSpec>
