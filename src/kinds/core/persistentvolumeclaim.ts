// A claim for storage: what a pod asks for, bound to a volume that has it.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { PersistentVolumeClaimSpec } from './persistentvolumeclaimspec.ts'
import { VolumeHealthStatus } from './podstatus.ts'
import { ageColumn } from '../columns.ts'
import { accessModesText } from './access-modes.ts'

export const PersistentVolumeClaimCondition = struct('core.v1.PersistentVolumeClaimCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastProbeTime: time({ proto: 3, always: true }),
  lastTransitionTime: time({ proto: 4, always: true }),
  reason: string({ proto: 5 }),
  message: string({ proto: 6 }),
})
export type PersistentVolumeClaimCondition = Of<typeof PersistentVolumeClaimCondition>

export const ModifyVolumeStatus = struct('core.v1.ModifyVolumeStatus', '', {
  targetVolumeAttributesClassName: string({ proto: 1 }),
  status: string({ proto: 2, always: true, enum: ['Pending', 'InProgress', 'Infeasible'] }),
})
export type ModifyVolumeStatus = Of<typeof ModifyVolumeStatus>

export const PersistentVolumeClaimStatus = struct('core.v1.PersistentVolumeClaimStatus', '', {
  phase: string({ proto: 1, enum: ['Pending', 'Bound', 'Lost'] }),
  accessModes: list(string({}), { proto: 2 }),
  capacity: map(quantity({}), { proto: 3 }),
  conditions: listByKey('type', PersistentVolumeClaimCondition, { proto: 4, mergeKey: 'type' }),
  allocatedResources: map(quantity({}), { proto: 5 }),
  allocatedResourceStatuses: map(string({}), { proto: 7 }),
  currentVolumeAttributesClassName: string({ proto: 8, optional: true }),
  modifyVolumeStatus: ModifyVolumeStatus.field({ proto: 9 }),
  healthStatus: VolumeHealthStatus.field({ proto: 10 }),
})
export type PersistentVolumeClaimStatus = Of<typeof PersistentVolumeClaimStatus>

export const PersistentVolumeClaim = defineKind({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  scope: 'Namespaced',
  shortNames: ['pvc'],
  status: true,
  doc: 'A claim for storage: what a pod asks for, bound to a volume that has it.',
  returnsDeleted: true,
  columns: [
    {
      name: 'Status',
      type: 'string',
      value: o => (o.metadata.deletionTimestamp ? 'Terminating' : (o.status.phase ?? 'Pending')),
    },
    { name: 'Volume', type: 'string', value: o => o.spec.volumeName ?? '' },
    { name: 'Capacity', type: 'string', value: o => o.status.capacity?.storage ?? '' },
    { name: 'Access Modes', type: 'string', value: o => accessModesText(o.status.accessModes) },
    { name: 'StorageClass', type: 'string', value: o => o.spec.storageClassName ?? '' },
    {
      name: 'VolumeAttributesClass',
      type: 'string',
      value: o => o.status.currentVolumeAttributesClassName ?? '<unset>',
    },
    ageColumn as never,
    { name: 'VolumeMode', type: 'string', value: o => o.spec.volumeMode ?? '<unset>', wide: true },
  ],
  prepare: (claim, old) => {
    if (!old) claim.status = { phase: 'Pending' } as typeof claim.status
  },
  fields: {
    spec: PersistentVolumeClaimSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: PersistentVolumeClaimStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PersistentVolumeClaim = Of<typeof PersistentVolumeClaim>
