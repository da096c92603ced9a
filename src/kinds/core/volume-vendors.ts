// Volumes of single vendors and storage systems. Most are served by a CSI driver now, or by nobody; their fields stay.
import type { Of } from '../../api/kind.ts'
import { bool, int32, list, map, string, struct } from '../../api/schema/build.ts'
import { LocalObjectReference } from './reference.ts'

export const GCEPersistentDiskVolumeSource = struct(
  'core.v1.GCEPersistentDiskVolumeSource',
  'A persistent disk of Google Compute Engine.',
  {
    pdName: string({ proto: 1, always: true, doc: 'Name of the disk.' }),
    fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
    partition: int32({ proto: 3, doc: 'Partition of the disk; 0 for all of it.' }),
    readOnly: bool({ proto: 4, doc: 'True to mount without the right to write.' }),
  },
)
export type GCEPersistentDiskVolumeSource = Of<typeof GCEPersistentDiskVolumeSource>

export const AWSElasticBlockStoreVolumeSource = struct(
  'core.v1.AWSElasticBlockStoreVolumeSource',
  'A disk of AWS Elastic Block Store.',
  {
    volumeID: string({ proto: 1, always: true, doc: 'ID of the disk.' }),
    fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
    partition: int32({ proto: 3, doc: 'Partition of the disk; 0 for all of it.' }),
    readOnly: bool({ proto: 4, doc: 'True to mount without the right to write.' }),
  },
)
export type AWSElasticBlockStoreVolumeSource = Of<typeof AWSElasticBlockStoreVolumeSource>

export const FlockerVolumeSource = struct('core.v1.FlockerVolumeSource', 'A Flocker dataset.', {
  datasetName: string({ proto: 1, doc: 'Name of the dataset.' }),
  datasetUUID: string({ proto: 2, doc: 'UUID of the dataset.' }),
})
export type FlockerVolumeSource = Of<typeof FlockerVolumeSource>

export const VsphereVirtualDiskVolumeSource = struct(
  'core.v1.VsphereVirtualDiskVolumeSource',
  'A vSphere virtual disk.',
  {
    volumePath: string({ proto: 1, always: true, doc: 'Path of the disk.' }),
    fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
    storagePolicyName: string({ proto: 3, doc: 'Name of its storage policy.' }),
    storagePolicyID: string({ proto: 4, doc: 'ID of its storage policy.' }),
  },
)
export type VsphereVirtualDiskVolumeSource = Of<typeof VsphereVirtualDiskVolumeSource>

