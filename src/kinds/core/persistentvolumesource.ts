// Where the bytes of a persistent volume are: one struct for each kind of storage.
import type { Of } from '../../api/kind.ts'
import { bool, int32, list, map, string, struct } from '../../api/schema/build.ts'
import { ObjectReference, SecretReference } from './reference.ts'
import { FCVolumeSource, HostPathVolumeSource, LocalVolumeSource, NFSVolumeSource } from './volume.ts'
import {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  PhotonPersistentDiskVolumeSource,
  PortworxVolumeSource,
  QuobyteVolumeSource,
  VsphereVirtualDiskVolumeSource,
} from './volume-vendors.ts'

export const GlusterfsPersistentVolumeSource = struct('core.v1.GlusterfsPersistentVolumeSource', '', {
  endpoints: string({ proto: 1, always: true }),
  path: string({ proto: 2, always: true }),
  readOnly: bool({ proto: 3 }),
  endpointsNamespace: string({ proto: 4, optional: true }),
})
export type GlusterfsPersistentVolumeSource = Of<typeof GlusterfsPersistentVolumeSource>

export const RBDPersistentVolumeSource = struct('core.v1.RBDPersistentVolumeSource', '', {
  monitors: list(string({}), { proto: 1, always: true }),
  image: string({ proto: 2, always: true }),
  fsType: string({ proto: 3 }),
  pool: string({ proto: 4, default: 'rbd' }),
  user: string({ proto: 5, default: 'admin' }),
  keyring: string({ proto: 6, default: '/etc/ceph/keyring' }),
  secretRef: SecretReference.field({ proto: 7 }),
  readOnly: bool({ proto: 8 }),
})
export type RBDPersistentVolumeSource = Of<typeof RBDPersistentVolumeSource>

export const ISCSIPersistentVolumeSource = struct('core.v1.ISCSIPersistentVolumeSource', '', {
  targetPortal: string({ proto: 1, always: true }),
  iqn: string({ proto: 2, always: true }),
  lun: int32({ proto: 3, always: true }),
  iscsiInterface: string({ proto: 4, default: 'default' }),
  fsType: string({ proto: 5 }),
  readOnly: bool({ proto: 6 }),
  portals: list(string({}), { proto: 7 }),
  chapAuthDiscovery: bool({ proto: 8 }),
  chapAuthSession: bool({ proto: 11 }),
  secretRef: SecretReference.field({ proto: 10 }),
  initiatorName: string({ proto: 12, optional: true }),
})
export type ISCSIPersistentVolumeSource = Of<typeof ISCSIPersistentVolumeSource>

export const CinderPersistentVolumeSource = struct('core.v1.CinderPersistentVolumeSource', '', {
  volumeID: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
  readOnly: bool({ proto: 3 }),
  secretRef: SecretReference.field({ proto: 4 }),
})
export type CinderPersistentVolumeSource = Of<typeof CinderPersistentVolumeSource>

export const CephFSPersistentVolumeSource = struct('core.v1.CephFSPersistentVolumeSource', '', {
  monitors: list(string({}), { proto: 1, always: true }),
  path: string({ proto: 2 }),
  user: string({ proto: 3 }),
  secretFile: string({ proto: 4 }),
  secretRef: SecretReference.field({ proto: 5 }),
  readOnly: bool({ proto: 6 }),
})
export type CephFSPersistentVolumeSource = Of<typeof CephFSPersistentVolumeSource>

export const FlexPersistentVolumeSource = struct('core.v1.FlexPersistentVolumeSource', '', {
  driver: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
  secretRef: SecretReference.field({ proto: 3 }),
  readOnly: bool({ proto: 4 }),
  options: map(string({}), { proto: 5 }),
})
export type FlexPersistentVolumeSource = Of<typeof FlexPersistentVolumeSource>

export const AzureFilePersistentVolumeSource = struct('core.v1.AzureFilePersistentVolumeSource', '', {
  secretName: string({ proto: 1, always: true }),
  shareName: string({ proto: 2, always: true }),
  readOnly: bool({ proto: 3 }),
  secretNamespace: string({ proto: 4, optional: true }),
})
export type AzureFilePersistentVolumeSource = Of<typeof AzureFilePersistentVolumeSource>

