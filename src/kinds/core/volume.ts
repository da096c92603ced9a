// What a pod may mount: one struct for each kind of volume.
import type { Of } from '../../api/kind.ts'
import { LabelSelector, ObjectMeta } from '../../api/meta.ts'
import { bool, inline, int32, int64, list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { PersistentVolumeClaimSpec } from './persistentvolumeclaimspec.ts'
import { LocalObjectReference } from './reference.ts'
import {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  AzureFileVolumeSource,
  CephFSVolumeSource,
  CinderVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  GlusterfsVolumeSource,
  PhotonPersistentDiskVolumeSource,
  PortworxVolumeSource,
  QuobyteVolumeSource,
  RBDVolumeSource,
  ScaleIOVolumeSource,
  StorageOSVolumeSource,
  VsphereVirtualDiskVolumeSource,
} from './volume-vendors.ts'

export const HostPathVolumeSource = struct(
  'core.v1.HostPathVolumeSource',
  'A file or directory of the node; gives the pod a hold on the node.',
  {
    path: string({ proto: 1, always: true, doc: 'Path on the node.' }),
    type: string({
      proto: 2,
      default: '',
      optional: true,
      enum: ['', 'DirectoryOrCreate', 'Directory', 'FileOrCreate', 'File', 'Socket', 'CharDevice', 'BlockDevice'],
      doc: 'What must be there, or is made if nothing is; empty for no check.',
    }),
  },
)
export type HostPathVolumeSource = Of<typeof HostPathVolumeSource>

export const NFSVolumeSource = struct('core.v1.NFSVolumeSource', 'A directory shared by an NFS server.', {
  server: string({ proto: 1, always: true, doc: 'Host name or address of the server.' }),
  path: string({ proto: 2, always: true, doc: 'Directory that the server shares.' }),
  readOnly: bool({ proto: 3, doc: 'True to mount without the right to write.' }),
})
export type NFSVolumeSource = Of<typeof NFSVolumeSource>

export const FCVolumeSource = struct('core.v1.FCVolumeSource', 'A disk reached over Fibre Channel.', {
  targetWWNs: list(string({}), { proto: 1, doc: 'World wide names of the targets.' }),
  lun: int32({ proto: 2, optional: true, doc: 'Number of the unit at the target.' }),
  fsType: string({ proto: 3, doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 4, doc: 'True to mount without the right to write.' }),
  wwids: list(string({}), { proto: 5, doc: 'World wide identifiers of the disk; this, or targetWWNs and lun.' }),
})
export type FCVolumeSource = Of<typeof FCVolumeSource>

export const LocalVolumeSource = struct('core.v1.LocalVolumeSource', 'A disk, partition or directory of one node.', {
  path: string({ proto: 1, always: true, doc: 'Path on the node.' }),
  fsType: string({ proto: 2, optional: true, doc: 'File system of the volume, such as ext4 or xfs.' }),
})
export type LocalVolumeSource = Of<typeof LocalVolumeSource>

export const EmptyDirVolumeSource = struct(
  'core.v1.EmptyDirVolumeSource',
  'A directory that starts empty and goes when the pod goes.',
  {
    medium: string({ proto: 1, doc: 'Empty for the node’s disk, Memory for RAM, HugePages for huge pages.' }),
    sizeLimit: quantity({ proto: 2, optional: true, doc: 'The most it may hold; the pod is evicted beyond.' }),
    mode: int32({ proto: 3, optional: true, doc: 'Permission bits of the directory.' }),
  },
)
export type EmptyDirVolumeSource = Of<typeof EmptyDirVolumeSource>

export const GitRepoVolumeSource = struct('core.v1.GitRepoVolumeSource', 'A clone of a git repository; obsolete.', {
  repository: string({ proto: 1, always: true, doc: 'URL to clone.' }),
  revision: string({ proto: 2, doc: 'Commit to check out.' }),
  directory: string({ proto: 3, doc: 'Directory to clone into; . for the volume itself.' }),
})
export type GitRepoVolumeSource = Of<typeof GitRepoVolumeSource>

export const KeyToPath = struct('core.v1.KeyToPath', 'Puts the value of a key into a file.', {
  key: string({ proto: 1, always: true, doc: 'The key.' }),
  path: string({ proto: 2, always: true, doc: 'Path of the file within the volume.' }),
  mode: int32({ proto: 3, optional: true, doc: 'Permission bits of the file; otherwise defaultMode.' }),
  user: int64({ proto: 4, optional: true, doc: 'User ID that owns the file; otherwise defaultUser.' }),
})
export type KeyToPath = Of<typeof KeyToPath>

export const SecretVolumeSource = struct('core.v1.SecretVolumeSource', 'Files with the values of a Secret’s keys.', {
  secretName: string({ proto: 1, doc: 'Name of the Secret.' }),
  items: list(KeyToPath, { proto: 2, doc: 'Keys to take, and where to; otherwise all, under their own names.' }),
  defaultMode: int32({
    proto: 3,
    default: 0o644,
    optional: true,
    doc: 'Permission bits of the files; written in decimal in JSON, 420 is 0644.',
  }),
  optional: bool({ proto: 4, optional: true, doc: 'True if the Secret or a key may be missing.' }),
  defaultUser: int64({ proto: 5, optional: true, doc: 'User ID that owns the files.' }),
})
export type SecretVolumeSource = Of<typeof SecretVolumeSource>

export const ISCSIVolumeSource = struct('core.v1.ISCSIVolumeSource', 'A disk reached over iSCSI.', {
  targetPortal: string({ proto: 1, always: true, doc: 'Address of the target, with port unless it is 3260.' }),
  iqn: string({ proto: 2, always: true, doc: 'Qualified name of the target.' }),
  lun: int32({ proto: 3, always: true, doc: 'Number of the unit at the target.' }),
  iscsiInterface: string({ proto: 4, default: 'default', doc: 'Name of the iSCSI interface.' }),
  fsType: string({ proto: 5, doc: 'File system of the volume, such as ext4 or xfs.' }),
  readOnly: bool({ proto: 6, doc: 'True to mount without the right to write.' }),
  portals: list(string({}), { proto: 7, doc: 'Further addresses of the target.' }),
  chapAuthDiscovery: bool({ proto: 8, doc: 'Whether discovery uses CHAP.' }),
  chapAuthSession: bool({ proto: 11, doc: 'Whether sessions use CHAP.' }),
  secretRef: LocalObjectReference.field({ proto: 10, doc: 'Secret with the CHAP credentials.' }),
  initiatorName: string({ proto: 12, optional: true, doc: 'Qualified name to use on this side.' }),
})
export type ISCSIVolumeSource = Of<typeof ISCSIVolumeSource>

export const PersistentVolumeClaimVolumeSource = struct(
  'core.v1.PersistentVolumeClaimVolumeSource',
  'The volume bound to a claim.',
  {
    claimName: string({ proto: 1, always: true, doc: 'PersistentVolumeClaim in the pod’s namespace.' }),
    readOnly: bool({ proto: 2, doc: 'True to mount without the right to write.' }),
  },
)
export type PersistentVolumeClaimVolumeSource = Of<typeof PersistentVolumeClaimVolumeSource>

export const ObjectFieldSelector = struct(
  'core.v1.ObjectFieldSelector',
  'Picks a field of the pod.',
  {
    apiVersion: string({ proto: 1, default: 'v1', doc: 'Version the path is written for.' }),
    fieldPath: string({ proto: 2, always: true, doc: 'Path of the field, such as metadata.labels or status.podIP.' }),
  },
  { atomic: true },
)
export type ObjectFieldSelector = Of<typeof ObjectFieldSelector>

export const ResourceFieldSelector = struct(
  'core.v1.ResourceFieldSelector',
  'Picks a resource of a container.',
  {
    containerName: string({ proto: 1, doc: 'The container; needed in volumes.' }),
    resource: string({ proto: 2, always: true, doc: 'Which one, such as limits.cpu or requests.memory.' }),
    divisor: quantity({ proto: 3, always: true, doc: 'Unit to give it in, such as 1m or 1Mi; rounded up.' }),
  },
  { atomic: true },
)
export type ResourceFieldSelector = Of<typeof ResourceFieldSelector>

export const DownwardAPIVolumeFile = struct('core.v1.DownwardAPIVolumeFile', 'A file with a value of the pod.', {
  path: string({ proto: 1, always: true, doc: 'Path of the file within the volume.' }),
  fieldRef: ObjectFieldSelector.field({ proto: 2, doc: 'Field of the pod to write.' }),
  resourceFieldRef: ResourceFieldSelector.field({ proto: 3, doc: 'Resource of a container to write.' }),
  mode: int32({ proto: 4, optional: true, doc: 'Permission bits of the file; otherwise defaultMode.' }),
  user: int64({ proto: 5, optional: true, doc: 'User ID that owns the file; otherwise defaultUser.' }),
})
export type DownwardAPIVolumeFile = Of<typeof DownwardAPIVolumeFile>

export const DownwardAPIVolumeSource = struct(
  'core.v1.DownwardAPIVolumeSource',
  'Files with values of the pod itself.',
  {
    items: list(DownwardAPIVolumeFile, { proto: 1, doc: 'The files.' }),
    defaultMode: int32({ proto: 2, default: 0o644, optional: true, doc: 'Permission bits of the files; 420 is 0644.' }),
    defaultUser: int64({ proto: 3, optional: true, doc: 'User ID that owns the files.' }),
  },
)
export type DownwardAPIVolumeSource = Of<typeof DownwardAPIVolumeSource>

export const ConfigMapVolumeSource = struct(
  'core.v1.ConfigMapVolumeSource',
  'Files with the values of a ConfigMap’s keys.',
  {
    ...inline(LocalObjectReference, 1),
    items: list(KeyToPath, { proto: 2, doc: 'Keys to take, and where to; otherwise all, under their own names.' }),
    defaultMode: int32({ proto: 3, default: 0o644, optional: true, doc: 'Permission bits of the files; 420 is 0644.' }),
    optional: bool({ proto: 4, optional: true, doc: 'True if the ConfigMap or a key may be missing.' }),
    defaultUser: int64({ proto: 5, optional: true, doc: 'User ID that owns the files.' }),
  },
)
export type ConfigMapVolumeSource = Of<typeof ConfigMapVolumeSource>

export const SecretProjection = struct('core.v1.SecretProjection', 'Files from a Secret.', {
  ...inline(LocalObjectReference, 1),
  items: list(KeyToPath, { proto: 2, doc: 'Keys to take, and where to; otherwise all.' }),
  optional: bool({ proto: 4, optional: true, doc: 'True if the Secret or a key may be missing.' }),
})
export type SecretProjection = Of<typeof SecretProjection>

export const DownwardAPIProjection = struct('core.v1.DownwardAPIProjection', 'Files with values of the pod itself.', {
  items: list(DownwardAPIVolumeFile, { proto: 1, doc: 'The files.' }),
})
export type DownwardAPIProjection = Of<typeof DownwardAPIProjection>

export const ConfigMapProjection = struct('core.v1.ConfigMapProjection', 'Files from a ConfigMap.', {
  ...inline(LocalObjectReference, 1),
  items: list(KeyToPath, { proto: 2, doc: 'Keys to take, and where to; otherwise all.' }),
  optional: bool({ proto: 4, optional: true, doc: 'True if the ConfigMap or a key may be missing.' }),
})
export type ConfigMapProjection = Of<typeof ConfigMapProjection>

export const ServiceAccountTokenProjection = struct(
  'core.v1.ServiceAccountTokenProjection',
  'A file with a token of the pod’s service account, renewed in time.',
  {
    audience: string({ proto: 1, doc: 'Whom the token is for; otherwise the API server.' }),
    expirationSeconds: int64({
      proto: 2,
      default: 3600,
      optional: true,
      doc: 'Seconds the token is valid; at least 600.',
    }),
    path: string({ proto: 3, always: true, doc: 'Path of the file within the volume.' }),
    user: int64({ proto: 4, optional: true, doc: 'User ID that owns the file.' }),
  },
)
export type ServiceAccountTokenProjection = Of<typeof ServiceAccountTokenProjection>

export const ClusterTrustBundleProjection = struct(
  'core.v1.ClusterTrustBundleProjection',
  'A file with certificates of authorities to trust.',
  {
    name: string({ proto: 1, optional: true, doc: 'Name of one ClusterTrustBundle.' }),
    signerName: string({
      proto: 2,
      optional: true,
      doc: 'Take all bundles of this signer that labelSelector selects.',
    }),
    labelSelector: LabelSelector.field({ proto: 3, doc: 'Bundles to take; none without it.' }),
    optional: bool({ proto: 5, optional: true, doc: 'True if the bundles may be missing.' }),
    path: string({ proto: 4, always: true, doc: 'Path of the file within the volume.' }),
    user: int64({ proto: 6, optional: true, doc: 'User ID that owns the file.' }),
  },
)
export type ClusterTrustBundleProjection = Of<typeof ClusterTrustBundleProjection>

export const PodCertificateProjection = struct(
  'core.v1.PodCertificateProjection',
  'Files with a private key and a certificate issued for the pod.',
  {
    signerName: string({ proto: 1, required: true, doc: 'Signer that issues the certificate.' }),
    keyType: string({ proto: 2, required: true, doc: 'Kind of key, such as ECDSAP256 or ED25519.' }),
    maxExpirationSeconds: int32({ proto: 3, optional: true, doc: 'Longest time of validity to ask for, in seconds.' }),
    credentialBundlePath: string({ proto: 4, doc: 'Path of a file with key and certificates together.' }),
    keyPath: string({ proto: 5, doc: 'Path of a file with the key alone.' }),
    certificateChainPath: string({ proto: 6, doc: 'Path of a file with the certificates alone.' }),
    userAnnotations: map(string({}), { proto: 7, doc: 'Further values for the signer.' }),
    user: int64({ proto: 8, optional: true, doc: 'User ID that owns the files.' }),
  },
)
export type PodCertificateProjection = Of<typeof PodCertificateProjection>

export const VolumeProjection = struct(
  'core.v1.VolumeProjection',
  'One part of a projected volume; exactly one is set.',
  {
    secret: SecretProjection.field({ proto: 1, doc: 'Files from a Secret.' }),
    downwardAPI: DownwardAPIProjection.field({ proto: 2, doc: 'Files with values of the pod itself.' }),
    configMap: ConfigMapProjection.field({ proto: 3, doc: 'Files from a ConfigMap.' }),
    serviceAccountToken: ServiceAccountTokenProjection.field({
      proto: 4,
      doc: 'A file with a token of the service account.',
    }),
    clusterTrustBundle: ClusterTrustBundleProjection.field({ proto: 5, doc: 'A file with certificates to trust.' }),
    podCertificate: PodCertificateProjection.field({ proto: 6, doc: 'Files with a key and a certificate.' }),
  },
)
export type VolumeProjection = Of<typeof VolumeProjection>

export const ProjectedVolumeSource = struct('core.v1.ProjectedVolumeSource', 'Several sources in one directory.', {
  sources: list(VolumeProjection, { proto: 1, always: true, doc: 'The sources.' }),
  defaultMode: int32({ proto: 2, default: 0o644, optional: true, doc: 'Permission bits of the files; 420 is 0644.' }),
  defaultUser: int64({ proto: 3, optional: true, doc: 'User ID that owns the files.' }),
})
export type ProjectedVolumeSource = Of<typeof ProjectedVolumeSource>

export const CSIVolumeSource = struct(
  'core.v1.CSIVolumeSource',
  'A volume that a CSI driver makes for this pod alone.',
  {
    driver: string({ proto: 1, always: true, doc: 'Name of the CSI driver.' }),
    readOnly: bool({ proto: 2, optional: true, doc: 'True to mount without the right to write.' }),
    fsType: string({ proto: 3, optional: true, doc: 'File system of the volume, such as ext4 or xfs.' }),
    volumeAttributes: map(string({}), { proto: 4, doc: 'Values for the driver.' }),
    nodePublishSecretRef: LocalObjectReference.field({ proto: 5, doc: 'Secret handed to the driver when it mounts.' }),
  },
)
export type CSIVolumeSource = Of<typeof CSIVolumeSource>

export const PersistentVolumeClaimTemplate = struct(
  'core.v1.PersistentVolumeClaimTemplate',
  'The claim to make for a pod.',
  {
    metadata: ObjectMeta.value({ proto: 1, doc: 'Labels and annotations of the claim.' }),
    spec: PersistentVolumeClaimSpec.value({ proto: 2, doc: 'What the claim asks for.' }),
  },
)
export type PersistentVolumeClaimTemplate = Of<typeof PersistentVolumeClaimTemplate>

export const EphemeralVolumeSource = struct(
  'core.v1.EphemeralVolumeSource',
  'A volume whose claim is made with the pod and goes with it.',
  {
    volumeClaimTemplate: PersistentVolumeClaimTemplate.field({
      proto: 1,
      doc: 'The claim, which is named pod-volume.',
    }),
  },
)
export type EphemeralVolumeSource = Of<typeof EphemeralVolumeSource>

export const ImageVolumeSource = struct('core.v1.ImageVolumeSource', 'The files of an image, read-only.', {
  reference: string({ proto: 1, doc: 'Image, with registry and tag or digest.' }),
  pullPolicy: string({
    proto: 2,
    enum: ['Always', 'Never', 'IfNotPresent'],
    doc: 'When the image is pulled: Always, IfNotPresent or Never.',
  }),
})
export type ImageVolumeSource = Of<typeof ImageVolumeSource>

export const VolumeSource = struct('core.v1.VolumeSource', 'What a volume is; exactly one is set.', {
  hostPath: HostPathVolumeSource.field({ proto: 1, doc: 'File or directory of the node.' }),
  emptyDir: EmptyDirVolumeSource.field({ proto: 2, doc: 'Empty directory that goes with the pod.' }),
  gcePersistentDisk: GCEPersistentDiskVolumeSource.field({
    proto: 3,
    doc: 'Disk of Google Compute Engine; served by its CSI driver.',
  }),
  awsElasticBlockStore: AWSElasticBlockStoreVolumeSource.field({
    proto: 4,
    doc: 'Disk of AWS; served by its CSI driver.',
  }),
  gitRepo: GitRepoVolumeSource.field({ proto: 5, doc: 'Clone of a git repository; obsolete.' }),
  secret: SecretVolumeSource.field({ proto: 6, doc: 'Files from a Secret.' }),
  nfs: NFSVolumeSource.field({ proto: 7, doc: 'Directory of an NFS server.' }),
  iscsi: ISCSIVolumeSource.field({ proto: 8, doc: 'Disk reached over iSCSI.' }),
  glusterfs: GlusterfsVolumeSource.field({ proto: 9, doc: 'Gluster volume; obsolete.' }),
  persistentVolumeClaim: PersistentVolumeClaimVolumeSource.field({ proto: 10, doc: 'Volume bound to a claim.' }),
  rbd: RBDVolumeSource.field({ proto: 11, doc: 'Ceph block device; obsolete.' }),
  flexVolume: FlexVolumeSource.field({ proto: 12, doc: 'Volume of a FlexVolume driver; obsolete.' }),
  cinder: CinderVolumeSource.field({ proto: 13, doc: 'OpenStack volume; served by its CSI driver.' }),
  cephfs: CephFSVolumeSource.field({ proto: 14, doc: 'Ceph file system; obsolete.' }),
  flocker: FlockerVolumeSource.field({ proto: 15, doc: 'Flocker dataset; obsolete.' }),
  downwardAPI: DownwardAPIVolumeSource.field({ proto: 16, doc: 'Files with values of the pod itself.' }),
  fc: FCVolumeSource.field({ proto: 17, doc: 'Disk reached over Fibre Channel.' }),
  azureFile: AzureFileVolumeSource.field({ proto: 18, doc: 'File share of Azure; served by its CSI driver.' }),
  configMap: ConfigMapVolumeSource.field({ proto: 19, doc: 'Files from a ConfigMap.' }),
  vsphereVolume: VsphereVirtualDiskVolumeSource.field({ proto: 20, doc: 'vSphere disk; served by its CSI driver.' }),
  quobyte: QuobyteVolumeSource.field({ proto: 21, doc: 'Quobyte volume; obsolete.' }),
  azureDisk: AzureDiskVolumeSource.field({ proto: 22, doc: 'Disk of Azure; served by its CSI driver.' }),
  photonPersistentDisk: PhotonPersistentDiskVolumeSource.field({ proto: 23, doc: 'Photon disk; obsolete.' }),
  projected: ProjectedVolumeSource.field({ proto: 26, doc: 'Several sources in one directory.' }),
  portworxVolume: PortworxVolumeSource.field({ proto: 24, doc: 'Portworx volume; served by its CSI driver.' }),
  scaleIO: ScaleIOVolumeSource.field({ proto: 25, doc: 'ScaleIO volume; obsolete.' }),
  storageos: StorageOSVolumeSource.field({ proto: 27, doc: 'StorageOS volume; obsolete.' }),
  csi: CSIVolumeSource.field({ proto: 28, doc: 'Volume that a CSI driver makes for this pod alone.' }),
  ephemeral: EphemeralVolumeSource.field({ proto: 29, doc: 'Volume whose claim goes with the pod.' }),
  image: ImageVolumeSource.field({ proto: 30, doc: 'Files of an image.' }),
})
export type VolumeSource = Of<typeof VolumeSource>

export const Volume = struct('core.v1.Volume', 'A named volume that containers of the pod can mount.', {
  name: string({ proto: 1, always: true, doc: 'Name, unique in the pod.' }),
  ...inline(VolumeSource, 2),
})
export type Volume = Of<typeof Volume>
