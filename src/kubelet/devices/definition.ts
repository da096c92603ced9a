// The interface of device plugins, version v1beta1, and the interface that shows which pod has which devices, version v1,
// as field numbers and names. Sources: k8s.io/kubelet pkg/apis/deviceplugin/v1beta1, pkg/apis/podresources/v1.

export const pluginMessages = {
  DevicePluginOptions: { preStartRequired: 'bool = 1', getPreferredAllocationAvailable: 'bool = 2' },
  RegisterRequest: {
    version: 'string = 1',
    endpoint: 'string = 2',
    resourceName: 'string = 3',
    options: 'DevicePluginOptions = 4',
  },
  Empty: {},
  ListAndWatchResponse: { devices: 'Device[] = 1' },
  TopologyInfo: { nodes: 'NUMANode[] = 1' },
  NUMANode: { id: 'int64 = 1' },
  Device: { id: 'string = 1', health: 'string = 2', topology: 'TopologyInfo = 3' },
  PreStartContainerRequest: { devicesIds: 'string[] = 1' },
  PreStartContainerResponse: {},
  PreferredAllocationRequest: { containerRequests: 'ContainerPreferredAllocationRequest[] = 1' },
  ContainerPreferredAllocationRequest: {
    availableDeviceIds: 'string[] = 1',
    mustIncludeDeviceIds: 'string[] = 2',
    allocationSize: 'int32 = 3',
  },
  PreferredAllocationResponse: { containerResponses: 'ContainerPreferredAllocationResponse[] = 1' },
  ContainerPreferredAllocationResponse: { deviceIds: 'string[] = 1' },
  AllocateRequest: { containerRequests: 'ContainerAllocateRequest[] = 1' },
  ContainerAllocateRequest: { devicesIds: 'string[] = 1' },
  CDIDevice: { name: 'string = 1' },
  AllocateResponse: { containerResponses: 'ContainerAllocateResponse[] = 1' },
  ContainerAllocateResponse: {
    envs: 'map = 1',
    mounts: 'Mount[] = 2',
    devices: 'DeviceSpec[] = 3',
    annotations: 'map = 4',
    cdiDevices: 'CDIDevice[] = 5',
  },
  Mount: { containerPath: 'string = 1', hostPath: 'string = 2', readOnly: 'bool = 3' },
  DeviceSpec: { containerPath: 'string = 1', hostPath: 'string = 2', permissions: 'string = 3' },
} as const

/** Method → `Request Response`. */
export const pluginServices = {
  Registration: { register: 'RegisterRequest Empty' },
  DevicePlugin: {
    getDevicePluginOptions: 'Empty DevicePluginOptions',
    listAndWatch: 'Empty stream ListAndWatchResponse',
    getPreferredAllocation: 'PreferredAllocationRequest PreferredAllocationResponse',
    allocate: 'AllocateRequest AllocateResponse',
    preStartContainer: 'PreStartContainerRequest PreStartContainerResponse',
  },
} as const

/** Memory is left out of the answers: the kubelet assigns none. */
export const podResourcesMessages = {
  AllocatableResourcesRequest: {},
  AllocatableResourcesResponse: {
    devices: 'ContainerDevices[] = 1',
    cpuIds: 'int64[] = 2',
    memory: 'ContainerMemory[] = 3',
  },
  ListPodResourcesRequest: {},
  ListPodResourcesResponse: { podResources: 'PodResources[] = 1' },
  GetPodResourcesRequest: { podName: 'string = 1', podNamespace: 'string = 2' },
  GetPodResourcesResponse: { podResources: 'PodResources = 1' },
  PodResources: { name: 'string = 1', namespace: 'string = 2', containers: 'ContainerResources[] = 3' },
  ContainerResources: {
    name: 'string = 1',
    devices: 'ContainerDevices[] = 2',
    cpuIds: 'int64[] = 3',
    memory: 'ContainerMemory[] = 4',
    dynamicResources: 'DynamicResource[] = 5',
  },
  ContainerMemory: { memoryType: 'string = 1', size: 'uint64 = 2', topology: 'TopologyInfo = 3' },
  DynamicResource: {
    claimName: 'string = 2',
    claimNamespace: 'string = 3',
    claimResources: 'ClaimResource[] = 4',
  },
  ClaimResource: {
    cdiDevices: 'CDIDevice[] = 1',
    driverName: 'string = 2',
    poolName: 'string = 3',
    deviceName: 'string = 4',
    shareId: 'string = 5',
  },
  CDIDevice: { name: 'string = 1' },
  ContainerDevices: { resourceName: 'string = 1', deviceIds: 'string[] = 2', topology: 'TopologyInfo = 3' },
  TopologyInfo: { nodes: 'NUMANode[] = 1' },
  NUMANode: { ID: 'int64 = 1' },
} as const

export const podResourcesServices = {
  PodResourcesLister: {
    list: 'ListPodResourcesRequest ListPodResourcesResponse',
    getAllocatableResources: 'AllocatableResourcesRequest AllocatableResourcesResponse',
    get: 'GetPodResourcesRequest GetPodResourcesResponse',
  },
} as const
