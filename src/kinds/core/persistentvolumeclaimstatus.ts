// What is observed of a claim for storage: the parts of its status.
import type { Of } from '../../api/kind.ts'
import { list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { VolumeHealthStatus } from './podstatus.ts'

export const PersistentVolumeClaimCondition = struct(
  'core.v1.PersistentVolumeClaimCondition',
  'One aspect of the current state of a claim.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition: Resizing or FileSystemResizePending.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastProbeTime: time({ proto: 3, always: true, doc: 'Time when the condition was last probed.' }),
    lastTransitionTime: time({ proto: 4, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 5, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 6, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type PersistentVolumeClaimCondition = Of<typeof PersistentVolumeClaimCondition>

export const ModifyVolumeStatus = struct(
  'core.v1.ModifyVolumeStatus',
  'Progress of a change of the VolumeAttributesClass of a volume.',
  {
    targetVolumeAttributesClassName: string({
      proto: 1,
      doc: 'Name of the VolumeAttributesClass that the volume is being changed to.',
    }),
    status: string({
      proto: 2,
      always: true,
      enum: ['Pending', 'InProgress', 'Infeasible'],
      doc: 'Progress of the change: Pending (it has not started, for example because the class is missing), InProgress or Infeasible (the driver rejected it).',
    }),
  },
)
export type ModifyVolumeStatus = Of<typeof ModifyVolumeStatus>

export const PersistentVolumeClaimStatus = struct(
  'core.v1.PersistentVolumeClaimStatus',
  'Most recently observed state of a claim.',
  {
    phase: string({
      proto: 1,
      enum: ['Pending', 'Bound', 'Lost'],
      doc: 'Phase of the claim: Pending (not bound yet), Bound, or Lost (its volume no longer exists).',
    }),
    accessModes: list(string({}), { proto: 2, doc: 'Access modes that the volume of the claim has.' }),
    capacity: map(quantity({}), { proto: 3, doc: 'Actual size of the volume, under the key storage.' }),
    conditions: listByKey('type', PersistentVolumeClaimCondition, {
      proto: 4,
      mergeKey: 'type',
      doc: 'Current conditions of the claim. During a resize, they show its progress.',
    }),
    allocatedResources: map(quantity({}), {
      proto: 5,
      doc: 'Size that the volume is being resized to. It counts towards quota if it is larger than the request.',
    }),
    allocatedResourceStatuses: map(string({}), {
      proto: 7,
      doc: 'Progress of a resize by resource, such as ControllerResizeInProgress or NodeResizePending. Not set if there is no resize.',
    }),
    currentVolumeAttributesClassName: string({
      proto: 8,
      optional: true,
      doc: 'Name of the VolumeAttributesClass that currently applies to the volume.',
    }),
    modifyVolumeStatus: ModifyVolumeStatus.field({
      proto: 9,
      doc: 'Progress of a change of the VolumeAttributesClass. Not set if there is none.',
    }),
    healthStatus: VolumeHealthStatus.field({
      proto: 10,
      doc: 'Health of the volume. Alpha, not reported.',
    }),
  },
)
export type PersistentVolumeClaimStatus = Of<typeof PersistentVolumeClaimStatus>
