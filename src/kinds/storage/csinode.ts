// The storage drivers of a node.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, list, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const VolumeNodeResources = struct('storage.v1.VolumeNodeResources', '', {
  count: int32({ proto: 1, optional: true }),
})
export type VolumeNodeResources = Of<typeof VolumeNodeResources>

export const CSINodeDriver = struct('storage.v1.CSINodeDriver', '', {
  name: string({ proto: 1, always: true }),
  nodeID: string({ proto: 2, always: true }),
  topologyKeys: list(string({}), { proto: 3, always: true }),
  allocatable: VolumeNodeResources.field({ proto: 4 }),
})
export type CSINodeDriver = Of<typeof CSINodeDriver>

export const CSINodeSpec = struct('storage.v1.CSINodeSpec', '', {
  drivers: listByKey('name', CSINodeDriver, { proto: 1, always: true, mergeKey: 'name' }),
})
export type CSINodeSpec = Of<typeof CSINodeSpec>

export const StorageHealthCondition = struct('storage.v1.StorageHealthCondition', '', {
  status: string({ proto: 1, always: true, required: true, enum: ['StorageUnreachable', 'StorageDegraded'] }),
  reason: string({ proto: 2, always: true, required: true }),
  message: string({ proto: 3 }),
  accessMode: string({ proto: 4, optional: true }),
  volumeMode: string({ proto: 5, optional: true }),
  lastTransitionTime: time({ proto: 6, always: true }),
})
export type StorageHealthCondition = Of<typeof StorageHealthCondition>

export const StorageHealth = struct('storage.v1.StorageHealth', '', {
  name: string({ proto: 1, always: true, required: true }),
  healthConditions: list(StorageHealthCondition, { proto: 2 }),
})
export type StorageHealth = Of<typeof StorageHealth>

export const CSINodeStatus = struct('storage.v1.CSINodeStatus', '', {
  storageHealth: listByKey('name', StorageHealth, { proto: 1, mergeKey: 'name' }),
})
export type CSINodeStatus = Of<typeof CSINodeStatus>

export const CSINode = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  scope: 'Cluster',
  doc: 'The storage drivers of a node.',
  fields: {
    spec: CSINodeSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: CSINodeStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type CSINode = Of<typeof CSINode>
