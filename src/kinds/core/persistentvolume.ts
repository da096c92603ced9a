// A piece of storage, as the cluster sees it.
import { defineKind, type Of } from '../../api/kind.ts'
import { inline, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { VolumeNodeAffinity } from './affinity.ts'
import { PersistentVolumeSource } from './persistentvolumesource.ts'
import { ObjectReference } from './reference.ts'
import { ageColumn } from '../columns.ts'
import { accessModesText } from './access-modes.ts'
import { warnOfStorage } from './volume-warnings.ts'
import { validateVolume, validateVolumeUpdate } from './persistentvolume-rules.ts'

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

export const PersistentVolumeStatus = struct(
  'core.v1.PersistentVolumeStatus',
  'Most recently observed state of a PersistentVolume.',
  {
    phase: string({
      proto: 1,
      enum: ['Pending', 'Available', 'Bound', 'Released', 'Failed'],
      doc: 'Phase of the volume: Pending, Available (not bound yet), Bound, Released (its claim was deleted) or Failed.',
    }),
    message: string({ proto: 2, doc: 'Human-readable message with details about the phase.' }),
    reason: string({ proto: 3, doc: 'Machine-readable reason in CamelCase for a failure.' }),
    lastPhaseTransitionTime: time({ proto: 4, optional: true, doc: 'Time when the phase last changed.' }),
  },
)
export type PersistentVolumeStatus = Of<typeof PersistentVolumeStatus>

export const PersistentVolume = defineKind({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  scope: 'Cluster',
  shortNames: ['pv'],
  status: true,
  doc: 'PersistentVolume is a piece of storage in the cluster, provisioned by an administrator or through a StorageClass.',
  returnsDeleted: true,
  defaults: ({ spec }) => {
    spec.persistentVolumeReclaimPolicy ||= 'Retain'
    spec.volumeMode ??= 'Filesystem'
  },
  explicit: true,
  warnings: ({ spec }, _old, at) => warnOfStorage(spec, at.field('spec')),
  *validate({ spec }, at) {
    yield* validateVolume(spec, at.field('spec'))
  },
  *validateUpdate(next, old, at) {
    yield* validateVolume(next.spec, at.field('spec'))
    yield* validateVolumeUpdate(next.spec, old.spec)
  },
  columns: [
    { name: 'Capacity', type: 'string', value: o => o.spec.capacity?.storage ?? '' },
    { name: 'Access Modes', type: 'string', value: o => accessModesText(o.spec.accessModes) },
    { name: 'Reclaim Policy', type: 'string', value: o => o.spec.persistentVolumeReclaimPolicy ?? '' },
    {
      name: 'Status',
      type: 'string',
      value: o => (o.metadata.deletionTimestamp ? 'Terminating' : (o.status.phase ?? 'Pending')),
    },
    {
      name: 'Claim',
      type: 'string',
      value: o => (o.spec.claimRef ? `${o.spec.claimRef.namespace}/${o.spec.claimRef.name}` : ''),
    },
    { name: 'StorageClass', type: 'string', value: o => o.spec.storageClassName ?? '' },
    { name: 'VolumeAttributesClass', type: 'string', value: o => o.spec.volumeAttributesClassName ?? '<unset>' },
    { name: 'Reason', type: 'string', value: o => o.status.reason ?? '' },
    ageColumn,
    { name: 'VolumeMode', type: 'string', value: o => o.spec.volumeMode ?? '<unset>', wide: true },
  ],
  prepare: (volume, old, now) => {
    if (!old) volume.status = { phase: 'Pending', lastPhaseTransitionTime: now }
  },
  fields: {
    spec: PersistentVolumeSpec.value({ proto: 2, doc: 'Storage that the volume represents, and how it can be used.' }),
    status: PersistentVolumeStatus.value({ proto: 3, doc: 'Most recently observed state of the volume.' }),
  },
})
export type PersistentVolume = Of<typeof PersistentVolume>
