// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { inline, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { VolumeNodeAffinity } from './affinity.ts'
import { PersistentVolumeSource } from './persistentvolumesource.ts'
import { ObjectReference } from './reference.ts'

export const PersistentVolumeSpec = struct('core.v1.PersistentVolumeSpec', '', {
  capacity: map(quantity({}), { proto: 1 }),
  ...inline(PersistentVolumeSource, 2),
  accessModes: list(string({}), { proto: 3 }),
  claimRef: ObjectReference.field({ proto: 4 }),
  persistentVolumeReclaimPolicy: string({ proto: 5, enum: ['Recycle', 'Delete', 'Retain'] }),
  storageClassName: string({ proto: 6 }),
  mountOptions: list(string({}), { proto: 7 }),
  volumeMode: string({ proto: 8, optional: true, enum: ['Block', 'Filesystem'] }),
  nodeAffinity: VolumeNodeAffinity.field({ proto: 9 }),
  volumeAttributesClassName: string({ proto: 10, optional: true }),
})
export type PersistentVolumeSpec = Of<typeof PersistentVolumeSpec>

export const PersistentVolumeStatus = struct('core.v1.PersistentVolumeStatus', '', {
  phase: string({ proto: 1, enum: ['Pending', 'Available', 'Bound', 'Released', 'Failed'] }),
  message: string({ proto: 2 }),
  reason: string({ proto: 3 }),
  lastPhaseTransitionTime: time({ proto: 4, optional: true }),
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
  doc: '',
  fields: {
    spec: PersistentVolumeSpec.value({ proto: 2 }),
    status: PersistentVolumeStatus.value({ proto: 3 }),
  },
})
export type PersistentVolume = Of<typeof PersistentVolume>
