// What a pod is: phase, conditions, addresses, the state of each container.
import type { Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { ResourceRequirements } from './container.ts'
import { stopSignals } from './signals.ts'

export const VolumeHealthCondition = struct('core.v1.VolumeHealthCondition', 'Something wrong with a volume.', {
  status: string({
    proto: 1,
    always: true,
    required: true,
    enum: ['Inaccessible', 'DataLoss', 'Degraded'],
    doc: 'Inaccessible, DataLoss or Degraded.',
  }),
  reason: string({ proto: 2, always: true, required: true, doc: 'One CamelCase word why.' }),
  message: string({ proto: 3, doc: 'The same for people.' }),
})
export type VolumeHealthCondition = Of<typeof VolumeHealthCondition>

export const VolumeHealthStatus = struct('core.v1.VolumeHealthStatus', 'How healthy a volume is.', {
  healthConditions: listByKey(['status', 'reason'], VolumeHealthCondition, {
    proto: 1,
    mergeKey: 'status',
    doc: 'What is wrong with it, if anything.',
  }),
  lastTransitionTime: time({ proto: 2, always: true, doc: 'When the conditions last changed.' }),
})
export type VolumeHealthStatus = Of<typeof VolumeHealthStatus>

export const PodCondition = struct('core.v1.PodCondition', 'One aspect of a pod’s state.', {
  type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
  observedGeneration: int64({ proto: 7, doc: 'The generation this was computed for.' }),
  status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
  lastProbeTime: time({ proto: 3, always: true, doc: 'When the condition was last looked at.' }),
  lastTransitionTime: time({ proto: 4, always: true, doc: 'When the status last changed.' }),
  reason: string({ proto: 5, doc: 'One CamelCase word why.' }),
  message: string({ proto: 6, doc: 'The same for people.' }),
})
export type PodCondition = Of<typeof PodCondition>

export const ContainerStateWaiting = struct(
  'core.v1.ContainerStateWaiting',
  'The container is not yet, or not at present, running.',
  {
    reason: string({ proto: 1, doc: 'One CamelCase word why, such as ContainerCreating or CrashLoopBackOff.' }),
    message: string({ proto: 2, doc: 'The same for people.' }),
  },
)
export type ContainerStateWaiting = Of<typeof ContainerStateWaiting>

export const ContainerStateRunning = struct('core.v1.ContainerStateRunning', 'The container runs.', {
  startedAt: time({ proto: 1, always: true, doc: 'When it was started.' }),
})
export type ContainerStateRunning = Of<typeof ContainerStateRunning>

export const ContainerStateTerminated = struct('core.v1.ContainerStateTerminated', 'The container has ended.', {
  exitCode: int32({ proto: 1, always: true, doc: 'Exit code of its first process.' }),
  signal: int32({ proto: 2, doc: 'Signal that ended it, if one did.' }),
  reason: string({ proto: 3, doc: 'One CamelCase word why.' }),
  message: string({ proto: 4, doc: 'What the container left in its termination message file.' }),
  startedAt: time({ proto: 5, always: true, doc: 'When it was started.' }),
  finishedAt: time({ proto: 6, always: true, doc: 'When it ended.' }),
  containerID: string({ proto: 7, doc: 'ID of the container, as scheme://id.' }),
})
export type ContainerStateTerminated = Of<typeof ContainerStateTerminated>

export const ContainerState = struct(
  'core.v1.ContainerState',
  'What a container does; at most one is set, and none means waiting.',
  {
    waiting: ContainerStateWaiting.field({ proto: 1, doc: 'Set while it waits.' }),
    running: ContainerStateRunning.field({ proto: 2, doc: 'Set while it runs.' }),
    terminated: ContainerStateTerminated.field({ proto: 3, doc: 'Set once it has ended.' }),
  },
)
export type ContainerState = Of<typeof ContainerState>

export const ImageVolumeStatus = struct('core.v1.ImageVolumeStatus', 'What is mounted by a volume of an image.', {
  imageRef: string({ proto: 1, required: true, doc: 'Digest of the image.' }),
})
export type ImageVolumeStatus = Of<typeof ImageVolumeStatus>

export const VolumeStatus = struct('core.v1.VolumeStatus', 'What a mounted volume holds.', {
  image: ImageVolumeStatus.field({ proto: 1, doc: 'For a volume of an image.' }),
})
export type VolumeStatus = Of<typeof VolumeStatus>

export const VolumeMountStatus = struct('core.v1.VolumeMountStatus', 'A mount as it was made.', {
  name: string({ proto: 1, always: true, doc: 'Name of the volume.' }),
  mountPath: string({ proto: 2, always: true, doc: 'Where in the container it is.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
  recursiveReadOnly: string({ proto: 4, optional: true, doc: 'Whether mounts below are read-only too.' }),
  volumeStatus: VolumeStatus.field({ proto: 5, doc: 'What the volume holds.' }),
})
export type VolumeMountStatus = Of<typeof VolumeMountStatus>

export const LinuxContainerUser = struct(
  'core.v1.LinuxContainerUser',
  'Identity of a container’s first process on Linux.',
  {
    uid: int64({ proto: 1, always: true, doc: 'User ID.' }),
    gid: int64({ proto: 2, always: true, doc: 'Primary group ID.' }),
    supplementalGroups: list(int64({}), { proto: 3, doc: 'Further group IDs.' }),
  },
)
export type LinuxContainerUser = Of<typeof LinuxContainerUser>

export const ContainerUser = struct('core.v1.ContainerUser', 'Identity of a container’s first process.', {
  linux: LinuxContainerUser.field({ proto: 1, doc: 'The identity on Linux.' }),
})
export type ContainerUser = Of<typeof ContainerUser>

export const ResourceHealth = struct('core.v1.ResourceHealth', 'Health of one device.', {
  resourceID: string({ proto: 1, always: true, doc: 'ID of the device.' }),
  health: string({ proto: 2, doc: 'Healthy, Unhealthy or Unknown.' }),
  message: string({ proto: 6, optional: true, doc: 'The same for people.' }),
})
export type ResourceHealth = Of<typeof ResourceHealth>

export const ResourceStatus = struct('core.v1.ResourceStatus', 'Health of the devices of one resource.', {
  name: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'Name of the resource, or claim:name/request for a claim.',
  }),
  resources: listByKey('resourceID', ResourceHealth, { proto: 2, doc: 'The devices.' }),
})
export type ResourceStatus = Of<typeof ResourceStatus>

export const ContainerStatus = struct('core.v1.ContainerStatus', 'What one container of a pod does.', {
  name: string({ proto: 1, always: true, doc: 'Name of the container.' }),
  state: ContainerState.value({ proto: 2, doc: 'What it does now.' }),
  lastState: ContainerState.value({ proto: 3, doc: 'How it ended the last time.' }),
  ready: bool({ proto: 4, always: true, doc: 'Whether its readiness probe is content, or there is none and it runs.' }),
  restartCount: int32({ proto: 5, always: true, doc: 'How many times it was started again.' }),
  image: string({ proto: 6, always: true, doc: 'Image it runs.' }),
  imageID: string({ proto: 7, always: true, doc: 'Digest of the image.' }),
  containerID: string({ proto: 8, doc: 'ID of the container, as scheme://id.' }),
  started: bool({
    proto: 9,
    optional: true,
    doc: 'Whether it has started: its postStart hook is done and its startup probe was content.',
  }),
  allocatedResources: map(quantity({}), { proto: 10, doc: 'Resources set aside for it on the node.' }),
  resources: ResourceRequirements.field({ proto: 11, doc: 'Resources and limits that are in effect.' }),
  volumeMounts: listByKey('mountPath', VolumeMountStatus, { proto: 12, mergeKey: 'mountPath', doc: 'Its mounts.' }),
  user: ContainerUser.field({ proto: 13, doc: 'Identity of its first process.' }),
  allocatedResourcesStatus: listByKey('name', ResourceStatus, {
    proto: 14,
    mergeKey: 'name',
    doc: 'Health of the devices it was given.',
  }),
  stopSignal: string({
    proto: 15,
    optional: true,
    enum: stopSignals,
    doc: 'Signal that asks it to stop.',
  }),
})
export type ContainerStatus = Of<typeof ContainerStatus>

export const PodIP = struct('core.v1.PodIP', 'An address of a pod.', {
  ip: string({ proto: 1, always: true, required: true, doc: 'The address.' }),
})
export type PodIP = Of<typeof PodIP>

export const PodResourceClaimStatus = struct(
  'core.v1.PodResourceClaimStatus',
  'The ResourceClaim made for an entry of resourceClaims.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the entry.' }),
    resourceClaimName: string({ proto: 2, optional: true, doc: 'Name of the ResourceClaim; none if none was needed.' }),
  },
)
export type PodResourceClaimStatus = Of<typeof PodResourceClaimStatus>

