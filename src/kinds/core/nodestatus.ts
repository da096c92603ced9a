// What is observed of a node: the parts of its status.
import type { Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { NodeConfigSource } from './nodespec.ts'

export const NodeCondition = struct('core.v1.NodeCondition', 'One aspect of the current state of a node.', {
  type: string({
    proto: 1,
    always: true,
    doc: 'Type of the condition: Ready, MemoryPressure, DiskPressure or PIDPressure.',
  }),
  status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
  lastHeartbeatTime: time({ proto: 3, always: true, doc: 'Time when the condition was last reported.' }),
  lastTransitionTime: time({ proto: 4, always: true, doc: 'Time when the status of the condition last changed.' }),
  reason: string({ proto: 5, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
  message: string({ proto: 6, doc: 'Human-readable message with details about the last transition.' }),
})
export type NodeCondition = Of<typeof NodeCondition>

export const NodeAddress = struct('core.v1.NodeAddress', 'Address of a node.', {
  type: string({
    proto: 1,
    always: true,
    doc: 'Type of the address: InternalIP, ExternalIP, Hostname, InternalDNS or ExternalDNS.',
  }),
  address: string({ proto: 2, always: true, doc: 'IP address or host name.' }),
})
export type NodeAddress = Of<typeof NodeAddress>

export const DaemonEndpoint = struct('core.v1.DaemonEndpoint', 'Port that a component on a node listens on.', {
  Port: int32({ proto: 1, always: true, doc: 'Port number of the component.' }),
})
export type DaemonEndpoint = Of<typeof DaemonEndpoint>

export const NodeDaemonEndpoints = struct(
  'core.v1.NodeDaemonEndpoints',
  'Ports that the components on a node listen on.',
  {
    kubeletEndpoint: DaemonEndpoint.value({ proto: 1, doc: 'Port that the kubelet listens on.' }),
  },
)
export type NodeDaemonEndpoints = Of<typeof NodeDaemonEndpoints>

export const NodeSwapStatus = struct('core.v1.NodeSwapStatus', 'Swap space of a node.', {
  capacity: int64({ proto: 1, optional: true, doc: 'Total size of the swap space in bytes.' }),
})
export type NodeSwapStatus = Of<typeof NodeSwapStatus>

export const NodeSystemInfo = struct('core.v1.NodeSystemInfo', 'Identifiers and versions of a node.', {
  machineID: string({
    proto: 1,
    always: true,
    doc: 'ID of the machine, as the operating system reports it, usually from /etc/machine-id.',
  }),
  systemUUID: string({
    proto: 2,
    always: true,
    doc: 'ID of the hardware or virtual machine, as its firmware reports it.',
  }),
  bootID: string({ proto: 3, always: true, doc: 'ID of the current boot. It changes each time the node reboots.' }),
  kernelVersion: string({ proto: 4, always: true, doc: 'Version of the kernel.' }),
  osImage: string({
    proto: 5,
    always: true,
    doc: 'Name of the operating system, such as Debian GNU/Linux 12 (bookworm).',
  }),
  containerRuntimeVersion: string({
    proto: 6,
    always: true,
    doc: 'Container runtime and its version, as in containerd://1.6.20.',
  }),
  kubeletVersion: string({ proto: 7, always: true, doc: 'Version of the kubelet.' }),
  kubeProxyVersion: string({
    proto: 8,
    always: true,
    doc: 'Deprecated: version of kube-proxy, which is not reported.',
  }),
  operatingSystem: string({ proto: 9, always: true, doc: 'Operating system of the node: linux or windows.' }),
  architecture: string({ proto: 10, always: true, doc: 'Processor architecture of the node, such as amd64 or arm64.' }),
  swap: NodeSwapStatus.field({ proto: 11, doc: 'Swap space of the node.' }),
})
export type NodeSystemInfo = Of<typeof NodeSystemInfo>

export const ContainerImage = struct('core.v1.ContainerImage', 'Image that is stored on a node.', {
  names: list(string({}), { proto: 1, always: true, doc: 'Names of the image, with tags and digests.' }),
  sizeBytes: int64({ proto: 2, doc: 'Size of the image in bytes.' }),
})
export type ContainerImage = Of<typeof ContainerImage>

export const AttachedVolume = struct('core.v1.AttachedVolume', 'Volume that is attached to a node.', {
  name: string({ proto: 1, always: true, doc: 'Name of the attached volume.' }),
  devicePath: string({ proto: 2, always: true, doc: 'Path of the device on the node.' }),
})
export type AttachedVolume = Of<typeof AttachedVolume>

export const NodeConfigStatus = struct(
  'core.v1.NodeConfigStatus',
  'Deprecated: status of the kubelet configuration that spec.configSource assigned.',
  {
    assigned: NodeConfigSource.field({ proto: 1, doc: 'Configuration that the kubelet will try to use.' }),
    active: NodeConfigSource.field({ proto: 2, doc: 'Configuration that the kubelet uses.' }),
    lastKnownGood: NodeConfigSource.field({
      proto: 3,
      doc: 'Configuration that the kubelet falls back to if the assigned one fails.',
    }),
    error: string({ proto: 4, doc: 'Problem with the assigned configuration. Empty if there is none.' }),
  },
)
export type NodeConfigStatus = Of<typeof NodeConfigStatus>

export const NodeRuntimeHandlerFeatures = struct(
  'core.v1.NodeRuntimeHandlerFeatures',
  'Features that a runtime handler supports.',
  {
    recursiveReadOnlyMounts: bool({
      proto: 1,
      optional: true,
      doc: 'Whether the handler supports recursive read-only mounts.',
    }),
    userNamespaces: bool({ proto: 2, optional: true, doc: 'Whether the handler supports user namespaces.' }),
  },
)
export type NodeRuntimeHandlerFeatures = Of<typeof NodeRuntimeHandlerFeatures>

export const NodeRuntimeHandler = struct(
  'core.v1.NodeRuntimeHandler',
  'Handler of the container runtime on a node, which a RuntimeClass can refer to.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the handler. Empty for the default handler.' }),
    features: NodeRuntimeHandlerFeatures.field({ proto: 2, doc: 'Features that the handler supports.' }),
  },
)
export type NodeRuntimeHandler = Of<typeof NodeRuntimeHandler>

