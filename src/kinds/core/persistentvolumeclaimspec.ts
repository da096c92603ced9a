// What a claim asks for: shared by claims and by the templates of ephemeral volumes.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { TypedLocalObjectReference } from './reference.ts'

export const VolumeResourceRequirements = struct('core.v1.VolumeResourceRequirements', 'Size that a claim requires.', {
  limits: map(quantity({}), { proto: 1, doc: 'Maximum size of the volume, under the key storage.' }),
  requests: map(quantity({}), { proto: 2, doc: 'Minimum size of the volume, under the key storage. Required.' }),
})
export type VolumeResourceRequirements = Of<typeof VolumeResourceRequirements>

export const TypedObjectReference = struct(
  'core.v1.TypedObjectReference',
  'Reference to an object of any kind, possibly in another namespace.',
  {
    apiGroup: string({
      proto: 1,
      always: true,
      optional: true,
      doc: 'API group of the referenced object. Empty for the core group.',
    }),
    kind: string({ proto: 2, always: true, doc: 'Kind of the referenced object.' }),
    name: string({ proto: 3, always: true, doc: 'Name of the referenced object.' }),
    namespace: string({
      proto: 4,
      optional: true,
      doc: 'Namespace of the referenced object. Another namespace must allow it by a ReferenceGrant. Defaults to the namespace of the claim.',
    }),
  },
)
export type TypedObjectReference = Of<typeof TypedObjectReference>

export const PersistentVolumeClaimSpec = struct(
  'core.v1.PersistentVolumeClaimSpec',
  'Desired properties of a volume. Most fields cannot be changed after the claim is created.',
  {
    accessModes: list(string({}), {
      proto: 1,
      doc: 'Ways the volume must be mountable: ReadWriteOnce (by one node), ReadOnlyMany (by many nodes, read-only), ReadWriteMany (by many nodes) or ReadWriteOncePod (by one pod, and not together with others). At least one is required.',
    }),
    selector: LabelSelector.field({
      proto: 4,
      doc: 'Selects the volumes that can be bound by their labels. A claim with a selector is not provisioned dynamically.',
    }),
    resources: VolumeResourceRequirements.value({
      proto: 2,
      doc: 'Size of the volume. The request can be increased while the claim is bound, if the StorageClass allows expansion.',
    }),
    volumeName: string({
      proto: 3,
      doc: 'Name of the PersistentVolume that the claim is bound to. Can be set on creation to request a certain volume.',
    }),
    storageClassName: string({
      proto: 5,
      optional: true,
      doc: 'Name of the StorageClass that provisions the volume. If empty, only volumes without a class are bound. Defaults to the default StorageClass.',
    }),
    volumeMode: string({
      proto: 6,
      default: 'Filesystem',
      optional: true,
      enum: ['Block', 'Filesystem'],
      doc: 'Filesystem for a volume with a file system, Block for a raw block device. Defaults to Filesystem.',
    }),
    dataSource: TypedLocalObjectReference.field({
      proto: 7,
      doc: 'VolumeSnapshot or PersistentVolumeClaim in the same namespace whose content the new volume is filled with. Has the same content as dataSourceRef.',
    }),
    dataSourceRef: TypedObjectReference.field({
      proto: 8,
      doc: 'Object of any kind whose content the new volume is filled with, by a volume populator or a CSI driver. With a namespace, dataSource must not be set.',
    }),
    volumeAttributesClassName: string({
      proto: 9,
      optional: true,
      doc: 'Name of the VolumeAttributesClass that is applied to the volume, such as one with more IOPS. It can be changed later.',
    }),
  },
)
export type PersistentVolumeClaimSpec = Of<typeof PersistentVolumeClaimSpec>