export const HostIP = struct('core.v1.HostIP', 'An address of a node.', {
  ip: string({ proto: 1, always: true, required: true, doc: 'The address.' }),
})
export type HostIP = Of<typeof HostIP>

export const ContainerExtendedResourceRequest = struct(
  'core.v1.ContainerExtendedResourceRequest',
  'Which request of a claim stands for a resource of a container.',
  {
    containerName: string({ proto: 1, always: true, doc: 'The container.' }),
    resourceName: string({ proto: 2, always: true, doc: 'The resource it asks for.' }),
    requestName: string({ proto: 3, always: true, doc: 'The request in the claim.' }),
  },
)
export type ContainerExtendedResourceRequest = Of<typeof ContainerExtendedResourceRequest>

export const PodExtendedResourceClaimStatus = struct(
  'core.v1.PodExtendedResourceClaimStatus',
  'The ResourceClaim made for resources that devices provide.',
  {
    requestMappings: list(ContainerExtendedResourceRequest, {
      proto: 1,
      always: true,
      doc: 'Which request stands for what.',
    }),
    resourceClaimName: string({ proto: 2, always: true, doc: 'Name of the ResourceClaim.' }),
  },
)
export type PodExtendedResourceClaimStatus = Of<typeof PodExtendedResourceClaimStatus>

