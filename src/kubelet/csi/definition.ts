// The Container Storage Interface, version 1: what the kubelet asks of a driver on its node, as field numbers and names.
// Source: container-storage-interface/spec csi.proto.

export const csiEnums = {
  Mode: 'UNKNOWN SINGLE_NODE_WRITER SINGLE_NODE_READER_ONLY MULTI_NODE_READER_ONLY MULTI_NODE_SINGLE_WRITER MULTI_NODE_MULTI_WRITER SINGLE_NODE_SINGLE_WRITER SINGLE_NODE_MULTI_WRITER',
  Unit: 'UNKNOWN BYTES INODES',
  NodeRpcType:
    'UNKNOWN STAGE_UNSTAGE_VOLUME GET_VOLUME_STATS EXPAND_VOLUME VOLUME_CONDITION SINGLE_NODE_MULTI_WRITER VOLUME_MOUNT_GROUP',
} as const

export const csiMessages = {
  VolumeCapability: { block: 'BlockVolume = 1', mount: 'MountVolume = 2', accessMode: 'AccessMode = 3' },
  BlockVolume: {},
  MountVolume: { fsType: 'string = 1', mountFlags: 'string[] = 2', volumeMountGroup: 'string = 3' },
  AccessMode: { mode: 'Mode = 1' },
  CapacityRange: { requiredBytes: 'int64 = 1', limitBytes: 'int64 = 2' },
  Topology: { segments: 'map = 1' },
  NodeStageVolumeRequest: {
    volumeId: 'string = 1',
    publishContext: 'map = 2',
    stagingTargetPath: 'string = 3',
    volumeCapability: 'VolumeCapability = 4',
    secrets: 'map = 5',
    volumeContext: 'map = 6',
  },
  NodeStageVolumeResponse: {},
  NodeUnstageVolumeRequest: { volumeId: 'string = 1', stagingTargetPath: 'string = 2' },
  NodeUnstageVolumeResponse: {},
  NodePublishVolumeRequest: {
    volumeId: 'string = 1',
    publishContext: 'map = 2',
    stagingTargetPath: 'string = 3',
    targetPath: 'string = 4',
    volumeCapability: 'VolumeCapability = 5',
    readonly: 'bool = 6',
    secrets: 'map = 7',
    volumeContext: 'map = 8',
  },
  NodePublishVolumeResponse: {},
  NodeUnpublishVolumeRequest: { volumeId: 'string = 1', targetPath: 'string = 2' },
  NodeUnpublishVolumeResponse: {},
  NodeGetVolumeStatsRequest: { volumeId: 'string = 1', volumePath: 'string = 2', stagingTargetPath: 'string = 3' },
  NodeGetVolumeStatsResponse: { usage: 'VolumeUsage[] = 1', volumeCondition: 'VolumeCondition = 2' },
  VolumeUsage: { available: 'int64 = 1', total: 'int64 = 2', used: 'int64 = 3', unit: 'Unit = 4' },
  VolumeCondition: { abnormal: 'bool = 1', message: 'string = 2' },
  NodeGetCapabilitiesRequest: {},
  NodeGetCapabilitiesResponse: { capabilities: 'NodeServiceCapability[] = 1' },
  NodeServiceCapability: { rpc: 'NodeRpc = 1' },
  NodeRpc: { type: 'NodeRpcType = 1' },
  NodeGetInfoRequest: {},
  NodeGetInfoResponse: { nodeId: 'string = 1', maxVolumesPerNode: 'int64 = 2', accessibleTopology: 'Topology = 3' },
  NodeExpandVolumeRequest: {
    volumeId: 'string = 1',
    volumePath: 'string = 2',
    capacityRange: 'CapacityRange = 3',
    stagingTargetPath: 'string = 4',
    volumeCapability: 'VolumeCapability = 5',
    secrets: 'map = 6',
  },
  NodeExpandVolumeResponse: { capacityBytes: 'int64 = 1' },
} as const

/** Method → `Request Response`. */
export const csiServices = {
  Node: {
    nodeStageVolume: 'NodeStageVolumeRequest NodeStageVolumeResponse',
    nodeUnstageVolume: 'NodeUnstageVolumeRequest NodeUnstageVolumeResponse',
    nodePublishVolume: 'NodePublishVolumeRequest NodePublishVolumeResponse',
    nodeUnpublishVolume: 'NodeUnpublishVolumeRequest NodeUnpublishVolumeResponse',
    nodeGetVolumeStats: 'NodeGetVolumeStatsRequest NodeGetVolumeStatsResponse',
    nodeExpandVolume: 'NodeExpandVolumeRequest NodeExpandVolumeResponse',
    nodeGetCapabilities: 'NodeGetCapabilitiesRequest NodeGetCapabilitiesResponse',
    nodeGetInfo: 'NodeGetInfoRequest NodeGetInfoResponse',
  },
} as const
