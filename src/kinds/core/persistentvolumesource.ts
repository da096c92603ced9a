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

export const GlusterfsPersistentVolumeSource = struct('core.v1.GlusterfsPersistentVolumeSource', 'A Gluster volume.', {
  endpoints: string({ proto: 1, always: true, doc: 'Endpoints object with the servers.' }),
  path: string({ proto: 2, always: true, doc: 'Name of the volume.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
  endpointsNamespace: string({
    proto: 4,
    optional: true,
    doc: 'Namespace of the Endpoints object; otherwise that of the claim.',
  }),
})
export type GlusterfsPersistentVolumeSource = Of<typeof GlusterfsPersistentVolumeSource>

export const RBDPersistentVolumeSource = struct('core.v1.RBDPersistentVolumeSource', 'A Ceph block device.', {
  monitors: list(string({}), { proto: 1, always: true, doc: 'Addresses of the Ceph monitors.' }),
  image: string({ proto: 2, always: true, doc: 'Name of the image.' }),
  fsType: string({ proto: 3, doc: 'File system of the volume, such as ext4 or xfs.' }),
  pool: string({ proto: 4, default: 'rbd', doc: 'Pool of the image.' }),
  user: string({ proto: 5, default: 'admin', doc: 'User to sign in as.' }),
  keyring: string({ proto: 6, default: '/etc/ceph/keyring', doc: 'Path of the user’s key file.' }),
  secretRef: SecretReference.field({ proto: 7, doc: 'Secret with the user’s key; wins over keyring.' }),
  readOnly: bool({ proto: 8, doc: 'True to mount without the right to write.' }),
})
export type RBDPersistentVolumeSource = Of<typeof RBDPersistentVolumeSource>

export const ISCSIPersistentVolumeSource = struct('core.v1.ISCSIPersistentVolumeSource', 'A disk reached over iSCSI.', {
  targetPortal: string({ proto: 1, always: true, doc: 'Address of the target, with port unless it is 3260.' }),
  iqn: string({ proto: 2, always: true, doc: 'Qualified name of the target.' }),
  lun: int32({ proto: 3, always: true, doc: 'Number of the unit at the target.' }),
  iscsiInterface: string({ proto: 4, default: 'default', doc: 'Name of the iSCSI interface.' }),
  fsType: string({ proto: 5, doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 6, doc: 'True to mount without the right to write.' }),
  portals: list(string({}), { proto: 7, doc: 'Further addresses of the target.' }),
  chapAuthDiscovery: bool({ proto: 8, doc: 'Whether discovery uses CHAP.' }),
  chapAuthSession: bool({ proto: 11, doc: 'Whether sessions use CHAP.' }),
  secretRef: SecretReference.field({ proto: 10, doc: 'Secret with the CHAP credentials.' }),
  initiatorName: string({ proto: 12, optional: true, doc: 'Qualified name to use on this side.' }),
})
export type ISCSIPersistentVolumeSource = Of<typeof ISCSIPersistentVolumeSource>

export const CinderPersistentVolumeSource = struct(
  'core.v1.CinderPersistentVolumeSource',
  'An OpenStack Cinder volume.',
  {
    volumeID: string({ proto: 1, always: true, doc: 'ID of the volume.' }),
    fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
    readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
    secretRef: SecretReference.field({ proto: 4, doc: 'Secret with the OpenStack credentials.' }),
  },
)
export type CinderPersistentVolumeSource = Of<typeof CinderPersistentVolumeSource>

export const CephFSPersistentVolumeSource = struct('core.v1.CephFSPersistentVolumeSource', 'A Ceph file system.', {
  monitors: list(string({}), { proto: 1, always: true, doc: 'Addresses of the Ceph monitors.' }),
  path: string({ proto: 2, doc: 'Directory to mount; otherwise the root.' }),
  user: string({ proto: 3, doc: 'User to sign in as.' }),
  secretFile: string({ proto: 4, doc: 'Path of the user’s key file.' }),
  secretRef: SecretReference.field({ proto: 5, doc: 'Secret with the user’s key; wins over secretFile.' }),
  readOnly: bool({ proto: 6, doc: 'True to mount without the right to write.' }),
})
export type CephFSPersistentVolumeSource = Of<typeof CephFSPersistentVolumeSource>

export const FlexPersistentVolumeSource = struct(
  'core.v1.FlexPersistentVolumeSource',
  'A volume of a FlexVolume driver; CSI has taken its place.',
  {
    driver: string({ proto: 1, always: true, doc: 'Name of the driver.' }),
    fsType: string({ proto: 2, doc: 'File system of the volume, such as ext4 or xfs.' }),
    secretRef: SecretReference.field({ proto: 3, doc: 'Secret handed to the driver.' }),
    readOnly: bool({ proto: 4, doc: 'True to mount without the right to write.' }),
    options: map(string({}), { proto: 5, doc: 'Options for the driver.' }),
  },
)
export type FlexPersistentVolumeSource = Of<typeof FlexPersistentVolumeSource>

export const AzureFilePersistentVolumeSource = struct(
  'core.v1.AzureFilePersistentVolumeSource',
  'A file share of Azure.',
  {
    secretName: string({ proto: 1, always: true, doc: 'Secret with the storage account’s name and key.' }),
    shareName: string({ proto: 2, always: true, doc: 'Name of the share.' }),
    readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
    secretNamespace: string({
      proto: 4,
      always: true,
      optional: true,
      doc: 'Namespace of the Secret; otherwise that of the claim.',
    }),
  },
)
export type AzureFilePersistentVolumeSource = Of<typeof AzureFilePersistentVolumeSource>

export const ScaleIOPersistentVolumeSource = struct('core.v1.ScaleIOPersistentVolumeSource', 'A ScaleIO volume.', {
  gateway: string({ proto: 1, always: true, doc: 'Address of the gateway.' }),
  system: string({ proto: 2, always: true, doc: 'Name of the storage system.' }),
  secretRef: SecretReference.field({ proto: 3, doc: 'Secret with the credentials.' }),
  sslEnabled: bool({ proto: 4, doc: 'Whether to speak to the gateway over TLS.' }),
  protectionDomain: string({ proto: 5, doc: 'Protection domain of the storage.' }),
  storagePool: string({ proto: 6, doc: 'Pool of the storage.' }),
  storageMode: string({ proto: 7, default: 'ThinProvisioned', doc: 'ThickProvisioned or ThinProvisioned.' }),
  volumeName: string({ proto: 8, doc: 'Name of the volume.' }),
  fsType: string({ proto: 9, default: 'xfs', doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 10, doc: 'True to mount without the right to write.' }),
})
export type ScaleIOPersistentVolumeSource = Of<typeof ScaleIOPersistentVolumeSource>

export const StorageOSPersistentVolumeSource = struct(
  'core.v1.StorageOSPersistentVolumeSource',
  'A StorageOS volume.',
  {
    volumeName: string({ proto: 1, doc: 'Name of the volume.' }),
    volumeNamespace: string({ proto: 2, doc: 'StorageOS namespace of the volume.' }),
    fsType: string({ proto: 3, doc: 'File system of the volume, such as ext4 or xfs.' }),
    readOnly: bool({ proto: 4, doc: 'True to mount without the right to write.' }),
    secretRef: ObjectReference.field({ proto: 5, doc: 'Secret with the credentials.' }),
  },
)
export type StorageOSPersistentVolumeSource = Of<typeof StorageOSPersistentVolumeSource>

export const CSIPersistentVolumeSource = struct('core.v1.CSIPersistentVolumeSource', 'A volume of a CSI driver.', {
  driver: string({ proto: 1, always: true, doc: 'Name of the CSI driver.' }),
  volumeHandle: string({ proto: 2, always: true, doc: 'ID of the volume; the driver’s own.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
  fsType: string({ proto: 4, doc: 'File system of the volume, such as ext4 or xfs.' }),
  volumeAttributes: map(string({}), { proto: 5, doc: 'Values for the driver.' }),
  controllerPublishSecretRef: SecretReference.field({
    proto: 6,
    doc: 'Secret handed to the driver to attach the volume.',
  }),
  nodeStageSecretRef: SecretReference.field({
    proto: 7,
    doc: 'Secret handed to the driver to prepare the volume on a node.',
  }),
  nodePublishSecretRef: SecretReference.field({ proto: 8, doc: 'Secret handed to the driver to mount the volume.' }),
  controllerExpandSecretRef: SecretReference.field({
    proto: 9,
    doc: 'Secret handed to the driver to make the volume larger.',
  }),
  nodeExpandSecretRef: SecretReference.field({
    proto: 10,
    doc: 'Secret handed to the driver to make it larger on a node.',
  }),
})
export type CSIPersistentVolumeSource = Of<typeof CSIPersistentVolumeSource>

export const PersistentVolumeSource = struct(
  'core.v1.PersistentVolumeSource',
  'Where the bytes of a volume are; exactly one is set.',
  {
    gcePersistentDisk: GCEPersistentDiskVolumeSource.field({
      proto: 1,
      doc: 'Disk of Google Compute Engine; served by its CSI driver.',
    }),
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource.field({
      proto: 2,
      doc: 'Disk of AWS; served by its CSI driver.',
    }),
    hostPath: HostPathVolumeSource.field({ proto: 3, doc: 'Directory of the node; for tests on a single node.' }),
    glusterfs: GlusterfsPersistentVolumeSource.field({ proto: 4, doc: 'Gluster volume; obsolete.' }),
    nfs: NFSVolumeSource.field({ proto: 5, doc: 'Directory of an NFS server.' }),
    rbd: RBDPersistentVolumeSource.field({ proto: 6, doc: 'Ceph block device; obsolete.' }),
    iscsi: ISCSIPersistentVolumeSource.field({ proto: 7, doc: 'Disk reached over iSCSI.' }),
    cinder: CinderPersistentVolumeSource.field({ proto: 8, doc: 'OpenStack volume; served by its CSI driver.' }),
    cephfs: CephFSPersistentVolumeSource.field({ proto: 9, doc: 'Ceph file system; obsolete.' }),
    fc: FCVolumeSource.field({ proto: 10, doc: 'Disk reached over Fibre Channel.' }),
    flocker: FlockerVolumeSource.field({ proto: 11, doc: 'Flocker dataset; obsolete.' }),
    flexVolume: FlexPersistentVolumeSource.field({ proto: 12, doc: 'Volume of a FlexVolume driver; obsolete.' }),
    azureFile: AzureFilePersistentVolumeSource.field({
      proto: 13,
      doc: 'File share of Azure; served by its CSI driver.',
    }),
    vsphereVolume: VsphereVirtualDiskVolumeSource.field({ proto: 14, doc: 'vSphere disk; served by its CSI driver.' }),
    quobyte: QuobyteVolumeSource.field({ proto: 15, doc: 'Quobyte volume; obsolete.' }),
    azureDisk: AzureDiskVolumeSource.field({ proto: 16, doc: 'Disk of Azure; served by its CSI driver.' }),
    photonPersistentDisk: PhotonPersistentDiskVolumeSource.field({ proto: 17, doc: 'Photon disk; obsolete.' }),
    portworxVolume: PortworxVolumeSource.field({ proto: 18, doc: 'Portworx volume; served by its CSI driver.' }),
    scaleIO: ScaleIOPersistentVolumeSource.field({ proto: 19, doc: 'ScaleIO volume; obsolete.' }),
    local: LocalVolumeSource.field({ proto: 20, doc: 'Disk or directory of one node; needs nodeAffinity.' }),
    storageos: StorageOSPersistentVolumeSource.field({ proto: 21, doc: 'StorageOS volume; obsolete.' }),
    csi: CSIPersistentVolumeSource.field({ proto: 22, doc: 'Volume of a CSI driver.' }),
  },
)
export type PersistentVolumeSource = Of<typeof PersistentVolumeSource>
