// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { PersistentVolumeClaimSpec } from './persistentvolumeclaimspec.ts'
import { VolumeHealthStatus } from './podstatus.ts'

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
  doc: '',
  fields: {
    spec: PersistentVolumeClaimSpec.value({ proto: 2 }),
    status: PersistentVolumeClaimStatus.value({ proto: 3 }),
  },
})
export type PersistentVolumeClaim = Of<typeof PersistentVolumeClaim>
