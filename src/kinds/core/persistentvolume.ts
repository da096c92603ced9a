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

export const PersistentVolumeSpec = struct('core.v1.PersistentVolumeSpec', 'What a volume is, and who may use it.', {
  capacity: map(quantity({}), { proto: 1, doc: 'Its size.' }),
  ...inline(PersistentVolumeSource, 2),
  accessModes: list(string({}), {
    proto: 3,
    doc: 'Ways it can be mounted: ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod.',
  }),
  claimRef: ObjectReference.field({ proto: 4, atomic: false, doc: 'Claim that it is bound to.' }),
  persistentVolumeReclaimPolicy: string({
    proto: 5,
    enum: ['Recycle', 'Delete', 'Retain'],
    doc: 'What happens to it once its claim is gone: Retain or Delete; Recycle is obsolete.',
  }),
  storageClassName: string({ proto: 6, doc: 'StorageClass it belongs to; empty for none.' }),
  mountOptions: list(string({}), { proto: 7, doc: 'Options for mounting it.' }),
  volumeMode: string({
    proto: 8,
    optional: true,
    enum: ['Block', 'Filesystem'],
    doc: 'Filesystem, or Block for a raw device.',
  }),
  nodeAffinity: VolumeNodeAffinity.field({ proto: 9, doc: 'Nodes that can reach it.' }),
  volumeAttributesClassName: string({ proto: 10, optional: true, doc: 'VolumeAttributesClass that is in effect.' }),
})
export type PersistentVolumeSpec = Of<typeof PersistentVolumeSpec>

export const PersistentVolumeStatus = struct('core.v1.PersistentVolumeStatus', 'The state of a volume.', {
  phase: string({
    proto: 1,
    enum: ['Pending', 'Available', 'Bound', 'Released', 'Failed'],
    doc: 'Pending, Available, Bound, Released or Failed.',
  }),
  message: string({ proto: 2, doc: 'The same for people.' }),
  reason: string({ proto: 3, doc: 'One CamelCase word why.' }),
  lastPhaseTransitionTime: time({ proto: 4, optional: true, doc: 'When the phase last changed.' }),
})
export type PersistentVolumeStatus = Of<typeof PersistentVolumeStatus>

export const PersistentVolume = defineKind({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  scope: 'Cluster',
  shortNames: ['pv'],
  status: true,
  doc: 'A piece of storage, as the cluster sees it.',
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
    ageColumn as never,
    { name: 'VolumeMode', type: 'string', value: o => o.spec.volumeMode ?? '<unset>', wide: true },
  ],
  prepare: (volume, old, now) => {
    if (!old) volume.status = { phase: 'Pending', lastPhaseTransitionTime: now }
  },
  fields: {
    spec: PersistentVolumeSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: PersistentVolumeStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PersistentVolume = Of<typeof PersistentVolume>
