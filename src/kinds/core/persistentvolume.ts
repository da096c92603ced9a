// A piece of storage, as the cluster sees it.
import { defineKind, type Of } from '../../api/kind.ts'
import { string, struct, time } from '../../api/schema/build.ts'
import { ageColumn } from '../columns.ts'
import { accessModesText } from './access-modes.ts'
import { warnOfStorage } from './volume-warnings.ts'
import { validateVolume, validateVolumeUpdate } from './persistentvolume-rules.ts'
import { PersistentVolumeSpec } from './persistentvolumespec.ts'

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
