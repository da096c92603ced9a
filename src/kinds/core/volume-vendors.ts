// Volumes of single vendors and storage systems. Most are served by a CSI driver now, or by nobody; their fields stay.
import type { Of } from '../../api/kind.ts'
import { bool, int32, list, map, string, struct } from '../../api/schema/build.ts'
import { LocalObjectReference } from './reference.ts'

export const GCEPersistentDiskVolumeSource = struct(
  'core.v1.GCEPersistentDiskVolumeSource',
  'Deprecated: use the CSI driver pd.csi.storage.gke.io. Persistent disk of Google Compute Engine.',
  {
    pdName: string({ proto: 1, always: true, doc: 'Name of the disk.' }),
    fsType: string({ proto: 2, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    partition: int32({
      proto: 3,
      doc: 'Partition of the disk to mount, from 1 to 255. 0 mounts the whole disk. Defaults to 0.',
    }),
    readOnly: bool({ proto: 4, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type GCEPersistentDiskVolumeSource = Of<typeof GCEPersistentDiskVolumeSource>

export const AWSElasticBlockStoreVolumeSource = struct(
  'core.v1.AWSElasticBlockStoreVolumeSource',
  'Deprecated: use the CSI driver ebs.csi.aws.com. Disk of AWS Elastic Block Store.',
  {
    volumeID: string({ proto: 1, always: true, doc: 'ID of the disk.' }),
    fsType: string({ proto: 2, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    partition: int32({
      proto: 3,
      doc: 'Partition of the disk to mount, from 1 to 255. 0 mounts the whole disk. Defaults to 0.',
    }),
    readOnly: bool({ proto: 4, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type AWSElasticBlockStoreVolumeSource = Of<typeof AWSElasticBlockStoreVolumeSource>

export const FlockerVolumeSource = struct(
  'core.v1.FlockerVolumeSource',
  'Deprecated: no longer supported. Flocker dataset, identified by either its name or its UUID.',
  {
    datasetName: string({ proto: 1, doc: 'Name of the dataset. Cannot be set together with datasetUUID.' }),
    datasetUUID: string({ proto: 2, doc: 'UUID of the dataset. Cannot be set together with datasetName.' }),
  },
)
export type FlockerVolumeSource = Of<typeof FlockerVolumeSource>

export const VsphereVirtualDiskVolumeSource = struct(
  'core.v1.VsphereVirtualDiskVolumeSource',
  'Deprecated: use the CSI driver csi.vsphere.vmware.com. vSphere virtual disk.',
  {
    volumePath: string({ proto: 1, always: true, doc: 'Path of the virtual disk.' }),
    fsType: string({ proto: 2, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    storagePolicyName: string({ proto: 3, doc: 'Name of the storage policy.' }),
    storagePolicyID: string({ proto: 4, doc: 'ID of the storage policy that storagePolicyName refers to.' }),
  },
)
export type VsphereVirtualDiskVolumeSource = Of<typeof VsphereVirtualDiskVolumeSource>

export const QuobyteVolumeSource = struct(
  'core.v1.QuobyteVolumeSource',
  'Deprecated: no longer supported. Quobyte volume.',
  {
    registry: string({
      proto: 1,
      always: true,
      doc: 'Addresses of the Quobyte registries, as host:port pairs separated by commas.',
    }),
    volume: string({ proto: 2, always: true, doc: 'Name of the volume.' }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    user: string({ proto: 4, doc: 'User to mount the volume as.' }),
    group: string({ proto: 5, doc: 'Group to mount the volume as.' }),
    tenant: string({ proto: 6, doc: 'Tenant that owns the volume.' }),
  },
)
export type QuobyteVolumeSource = Of<typeof QuobyteVolumeSource>

export const AzureDiskVolumeSource = struct(
  'core.v1.AzureDiskVolumeSource',
  'Deprecated: use the CSI driver disk.csi.azure.com. Data disk of Azure.',
  {
    diskName: string({ proto: 1, always: true, doc: 'Name of the disk.' }),
    diskURI: string({ proto: 2, always: true, doc: 'URI of the disk.' }),
    cachingMode: string({
      proto: 3,
      optional: true,
      default: 'ReadWrite',
      enum: ['None', 'ReadOnly', 'ReadWrite'],
      doc: 'Caching mode of the host: None, ReadOnly or ReadWrite. Defaults to ReadWrite.',
    }),
    fsType: string({
      proto: 4,
      optional: true,
      default: 'ext4',
      doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.',
    }),
    readOnly: bool({
      proto: 5,
      optional: true,
      default: false,
      doc: 'If true, the volume is mounted read-only. Defaults to false.',
    }),
    kind: string({
      proto: 6,
      optional: true,
      default: 'Shared',
      enum: ['Shared', 'Dedicated', 'Managed'],
      doc: 'Kind of disk: Shared (several blobs in one storage account), Dedicated (one blob in each) or Managed. Defaults to Shared.',
    }),
  },
)
export type AzureDiskVolumeSource = Of<typeof AzureDiskVolumeSource>

export const PhotonPersistentDiskVolumeSource = struct(
  'core.v1.PhotonPersistentDiskVolumeSource',
  'Deprecated: no longer supported. Photon Controller persistent disk.',
  {
    pdID: string({ proto: 1, always: true, doc: 'ID of the disk.' }),
    fsType: string({ proto: 2, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
  },
)
export type PhotonPersistentDiskVolumeSource = Of<typeof PhotonPersistentDiskVolumeSource>

export const PortworxVolumeSource = struct(
  'core.v1.PortworxVolumeSource',
  'Deprecated: use the CSI driver pxd.portworx.com. Portworx volume.',
  {
    volumeID: string({ proto: 1, always: true, doc: 'ID of the volume.' }),
    fsType: string({ proto: 2, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type PortworxVolumeSource = Of<typeof PortworxVolumeSource>

export const GlusterfsVolumeSource = struct(
  'core.v1.GlusterfsVolumeSource',
  'Deprecated: no longer supported. GlusterFS volume.',
  {
    endpoints: string({
      proto: 1,
      always: true,
      doc: 'Name of the Endpoints object with the addresses of the servers.',
    }),
    path: string({ proto: 2, always: true, doc: 'Name of the GlusterFS volume.' }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type GlusterfsVolumeSource = Of<typeof GlusterfsVolumeSource>

export const RBDVolumeSource = struct(
  'core.v1.RBDVolumeSource',
  'Deprecated: no longer supported. Ceph RADOS block device.',
  {
    monitors: list(string({}), { proto: 1, always: true, doc: 'Addresses of the Ceph monitors.' }),
    image: string({ proto: 2, always: true, doc: 'Name of the RADOS image.' }),
    fsType: string({ proto: 3, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    pool: string({ proto: 4, default: 'rbd', doc: 'Name of the RADOS pool. Defaults to rbd.' }),
    user: string({ proto: 5, default: 'admin', doc: 'RADOS user name. Defaults to admin.' }),
    keyring: string({
      proto: 6,
      default: '/etc/ceph/keyring',
      doc: 'Path of the key ring of the user. Defaults to /etc/ceph/keyring.',
    }),
    secretRef: LocalObjectReference.field({
      proto: 7,
      doc: 'Secret with the key of the user. Takes precedence over keyring.',
    }),
    readOnly: bool({ proto: 8, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type RBDVolumeSource = Of<typeof RBDVolumeSource>

export const FlexVolumeSource = struct(
  'core.v1.FlexVolumeSource',
  'Deprecated: use a CSI driver. Volume that is mounted by a FlexVolume driver.',
  {
    driver: string({ proto: 1, always: true, doc: 'Name of the driver.' }),
    fsType: string({
      proto: 2,
      doc: 'File system type of the volume, such as ext4 or xfs. The default depends on the driver.',
    }),
    secretRef: LocalObjectReference.field({ proto: 3, doc: 'Secret whose content is passed to the driver.' }),
    readOnly: bool({ proto: 4, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    options: map(string({}), { proto: 5, doc: 'Additional options for the driver.' }),
  },
)
export type FlexVolumeSource = Of<typeof FlexVolumeSource>

export const CinderVolumeSource = struct(
  'core.v1.CinderVolumeSource',
  'Deprecated: use the CSI driver cinder.csi.openstack.org. OpenStack Cinder volume.',
  {
    volumeID: string({ proto: 1, always: true, doc: 'ID of the volume.' }),
    fsType: string({ proto: 2, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    secretRef: LocalObjectReference.field({ proto: 4, doc: 'Secret with the credentials for OpenStack.' }),
  },
)
export type CinderVolumeSource = Of<typeof CinderVolumeSource>

export const CephFSVolumeSource = struct(
  'core.v1.CephFSVolumeSource',
  'Deprecated: no longer supported. Ceph file system.',
  {
    monitors: list(string({}), { proto: 1, always: true, doc: 'Addresses of the Ceph monitors.' }),
    path: string({ proto: 2, doc: 'Directory of the file system to mount. Defaults to /.' }),
    user: string({ proto: 3, doc: 'RADOS user name. Defaults to admin.' }),
    secretFile: string({ proto: 4, doc: 'Path of the key ring of the user. Defaults to /etc/ceph/user.secret.' }),
    secretRef: LocalObjectReference.field({
      proto: 5,
      doc: 'Secret with the key of the user. Takes precedence over secretFile.',
    }),
    readOnly: bool({ proto: 6, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type CephFSVolumeSource = Of<typeof CephFSVolumeSource>

export const AzureFileVolumeSource = struct(
  'core.v1.AzureFileVolumeSource',
  'Deprecated: use the CSI driver file.csi.azure.com. File share of Azure.',
  {
    secretName: string({
      proto: 1,
      always: true,
      doc: 'Name of the Secret with the name and key of the storage account.',
    }),
    shareName: string({ proto: 2, always: true, doc: 'Name of the file share.' }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type AzureFileVolumeSource = Of<typeof AzureFileVolumeSource>

export const ScaleIOVolumeSource = struct(
  'core.v1.ScaleIOVolumeSource',
  'Deprecated: no longer supported. ScaleIO volume.',
  {
    gateway: string({ proto: 1, always: true, doc: 'Address of the ScaleIO gateway.' }),
    system: string({ proto: 2, always: true, doc: 'Name of the storage system.' }),
    secretRef: LocalObjectReference.field({ proto: 3, doc: 'Secret with the credentials for ScaleIO.' }),
    sslEnabled: bool({ proto: 4, doc: 'If true, connections to the gateway use TLS. Defaults to false.' }),
    protectionDomain: string({ proto: 5, doc: 'Name of the protection domain of the storage.' }),
    storagePool: string({ proto: 6, doc: 'Name of the storage pool in the protection domain.' }),
    storageMode: string({
      proto: 7,
      default: 'ThinProvisioned',
      doc: 'Provisioning of the storage: ThickProvisioned or ThinProvisioned. Defaults to ThinProvisioned.',
    }),
    volumeName: string({ proto: 8, doc: 'Name of the volume.' }),
    fsType: string({
      proto: 9,
      default: 'xfs',
      doc: 'File system type of the volume, such as ext4 or xfs. Defaults to xfs.',
    }),
    readOnly: bool({ proto: 10, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type ScaleIOVolumeSource = Of<typeof ScaleIOVolumeSource>

export const StorageOSVolumeSource = struct(
  'core.v1.StorageOSVolumeSource',
  'Deprecated: no longer supported. StorageOS volume.',
  {
    volumeName: string({ proto: 1, doc: 'Name of the volume, unique within its StorageOS namespace.' }),
    volumeNamespace: string({
      proto: 2,
      doc: 'StorageOS namespace of the volume. Defaults to the namespace of the pod.',
    }),
    fsType: string({ proto: 3, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    readOnly: bool({ proto: 4, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    secretRef: LocalObjectReference.field({ proto: 5, doc: 'Secret with the credentials for StorageOS.' }),
  },
)
export type StorageOSVolumeSource = Of<typeof StorageOSVolumeSource>
