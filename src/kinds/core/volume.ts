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
  'File or directory of the node. Avoid it where possible: it exposes the node to the pod.',
  {
    path: string({ proto: 1, always: true, doc: 'Path on the node. Symbolic links are followed.' }),
    type: string({
      proto: 2,
      default: '',
      optional: true,
      enum: ['', 'DirectoryOrCreate', 'Directory', 'FileOrCreate', 'File', 'Socket', 'CharDevice', 'BlockDevice'],
      doc: 'Check before the volume is mounted: Directory, File, Socket, CharDevice and BlockDevice must exist, DirectoryOrCreate and FileOrCreate are created if missing. Empty for no check.',
    }),
  },
)
export type HostPathVolumeSource = Of<typeof HostPathVolumeSource>

export const NFSVolumeSource = struct('core.v1.NFSVolumeSource', 'Directory that is exported by an NFS server.', {
  server: string({ proto: 1, always: true, doc: 'Host name or IP address of the server.' }),
  path: string({ proto: 2, always: true, doc: 'Absolute path of the exported directory.' }),
  readOnly: bool({ proto: 3, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
})
export type NFSVolumeSource = Of<typeof NFSVolumeSource>

export const FCVolumeSource = struct(
  'core.v1.FCVolumeSource',
  'Fibre Channel disk, identified by either targetWWNs and lun or wwids.',
  {
    targetWWNs: list(string({}), { proto: 1, doc: 'World Wide Names of the targets. Requires lun.' }),
    lun: int32({ proto: 2, optional: true, doc: 'Logical unit number of the disk at the target, from 0 to 255.' }),
    fsType: string({ proto: 3, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    readOnly: bool({ proto: 4, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    wwids: list(string({}), { proto: 5, doc: 'World Wide Identifiers of the disk. Not allowed with targetWWNs.' }),
  },
)
export type FCVolumeSource = Of<typeof FCVolumeSource>

export const LocalVolumeSource = struct('core.v1.LocalVolumeSource', 'Disk, partition or directory of one node.', {
  path: string({ proto: 1, always: true, doc: 'Path of the disk, partition or directory on the node.' }),
  fsType: string({ proto: 2, optional: true, doc: 'File system type of a disk, such as ext4. Detected if unset.' }),
})
export type LocalVolumeSource = Of<typeof LocalVolumeSource>

export const EmptyDirVolumeSource = struct(
  'core.v1.EmptyDirVolumeSource',
  'Directory that is empty when the pod starts and is deleted with the pod.',
  {
    medium: string({
      proto: 1,
      doc: 'Storage medium: empty for the node’s disk, Memory for a tmpfs, HugePages or HugePages-<size> for huge pages.',
    }),
    sizeLimit: quantity({
      proto: 2,
      optional: true,
      doc: 'Maximum size of the content. The pod is evicted if it is exceeded. If unset, there is no limit.',
    }),
    mode: int32({ proto: 3, optional: true, doc: 'Permission bits of the directory. Alpha, without effect.' }),
  },
)
export type EmptyDirVolumeSource = Of<typeof EmptyDirVolumeSource>

export const GitRepoVolumeSource = struct(
  'core.v1.GitRepoVolumeSource',
  'Deprecated: use an init container that clones into an emptyDir. Clone of a git repository.',
  {
    repository: string({ proto: 1, always: true, doc: 'URL of the repository.' }),
    revision: string({ proto: 2, doc: 'Commit to check out.' }),
    directory: string({ proto: 3, doc: 'Directory of the volume to clone into. Must not contain “..”.' }),
  },
)
export type GitRepoVolumeSource = Of<typeof GitRepoVolumeSource>

export const KeyToPath = struct('core.v1.KeyToPath', 'Maps a key to a file of a volume.', {
  key: string({ proto: 1, always: true, doc: 'Key whose value is written to the file.' }),
  path: string({ proto: 2, always: true, doc: 'Relative path of the file within the volume, without “..”.' }),
  mode: int32({ proto: 3, optional: true, doc: 'Permission bits of the file, up to 0777. Defaults to defaultMode.' }),
  user: int64({ proto: 4, optional: true, doc: 'User ID that owns the file. Alpha, without effect.' }),
})
export type KeyToPath = Of<typeof KeyToPath>

export const SecretVolumeSource = struct('core.v1.SecretVolumeSource', 'Volume with the keys of a Secret as files.', {
  secretName: string({ proto: 1, doc: 'Name of a Secret in the pod’s namespace.' }),
  items: list(KeyToPath, { proto: 2, doc: 'Keys to write, and the paths of their files. Defaults to all keys.' }),
  defaultMode: int32({
    proto: 3,
    default: 0o644,
    optional: true,
    doc: 'Permission bits of files without a mode of their own, from 0 to 0777. JSON requires decimal numbers. Defaults to 0644 (420).',
  }),
  optional: bool({ proto: 4, optional: true, doc: 'If true, the Secret or its keys may be missing.' }),
  defaultUser: int64({ proto: 5, optional: true, doc: 'User ID that owns the files. Alpha, without effect.' }),
})
export type SecretVolumeSource = Of<typeof SecretVolumeSource>

export const ISCSIVolumeSource = struct(
  'core.v1.ISCSIVolumeSource',
  'Disk of an iSCSI target. It can be mounted read-write by only one node at a time.',
  {
    targetPortal: string({
      proto: 1,
      always: true,
      doc: 'Address of the target, as IP address or host name. The port is required unless it is the default, 3260.',
    }),
    iqn: string({ proto: 2, always: true, doc: 'Qualified name of the target, such as iqn.2001-04.com.example:disk.' }),
    lun: int32({ proto: 3, always: true, doc: 'Logical unit number of the disk at the target, from 0 to 255.' }),
    iscsiInterface: string({ proto: 4, default: 'default', doc: 'Name of the iSCSI interface. Defaults to default.' }),
    fsType: string({ proto: 5, doc: 'File system type of the volume, such as ext4 or xfs. Defaults to ext4.' }),
    readOnly: bool({ proto: 6, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    portals: list(string({}), { proto: 7, doc: 'Addresses of further portals, in the format of targetPortal.' }),
    chapAuthDiscovery: bool({ proto: 8, doc: 'Whether discovery uses CHAP authentication. Requires secretRef.' }),
    chapAuthSession: bool({ proto: 11, doc: 'Whether sessions use CHAP authentication. Requires secretRef.' }),
    secretRef: LocalObjectReference.field({ proto: 10, doc: 'Secret with the CHAP credentials.' }),
    initiatorName: string({ proto: 12, optional: true, doc: 'Name of the initiator. Defaults to that of the node.' }),
  },
)
export type ISCSIVolumeSource = Of<typeof ISCSIVolumeSource>

export const PersistentVolumeClaimVolumeSource = struct(
  'core.v1.PersistentVolumeClaimVolumeSource',
  'Volume that is bound to a PersistentVolumeClaim.',
  {
    claimName: string({ proto: 1, always: true, doc: 'Name of a claim in the pod’s namespace.' }),
    readOnly: bool({ proto: 2, doc: 'If true, the volume is mounted read-only in all containers. Defaults to false.' }),
  },
)
export type PersistentVolumeClaimVolumeSource = Of<typeof PersistentVolumeClaimVolumeSource>

export const ObjectFieldSelector = struct(
  'core.v1.ObjectFieldSelector',
  'Selects a field of the pod.',
  {
    apiVersion: string({ proto: 1, default: 'v1', doc: 'API version that the path is written for. Defaults to v1.' }),
    fieldPath: string({ proto: 2, always: true, doc: 'Path of the field, such as metadata.name or status.podIP.' }),
  },
  { atomic: true },
)
export type ObjectFieldSelector = Of<typeof ObjectFieldSelector>

export const ResourceFieldSelector = struct(
  'core.v1.ResourceFieldSelector',
  'Selects a resource limit or request of a container.',
  {
    containerName: string({ proto: 1, doc: 'Name of the container. Required in volumes.' }),
    resource: string({ proto: 2, always: true, doc: 'Resource to select, such as limits.cpu or requests.memory.' }),
    divisor: quantity({
      proto: 3,
      always: true,
      doc: 'Unit of the result, such as 1m or 1Mi. Rounded up. Defaults to 1.',
    }),
  },
  { atomic: true },
)
export type ResourceFieldSelector = Of<typeof ResourceFieldSelector>

export const DownwardAPIVolumeFile = struct(
  'core.v1.DownwardAPIVolumeFile',
  'File with information about the pod. Exactly one of fieldRef and resourceFieldRef must be set.',
  {
    path: string({ proto: 1, always: true, doc: 'Relative path of the file within the volume, without “..”.' }),
    fieldRef: ObjectFieldSelector.field({
      proto: 2,
      doc: 'Field of the pod that is written to the file: its name, namespace, UID, labels or annotations.',
    }),
    resourceFieldRef: ResourceFieldSelector.field({ proto: 3, doc: 'Resource of a container to write to the file.' }),
    mode: int32({ proto: 4, optional: true, doc: 'Permission bits of the file, up to 0777. Defaults to defaultMode.' }),
    user: int64({ proto: 5, optional: true, doc: 'User ID that owns the file. Alpha, without effect.' }),
  },
)
export type DownwardAPIVolumeFile = Of<typeof DownwardAPIVolumeFile>

export const DownwardAPIVolumeSource = struct(
  'core.v1.DownwardAPIVolumeSource',
  'Volume with information about the pod as files.',
  {
    items: list(DownwardAPIVolumeFile, { proto: 1, doc: 'Files of the volume.' }),
    defaultMode: int32({
      proto: 2,
      default: 0o644,
      optional: true,
      doc: 'Permission bits of files without a mode of their own, from 0 to 0777. JSON requires decimal numbers. Defaults to 0644 (420).',
    }),
    defaultUser: int64({ proto: 3, optional: true, doc: 'User ID that owns the files. Alpha, without effect.' }),
  },
)
export type DownwardAPIVolumeSource = Of<typeof DownwardAPIVolumeSource>

export const ConfigMapVolumeSource = struct(
  'core.v1.ConfigMapVolumeSource',
  'Volume with the keys of a ConfigMap as files.',
  {
    ...inline(LocalObjectReference, 1),
    items: list(KeyToPath, { proto: 2, doc: 'Keys to write, and the paths of their files. Defaults to all keys.' }),
    defaultMode: int32({
      proto: 3,
      default: 0o644,
      optional: true,
      doc: 'Permission bits of files without a mode of their own, from 0 to 0777. JSON requires decimal numbers. Defaults to 0644 (420).',
    }),
    optional: bool({ proto: 4, optional: true, doc: 'If true, the ConfigMap or its keys may be missing.' }),
    defaultUser: int64({ proto: 5, optional: true, doc: 'User ID that owns the files. Alpha, without effect.' }),
  },
)
export type ConfigMapVolumeSource = Of<typeof ConfigMapVolumeSource>

export const SecretProjection = struct('core.v1.SecretProjection', 'Keys of a Secret as files of a projected volume.', {
  ...inline(LocalObjectReference, 1),
  items: list(KeyToPath, { proto: 2, doc: 'Keys to write, and the paths of their files. Defaults to all keys.' }),
  optional: bool({ proto: 4, optional: true, doc: 'If true, the Secret or its keys may be missing.' }),
})
export type SecretProjection = Of<typeof SecretProjection>

export const DownwardAPIProjection = struct(
  'core.v1.DownwardAPIProjection',
  'Information about the pod as files of a projected volume.',
  {
    items: list(DownwardAPIVolumeFile, { proto: 1, doc: 'Files with information about the pod.' }),
  },
)
export type DownwardAPIProjection = Of<typeof DownwardAPIProjection>

export const ConfigMapProjection = struct(
  'core.v1.ConfigMapProjection',
  'Keys of a ConfigMap as files of a projected volume.',
  {
    ...inline(LocalObjectReference, 1),
    items: list(KeyToPath, { proto: 2, doc: 'Keys to write, and the paths of their files. Defaults to all keys.' }),
    optional: bool({ proto: 4, optional: true, doc: 'If true, the ConfigMap or its keys may be missing.' }),
  },
)
export type ConfigMapProjection = Of<typeof ConfigMapProjection>

export const ServiceAccountTokenProjection = struct(
  'core.v1.ServiceAccountTokenProjection',
  'Token of the pod’s service account as a file. The kubelet rotates it before it expires.',
  {
    audience: string({ proto: 1, doc: 'Intended audience of the token. Defaults to the API server.' }),
    expirationSeconds: int64({
      proto: 2,
      default: 3600,
      optional: true,
      doc: 'Requested lifetime of the token in seconds, at least 600 (10 minutes). Defaults to 3600.',
    }),
    path: string({ proto: 3, always: true, doc: 'Relative path of the file within the volume, without “..”.' }),
    user: int64({ proto: 4, optional: true, doc: 'User ID that owns the file. Alpha, without effect.' }),
  },
)
export type ServiceAccountTokenProjection = Of<typeof ServiceAccountTokenProjection>

export const ClusterTrustBundleProjection = struct(
  'core.v1.ClusterTrustBundleProjection',
  'PEM file with certificates of ClusterTrustBundles, by name or by signerName.',
  {
    name: string({ proto: 1, optional: true, doc: 'Name of a ClusterTrustBundle.' }),
    signerName: string({
      proto: 2,
      optional: true,
      doc: 'Signer whose ClusterTrustBundles are used.',
    }),
    labelSelector: LabelSelector.field({
      proto: 3,
      doc: 'Selects ClusterTrustBundles of the signer. If unset, none match; if empty, all do.',
    }),
    optional: bool({ proto: 5, optional: true, doc: 'If true, the pod starts even without such bundles.' }),
    path: string({ proto: 4, always: true, doc: 'Relative path of the file within the volume, without “..”.' }),
    user: int64({ proto: 6, optional: true, doc: 'User ID that owns the file. Alpha, without effect.' }),
  },
)
export type ClusterTrustBundleProjection = Of<typeof ClusterTrustBundleProjection>

export const PodCertificateProjection = struct(
  'core.v1.PodCertificateProjection',
  'Private key and certificate issued for the pod, as files that the kubelet renews. At least one path must be set.',
  {
    signerName: string({ proto: 1, required: true, doc: 'Signer that issues the certificate.' }),
    keyType: string({ proto: 2, required: true, doc: 'RSA3072, RSA4096, ECDSAP256, ECDSAP384, ECDSAP521 or ED25519.' }),
    maxExpirationSeconds: int32({
      proto: 3,
      optional: true,
      doc: 'Maximum lifetime of the certificate in seconds, from 3600 to 7862400 (91 days). Defaults to 86400.',
    }),
    credentialBundlePath: string({ proto: 4, doc: 'Path of a PEM file with the key and the certificate chain.' }),
    keyPath: string({ proto: 5, doc: 'Path of a PEM file with the key only.' }),
    certificateChainPath: string({ proto: 6, doc: 'Path of a PEM file with the certificate chain only.' }),
    userAnnotations: map(string({}), { proto: 7, doc: 'Additional information for the signer, with prefixed keys.' }),
    user: int64({ proto: 8, optional: true, doc: 'User ID that owns the files. Alpha, without effect.' }),
  },
)
export type PodCertificateProjection = Of<typeof PodCertificateProjection>

export const VolumeProjection = struct(
  'core.v1.VolumeProjection',
  'Source of a projected volume. Exactly one field must be set.',
  {
    secret: SecretProjection.field({ proto: 1, doc: 'Keys of a Secret.' }),
    downwardAPI: DownwardAPIProjection.field({ proto: 2, doc: 'Information about the pod.' }),
    configMap: ConfigMapProjection.field({ proto: 3, doc: 'Keys of a ConfigMap.' }),
    serviceAccountToken: ServiceAccountTokenProjection.field({
      proto: 4,
      doc: 'Token of the pod’s service account.',
    }),
    clusterTrustBundle: ClusterTrustBundleProjection.field({ proto: 5, doc: 'Certificates of ClusterTrustBundles.' }),
    podCertificate: PodCertificateProjection.field({ proto: 6, doc: 'Private key and certificate for the pod.' }),
  },
)
export type VolumeProjection = Of<typeof VolumeProjection>

export const ProjectedVolumeSource = struct(
  'core.v1.ProjectedVolumeSource',
  'Volume that combines several sources in one directory.',
  {
    sources: list(VolumeProjection, {
      proto: 1,
      always: true,
      doc: 'Sources of the volume, with different file paths.',
    }),
    defaultMode: int32({
      proto: 2,
      default: 0o644,
      optional: true,
      doc: 'Permission bits of files without a mode of their own, from 0 to 0777. JSON requires decimal numbers. Defaults to 0644 (420).',
    }),
    defaultUser: int64({ proto: 3, optional: true, doc: 'User ID that owns the files. Alpha, without effect.' }),
  },
)
export type ProjectedVolumeSource = Of<typeof ProjectedVolumeSource>

export const CSIVolumeSource = struct(
  'core.v1.CSIVolumeSource',
  'Ephemeral volume that a CSI driver creates for the pod.',
  {
    driver: string({ proto: 1, always: true, doc: 'Name of the CSI driver. It must support ephemeral volumes.' }),
    readOnly: bool({ proto: 2, optional: true, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
    fsType: string({
      proto: 3,
      optional: true,
      doc: 'File system type of the volume. The default depends on the driver.',
    }),
    volumeAttributes: map(string({}), { proto: 4, doc: 'Attributes of the volume, passed to the driver.' }),
    nodePublishSecretRef: LocalObjectReference.field({
      proto: 5,
      doc: 'Secret that is passed to the driver when the volume is mounted.',
    }),
  },
)
export type CSIVolumeSource = Of<typeof CSIVolumeSource>

export const PersistentVolumeClaimTemplate = struct(
  'core.v1.PersistentVolumeClaimTemplate',
  'Template of the claim for an ephemeral volume.',
  {
    metadata: ObjectMeta.value({ proto: 1, doc: 'Labels and annotations of the claim. No other metadata is allowed.' }),
    spec: PersistentVolumeClaimSpec.value({ proto: 2, doc: 'Desired properties of the volume.' }),
  },
)
export type PersistentVolumeClaimTemplate = Of<typeof PersistentVolumeClaimTemplate>

export const EphemeralVolumeSource = struct(
  'core.v1.EphemeralVolumeSource',
  'Volume whose claim, named <pod>-<volume>, is created and deleted with the pod.',
  {
    volumeClaimTemplate: PersistentVolumeClaimTemplate.field({
      proto: 1,
      doc: 'Template of the claim. Required.',
    }),
  },
)
export type EphemeralVolumeSource = Of<typeof EphemeralVolumeSource>

export const ImageVolumeSource = struct(
  'core.v1.ImageVolumeSource',
  'Volume with the files of an image, mounted read-only.',
  {
    reference: string({ proto: 1, doc: 'Image to mount, as registry/repository with a tag or digest.' }),
    pullPolicy: string({
      proto: 2,
      enum: ['Always', 'Never', 'IfNotPresent'],
      doc: 'When to pull the image: Always, IfNotPresent or Never. Defaults to Always for the tag latest or no tag, else to IfNotPresent.',
    }),
  },
)
export type ImageVolumeSource = Of<typeof ImageVolumeSource>

export const VolumeSource = struct(
  'core.v1.VolumeSource',
  'Source of a volume. At most one field can be set. Defaults to emptyDir.',
  {
    hostPath: HostPathVolumeSource.field({ proto: 1, doc: 'File or directory of the node.' }),
    emptyDir: EmptyDirVolumeSource.field({ proto: 2, doc: 'Empty directory that is deleted with the pod.' }),
    gcePersistentDisk: GCEPersistentDiskVolumeSource.field({
      proto: 3,
      doc: 'Deprecated: use the CSI driver pd.csi.storage.gke.io. Disk of Google Compute Engine.',
    }),
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource.field({
      proto: 4,
      doc: 'Deprecated: use the CSI driver ebs.csi.aws.com. Disk of AWS.',
    }),
    gitRepo: GitRepoVolumeSource.field({ proto: 5, doc: 'Deprecated: use an init container. Clone of a repository.' }),
    secret: SecretVolumeSource.field({ proto: 6, doc: 'Keys of a Secret as files.' }),
    nfs: NFSVolumeSource.field({ proto: 7, doc: 'Directory that is exported by an NFS server.' }),
    iscsi: ISCSIVolumeSource.field({ proto: 8, doc: 'Disk of an iSCSI target.' }),
    glusterfs: GlusterfsVolumeSource.field({ proto: 9, doc: 'Deprecated: no longer supported. GlusterFS volume.' }),
    persistentVolumeClaim: PersistentVolumeClaimVolumeSource.field({
      proto: 10,
      doc: 'Volume that a claim is bound to.',
    }),
    rbd: RBDVolumeSource.field({ proto: 11, doc: 'Deprecated: no longer supported. Ceph block device.' }),
    flexVolume: FlexVolumeSource.field({
      proto: 12,
      doc: 'Deprecated: use a CSI driver. Volume of a FlexVolume driver.',
    }),
    cinder: CinderVolumeSource.field({
      proto: 13,
      doc: 'Deprecated: use the CSI driver cinder.csi.openstack.org. OpenStack volume.',
    }),
    cephfs: CephFSVolumeSource.field({ proto: 14, doc: 'Deprecated: no longer supported. Ceph file system.' }),
    flocker: FlockerVolumeSource.field({ proto: 15, doc: 'Deprecated: no longer supported. Flocker dataset.' }),
    downwardAPI: DownwardAPIVolumeSource.field({ proto: 16, doc: 'Information about the pod as files.' }),
    fc: FCVolumeSource.field({ proto: 17, doc: 'Disk that is connected through Fibre Channel.' }),
    azureFile: AzureFileVolumeSource.field({
      proto: 18,
      doc: 'Deprecated: use the CSI driver file.csi.azure.com. File share of Azure.',
    }),
    configMap: ConfigMapVolumeSource.field({ proto: 19, doc: 'Keys of a ConfigMap as files.' }),
    vsphereVolume: VsphereVirtualDiskVolumeSource.field({
      proto: 20,
      doc: 'Deprecated: use the CSI driver csi.vsphere.vmware.com. vSphere disk.',
    }),
    quobyte: QuobyteVolumeSource.field({ proto: 21, doc: 'Deprecated: no longer supported. Quobyte volume.' }),
    azureDisk: AzureDiskVolumeSource.field({
      proto: 22,
      doc: 'Deprecated: use the CSI driver disk.csi.azure.com. Disk of Azure.',
    }),
    photonPersistentDisk: PhotonPersistentDiskVolumeSource.field({
      proto: 23,
      doc: 'Deprecated: no longer supported. Photon disk.',
    }),
    projected: ProjectedVolumeSource.field({ proto: 26, doc: 'Several sources in one directory.' }),
    portworxVolume: PortworxVolumeSource.field({
      proto: 24,
      doc: 'Deprecated: use the CSI driver pxd.portworx.com. Portworx volume.',
    }),
    scaleIO: ScaleIOVolumeSource.field({ proto: 25, doc: 'Deprecated: no longer supported. ScaleIO volume.' }),
    storageos: StorageOSVolumeSource.field({ proto: 27, doc: 'Deprecated: no longer supported. StorageOS volume.' }),
    csi: CSIVolumeSource.field({ proto: 28, doc: 'Ephemeral volume that a CSI driver creates for the pod.' }),
    ephemeral: EphemeralVolumeSource.field({ proto: 29, doc: 'Volume whose claim is created and deleted with a pod.' }),
    image: ImageVolumeSource.field({ proto: 30, doc: 'Files of an image.' }),
  },
)
export type VolumeSource = Of<typeof VolumeSource>

export const Volume = struct('core.v1.Volume', 'Named volume of a pod that its containers can mount.', {
  name: string({ proto: 1, always: true, doc: 'Name of the volume as a DNS label, unique within the pod.' }),
  ...inline(VolumeSource, 2),
})
export type Volume = Of<typeof Volume>
