// What a volume is: the parts of the spec of a PersistentVolume.
import type { Of } from '../../api/kind.ts'
import { inline, list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { VolumeNodeAffinity } from './affinity.ts'
import { PersistentVolumeSource } from './persistentvolumesource.ts'
import { ObjectReference } from './reference.ts'

export const PersistentVolumeSpec = struct(
  'core.v1.PersistentVolumeSpec',
  'Storage that a PersistentVolume represents, and how it can be used.',
  {
    capacity: map(quantity({}), { proto: 1, doc: 'Size of the volume, under the key storage.' }),
    ...inline(PersistentVolumeSource, 2),
    accessModes: list(string({}), {
      proto: 3,
      doc: 'Ways the volume can be mounted: ReadWriteOnce (by one node), ReadOnlyMany (by many nodes, read-only), ReadWriteMany (by many nodes) or ReadWriteOncePod (by one pod).',
    }),
    claimRef: ObjectReference.field({
      proto: 4,
      atomic: false,
      doc: 'PersistentVolumeClaim that the volume is bound to. If it is set without a UID, the volume is reserved for that claim.',
    }),
    persistentVolumeReclaimPolicy: string({
      proto: 5,
      enum: ['Recycle', 'Delete', 'Retain'],
      doc: 'What happens when the claim is deleted: Retain keeps the volume, Delete deletes it together with its storage. Recycle is deprecated. Defaults to Retain. Provisioned volumes take it from the StorageClass.',
    }),
    storageClassName: string({
      proto: 6,
      doc: 'Name of the StorageClass of the volume. Only claims of the same class can bind to it. Empty for no class.',
    }),
    mountOptions: list(string({}), {
      proto: 7,
      doc: 'Options for mounting the volume, such as ro or nfsvers=4.1. They are not validated: an invalid option makes mounting fail.',
    }),
    volumeMode: string({
      proto: 8,
      optional: true,
      enum: ['Block', 'Filesystem'],
      doc: 'Filesystem for a volume with a file system, Block for a raw block device. Cannot be changed. Defaults to Filesystem.',
    }),
    nodeAffinity: VolumeNodeAffinity.field({
      proto: 9,
      doc: 'Nodes from which the volume can be accessed. Pods that use it are scheduled there. Cannot be changed once set.',
    }),
    volumeAttributesClassName: string({
      proto: 10,
      optional: true,
      doc: 'Name of the VolumeAttributesClass that applies to the volume. Only for CSI volumes. May change while the volume is bound.',
    }),
  },
)
export type PersistentVolumeSpec = Of<typeof PersistentVolumeSpec>
