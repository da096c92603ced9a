// What a node is to be: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { bool, list, string, struct, time } from '../../api/schema/build.ts'

export const Taint = struct('core.v1.Taint', 'Keeps pods off a node unless they tolerate it.', {
  key: string({ proto: 1, always: true, doc: 'Key of the taint.' }),
  value: string({ proto: 2, doc: 'Value of the taint.' }),
  effect: string({
    proto: 3,
    always: true,
    enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'],
    doc: 'NoSchedule, PreferNoSchedule, or NoExecute, which also evicts running pods.',
  }),
  timeAdded: time({ proto: 4, optional: true, doc: 'When the taint was set.' }),
})
export type Taint = Of<typeof Taint>

export const ConfigMapNodeConfigSource = struct(
  'core.v1.ConfigMapNodeConfigSource',
  'A ConfigMap with a kubelet’s configuration; obsolete.',
  {
    namespace: string({ proto: 1, always: true, doc: 'Namespace of the ConfigMap.' }),
    name: string({ proto: 2, always: true, doc: 'Name of the ConfigMap.' }),
    uid: string({ proto: 3, doc: 'UID of the ConfigMap.' }),
    resourceVersion: string({ proto: 4, doc: 'Resource version of the ConfigMap.' }),
    kubeletConfigKey: string({ proto: 5, always: true, doc: 'Key with the configuration.' }),
  },
)
export type ConfigMapNodeConfigSource = Of<typeof ConfigMapNodeConfigSource>

export const NodeConfigSource = struct(
  'core.v1.NodeConfigSource',
  'Where a kubelet’s configuration comes from; obsolete.',
  {
    configMap: ConfigMapNodeConfigSource.field({ proto: 2, doc: 'A ConfigMap.' }),
  },
)
export type NodeConfigSource = Of<typeof NodeConfigSource>

export const NodePodPreemptionPolicy = struct(
  'core.v1.NodePodPreemptionPolicy',
  'Which pods may push others off the node.',
  {
    disableResizePreemption: list(string({}), {
      proto: 1,
      listType: 'set',
      doc: 'Cases in which a pod that grows may not push others off.',
    }),
  },
)
export type NodePodPreemptionPolicy = Of<typeof NodePodPreemptionPolicy>

export const NodeSpec = struct('core.v1.NodeSpec', 'What a node is to be.', {
  podCIDR: string({ proto: 1, doc: 'Range of addresses for its pods.' }),
  podCIDRs: list(string({}), { proto: 7, mergeKey: '', listType: 'set', doc: 'Ranges for its pods, one per family.' }),
  providerID: string({ proto: 3, doc: 'ID of the machine at its provider, as provider://id.' }),
  unschedulable: bool({ proto: 4, doc: 'True to place no new pods here; set by kubectl cordon.' }),
  taints: list(Taint, { proto: 5, doc: 'Keep pods off the node unless they tolerate them.' }),
  configSource: NodeConfigSource.field({ proto: 6, doc: 'Obsolete; ignored.' }),
  externalID: string({ proto: 2, doc: 'Obsolete; ignored.' }),
  podPreemptionPolicy: NodePodPreemptionPolicy.field({ proto: 8, doc: 'Which pods may push others off the node.' }),
})
export type NodeSpec = Of<typeof NodeSpec>