export const NodeAllocatableMappedResources = struct(
  'core.v1.NodeAllocatableMappedResources',
  'An amount of a node’s resource that a claim stands for.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'The resource.' }),
    quantity: quantity({ proto: 2, optional: true, required: true, doc: 'The amount.' }),
  },
)
export type NodeAllocatableMappedResources = Of<typeof NodeAllocatableMappedResources>

export const NodeAllocatableOverheadResources = struct(
  'core.v1.NodeAllocatableOverheadResources',
  'An amount of a node’s resource that using a claim costs.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'The resource.' }),
    perPod: quantity({ proto: 2, optional: true, doc: 'Amount for each pod that uses the claim.' }),
    perContainer: quantity({ proto: 3, optional: true, doc: 'Amount for each container that uses the claim.' }),
  },
)
export type NodeAllocatableOverheadResources = Of<typeof NodeAllocatableOverheadResources>

export const NodeAllocatableResourceClaimStatus = struct(
  'core.v1.NodeAllocatableResourceClaimStatus',
  'What a claim takes of a node’s resources.',
  {
    resourceClaimName: string({ proto: 1, always: true, required: true, doc: 'Name of the ResourceClaim.' }),
    containers: list(string({}), { proto: 2, listType: 'set', doc: 'Containers that use it.' }),
    mapping: listByKey('name', NodeAllocatableMappedResources, {
      proto: 4,
      mergeKey: 'name',
      doc: 'Resources it stands for.',
    }),
    overhead: listByKey('name', NodeAllocatableOverheadResources, {
      proto: 5,
      mergeKey: 'name',
      doc: 'Resources that using it costs.',
    }),
  },
)
export type NodeAllocatableResourceClaimStatus = Of<typeof NodeAllocatableResourceClaimStatus>