export const NodeFeatures = struct(
  'core.v1.NodeFeatures',
  'Features that the container runtime of a node supports, independent of the handler.',
  {
    supplementalGroupsPolicy: bool({
      proto: 1,
      optional: true,
      doc: 'Whether the runtime supports supplementalGroupsPolicy and the user in the status of containers.',
    }),
  },
)
export type NodeFeatures = Of<typeof NodeFeatures>

export const NodeStatus = struct(
  'core.v1.NodeStatus',
  'Most recently observed state of a node, as reported by its kubelet.',
  {
    capacity: map(quantity({}), { proto: 1, doc: 'Total resources of the node.' }),
    allocatable: map(quantity({}), {
      proto: 2,
      doc: 'Resources of the node that are available to pods. Defaults to the capacity.',
    }),
    phase: string({
      proto: 3,
      enum: ['Pending', 'Running', 'Terminated'],
      doc: 'Deprecated: it is no longer set. Use the conditions.',
    }),
    conditions: listByKey('type', NodeCondition, {
      proto: 4,
      mergeKey: 'type',
      doc: 'Current conditions of the node, such as Ready and MemoryPressure.',
    }),
    addresses: listByKey('type', NodeAddress, {
      proto: 5,
      mergeKey: 'type',
      doc: 'Addresses by which the node can be reached.',
    }),
    daemonEndpoints: NodeDaemonEndpoints.value({ proto: 6, doc: 'Ports that the components on the node listen on.' }),
    nodeInfo: NodeSystemInfo.value({ proto: 7, doc: 'Identifiers and versions of the node.' }),
    images: list(ContainerImage, { proto: 8, doc: 'Images that are stored on the node.' }),
    volumesInUse: list(string({}), {
      proto: 9,
      doc: 'Attachable volumes that are in use, mounted or not. They must not be detached yet.',
    }),
    volumesAttached: list(AttachedVolume, { proto: 10, doc: 'Volumes that are attached to the node.' }),
    config: NodeConfigStatus.field({
      proto: 11,
      doc: 'Deprecated: status of the kubelet configuration that spec.configSource assigned.',
    }),
    runtimeHandlers: list(NodeRuntimeHandler, { proto: 12, doc: 'Handlers of the container runtime on the node.' }),
    features: NodeFeatures.field({ proto: 13, doc: 'Features that the container runtime of the node supports.' }),
    declaredFeatures: list(string({}), {
      proto: 14,
      doc: 'Names of features that the kubelet of the node has enabled.',
    }),
  },
)
export type NodeStatus = Of<typeof NodeStatus>