export const QuobyteVolumeSource = struct('core.v1.QuobyteVolumeSource', 'A Quobyte volume.', {
  registry: string({ proto: 1, always: true, doc: 'Registries, as host:port with commas between.' }),
  volume: string({ proto: 2, always: true, doc: 'Name of the volume.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
  user: string({ proto: 4, doc: 'User to mount as.' }),
  group: string({ proto: 5, doc: 'Group to mount as.' }),
  tenant: string({ proto: 6, doc: 'Tenant that owns the volume.' }),
})
export type QuobyteVolumeSource = Of<typeof QuobyteVolumeSource>

export const AzureDiskVolumeSource = struct('core.v1.AzureDiskVolumeSource', 'A data disk of Azure.', {
  diskName: string({ proto: 1, always: true, doc: 'Name of the disk.' }),
  diskURI: string({ proto: 2, always: true, doc: 'URI of the disk.' }),
  cachingMode: string({
    proto: 3,
    optional: true,
    default: 'ReadWrite',
    enum: ['None', 'ReadOnly', 'ReadWrite'],
    doc: 'How the host caches: None, ReadOnly or ReadWrite.',
  }),
  fsType: string({ proto: 4, optional: true, default: 'ext4', doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 5, optional: true, default: false, doc: 'True to mount without the right to write.' }),
  kind: string({
    proto: 6,
    optional: true,
    default: 'Shared',
    enum: ['Shared', 'Dedicated', 'Managed'],
    doc: 'Shared, Dedicated or Managed.',
  }),
})
export type AzureDiskVolumeSource = Of<typeof AzureDiskVolumeSource>

export const PhotonPersistentDiskVolumeSource = struct(
  'core.v1.PhotonPersistentDiskVolumeSource',
  'A Photon persistent disk.',
  {
    pdID: string({ proto: 1, always: true, doc: 'ID of the disk.' }),
    fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
  },
)
export type PhotonPersistentDiskVolumeSource = Of<typeof PhotonPersistentDiskVolumeSource>

export const PortworxVolumeSource = struct('core.v1.PortworxVolumeSource', 'A Portworx volume.', {
  volumeID: string({ proto: 1, always: true, doc: 'ID of the volume.' }),
  fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
})
export type PortworxVolumeSource = Of<typeof PortworxVolumeSource>

export const GlusterfsVolumeSource = struct('core.v1.GlusterfsVolumeSource', 'A Gluster volume.', {
  endpoints: string({ proto: 1, always: true, doc: 'Endpoints object with the servers.' }),
  path: string({ proto: 2, always: true, doc: 'Name of the volume.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
})
export type GlusterfsVolumeSource = Of<typeof GlusterfsVolumeSource>

export const RBDVolumeSource = struct('core.v1.RBDVolumeSource', 'A Ceph block device.', {
  monitors: list(string({}), { proto: 1, always: true, doc: 'Addresses of the Ceph monitors.' }),
  image: string({ proto: 2, always: true, doc: 'Name of the image.' }),
  fsType: string({ proto: 3, doc: 'File system of the volume, such as ext4 or xfs.' }),
  pool: string({ proto: 4, default: 'rbd', doc: 'Pool of the image.' }),
  user: string({ proto: 5, default: 'admin', doc: 'User to sign in as.' }),
  keyring: string({ proto: 6, default: '/etc/ceph/keyring', doc: 'Path of the user’s key file.' }),
  secretRef: LocalObjectReference.field({ proto: 7, doc: 'Secret with the user’s key; wins over keyring.' }),
  readOnly: bool({ proto: 8, doc: 'True to mount without the right to write.' }),
})
export type RBDVolumeSource = Of<typeof RBDVolumeSource>

export const FlexVolumeSource = struct(
  'core.v1.FlexVolumeSource',
  'A volume of a FlexVolume driver; CSI has taken its place.',
  {
    driver: string({ proto: 1, always: true, doc: 'Name of the driver.' }),
    fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
    secretRef: LocalObjectReference.field({ proto: 3, doc: 'Secret handed to the driver.' }),
    readOnly: bool({ proto: 4, doc: 'True to mount without the right to write.' }),
    options: map(string({}), { proto: 5, doc: 'Options for the driver.' }),
  },
)
export type FlexVolumeSource = Of<typeof FlexVolumeSource>

export const CinderVolumeSource = struct('core.v1.CinderVolumeSource', 'An OpenStack Cinder volume.', {
  volumeID: string({ proto: 1, always: true, doc: 'ID of the volume.' }),
  fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
  secretRef: LocalObjectReference.field({ proto: 4, doc: 'Secret with the OpenStack credentials.' }),
})
export type CinderVolumeSource = Of<typeof CinderVolumeSource>

export const CephFSVolumeSource = struct('core.v1.CephFSVolumeSource', 'A Ceph file system.', {
  monitors: list(string({}), { proto: 1, always: true, doc: 'Addresses of the Ceph monitors.' }),
  path: string({ proto: 2, doc: 'Directory to mount; otherwise the root.' }),
  user: string({ proto: 3, doc: 'User to sign in as.' }),
  secretFile: string({ proto: 4, doc: 'Path of the user’s key file.' }),
  secretRef: LocalObjectReference.field({ proto: 5, doc: 'Secret with the user’s key; wins over secretFile.' }),
  readOnly: bool({ proto: 6, doc: 'True to mount without the right to write.' }),
})
export type CephFSVolumeSource = Of<typeof CephFSVolumeSource>

export const AzureFileVolumeSource = struct('core.v1.AzureFileVolumeSource', 'A file share of Azure.', {
  secretName: string({ proto: 1, always: true, doc: 'Secret with the storage account’s name and key.' }),
  shareName: string({ proto: 2, always: true, doc: 'Name of the share.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
})
export type AzureFileVolumeSource = Of<typeof AzureFileVolumeSource>

export const ScaleIOVolumeSource = struct('core.v1.ScaleIOVolumeSource', 'A ScaleIO volume.', {
  gateway: string({ proto: 1, always: true, doc: 'Address of the gateway.' }),
  system: string({ proto: 2, always: true, doc: 'Name of the storage system.' }),
  secretRef: LocalObjectReference.field({ proto: 3, doc: 'Secret with the credentials.' }),
  sslEnabled: bool({ proto: 4, doc: 'Whether to speak to the gateway over TLS.' }),
  protectionDomain: string({ proto: 5, doc: 'Protection domain of the storage.' }),
  storagePool: string({ proto: 6, doc: 'Pool of the storage.' }),
  storageMode: string({ proto: 7, default: 'ThinProvisioned', doc: 'ThickProvisioned or ThinProvisioned.' }),
  volumeName: string({ proto: 8, doc: 'Name of the volume.' }),
  fsType: string({ proto: 9, default: 'xfs', doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 10, doc: 'True to mount without the right to write.' }),
})
export type ScaleIOVolumeSource = Of<typeof ScaleIOVolumeSource>

export const StorageOSVolumeSource = struct('core.v1.StorageOSVolumeSource', 'A StorageOS volume.', {
  volumeName: string({ proto: 1, doc: 'Name of the volume.' }),
  volumeNamespace: string({ proto: 2, doc: 'StorageOS namespace of the volume.' }),
  fsType: string({ proto: 3, doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 4, doc: 'True to mount without the right to write.' }),
  secretRef: LocalObjectReference.field({ proto: 5, doc: 'Secret with the credentials.' }),
})
export type StorageOSVolumeSource = Of<typeof StorageOSVolumeSource>