export const PodVolumeHealth = struct('core.v1.PodVolumeHealth', 'How healthy one volume of a pod is.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name of the volume.' }),
  healthConditions: listByKey(['status', 'reason'], VolumeHealthCondition, {
    proto: 2,
    mergeKey: 'status',
    doc: 'What is wrong with it, if anything.',
  }),
  lastTransitionTime: time({ proto: 3, always: true, doc: 'When the conditions last changed.' }),
})
export type PodVolumeHealth = Of<typeof PodVolumeHealth>

export const PodStatus = struct('core.v1.PodStatus', 'What a pod is, as last reported by its node.', {
  observedGeneration: int64({ proto: 17, doc: 'The generation this was computed for.' }),
  phase: string({
    proto: 1,
    enum: ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'],
    doc: 'Where in its life the pod is: Pending, Running, Succeeded, Failed or Unknown.',
  }),
  conditions: listByKey('type', PodCondition, {
    proto: 2,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
  }),
  message: string({ proto: 3, doc: 'Why it is in this phase, for people.' }),
  reason: string({ proto: 4, doc: 'Why it is in this phase, in one CamelCase word, such as Evicted.' }),
  nominatedNodeName: string({ proto: 11, doc: 'Node on which room is being made for the pod.' }),
  hostIP: string({ proto: 5, doc: 'Address of its node.' }),
  hostIPs: list(HostIP, { proto: 16, mergeKey: 'ip', doc: 'Addresses of its node, one per family.' }),
  podIP: string({ proto: 6, doc: 'Its address.' }),
  podIPs: listByKey('ip', PodIP, { proto: 12, mergeKey: 'ip', doc: 'Its addresses, one per family.' }),
  startTime: time({ proto: 7, optional: true, doc: 'When the node took the pod in.' }),
  initContainerStatuses: list(ContainerStatus, { proto: 10, doc: 'What its init containers do.' }),
  containerStatuses: list(ContainerStatus, { proto: 8, doc: 'What its containers do.' }),
  qosClass: string({
    proto: 9,
    enum: ['Guaranteed', 'Burstable', 'BestEffort'],
    doc: 'Guaranteed, Burstable or BestEffort, by its requests and limits; BestEffort is evicted first.',
  }),
  ephemeralContainerStatuses: list(ContainerStatus, { proto: 13, doc: 'What its ephemeral containers do.' }),
  resize: string({ proto: 14, doc: 'How far a change of its resources has come; conditions say so now.' }),
  resourceClaimStatuses: listByKey('name', PodResourceClaimStatus, {
    proto: 15,
    mergeKey: 'name',
    retainKeys: true,
    doc: 'ResourceClaims made for it.',
  }),
  extendedResourceClaimStatus: PodExtendedResourceClaimStatus.field({
    proto: 18,
    doc: 'The claim made for resources that devices provide.',
  }),
  allocatedResources: map(quantity({}), { proto: 19, doc: 'Resources set aside for the pod as a whole.' }),
  resources: ResourceRequirements.field({
    proto: 20,
    doc: 'Resources and limits of the pod as a whole that are in effect.',
  }),
  nodeAllocatableResourceClaimStatuses: listByKey('resourceClaimName', NodeAllocatableResourceClaimStatus, {
    proto: 21,
    mergeKey: 'resourceClaimName',
    doc: 'What its claims take of the node’s resources.',
  }),
  volumeHealth: listByKey('name', PodVolumeHealth, { proto: 22, doc: 'How healthy its volumes are.' }),
})
export type PodStatus = Of<typeof PodStatus>
