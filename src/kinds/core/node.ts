// A node: a machine that runs pods.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { nodeColumns } from './node-columns.ts'
import { defaultNode, validateNode, validateNodeUpdate } from './node-rules.ts'
import { NodeConfigSource, NodeSpec } from './nodespec.ts'

export const NodeCondition = struct('core.v1.NodeCondition', 'One aspect of a node’s state.', {
  type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
  status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
  lastHeartbeatTime: time({ proto: 3, always: true, doc: 'When the condition was last reported.' }),
  lastTransitionTime: time({ proto: 4, always: true, doc: 'When the status last changed.' }),
  reason: string({ proto: 5, doc: 'One CamelCase word why.' }),
  message: string({ proto: 6, doc: 'The same for people.' }),
})
export type NodeCondition = Of<typeof NodeCondition>

export const NodeAddress = struct('core.v1.NodeAddress', 'An address or name of a node.', {
  type: string({ proto: 1, always: true, doc: 'InternalIP, ExternalIP, Hostname, InternalDNS or ExternalDNS.' }),
  address: string({ proto: 2, always: true, doc: 'The address or name.' }),
})
export type NodeAddress = Of<typeof NodeAddress>

export const DaemonEndpoint = struct('core.v1.DaemonEndpoint', 'Where a program on the node listens.', {
  Port: int32({ proto: 1, always: true, doc: 'The port.' }),
})
export type DaemonEndpoint = Of<typeof DaemonEndpoint>

export const NodeDaemonEndpoints = struct('core.v1.NodeDaemonEndpoints', 'Where the programs on the node listen.', {
  kubeletEndpoint: DaemonEndpoint.value({ proto: 1, doc: 'Where the kubelet listens.' }),
})
export type NodeDaemonEndpoints = Of<typeof NodeDaemonEndpoints>

export const NodeSwapStatus = struct('core.v1.NodeSwapStatus', 'Swap space of a node.', {
  capacity: int64({ proto: 1, optional: true, doc: 'Size in bytes.' }),
})
export type NodeSwapStatus = Of<typeof NodeSwapStatus>

export const NodeSystemInfo = struct('core.v1.NodeSystemInfo', 'What a node is made of.', {
  machineID: string({ proto: 1, always: true, doc: 'ID of the installation.' }),
  systemUUID: string({ proto: 2, always: true, doc: 'ID of the machine.' }),
  bootID: string({ proto: 3, always: true, doc: 'ID of the boot; another one after each.' }),
  kernelVersion: string({ proto: 4, always: true, doc: 'Version of the kernel.' }),
  osImage: string({ proto: 5, always: true, doc: 'Name of the operating system.' }),
  containerRuntimeVersion: string({ proto: 6, always: true, doc: 'Runtime and version, as name://version.' }),
  kubeletVersion: string({ proto: 7, always: true, doc: 'Version of the kubelet.' }),
  kubeProxyVersion: string({ proto: 8, always: true, doc: 'Obsolete; says nothing.' }),
  operatingSystem: string({ proto: 9, always: true, doc: 'linux or windows.' }),
  architecture: string({ proto: 10, always: true, doc: 'Processor architecture, such as amd64 or arm64.' }),
  swap: NodeSwapStatus.field({ proto: 11, doc: 'Swap space.' }),
})
export type NodeSystemInfo = Of<typeof NodeSystemInfo>

export const ContainerImage = struct('core.v1.ContainerImage', 'An image that a node has.', {
  names: list(string({}), { proto: 1, always: true, doc: 'Its names, by tag and digest.' }),
  sizeBytes: int64({ proto: 2, doc: 'Its size in bytes.' }),
})
export type ContainerImage = Of<typeof ContainerImage>

export const AttachedVolume = struct('core.v1.AttachedVolume', 'A volume attached to a node.', {
  name: string({ proto: 1, always: true, doc: 'Name of the volume.' }),
  devicePath: string({ proto: 2, always: true, doc: 'Where the device is.' }),
})
export type AttachedVolume = Of<typeof AttachedVolume>

