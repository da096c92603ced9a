// What a pod is: phase, conditions, addresses, the state of each container.
import type { Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { ResourceRequirements } from './container.ts'
import { stopSignals } from './signals.ts'

export const VolumeHealthCondition = struct('core.v1.VolumeHealthCondition', 'Problem with the health of a volume.', {
  status: string({
    proto: 1,
    always: true,
    required: true,
    enum: ['Inaccessible', 'DataLoss', 'Degraded'],
    doc: 'Kind of problem: Inaccessible, DataLoss or Degraded.',
  }),
  reason: string({
    proto: 2,
    always: true,
    required: true,
    doc: 'Machine-readable reason in CamelCase for the problem.',
  }),
  message: string({ proto: 3, doc: 'Human-readable message with details about the problem.' }),
})
export type VolumeHealthCondition = Of<typeof VolumeHealthCondition>

export const VolumeHealthStatus = struct('core.v1.VolumeHealthStatus', 'Health of a volume.', {
  healthConditions: listByKey(['status', 'reason'], VolumeHealthCondition, {
    proto: 1,
    mergeKey: 'status',
    doc: 'Problems with the volume. Empty if there are none.',
  }),
  lastTransitionTime: time({ proto: 2, always: true, doc: 'Time when the list of problems last changed.' }),
})
export type VolumeHealthStatus = Of<typeof VolumeHealthStatus>

export const PodCondition = struct('core.v1.PodCondition', 'One aspect of the current state of a pod.', {
  type: string({
    proto: 1,
    always: true,
    doc: 'Type of the condition: Ready, ContainersReady, Initialized or PodScheduled.',
  }),
  observedGeneration: int64({ proto: 7, doc: 'Generation of the pod that the condition was set for.' }),
  status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
  lastProbeTime: time({ proto: 3, always: true, doc: 'Time when the condition was last probed.' }),
  lastTransitionTime: time({ proto: 4, always: true, doc: 'Time when the status of the condition last changed.' }),
  reason: string({ proto: 5, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
  message: string({ proto: 6, doc: 'Human-readable message with details about the last transition.' }),
})
export type PodCondition = Of<typeof PodCondition>

export const ContainerStateWaiting = struct(
  'core.v1.ContainerStateWaiting',
  'State of a container that is not running, for example because its image is being pulled.',
  {
    reason: string({
      proto: 1,
      doc: 'Machine-readable reason why the container is waiting, such as ContainerCreating or CrashLoopBackOff.',
    }),
    message: string({ proto: 2, doc: 'Human-readable message with details about why the container is waiting.' }),
  },
)
export type ContainerStateWaiting = Of<typeof ContainerStateWaiting>

export const ContainerStateRunning = struct('core.v1.ContainerStateRunning', 'State of a container that is running.', {
  startedAt: time({ proto: 1, always: true, doc: 'Time when the container was last started.' }),
})
export type ContainerStateRunning = Of<typeof ContainerStateRunning>

export const ContainerStateTerminated = struct(
  'core.v1.ContainerStateTerminated',
  'State of a container that has terminated.',
  {
    exitCode: int32({ proto: 1, always: true, doc: 'Exit code of the container.' }),
    signal: int32({ proto: 2, doc: 'Number of the signal that terminated the container, if there was one.' }),
    reason: string({
      proto: 3,
      doc: 'Machine-readable reason for the termination, such as Completed, Error or OOMKilled.',
    }),
    message: string({
      proto: 4,
      doc: 'Termination message of the container, read from terminationMessagePath or the end of the log.',
    }),
    startedAt: time({ proto: 5, always: true, doc: 'Time when the container was started.' }),
    finishedAt: time({ proto: 6, always: true, doc: 'Time when the container terminated.' }),
    containerID: string({ proto: 7, doc: 'ID of the container, as type://id.' }),
  },
)
export type ContainerStateTerminated = Of<typeof ContainerStateTerminated>

export const ContainerState = struct(
  'core.v1.ContainerState',
  'State of a container. At most one field is set. If none is, the container is waiting.',
  {
    waiting: ContainerStateWaiting.field({ proto: 1, doc: 'Details about a container that is waiting.' }),
    running: ContainerStateRunning.field({ proto: 2, doc: 'Details about a container that is running.' }),
    terminated: ContainerStateTerminated.field({ proto: 3, doc: 'Details about a container that has terminated.' }),
  },
)
export type ContainerState = Of<typeof ContainerState>

export const ImageVolumeStatus = struct('core.v1.ImageVolumeStatus', 'Status of a volume that mounts an image.', {
  imageRef: string({ proto: 1, required: true, doc: 'Digest of the mounted image.' }),
})
export type ImageVolumeStatus = Of<typeof ImageVolumeStatus>

export const VolumeStatus = struct('core.v1.VolumeStatus', 'Status of a mounted volume, by its type.', {
  image: ImageVolumeStatus.field({ proto: 1, doc: 'Status of a volume that mounts an image.' }),
})
export type VolumeStatus = Of<typeof VolumeStatus>

export const VolumeMountStatus = struct('core.v1.VolumeMountStatus', 'Status of a volume mount.', {
  name: string({ proto: 1, always: true, doc: 'Name of the volume.' }),
  mountPath: string({ proto: 2, always: true, doc: 'Path in the container where the volume is mounted.' }),
  readOnly: bool({ proto: 3, doc: 'Whether the volume is mounted read-only.' }),
  recursiveReadOnly: string({
    proto: 4,
    optional: true,
    doc: 'Whether mounts below the mount are read-only as well: Disabled or Enabled.',
  }),
  volumeStatus: VolumeStatus.field({
    proto: 5,
    doc: 'Status of the mounted volume, for the volume types that report one.',
  }),
})
export type VolumeMountStatus = Of<typeof VolumeMountStatus>

export const LinuxContainerUser = struct(
  'core.v1.LinuxContainerUser',
  'User and groups of the first process of a Linux container.',
  {
    uid: int64({ proto: 1, always: true, doc: 'User ID of the process.' }),
    gid: int64({ proto: 2, always: true, doc: 'Primary group ID of the process.' }),
    supplementalGroups: list(int64({}), { proto: 3, doc: 'Additional group IDs of the process.' }),
  },
)
export type LinuxContainerUser = Of<typeof LinuxContainerUser>

export const ContainerUser = struct(
  'core.v1.ContainerUser',
  'User and groups of the first process of a container, when it started.',
  {
    linux: LinuxContainerUser.field({ proto: 1, doc: 'User and groups of a Linux container.' }),
  },
)
export type ContainerUser = Of<typeof ContainerUser>

export const ResourceHealth = struct('core.v1.ResourceHealth', 'Health of a device.', {
  resourceID: string({ proto: 1, always: true, doc: 'ID of the device.' }),
  health: string({ proto: 2, doc: 'Health of the device: Healthy, Unhealthy or Unknown.' }),
  message: string({ proto: 6, optional: true, doc: 'Human-readable message with details about the health.' }),
})
export type ResourceHealth = Of<typeof ResourceHealth>

export const ResourceStatus = struct(
  'core.v1.ResourceStatus',
  'Health of the devices that a container was allocated for one resource.',
  {
    name: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the resource, or claim:name/request for a request of a ResourceClaim.',
    }),
    resources: listByKey('resourceID', ResourceHealth, { proto: 2, doc: 'Health of each device that was allocated.' }),
  },
)
export type ResourceStatus = Of<typeof ResourceStatus>

export const ContainerStatus = struct('core.v1.ContainerStatus', 'Observed state of a container of a pod.', {
  name: string({ proto: 1, always: true, doc: 'Name of the container.' }),
  state: ContainerState.value({ proto: 2, doc: 'Current state of the container.' }),
  lastState: ContainerState.value({
    proto: 3,
    doc: 'State in which the container last terminated. Empty if it has not been restarted.',
  }),
  ready: bool({
    proto: 4,
    always: true,
    doc: 'Whether the container passes its readiness probe. Without a probe it is true while the container is running.',
  }),
  restartCount: int32({ proto: 5, always: true, doc: 'Number of times that the container has been restarted.' }),
  image: string({
    proto: 6,
    always: true,
    doc: 'Image that the container runs. May differ from the image in the spec.',
  }),
  imageID: string({ proto: 7, always: true, doc: 'ID of the image, with its digest.' }),
  containerID: string({ proto: 8, doc: 'ID of the container, as type://id.' }),
  started: bool({
    proto: 9,
    optional: true,
    doc: 'Whether the container has finished its postStart hook and passed its startup probe. Becomes false when the container restarts.',
  }),
  allocatedResources: map(quantity({}), {
    proto: 10,
    doc: 'Resource requests that the node has allocated to the container.',
  }),
  resources: ResourceRequirements.field({
    proto: 11,
    doc: 'Resource requests and limits that currently apply to the container.',
  }),
  volumeMounts: listByKey('mountPath', VolumeMountStatus, {
    proto: 12,
    mergeKey: 'mountPath',
    doc: 'Status of the volume mounts.',
  }),
  user: ContainerUser.field({
    proto: 13,
    doc: 'User and groups of the first process of the container, when it started.',
  }),
  allocatedResourcesStatus: listByKey('name', ResourceStatus, {
    proto: 14,
    mergeKey: 'name',
    doc: 'Health of the devices that were allocated to the container.',
  }),
  stopSignal: string({
    proto: 15,
    optional: true,
    enum: stopSignals,
    doc: 'Signal that is sent to stop the container.',
  }),
})
export type ContainerStatus = Of<typeof ContainerStatus>

export const PodIP = struct('core.v1.PodIP', 'IP address of a pod.', {
  ip: string({ proto: 1, always: true, required: true, doc: 'IP address that is assigned to the pod.' }),
})
export type PodIP = Of<typeof PodIP>

export const PodResourceClaimStatus = struct(
  'core.v1.PodResourceClaimStatus',
  'ResourceClaim that was created for an entry of spec.resourceClaims from a template.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the entry in spec.resourceClaims.' }),
    resourceClaimName: string({
      proto: 2,
      optional: true,
      doc: 'Name of the ResourceClaim that was created. Unset if none was needed.',
    }),
  },
)
export type PodResourceClaimStatus = Of<typeof PodResourceClaimStatus>

