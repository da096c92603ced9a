// What a pod is: phase, conditions, addresses, the state of each container.
import type { Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { ResourceRequirements } from './container.ts'

export const VolumeHealthCondition = struct('core.v1.VolumeHealthCondition', '', {
  status: string({ proto: 1, always: true, required: true, enum: ['Inaccessible', 'DataLoss', 'Degraded'] }),
  reason: string({ proto: 2, always: true, required: true }),
  message: string({ proto: 3 }),
})
export type VolumeHealthCondition = Of<typeof VolumeHealthCondition>

export const VolumeHealthStatus = struct('core.v1.VolumeHealthStatus', '', {
  healthConditions: listByKey(['status', 'reason'], VolumeHealthCondition, { proto: 1, mergeKey: 'status' }),
  lastTransitionTime: time({ proto: 2, always: true }),
})
export type VolumeHealthStatus = Of<typeof VolumeHealthStatus>

export const PodCondition = struct('core.v1.PodCondition', '', {
  type: string({ proto: 1, always: true }),
  observedGeneration: int64({ proto: 7 }),
  status: string({ proto: 2, always: true }),
  lastProbeTime: time({ proto: 3, always: true }),
  lastTransitionTime: time({ proto: 4, always: true }),
  reason: string({ proto: 5 }),
  message: string({ proto: 6 }),
})
export type PodCondition = Of<typeof PodCondition>

export const ContainerStateWaiting = struct('core.v1.ContainerStateWaiting', '', {
  reason: string({ proto: 1 }),
  message: string({ proto: 2 }),
})
export type ContainerStateWaiting = Of<typeof ContainerStateWaiting>

export const ContainerStateRunning = struct('core.v1.ContainerStateRunning', '', {
  startedAt: time({ proto: 1, always: true }),
})
export type ContainerStateRunning = Of<typeof ContainerStateRunning>

export const ContainerStateTerminated = struct('core.v1.ContainerStateTerminated', '', {
  exitCode: int32({ proto: 1, always: true }),
  signal: int32({ proto: 2 }),
  reason: string({ proto: 3 }),
  message: string({ proto: 4 }),
  startedAt: time({ proto: 5, always: true }),
  finishedAt: time({ proto: 6, always: true }),
  containerID: string({ proto: 7 }),
})
export type ContainerStateTerminated = Of<typeof ContainerStateTerminated>

export const ContainerState = struct('core.v1.ContainerState', '', {
  waiting: ContainerStateWaiting.field({ proto: 1 }),
  running: ContainerStateRunning.field({ proto: 2 }),
  terminated: ContainerStateTerminated.field({ proto: 3 }),
})
export type ContainerState = Of<typeof ContainerState>

export const ImageVolumeStatus = struct('core.v1.ImageVolumeStatus', '', {
  imageRef: string({ proto: 1, required: true }),
})
export type ImageVolumeStatus = Of<typeof ImageVolumeStatus>

export const VolumeStatus = struct('core.v1.VolumeStatus', '', {
  image: ImageVolumeStatus.field({ proto: 1 }),
})
export type VolumeStatus = Of<typeof VolumeStatus>

export const VolumeMountStatus = struct('core.v1.VolumeMountStatus', '', {
  name: string({ proto: 1, always: true }),
  mountPath: string({ proto: 2, always: true }),
  readOnly: bool({ proto: 3 }),
  recursiveReadOnly: string({ proto: 4, optional: true }),
  volumeStatus: VolumeStatus.field({ proto: 5 }),
})
export type VolumeMountStatus = Of<typeof VolumeMountStatus>

export const LinuxContainerUser = struct('core.v1.LinuxContainerUser', '', {
  uid: int64({ proto: 1, always: true }),
  gid: int64({ proto: 2, always: true }),
  supplementalGroups: list(int64({}), { proto: 3 }),
})
export type LinuxContainerUser = Of<typeof LinuxContainerUser>

export const ContainerUser = struct('core.v1.ContainerUser', '', {
  linux: LinuxContainerUser.field({ proto: 1 }),
})
export type ContainerUser = Of<typeof ContainerUser>

export const ResourceHealth = struct('core.v1.ResourceHealth', '', {
  resourceID: string({ proto: 1, always: true }),
  health: string({ proto: 2 }),
  message: string({ proto: 6, optional: true }),
})
export type ResourceHealth = Of<typeof ResourceHealth>

export const ResourceStatus = struct('core.v1.ResourceStatus', '', {
  name: string({ proto: 1, always: true, required: true }),
  resources: listByKey('resourceID', ResourceHealth, { proto: 2 }),
})
export type ResourceStatus = Of<typeof ResourceStatus>

export const ContainerStatus = struct('core.v1.ContainerStatus', '', {
  name: string({ proto: 1, always: true }),
  state: ContainerState.value({ proto: 2 }),
  lastState: ContainerState.value({ proto: 3 }),
  ready: bool({ proto: 4, always: true }),
  restartCount: int32({ proto: 5, always: true }),
  image: string({ proto: 6, always: true }),
  imageID: string({ proto: 7, always: true }),
  containerID: string({ proto: 8 }),
  started: bool({ proto: 9, optional: true }),
  allocatedResources: map(quantity({}), { proto: 10 }),
  resources: ResourceRequirements.field({ proto: 11 }),
  volumeMounts: listByKey('mountPath', VolumeMountStatus, { proto: 12, mergeKey: 'mountPath' }),
  user: ContainerUser.field({ proto: 13 }),
  allocatedResourcesStatus: listByKey('name', ResourceStatus, { proto: 14, mergeKey: 'name' }),
  stopSignal: string({
    proto: 15,
    optional: true,
    enum: [
      'SIGABRT',
      'SIGALRM',
      'SIGBUS',
      'SIGCHLD',
      'SIGCLD',
      'SIGCONT',
      'SIGFPE',
      'SIGHUP',
      'SIGILL',
      'SIGINT',
      'SIGIO',
      'SIGIOT',
      'SIGKILL',
      'SIGPIPE',
      'SIGPOLL',
      'SIGPROF',
      'SIGPWR',
      'SIGQUIT',
      'SIGSEGV',
      'SIGSTKFLT',
      'SIGSTOP',
      'SIGSYS',
      'SIGTERM',
      'SIGTRAP',
      'SIGTSTP',
      'SIGTTIN',
      'SIGTTOU',
      'SIGURG',
      'SIGUSR1',
      'SIGUSR2',
      'SIGVTALRM',
      'SIGWINCH',
      'SIGXCPU',
      'SIGXFSZ',
      'SIGRTMIN',
      'SIGRTMIN+1',
      'SIGRTMIN+2',
      'SIGRTMIN+3',
      'SIGRTMIN+4',
      'SIGRTMIN+5',
      'SIGRTMIN+6',
      'SIGRTMIN+7',
      'SIGRTMIN+8',
      'SIGRTMIN+9',
      'SIGRTMIN+10',
      'SIGRTMIN+11',
      'SIGRTMIN+12',
      'SIGRTMIN+13',
      'SIGRTMIN+14',
      'SIGRTMIN+15',
      'SIGRTMAX-14',
      'SIGRTMAX-13',
      'SIGRTMAX-12',
      'SIGRTMAX-11',
      'SIGRTMAX-10',
      'SIGRTMAX-9',
      'SIGRTMAX-8',
      'SIGRTMAX-7',
      'SIGRTMAX-6',
      'SIGRTMAX-5',
      'SIGRTMAX-4',
      'SIGRTMAX-3',
      'SIGRTMAX-2',
      'SIGRTMAX-1',
      'SIGRTMAX',
    ],
  }),
})
export type ContainerStatus = Of<typeof ContainerStatus>

export const PodIP = struct('core.v1.PodIP', '', {
  ip: string({ proto: 1, always: true, required: true }),
})
export type PodIP = Of<typeof PodIP>

export const PodResourceClaimStatus = struct('core.v1.PodResourceClaimStatus', '', {
  name: string({ proto: 1, always: true }),
  resourceClaimName: string({ proto: 2, optional: true }),
})
export type PodResourceClaimStatus = Of<typeof PodResourceClaimStatus>

export const HostIP = struct('core.v1.HostIP', '', {
  ip: string({ proto: 1, always: true, required: true }),
})
export type HostIP = Of<typeof HostIP>

export const ContainerExtendedResourceRequest = struct('core.v1.ContainerExtendedResourceRequest', '', {
  containerName: string({ proto: 1, always: true }),
  resourceName: string({ proto: 2, always: true }),
  requestName: string({ proto: 3, always: true }),
})
export type ContainerExtendedResourceRequest = Of<typeof ContainerExtendedResourceRequest>

export const PodExtendedResourceClaimStatus = struct('core.v1.PodExtendedResourceClaimStatus', '', {
  requestMappings: list(ContainerExtendedResourceRequest, { proto: 1, always: true }),
  resourceClaimName: string({ proto: 2, always: true }),
})
export type PodExtendedResourceClaimStatus = Of<typeof PodExtendedResourceClaimStatus>

export const NodeAllocatableMappedResources = struct('core.v1.NodeAllocatableMappedResources', '', {
  name: string({ proto: 1, always: true, required: true }),
  quantity: quantity({ proto: 2, optional: true, required: true }),
})
export type NodeAllocatableMappedResources = Of<typeof NodeAllocatableMappedResources>

export const NodeAllocatableOverheadResources = struct('core.v1.NodeAllocatableOverheadResources', '', {
  name: string({ proto: 1, always: true, required: true }),
  perPod: quantity({ proto: 2, optional: true }),
  perContainer: quantity({ proto: 3, optional: true }),
})
export type NodeAllocatableOverheadResources = Of<typeof NodeAllocatableOverheadResources>

export const NodeAllocatableResourceClaimStatus = struct('core.v1.NodeAllocatableResourceClaimStatus', '', {
  resourceClaimName: string({ proto: 1, always: true, required: true }),
  containers: list(string({}), { proto: 2, listType: 'set' }),
  mapping: listByKey('name', NodeAllocatableMappedResources, { proto: 4, mergeKey: 'name' }),
  overhead: listByKey('name', NodeAllocatableOverheadResources, { proto: 5, mergeKey: 'name' }),
})
export type NodeAllocatableResourceClaimStatus = Of<typeof NodeAllocatableResourceClaimStatus>

export const PodVolumeHealth = struct('core.v1.PodVolumeHealth', '', {
  name: string({ proto: 1, always: true, required: true }),
  healthConditions: listByKey(['status', 'reason'], VolumeHealthCondition, { proto: 2, mergeKey: 'status' }),
  lastTransitionTime: time({ proto: 3, always: true }),
})
export type PodVolumeHealth = Of<typeof PodVolumeHealth>

export const PodStatus = struct('core.v1.PodStatus', '', {
  observedGeneration: int64({ proto: 17 }),
  phase: string({ proto: 1, enum: ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] }),
  conditions: listByKey('type', PodCondition, { proto: 2, mergeKey: 'type' }),
  message: string({ proto: 3 }),
  reason: string({ proto: 4 }),
  nominatedNodeName: string({ proto: 11 }),
  hostIP: string({ proto: 5 }),
  hostIPs: list(HostIP, { proto: 16, mergeKey: 'ip' }),
  podIP: string({ proto: 6 }),
  podIPs: listByKey('ip', PodIP, { proto: 12, mergeKey: 'ip' }),
  startTime: time({ proto: 7, optional: true }),
  initContainerStatuses: list(ContainerStatus, { proto: 10 }),
  containerStatuses: list(ContainerStatus, { proto: 8 }),
  qosClass: string({ proto: 9, enum: ['Guaranteed', 'Burstable', 'BestEffort'] }),
  ephemeralContainerStatuses: list(ContainerStatus, { proto: 13 }),
  resize: string({ proto: 14 }),
  resourceClaimStatuses: listByKey('name', PodResourceClaimStatus, { proto: 15, mergeKey: 'name', retainKeys: true }),
  extendedResourceClaimStatus: PodExtendedResourceClaimStatus.field({ proto: 18 }),
  allocatedResources: map(quantity({}), { proto: 19 }),
  resources: ResourceRequirements.field({ proto: 20 }),
  nodeAllocatableResourceClaimStatuses: listByKey('resourceClaimName', NodeAllocatableResourceClaimStatus, {
    proto: 21,
    mergeKey: 'resourceClaimName',
  }),
  volumeHealth: listByKey('name', PodVolumeHealth, { proto: 22 }),
})
export type PodStatus = Of<typeof PodStatus>
