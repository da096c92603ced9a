// A node: a machine that runs pods.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { nodeColumns } from './node-columns.ts'

export const Taint = struct('core.v1.Taint', '', {
  key: string({ proto: 1, always: true }),
  value: string({ proto: 2 }),
  effect: string({ proto: 3, always: true, enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] }),
  timeAdded: time({ proto: 4, optional: true }),
})
export type Taint = Of<typeof Taint>

export const ConfigMapNodeConfigSource = struct('core.v1.ConfigMapNodeConfigSource', '', {
  namespace: string({ proto: 1, always: true }),
  name: string({ proto: 2, always: true }),
  uid: string({ proto: 3 }),
  resourceVersion: string({ proto: 4 }),
  kubeletConfigKey: string({ proto: 5, always: true }),
})
export type ConfigMapNodeConfigSource = Of<typeof ConfigMapNodeConfigSource>

export const NodeConfigSource = struct('core.v1.NodeConfigSource', '', {
  configMap: ConfigMapNodeConfigSource.field({ proto: 2 }),
})
export type NodeConfigSource = Of<typeof NodeConfigSource>

export const NodePodPreemptionPolicy = struct('core.v1.NodePodPreemptionPolicy', '', {
  disableResizePreemption: list(string({}), { proto: 1, listType: 'set' }),
})
export type NodePodPreemptionPolicy = Of<typeof NodePodPreemptionPolicy>

export const NodeSpec = struct('core.v1.NodeSpec', '', {
  podCIDR: string({ proto: 1 }),
  podCIDRs: list(string({}), { proto: 7, mergeKey: '', listType: 'set' }),
  providerID: string({ proto: 3 }),
  unschedulable: bool({ proto: 4 }),
  taints: list(Taint, { proto: 5 }),
  configSource: NodeConfigSource.field({ proto: 6 }),
  externalID: string({ proto: 2 }),
  podPreemptionPolicy: NodePodPreemptionPolicy.field({ proto: 8 }),
})
export type NodeSpec = Of<typeof NodeSpec>

export const NodeCondition = struct('core.v1.NodeCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastHeartbeatTime: time({ proto: 3, always: true }),
  lastTransitionTime: time({ proto: 4, always: true }),
  reason: string({ proto: 5 }),
  message: string({ proto: 6 }),
})
export type NodeCondition = Of<typeof NodeCondition>

export const NodeAddress = struct('core.v1.NodeAddress', '', {
  type: string({ proto: 1, always: true }),
  address: string({ proto: 2, always: true }),
})
export type NodeAddress = Of<typeof NodeAddress>

export const DaemonEndpoint = struct('core.v1.DaemonEndpoint', '', {
  Port: int32({ proto: 1, always: true }),
})
export type DaemonEndpoint = Of<typeof DaemonEndpoint>

export const NodeDaemonEndpoints = struct('core.v1.NodeDaemonEndpoints', '', {
  kubeletEndpoint: DaemonEndpoint.value({ proto: 1 }),
})
export type NodeDaemonEndpoints = Of<typeof NodeDaemonEndpoints>

export const NodeSwapStatus = struct('core.v1.NodeSwapStatus', '', {
  capacity: int64({ proto: 1, optional: true }),
})
export type NodeSwapStatus = Of<typeof NodeSwapStatus>

export const NodeSystemInfo = struct('core.v1.NodeSystemInfo', '', {
  machineID: string({ proto: 1, always: true }),
  systemUUID: string({ proto: 2, always: true }),
  bootID: string({ proto: 3, always: true }),
  kernelVersion: string({ proto: 4, always: true }),
  osImage: string({ proto: 5, always: true }),
  containerRuntimeVersion: string({ proto: 6, always: true }),
  kubeletVersion: string({ proto: 7, always: true }),
  kubeProxyVersion: string({ proto: 8, always: true }),
  operatingSystem: string({ proto: 9, always: true }),
  architecture: string({ proto: 10, always: true }),
  swap: NodeSwapStatus.field({ proto: 11 }),
})
export type NodeSystemInfo = Of<typeof NodeSystemInfo>

export const ContainerImage = struct('core.v1.ContainerImage', '', {
  names: list(string({}), { proto: 1, always: true }),
  sizeBytes: int64({ proto: 2 }),
})
export type ContainerImage = Of<typeof ContainerImage>

export const AttachedVolume = struct('core.v1.AttachedVolume', '', {
  name: string({ proto: 1, always: true }),
  devicePath: string({ proto: 2, always: true }),
})
export type AttachedVolume = Of<typeof AttachedVolume>

export const NodeConfigStatus = struct('core.v1.NodeConfigStatus', '', {
  assigned: NodeConfigSource.field({ proto: 1 }),
  active: NodeConfigSource.field({ proto: 2 }),
  lastKnownGood: NodeConfigSource.field({ proto: 3 }),
  error: string({ proto: 4 }),
})
export type NodeConfigStatus = Of<typeof NodeConfigStatus>

export const NodeRuntimeHandlerFeatures = struct('core.v1.NodeRuntimeHandlerFeatures', '', {
  recursiveReadOnlyMounts: bool({ proto: 1, optional: true }),
  userNamespaces: bool({ proto: 2, optional: true }),
})
export type NodeRuntimeHandlerFeatures = Of<typeof NodeRuntimeHandlerFeatures>

export const NodeRuntimeHandler = struct('core.v1.NodeRuntimeHandler', '', {
  name: string({ proto: 1, always: true }),
  features: NodeRuntimeHandlerFeatures.field({ proto: 2 }),
})
export type NodeRuntimeHandler = Of<typeof NodeRuntimeHandler>

export const NodeFeatures = struct('core.v1.NodeFeatures', '', {
  supplementalGroupsPolicy: bool({ proto: 1, optional: true }),
})
export type NodeFeatures = Of<typeof NodeFeatures>

export const NodeStatus = struct('core.v1.NodeStatus', '', {
  capacity: map(quantity({}), { proto: 1 }),
  allocatable: map(quantity({}), { proto: 2 }),
  phase: string({ proto: 3, enum: ['Pending', 'Running', 'Terminated'] }),
  conditions: listByKey('type', NodeCondition, { proto: 4, mergeKey: 'type' }),
  addresses: listByKey('type', NodeAddress, { proto: 5, mergeKey: 'type' }),
  daemonEndpoints: NodeDaemonEndpoints.value({ proto: 6 }),
  nodeInfo: NodeSystemInfo.value({ proto: 7 }),
  images: list(ContainerImage, { proto: 8 }),
  volumesInUse: list(string({}), { proto: 9 }),
  volumesAttached: list(AttachedVolume, { proto: 10 }),
  config: NodeConfigStatus.field({ proto: 11 }),
  runtimeHandlers: list(NodeRuntimeHandler, { proto: 12 }),
  features: NodeFeatures.field({ proto: 13 }),
  declaredFeatures: list(string({}), { proto: 14 }),
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
  selectable: { 'spec.unschedulable': n => String(n.spec.unschedulable ?? false) },
  fields: {
    spec: NodeSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: NodeStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Node = Of<typeof Node>