export const HostIP = struct('core.v1.HostIP', 'IP address of the node of a pod.', {
  ip: string({ proto: 1, always: true, required: true, doc: 'IP address of the node.' }),
})
export type HostIP = Of<typeof HostIP>

export const ContainerExtendedResourceRequest = struct(
  'core.v1.ContainerExtendedResourceRequest',
  'Maps an extended resource of a container to a request of a ResourceClaim.',
  {
    containerName: string({ proto: 1, always: true, doc: 'Name of the container that requests the resource.' }),
    resourceName: string({ proto: 2, always: true, doc: 'Name of the extended resource.' }),
    requestName: string({ proto: 3, always: true, doc: 'Name of the request in the ResourceClaim.' }),
  },
)
export type ContainerExtendedResourceRequest = Of<typeof ContainerExtendedResourceRequest>

export const PodExtendedResourceClaimStatus = struct(
  'core.v1.PodExtendedResourceClaimStatus',
  'ResourceClaim that was created for the extended resources of a pod.',
  {
    requestMappings: list(ContainerExtendedResourceRequest, {
      proto: 1,
      always: true,
      doc: 'Maps each extended resource of a container to a request of the ResourceClaim.',
    }),
    resourceClaimName: string({ proto: 2, always: true, doc: 'Name of the ResourceClaim that was created.' }),
  },
)
export type PodExtendedResourceClaimStatus = Of<typeof PodExtendedResourceClaimStatus>