export const ScaleIOPersistentVolumeSource = struct('core.v1.ScaleIOPersistentVolumeSource', '', {
  gateway: string({ proto: 1, always: true }),
  system: string({ proto: 2, always: true }),
  secretRef: SecretReference.field({ proto: 3 }),
  sslEnabled: bool({ proto: 4 }),
  protectionDomain: string({ proto: 5 }),
  storagePool: string({ proto: 6 }),
  storageMode: string({ proto: 7, default: 'ThinProvisioned' }),
  volumeName: string({ proto: 8 }),
  fsType: string({ proto: 9, default: 'xfs' }),
  readOnly: bool({ proto: 10 }),
})
export type ScaleIOPersistentVolumeSource = Of<typeof ScaleIOPersistentVolumeSource>

export const StorageOSPersistentVolumeSource = struct('core.v1.StorageOSPersistentVolumeSource', '', {
  volumeName: string({ proto: 1 }),
  volumeNamespace: string({ proto: 2 }),
  fsType: string({ proto: 3 }),
  readOnly: bool({ proto: 4 }),
  secretRef: ObjectReference.field({ proto: 5 }),
})
export type StorageOSPersistentVolumeSource = Of<typeof StorageOSPersistentVolumeSource>

export const CSIPersistentVolumeSource = struct('core.v1.CSIPersistentVolumeSource', '', {
  driver: string({ proto: 1, always: true }),
  volumeHandle: string({ proto: 2, always: true }),
  readOnly: bool({ proto: 3 }),
  fsType: string({ proto: 4 }),
  volumeAttributes: map(string({}), { proto: 5 }),
  controllerPublishSecretRef: SecretReference.field({ proto: 6 }),
  nodeStageSecretRef: SecretReference.field({ proto: 7 }),
  nodePublishSecretRef: SecretReference.field({ proto: 8 }),
  controllerExpandSecretRef: SecretReference.field({ proto: 9 }),
  nodeExpandSecretRef: SecretReference.field({ proto: 10 }),
})
export type CSIPersistentVolumeSource = Of<typeof CSIPersistentVolumeSource>

export const PersistentVolumeSource = struct('core.v1.PersistentVolumeSource', '', {
  gcePersistentDisk: GCEPersistentDiskVolumeSource.field({ proto: 1 }),
  awsElasticBlockStore: AWSElasticBlockStoreVolumeSource.field({ proto: 2 }),
  hostPath: HostPathVolumeSource.field({ proto: 3 }),
  glusterfs: GlusterfsPersistentVolumeSource.field({ proto: 4 }),
  nfs: NFSVolumeSource.field({ proto: 5 }),
  rbd: RBDPersistentVolumeSource.field({ proto: 6 }),
  iscsi: ISCSIPersistentVolumeSource.field({ proto: 7 }),
  cinder: CinderPersistentVolumeSource.field({ proto: 8 }),
  cephfs: CephFSPersistentVolumeSource.field({ proto: 9 }),
  fc: FCVolumeSource.field({ proto: 10 }),
  flocker: FlockerVolumeSource.field({ proto: 11 }),
  flexVolume: FlexPersistentVolumeSource.field({ proto: 12 }),
  azureFile: AzureFilePersistentVolumeSource.field({ proto: 13 }),
  vsphereVolume: VsphereVirtualDiskVolumeSource.field({ proto: 14 }),
  quobyte: QuobyteVolumeSource.field({ proto: 15 }),
  azureDisk: AzureDiskVolumeSource.field({ proto: 16 }),
  photonPersistentDisk: PhotonPersistentDiskVolumeSource.field({ proto: 17 }),
  portworxVolume: PortworxVolumeSource.field({ proto: 18 }),
  scaleIO: ScaleIOPersistentVolumeSource.field({ proto: 19 }),
  local: LocalVolumeSource.field({ proto: 20 }),
  storageos: StorageOSPersistentVolumeSource.field({ proto: 21 }),
  csi: CSIPersistentVolumeSource.field({ proto: 22 }),
})
export type PersistentVolumeSource = Of<typeof PersistentVolumeSource>
