// What a pod may mount: one struct for each kind of volume.
import type { Of } from '../../api/kind.ts'
import { LabelSelector, ObjectMeta } from '../../api/meta.ts'
import { bool, inline, int32, int64, list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { PersistentVolumeClaimSpec } from './persistentvolumeclaimspec.ts'
import { LocalObjectReference } from './reference.ts'

export const GCEPersistentDiskVolumeSource = struct('core.v1.GCEPersistentDiskVolumeSource', '', {
  pdName: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
  partition: int32({ proto: 3 }),
  readOnly: bool({ proto: 4 }),
})
export type GCEPersistentDiskVolumeSource = Of<typeof GCEPersistentDiskVolumeSource>

export const AWSElasticBlockStoreVolumeSource = struct('core.v1.AWSElasticBlockStoreVolumeSource', '', {
  volumeID: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
  partition: int32({ proto: 3 }),
  readOnly: bool({ proto: 4 }),
})
export type AWSElasticBlockStoreVolumeSource = Of<typeof AWSElasticBlockStoreVolumeSource>

export const HostPathVolumeSource = struct('core.v1.HostPathVolumeSource', '', {
  path: string({ proto: 1, always: true }),
  type: string({
    proto: 2,
    default: '',
    optional: true,
    enum: ['', 'DirectoryOrCreate', 'Directory', 'FileOrCreate', 'File', 'Socket', 'CharDevice', 'BlockDevice'],
  }),
})
export type HostPathVolumeSource = Of<typeof HostPathVolumeSource>

export const NFSVolumeSource = struct('core.v1.NFSVolumeSource', '', {
  server: string({ proto: 1, always: true }),
  path: string({ proto: 2, always: true }),
  readOnly: bool({ proto: 3 }),
})
export type NFSVolumeSource = Of<typeof NFSVolumeSource>

export const FCVolumeSource = struct('core.v1.FCVolumeSource', '', {
  targetWWNs: list(string({}), { proto: 1 }),
  lun: int32({ proto: 2, optional: true }),
  fsType: string({ proto: 3 }),
  readOnly: bool({ proto: 4 }),
  wwids: list(string({}), { proto: 5 }),
})
export type FCVolumeSource = Of<typeof FCVolumeSource>

export const FlockerVolumeSource = struct('core.v1.FlockerVolumeSource', '', {
  datasetName: string({ proto: 1 }),
  datasetUUID: string({ proto: 2 }),
})
export type FlockerVolumeSource = Of<typeof FlockerVolumeSource>

export const VsphereVirtualDiskVolumeSource = struct('core.v1.VsphereVirtualDiskVolumeSource', '', {
  volumePath: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
  storagePolicyName: string({ proto: 3 }),
  storagePolicyID: string({ proto: 4 }),
})
export type VsphereVirtualDiskVolumeSource = Of<typeof VsphereVirtualDiskVolumeSource>

export const QuobyteVolumeSource = struct('core.v1.QuobyteVolumeSource', '', {
  registry: string({ proto: 1, always: true }),
  volume: string({ proto: 2, always: true }),
  readOnly: bool({ proto: 3 }),
  user: string({ proto: 4 }),
  group: string({ proto: 5 }),
  tenant: string({ proto: 6 }),
})
export type QuobyteVolumeSource = Of<typeof QuobyteVolumeSource>

export const AzureDiskVolumeSource = struct('core.v1.AzureDiskVolumeSource', '', {
  diskName: string({ proto: 1, always: true }),
  diskURI: string({ proto: 2, always: true }),
  cachingMode: string({ proto: 3, optional: true, enum: ['None', 'ReadOnly', 'ReadWrite'] }),
  fsType: string({ proto: 4, optional: true, default: 'ext4' }),
  readOnly: bool({ proto: 5, optional: true, default: false }),
  kind: string({ proto: 6, optional: true, enum: ['Shared', 'Dedicated', 'Managed'] }),
})
export type AzureDiskVolumeSource = Of<typeof AzureDiskVolumeSource>

export const PhotonPersistentDiskVolumeSource = struct('core.v1.PhotonPersistentDiskVolumeSource', '', {
  pdID: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
})
export type PhotonPersistentDiskVolumeSource = Of<typeof PhotonPersistentDiskVolumeSource>

export const PortworxVolumeSource = struct('core.v1.PortworxVolumeSource', '', {
  volumeID: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
  readOnly: bool({ proto: 3 }),
})
export type PortworxVolumeSource = Of<typeof PortworxVolumeSource>

export const LocalVolumeSource = struct('core.v1.LocalVolumeSource', '', {
  path: string({ proto: 1, always: true }),
  fsType: string({ proto: 2, optional: true }),
})
export type LocalVolumeSource = Of<typeof LocalVolumeSource>

export const EmptyDirVolumeSource = struct('core.v1.EmptyDirVolumeSource', '', {
  medium: string({ proto: 1 }),
  sizeLimit: quantity({ proto: 2, optional: true }),
  mode: int32({ proto: 3, optional: true }),
})
export type EmptyDirVolumeSource = Of<typeof EmptyDirVolumeSource>

export const GitRepoVolumeSource = struct('core.v1.GitRepoVolumeSource', '', {
  repository: string({ proto: 1, always: true }),
  revision: string({ proto: 2 }),
  directory: string({ proto: 3 }),
})
export type GitRepoVolumeSource = Of<typeof GitRepoVolumeSource>

export const KeyToPath = struct('core.v1.KeyToPath', '', {
  key: string({ proto: 1, always: true }),
  path: string({ proto: 2, always: true }),
  mode: int32({ proto: 3, optional: true }),
  user: int64({ proto: 4, optional: true }),
})
export type KeyToPath = Of<typeof KeyToPath>

export const SecretVolumeSource = struct('core.v1.SecretVolumeSource', '', {
  secretName: string({ proto: 1 }),
  items: list(KeyToPath, { proto: 2 }),
  defaultMode: int32({ proto: 3, default: 0o644, optional: true }),
  optional: bool({ proto: 4, optional: true }),
  defaultUser: int64({ proto: 5, optional: true }),
})
export type SecretVolumeSource = Of<typeof SecretVolumeSource>

export const ISCSIVolumeSource = struct('core.v1.ISCSIVolumeSource', '', {
  targetPortal: string({ proto: 1, always: true }),
  iqn: string({ proto: 2, always: true }),
  lun: int32({ proto: 3, always: true }),
  iscsiInterface: string({ proto: 4, default: 'default' }),
  fsType: string({ proto: 5 }),
  readOnly: bool({ proto: 6 }),
  portals: list(string({}), { proto: 7 }),
  chapAuthDiscovery: bool({ proto: 8 }),
  chapAuthSession: bool({ proto: 11 }),
  secretRef: LocalObjectReference.field({ proto: 10 }),
  initiatorName: string({ proto: 12, optional: true }),
})
export type ISCSIVolumeSource = Of<typeof ISCSIVolumeSource>

export const GlusterfsVolumeSource = struct('core.v1.GlusterfsVolumeSource', '', {
  endpoints: string({ proto: 1, always: true }),
  path: string({ proto: 2, always: true }),
  readOnly: bool({ proto: 3 }),
})
export type GlusterfsVolumeSource = Of<typeof GlusterfsVolumeSource>

export const PersistentVolumeClaimVolumeSource = struct('core.v1.PersistentVolumeClaimVolumeSource', '', {
  claimName: string({ proto: 1, always: true }),
  readOnly: bool({ proto: 2 }),
})
export type PersistentVolumeClaimVolumeSource = Of<typeof PersistentVolumeClaimVolumeSource>

export const RBDVolumeSource = struct('core.v1.RBDVolumeSource', '', {
  monitors: list(string({}), { proto: 1, always: true }),
  image: string({ proto: 2, always: true }),
  fsType: string({ proto: 3 }),
  pool: string({ proto: 4, default: 'rbd' }),
  user: string({ proto: 5, default: 'admin' }),
  keyring: string({ proto: 6, default: '/etc/ceph/keyring' }),
  secretRef: LocalObjectReference.field({ proto: 7 }),
  readOnly: bool({ proto: 8 }),
})
export type RBDVolumeSource = Of<typeof RBDVolumeSource>

export const FlexVolumeSource = struct('core.v1.FlexVolumeSource', '', {
  driver: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
  secretRef: LocalObjectReference.field({ proto: 3 }),
  readOnly: bool({ proto: 4 }),
  options: map(string({}), { proto: 5 }),
})
export type FlexVolumeSource = Of<typeof FlexVolumeSource>

export const CinderVolumeSource = struct('core.v1.CinderVolumeSource', '', {
  volumeID: string({ proto: 1, always: true }),
  fsType: string({ proto: 2 }),
  readOnly: bool({ proto: 3 }),
  secretRef: LocalObjectReference.field({ proto: 4 }),
})
export type CinderVolumeSource = Of<typeof CinderVolumeSource>

export const CephFSVolumeSource = struct('core.v1.CephFSVolumeSource', '', {
  monitors: list(string({}), { proto: 1, always: true }),
  path: string({ proto: 2 }),
  user: string({ proto: 3 }),
  secretFile: string({ proto: 4 }),
  secretRef: LocalObjectReference.field({ proto: 5 }),
  readOnly: bool({ proto: 6 }),
})
export type CephFSVolumeSource = Of<typeof CephFSVolumeSource>

export const ObjectFieldSelector = struct('core.v1.ObjectFieldSelector', '', {
  apiVersion: string({ proto: 1, default: 'v1' }),
  fieldPath: string({ proto: 2, always: true }),
})
export type ObjectFieldSelector = Of<typeof ObjectFieldSelector>

export const ResourceFieldSelector = struct('core.v1.ResourceFieldSelector', '', {
  containerName: string({ proto: 1 }),
  resource: string({ proto: 2, always: true }),
  divisor: quantity({ proto: 3, always: true }),
})
export type ResourceFieldSelector = Of<typeof ResourceFieldSelector>

export const DownwardAPIVolumeFile = struct('core.v1.DownwardAPIVolumeFile', '', {
  path: string({ proto: 1, always: true }),
  fieldRef: ObjectFieldSelector.field({ proto: 2 }),
  resourceFieldRef: ResourceFieldSelector.field({ proto: 3 }),
  mode: int32({ proto: 4, optional: true }),
  user: int64({ proto: 5, optional: true }),
})
export type DownwardAPIVolumeFile = Of<typeof DownwardAPIVolumeFile>

export const DownwardAPIVolumeSource = struct('core.v1.DownwardAPIVolumeSource', '', {
  items: list(DownwardAPIVolumeFile, { proto: 1 }),
  defaultMode: int32({ proto: 2, default: 0o644, optional: true }),
  defaultUser: int64({ proto: 3, optional: true }),
})
export type DownwardAPIVolumeSource = Of<typeof DownwardAPIVolumeSource>

export const AzureFileVolumeSource = struct('core.v1.AzureFileVolumeSource', '', {
  secretName: string({ proto: 1, always: true }),
  shareName: string({ proto: 2, always: true }),
  readOnly: bool({ proto: 3 }),
})
export type AzureFileVolumeSource = Of<typeof AzureFileVolumeSource>

export const ConfigMapVolumeSource = struct('core.v1.ConfigMapVolumeSource', '', {
  ...inline(LocalObjectReference, 1),
  items: list(KeyToPath, { proto: 2 }),
  defaultMode: int32({ proto: 3, default: 0o644, optional: true }),
  optional: bool({ proto: 4, optional: true }),
  defaultUser: int64({ proto: 5, optional: true }),
})
export type ConfigMapVolumeSource = Of<typeof ConfigMapVolumeSource>

export const ScaleIOVolumeSource = struct('core.v1.ScaleIOVolumeSource', '', {
  gateway: string({ proto: 1, always: true }),
  system: string({ proto: 2, always: true }),
  secretRef: LocalObjectReference.field({ proto: 3 }),
  sslEnabled: bool({ proto: 4 }),
  protectionDomain: string({ proto: 5 }),
  storagePool: string({ proto: 6 }),
  storageMode: string({ proto: 7, default: 'ThinProvisioned' }),
  volumeName: string({ proto: 8 }),
  fsType: string({ proto: 9, default: 'xfs' }),
  readOnly: bool({ proto: 10 }),
})
export type ScaleIOVolumeSource = Of<typeof ScaleIOVolumeSource>

export const SecretProjection = struct('core.v1.SecretProjection', '', {
  ...inline(LocalObjectReference, 1),
  items: list(KeyToPath, { proto: 2 }),
  optional: bool({ proto: 4, optional: true }),
})
export type SecretProjection = Of<typeof SecretProjection>

export const DownwardAPIProjection = struct('core.v1.DownwardAPIProjection', '', {
  items: list(DownwardAPIVolumeFile, { proto: 1 }),
})
export type DownwardAPIProjection = Of<typeof DownwardAPIProjection>

export const ConfigMapProjection = struct('core.v1.ConfigMapProjection', '', {
  ...inline(LocalObjectReference, 1),
  items: list(KeyToPath, { proto: 2 }),
  optional: bool({ proto: 4, optional: true }),
})
export type ConfigMapProjection = Of<typeof ConfigMapProjection>

export const ServiceAccountTokenProjection = struct('core.v1.ServiceAccountTokenProjection', '', {
  audience: string({ proto: 1 }),
  expirationSeconds: int64({ proto: 2, default: 3600, optional: true }),
  path: string({ proto: 3, always: true }),
  user: int64({ proto: 4, optional: true }),
})
export type ServiceAccountTokenProjection = Of<typeof ServiceAccountTokenProjection>

export const ClusterTrustBundleProjection = struct('core.v1.ClusterTrustBundleProjection', '', {
  name: string({ proto: 1, optional: true }),
  signerName: string({ proto: 2, optional: true }),
  labelSelector: LabelSelector.field({ proto: 3 }),
  optional: bool({ proto: 5, optional: true }),
  path: string({ proto: 4, always: true }),
  user: int64({ proto: 6, optional: true }),
})
export type ClusterTrustBundleProjection = Of<typeof ClusterTrustBundleProjection>

export const PodCertificateProjection = struct('core.v1.PodCertificateProjection', '', {
  signerName: string({ proto: 1, required: true }),
  keyType: string({ proto: 2, required: true }),
  maxExpirationSeconds: int32({ proto: 3, optional: true }),
  credentialBundlePath: string({ proto: 4 }),
  keyPath: string({ proto: 5 }),
  certificateChainPath: string({ proto: 6 }),
  userAnnotations: map(string({}), { proto: 7 }),
  user: int64({ proto: 8, optional: true }),
})
export type PodCertificateProjection = Of<typeof PodCertificateProjection>

export const VolumeProjection = struct('core.v1.VolumeProjection', '', {
  secret: SecretProjection.field({ proto: 1 }),
  downwardAPI: DownwardAPIProjection.field({ proto: 2 }),
  configMap: ConfigMapProjection.field({ proto: 3 }),
  serviceAccountToken: ServiceAccountTokenProjection.field({ proto: 4 }),
  clusterTrustBundle: ClusterTrustBundleProjection.field({ proto: 5 }),
  podCertificate: PodCertificateProjection.field({ proto: 6 }),
})
export type VolumeProjection = Of<typeof VolumeProjection>

export const ProjectedVolumeSource = struct('core.v1.ProjectedVolumeSource', '', {
  sources: list(VolumeProjection, { proto: 1, always: true }),
  defaultMode: int32({ proto: 2, default: 0o644, optional: true }),
  defaultUser: int64({ proto: 3, optional: true }),
})
export type ProjectedVolumeSource = Of<typeof ProjectedVolumeSource>

export const StorageOSVolumeSource = struct('core.v1.StorageOSVolumeSource', '', {
  volumeName: string({ proto: 1 }),
  volumeNamespace: string({ proto: 2 }),
  fsType: string({ proto: 3 }),
  readOnly: bool({ proto: 4 }),
  secretRef: LocalObjectReference.field({ proto: 5 }),
})
export type StorageOSVolumeSource = Of<typeof StorageOSVolumeSource>

export const CSIVolumeSource = struct('core.v1.CSIVolumeSource', '', {
  driver: string({ proto: 1, always: true }),
  readOnly: bool({ proto: 2, optional: true }),
  fsType: string({ proto: 3, optional: true }),
  volumeAttributes: map(string({}), { proto: 4 }),
  nodePublishSecretRef: LocalObjectReference.field({ proto: 5 }),
})
export type CSIVolumeSource = Of<typeof CSIVolumeSource>

export const PersistentVolumeClaimTemplate = struct('core.v1.PersistentVolumeClaimTemplate', '', {
  metadata: ObjectMeta.value({ proto: 1 }),
  spec: PersistentVolumeClaimSpec.value({ proto: 2 }),
})
export type PersistentVolumeClaimTemplate = Of<typeof PersistentVolumeClaimTemplate>

export const EphemeralVolumeSource = struct('core.v1.EphemeralVolumeSource', '', {
  volumeClaimTemplate: PersistentVolumeClaimTemplate.field({ proto: 1 }),
})
export type EphemeralVolumeSource = Of<typeof EphemeralVolumeSource>

export const ImageVolumeSource = struct('core.v1.ImageVolumeSource', '', {
  reference: string({ proto: 1 }),
  pullPolicy: string({ proto: 2, enum: ['Always', 'Never', 'IfNotPresent'] }),
})
export type ImageVolumeSource = Of<typeof ImageVolumeSource>

export const VolumeSource = struct('core.v1.VolumeSource', '', {
  hostPath: HostPathVolumeSource.field({ proto: 1 }),
  emptyDir: EmptyDirVolumeSource.field({ proto: 2 }),
  gcePersistentDisk: GCEPersistentDiskVolumeSource.field({ proto: 3 }),
  awsElasticBlockStore: AWSElasticBlockStoreVolumeSource.field({ proto: 4 }),
  gitRepo: GitRepoVolumeSource.field({ proto: 5 }),
  secret: SecretVolumeSource.field({ proto: 6 }),
  nfs: NFSVolumeSource.field({ proto: 7 }),
  iscsi: ISCSIVolumeSource.field({ proto: 8 }),
  glusterfs: GlusterfsVolumeSource.field({ proto: 9 }),
  persistentVolumeClaim: PersistentVolumeClaimVolumeSource.field({ proto: 10 }),
  rbd: RBDVolumeSource.field({ proto: 11 }),
  flexVolume: FlexVolumeSource.field({ proto: 12 }),
  cinder: CinderVolumeSource.field({ proto: 13 }),
  cephfs: CephFSVolumeSource.field({ proto: 14 }),
  flocker: FlockerVolumeSource.field({ proto: 15 }),
  downwardAPI: DownwardAPIVolumeSource.field({ proto: 16 }),
  fc: FCVolumeSource.field({ proto: 17 }),
  azureFile: AzureFileVolumeSource.field({ proto: 18 }),
  configMap: ConfigMapVolumeSource.field({ proto: 19 }),
  vsphereVolume: VsphereVirtualDiskVolumeSource.field({ proto: 20 }),
  quobyte: QuobyteVolumeSource.field({ proto: 21 }),
  azureDisk: AzureDiskVolumeSource.field({ proto: 22 }),
  photonPersistentDisk: PhotonPersistentDiskVolumeSource.field({ proto: 23 }),
  projected: ProjectedVolumeSource.field({ proto: 26 }),
  portworxVolume: PortworxVolumeSource.field({ proto: 24 }),
  scaleIO: ScaleIOVolumeSource.field({ proto: 25 }),
  storageos: StorageOSVolumeSource.field({ proto: 27 }),
  csi: CSIVolumeSource.field({ proto: 28 }),
  ephemeral: EphemeralVolumeSource.field({ proto: 29 }),
  image: ImageVolumeSource.field({ proto: 30 }),
})
export type VolumeSource = Of<typeof VolumeSource>

export const Volume = struct('core.v1.Volume', '', {
  name: string({ proto: 1, always: true }),
  ...inline(VolumeSource, 2),
})
export type Volume = Of<typeof Volume>