export const NodeAllocatableMappedResources = struct(
  'core.v1.NodeAllocatableMappedResources',
  'Amount of an allocatable resource of the node that a ResourceClaim provides.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'Name of the resource, such as cpu or memory.' }),
    quantity: quantity({
      proto: 2,
      optional: true,
      required: true,
      doc: 'Amount of the resource that the claim provides.',
    }),
  },
)
export type NodeAllocatableMappedResources = Of<typeof NodeAllocatableMappedResources>

export const NodeAllocatableOverheadResources = struct(
  'core.v1.NodeAllocatableOverheadResources',
  'Amount of an allocatable resource of the node that using a ResourceClaim takes in addition.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'Name of the resource, such as memory.' }),
    perPod: quantity({ proto: 2, optional: true, doc: 'Amount for each pod that uses the claim.' }),
    perContainer: quantity({ proto: 3, optional: true, doc: 'Amount for each container that uses the claim.' }),
  },
)
export type NodeAllocatableOverheadResources = Of<typeof NodeAllocatableOverheadResources>

export const NodeAllocatableResourceClaimStatus = struct(
  'core.v1.NodeAllocatableResourceClaimStatus',
  'Allocatable resources of the node that are allocated through a ResourceClaim.',
  {
    resourceClaimName: string({ proto: 1, always: true, required: true, doc: 'Name of the ResourceClaim.' }),
    containers: list(string({}), {
      proto: 2,
      listType: 'set',
      doc: 'Names of the containers of the pod that use the claim.',
    }),
    mapping: listByKey('name', NodeAllocatableMappedResources, {
      proto: 4,
      mergeKey: 'name',
      doc: 'Resources that the claim provides.',
    }),
    overhead: listByKey('name', NodeAllocatableOverheadResources, {
      proto: 5,
      mergeKey: 'name',
      doc: 'Resources that using the claim takes in addition.',
    }),
  },
)
export type NodeAllocatableResourceClaimStatus = Of<typeof NodeAllocatableResourceClaimStatus>

