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

export const GlusterfsPersistentVolumeSource = struct(
  'core.v1.GlusterfsPersistentVolumeSource',
  'Deprecated: no longer supported. GlusterFS volume.',
  {
    endpoints: string({
      proto: 1,
      always: true,
      doc: 'Name of the Endpoints object with the addresses of the servers.',
    }),
    path: string({ proto: 2, always: true, doc: 'Name of the GlusterFS volume.' }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    endpointsNamespace: string({
      proto: 4,
      optional: true,
      doc: 'Namespace of the Endpoints object. Defaults to that of the bound claim.',
    }),
  },
)
export type GlusterfsPersistentVolumeSource = Of<typeof GlusterfsPersistentVolumeSource>

export const RBDPersistentVolumeSource = struct(
  'core.v1.RBDPersistentVolumeSource',
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
    secretRef: SecretReference.field({
      proto: 7,
      doc: 'Secret with the key of the user. Takes precedence over keyring.',
    }),
    readOnly: bool({ proto: 8, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type RBDPersistentVolumeSource = Of<typeof RBDPersistentVolumeSource>

export const ISCSIPersistentVolumeSource = struct(
  'core.v1.ISCSIPersistentVolumeSource',
  'Disk of an iSCSI target. It can be mounted read-write by only one node at a time.',
  {
    targetPortal: string({
      proto: 1,
      always: true,
      doc: 'Address of the target, as IP address or host name. The port is required unless it is the default, 3260.',
    }),
    iqn: string({
      proto: 2,
      always: true,
      doc: 'Qualified name of the target, such as iqn.2001-04.com.example:storage.',
    }),
    lun: int32({ proto: 3, always: true, doc: 'Logical unit number of the disk at the target, from 0 to 255.' }),
    iscsiInterface: string({
      proto: 4,
      default: 'default',
      doc: 'Name of the iSCSI interface (transport). Defaults to default, which is TCP.',
    }),
    fsType: string({ proto: 5, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    readOnly: bool({ proto: 6, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    portals: list(string({}), {
      proto: 7,
      doc: 'Addresses of further portals of the target, in the same format as targetPortal.',
    }),
    chapAuthDiscovery: bool({
      proto: 8,
      doc: 'Whether target discovery uses CHAP authentication. Requires secretRef.',
    }),
    chapAuthSession: bool({ proto: 11, doc: 'Whether sessions use CHAP authentication. Requires secretRef.' }),
    secretRef: SecretReference.field({ proto: 10, doc: 'Secret with the CHAP credentials.' }),
    initiatorName: string({
      proto: 12,
      optional: true,
      doc: 'Qualified name of the initiator. Defaults to that of the node.',
    }),
  },
)
export type ISCSIPersistentVolumeSource = Of<typeof ISCSIPersistentVolumeSource>

export const CinderPersistentVolumeSource = struct(
  'core.v1.CinderPersistentVolumeSource',
  'Deprecated: use the CSI driver cinder.csi.openstack.org. OpenStack Cinder volume.',
  {
    volumeID: string({ proto: 1, always: true, doc: 'ID of the volume.' }),
    fsType: string({ proto: 2, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    secretRef: SecretReference.field({ proto: 4, doc: 'Secret with the credentials for OpenStack.' }),
  },
)
export type CinderPersistentVolumeSource = Of<typeof CinderPersistentVolumeSource>

export const CephFSPersistentVolumeSource = struct(
  'core.v1.CephFSPersistentVolumeSource',
  'Deprecated: no longer supported. Ceph file system.',
  {
    monitors: list(string({}), { proto: 1, always: true, doc: 'Addresses of the Ceph monitors.' }),
    path: string({ proto: 2, doc: 'Directory of the file system to mount. Defaults to /.' }),
    user: string({ proto: 3, doc: 'RADOS user name. Defaults to admin.' }),
    secretFile: string({ proto: 4, doc: 'Path of the key ring of the user. Defaults to /etc/ceph/user.secret.' }),
    secretRef: SecretReference.field({
      proto: 5,
      doc: 'Secret with the key of the user. Takes precedence over secretFile.',
    }),
    readOnly: bool({ proto: 6, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  },
)
export type CephFSPersistentVolumeSource = Of<typeof CephFSPersistentVolumeSource>

export const FlexPersistentVolumeSource = struct(
  'core.v1.FlexPersistentVolumeSource',
  'Deprecated: use a CSI driver. Volume that is mounted by a FlexVolume driver.',
  {
    driver: string({ proto: 1, always: true, doc: 'Name of the driver.' }),
    fsType: string({
      proto: 2,
      doc: 'File system type of the volume, such as ext4 or xfs. The default depends on the driver.',
    }),
    secretRef: SecretReference.field({ proto: 3, doc: 'Secret whose content is passed to the driver.' }),
    readOnly: bool({ proto: 4, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    options: map(string({}), { proto: 5, doc: 'Additional options for the driver.' }),
  },
)
export type FlexPersistentVolumeSource = Of<typeof FlexPersistentVolumeSource>

export const AzureFilePersistentVolumeSource = struct(
  'core.v1.AzureFilePersistentVolumeSource',
  'Deprecated: use the CSI driver file.csi.azure.com. File share of Azure.',
  {
    secretName: string({
      proto: 1,
      always: true,
      doc: 'Name of the Secret with the name and key of the storage account.',
    }),
    shareName: string({ proto: 2, always: true, doc: 'Name of the file share.' }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    secretNamespace: string({
      proto: 4,
      always: true,
      optional: true,
      doc: 'Namespace of the Secret. Defaults to that of the bound claim.',
    }),
  },
)
export type AzureFilePersistentVolumeSource = Of<typeof AzureFilePersistentVolumeSource>

export const ScaleIOPersistentVolumeSource = struct(
  'core.v1.ScaleIOPersistentVolumeSource',
  'Deprecated: no longer supported. ScaleIO volume.',
  {
    gateway: string({ proto: 1, always: true, doc: 'Address of the ScaleIO gateway.' }),
    system: string({ proto: 2, always: true, doc: 'Name of the storage system.' }),
    secretRef: SecretReference.field({ proto: 3, doc: 'Secret with the credentials for ScaleIO.' }),
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
export type ScaleIOPersistentVolumeSource = Of<typeof ScaleIOPersistentVolumeSource>

export const StorageOSPersistentVolumeSource = struct(
  'core.v1.StorageOSPersistentVolumeSource',
  'Deprecated: no longer supported. StorageOS volume.',
  {
    volumeName: string({ proto: 1, doc: 'Name of the volume, unique within its StorageOS namespace.' }),
    volumeNamespace: string({
      proto: 2,
      doc: 'StorageOS namespace of the volume. Defaults to the namespace of the pod.',
    }),
    fsType: string({ proto: 3, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    readOnly: bool({ proto: 4, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    secretRef: ObjectReference.field({ proto: 5, doc: 'Secret with the credentials for StorageOS.' }),
  },
)
export type StorageOSPersistentVolumeSource = Of<typeof StorageOSPersistentVolumeSource>

export const CSIPersistentVolumeSource = struct(
  'core.v1.CSIPersistentVolumeSource',
  'Volume that is managed by a CSI driver.',
  {
    driver: string({ proto: 1, always: true, doc: 'Name of the CSI driver.' }),
    volumeHandle: string({
      proto: 2,
      always: true,
      doc: 'ID of the volume, assigned by the driver when it was created. Cannot be changed.',
    }),
    readOnly: bool({ proto: 3, doc: 'If true, the volume is published read-only. Defaults to false.' }),
    fsType: string({
      proto: 4,
      doc: 'File system type of the volume, such as ext4 or xfs. The default depends on the driver.',
    }),
    volumeAttributes: map(string({}), {
      proto: 5,
      doc: 'Attributes of the volume, passed to the driver when the volume is published.',
    }),
    controllerPublishSecretRef: SecretReference.field({
      proto: 6,
      doc: 'Secret that is passed to the driver when the volume is attached to and detached from a node.',
    }),
    nodeStageSecretRef: SecretReference.field({
      proto: 7,
      doc: 'Secret that is passed to the driver when the volume is staged on a node.',
    }),
    nodePublishSecretRef: SecretReference.field({
      proto: 8,
      doc: 'Secret that is passed to the driver when the volume is mounted for a pod.',
    }),
    controllerExpandSecretRef: SecretReference.field({
      proto: 9,
      doc: 'Secret that is passed to the driver when the volume is expanded in the storage system.',
    }),
    nodeExpandSecretRef: SecretReference.field({
      proto: 10,
      doc: 'Secret that is passed to the driver when the volume is expanded on a node.',
    }),
  },
)
export type CSIPersistentVolumeSource = Of<typeof CSIPersistentVolumeSource>

export const PersistentVolumeSource = struct(
  'core.v1.PersistentVolumeSource',
  'Storage behind a PersistentVolume. Exactly one field must be set.',
  {
    gcePersistentDisk: GCEPersistentDiskVolumeSource.field({
      proto: 1,
      doc: 'Deprecated: use the CSI driver pd.csi.storage.gke.io. Disk of Google Compute Engine.',
    }),
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource.field({
      proto: 2,
      doc: 'Deprecated: use the CSI driver ebs.csi.aws.com. Disk of AWS.',
    }),
    hostPath: HostPathVolumeSource.field({
      proto: 3,
      doc: 'File or directory of the node. Only for tests on a cluster with a single node.',
    }),
    glusterfs: GlusterfsPersistentVolumeSource.field({
      proto: 4,
      doc: 'Deprecated: no longer supported. GlusterFS volume.',
    }),
    nfs: NFSVolumeSource.field({ proto: 5, doc: 'Directory that is exported by an NFS server.' }),
    rbd: RBDPersistentVolumeSource.field({ proto: 6, doc: 'Deprecated: no longer supported. Ceph block device.' }),
    iscsi: ISCSIPersistentVolumeSource.field({ proto: 7, doc: 'Disk of an iSCSI target.' }),
    cinder: CinderPersistentVolumeSource.field({
      proto: 8,
      doc: 'Deprecated: use the CSI driver cinder.csi.openstack.org. OpenStack volume.',
    }),
    cephfs: CephFSPersistentVolumeSource.field({ proto: 9, doc: 'Deprecated: no longer supported. Ceph file system.' }),
    fc: FCVolumeSource.field({ proto: 10, doc: 'Disk that is connected through Fibre Channel.' }),
    flocker: FlockerVolumeSource.field({ proto: 11, doc: 'Deprecated: no longer supported. Flocker dataset.' }),
    flexVolume: FlexPersistentVolumeSource.field({
      proto: 12,
      doc: 'Deprecated: use a CSI driver. Volume of a FlexVolume driver.',
    }),
    azureFile: AzureFilePersistentVolumeSource.field({
      proto: 13,
      doc: 'Deprecated: use the CSI driver file.csi.azure.com. File share of Azure.',
    }),
    vsphereVolume: VsphereVirtualDiskVolumeSource.field({
      proto: 14,
      doc: 'Deprecated: use the CSI driver csi.vsphere.vmware.com. vSphere disk.',
    }),
    quobyte: QuobyteVolumeSource.field({ proto: 15, doc: 'Deprecated: no longer supported. Quobyte volume.' }),
    azureDisk: AzureDiskVolumeSource.field({
      proto: 16,
      doc: 'Deprecated: use the CSI driver disk.csi.azure.com. Disk of Azure.',
    }),
    photonPersistentDisk: PhotonPersistentDiskVolumeSource.field({
      proto: 17,
      doc: 'Deprecated: no longer supported. Photon disk.',
    }),
    portworxVolume: PortworxVolumeSource.field({
      proto: 18,
      doc: 'Deprecated: use the CSI driver pxd.portworx.com. Portworx volume.',
    }),
    scaleIO: ScaleIOPersistentVolumeSource.field({
      proto: 19,
      doc: 'Deprecated: no longer supported. ScaleIO volume.',
    }),
    local: LocalVolumeSource.field({
      proto: 20,
      doc: 'Disk, partition or directory of one node. Requires nodeAffinity.',
    }),
    storageos: StorageOSPersistentVolumeSource.field({
      proto: 21,
      doc: 'Deprecated: no longer supported. StorageOS volume.',
    }),
    csi: CSIPersistentVolumeSource.field({ proto: 22, doc: 'Volume that is managed by a CSI driver.' }),
  },
)
export type PersistentVolumeSource = Of<typeof PersistentVolumeSource>