export const NodeConfigStatus = struct('core.v1.NodeConfigStatus', 'Which configuration a kubelet uses; obsolete.', {
  assigned: NodeConfigSource.field({ proto: 1, doc: 'The one asked for.' }),
  active: NodeConfigSource.field({ proto: 2, doc: 'The one in use.' }),
  lastKnownGood: NodeConfigSource.field({ proto: 3, doc: 'The one it falls back to.' }),
  error: string({ proto: 4, doc: 'What went wrong.' }),
})
export type NodeConfigStatus = Of<typeof NodeConfigStatus>

export const NodeRuntimeHandlerFeatures = struct(
  'core.v1.NodeRuntimeHandlerFeatures',
  'What a runtime handler can do.',
  {
    recursiveReadOnlyMounts: bool({
      proto: 1,
      optional: true,
      doc: 'Whether it can make mounts below a mount read-only.',
    }),
    userNamespaces: bool({ proto: 2, optional: true, doc: 'Whether it can give pods user IDs of their own.' }),
  },
)
export type NodeRuntimeHandlerFeatures = Of<typeof NodeRuntimeHandlerFeatures>

export const NodeRuntimeHandler = struct('core.v1.NodeRuntimeHandler', 'One way a node’s runtime can run containers.', {
  name: string({ proto: 1, always: true, doc: 'Its name; empty for the usual one.' }),
  features: NodeRuntimeHandlerFeatures.field({ proto: 2, doc: 'What it can do.' }),
})
export type NodeRuntimeHandler = Of<typeof NodeRuntimeHandler>

export const NodeFeatures = struct('core.v1.NodeFeatures', 'What a node’s runtime can do.', {
  supplementalGroupsPolicy: bool({ proto: 1, optional: true, doc: 'Whether it knows the policy Strict.' }),
})
export type NodeFeatures = Of<typeof NodeFeatures>

export const NodeStatus = struct('core.v1.NodeStatus', 'What a node is and has, as last reported by its kubelet.', {
  capacity: map(quantity({}), { proto: 1, doc: 'All of its resources.' }),
  allocatable: map(quantity({}), { proto: 2, doc: 'Resources that pods may use.' }),
  phase: string({ proto: 3, enum: ['Pending', 'Running', 'Terminated'], doc: 'Obsolete; not set.' }),
  conditions: listByKey('type', NodeCondition, {
    proto: 4,
    mergeKey: 'type',
    doc: 'What can be said about its state; Ready above all.',
  }),
  addresses: listByKey('type', NodeAddress, { proto: 5, mergeKey: 'type', doc: 'Its addresses and names.' }),
  daemonEndpoints: NodeDaemonEndpoints.value({ proto: 6, doc: 'Where its programs listen.' }),
  nodeInfo: NodeSystemInfo.value({ proto: 7, doc: 'What it is made of.' }),
  images: list(ContainerImage, { proto: 8, doc: 'Images it has.' }),
  volumesInUse: list(string({}), { proto: 9, doc: 'Volumes that must not be detached yet.' }),
  volumesAttached: list(AttachedVolume, { proto: 10, doc: 'Volumes attached to it.' }),
  config: NodeConfigStatus.field({ proto: 11, doc: 'Obsolete.' }),
  runtimeHandlers: list(NodeRuntimeHandler, { proto: 12, doc: 'Ways its runtime can run containers.' }),
  features: NodeFeatures.field({ proto: 13, doc: 'What its runtime can do.' }),
  declaredFeatures: list(string({}), { proto: 14, doc: 'Features its kubelet says it has.' }),
})
export type NodeStatus = Of<typeof NodeStatus>

export const Node = defineKind({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  scope: 'Cluster',
  shortNames: ['no'],
  subresources: ['proxy'],
  status: true,
  doc: 'A node: a machine that runs pods.',
  columns: nodeColumns,
  keepsStatus: true,
  explicit: true,
  defaults: defaultNode,
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  selectable: { 'spec.unschedulable': n => String(n.spec.unschedulable ?? false) },
  fields: {
    spec: NodeSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: NodeStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Node = Of<typeof Node>