export const PodVolumeHealth = struct('core.v1.PodVolumeHealth', 'Health of one volume of a pod.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name of the volume in spec.volumes.' }),
  healthConditions: listByKey(['status', 'reason'], VolumeHealthCondition, {
    proto: 2,
    mergeKey: 'status',
    doc: 'Problems with the volume. Empty if there are none.',
  }),
  lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the list of problems last changed.' }),
})
export type PodVolumeHealth = Of<typeof PodVolumeHealth>

export const PodStatus = struct('core.v1.PodStatus', 'Most recently observed state of a pod.', {
  observedGeneration: int64({ proto: 17, doc: 'Generation of the pod that the status was reported for.' }),
  phase: string({
    proto: 1,
    enum: ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'],
    doc: 'Summary of where the pod is in its lifecycle: Pending (not all containers have started yet), Running, Succeeded (all containers exited with code 0), Failed (at least one failed) or Unknown.',
  }),
  conditions: listByKey('type', PodCondition, {
    proto: 2,
    mergeKey: 'type',
    doc: 'Current conditions of the pod, such as Ready and PodScheduled.',
  }),
  message: string({ proto: 3, doc: 'Human-readable message with details about why the pod is in this phase.' }),
  reason: string({ proto: 4, doc: 'Machine-readable reason why the pod is in this phase, such as Evicted.' }),
  nominatedNodeName: string({
    proto: 11,
    doc: 'Node that the scheduler intends to place the pod on, set for example while pods there are being preempted. The pod may still be placed elsewhere.',
  }),
  hostIP: string({
    proto: 5,
    doc: 'Primary IP address of the node. Empty until the pod is scheduled and its kubelet has reported it.',
  }),
  hostIPs: list(HostIP, {
    proto: 16,
    mergeKey: 'ip',
    doc: 'IP addresses of the node, at most one for each IP family. The first one equals hostIP.',
  }),
  podIP: string({
    proto: 6,
    doc: 'Primary IP address of the pod, reachable at least within the cluster. Empty until one is assigned.',
  }),
  podIPs: listByKey('ip', PodIP, {
    proto: 12,
    mergeKey: 'ip',
    doc: 'IP addresses of the pod, at most one for each IP family. The first one equals podIP.',
  }),
  startTime: time({
    proto: 7,
    optional: true,
    doc: 'Time when the kubelet accepted the pod, before it pulled any images.',
  }),
  initContainerStatuses: list(ContainerStatus, {
    proto: 10,
    doc: 'Status of each init container, in the order of spec.initContainers.',
  }),
  containerStatuses: list(ContainerStatus, { proto: 8, doc: 'Status of each container.' }),
  qosClass: string({
    proto: 9,
    enum: ['Guaranteed', 'Burstable', 'BestEffort'],
    doc: 'Quality of service class, derived from the requests and limits: Guaranteed, Burstable or BestEffort. On a node under pressure, BestEffort pods are evicted first.',
  }),
  ephemeralContainerStatuses: list(ContainerStatus, { proto: 13, doc: 'Status of each ephemeral container.' }),
  resize: string({
    proto: 14,
    doc: 'Deprecated: use the conditions PodResizePending and PodResizeInProgress. State of a resize of the pod’s resources.',
  }),
  resourceClaimStatuses: listByKey('name', PodResourceClaimStatus, {
    proto: 15,
    mergeKey: 'name',
    retainKeys: true,
    doc: 'ResourceClaims that were created for the pod from templates.',
  }),
  extendedResourceClaimStatus: PodExtendedResourceClaimStatus.field({
    proto: 18,
    doc: 'ResourceClaim that was created for the extended resources of the pod.',
  }),
  allocatedResources: map(quantity({}), {
    proto: 19,
    doc: 'Resource requests that the node has allocated to the pod as a whole.',
  }),
  resources: ResourceRequirements.field({
    proto: 20,
    doc: 'Resource requests and limits that currently apply to the pod as a whole.',
  }),
  nodeAllocatableResourceClaimStatuses: listByKey('resourceClaimName', NodeAllocatableResourceClaimStatus, {
    proto: 21,
    mergeKey: 'resourceClaimName',
    doc: 'Allocatable resources of the node that are allocated through the ResourceClaims of the pod.',
  }),
  volumeHealth: listByKey('name', PodVolumeHealth, {
    proto: 22,
    doc: 'Health of the volumes of the pod. Alpha, not reported.',
  }),
})
export type PodStatus = Of<typeof PodStatus>
