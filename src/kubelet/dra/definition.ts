// The interface of DRA drivers and the one by which they report the health of their devices, as field numbers and names.
// Versions v1 and v1beta1 of the first have the same messages but for `share_id`, and differ in the name of the package.
// Sources: k8s.io/kubelet pkg/apis/dra/v1, pkg/apis/dra/v1beta1, pkg/apis/dra-health/v1alpha1.

export const draMessages = {
  Claim: { namespace: 'string = 1', uid: 'string = 2', name: 'string = 3' },
  NodePrepareResourcesRequest: { claims: 'Claim[] = 1' },
  NodePrepareResourcesResponse: { claims: 'map<NodePrepareResourceResponse> = 1' },
  NodePrepareResourceResponse: { devices: 'Device[] = 1', error: 'string = 2' },
  Device: {
    requestNames: 'string[] = 1',
    poolName: 'string = 2',
    deviceName: 'string = 3',
    cdiDeviceIds: 'string[] = 4',
    shareId: 'string = 5',
  },
  NodeUnprepareResourcesRequest: { claims: 'Claim[] = 1' },
  NodeUnprepareResourcesResponse: { claims: 'map<NodeUnprepareResourceResponse> = 1' },
  NodeUnprepareResourceResponse: { error: 'string = 1' },
} as const

/** Method → `Request Response`. */
export const draServices = {
  DRAPlugin: {
    nodePrepareResources: 'NodePrepareResourcesRequest NodePrepareResourcesResponse',
    nodeUnprepareResources: 'NodeUnprepareResourcesRequest NodeUnprepareResourcesResponse',
  },
} as const

export const healthEnums = { HealthStatus: 'UNKNOWN HEALTHY UNHEALTHY' } as const

export const healthMessages = {
  NodeWatchResourcesRequest: {},
  NodeWatchResourcesResponse: { devices: 'DeviceHealth[] = 1' },
  DeviceIdentifier: { poolName: 'string = 1', deviceName: 'string = 2' },
  DeviceHealth: {
    device: 'DeviceIdentifier = 1',
    health: 'HealthStatus = 2',
    lastUpdatedTime: 'int64 = 3',
    healthCheckTimeoutSeconds: 'int64 = 4',
    message: 'string = 5',
  },
} as const

export const healthServices = {
  DRAResourceHealth: { nodeWatchResources: 'NodeWatchResourcesRequest stream NodeWatchResourcesResponse' },
} as const
