// A claim for storage: what a pod asks for, bound to a volume that has it.
import { warnOfFraction } from './volume-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { PersistentVolumeClaimSpec } from './persistentvolumeclaimspec.ts'
import { VolumeHealthStatus } from './podstatus.ts'
import { ageColumn } from '../columns.ts'
import { accessModesText } from './access-modes.ts'
import { validateClaimSpec } from './claim-rules.ts'
import { validateClaimUpdate } from './claim-update-rules.ts'
import type { Mutable } from '../../api/schema/node.ts'

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

/** The old field for data sources has only ever known claims and snapshots: anything else in it does not count. */
function isKnownSource(source: PersistentVolumeClaimSpec['dataSource']): boolean {
  const { apiGroup = '', kind } = source ?? {}
  return apiGroup
    ? apiGroup === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot'
    : kind === 'PersistentVolumeClaim'
}

/** A data source in the old field is also in the new one, and the other way round. */
function completeSources(spec: Mutable<PersistentVolumeClaimSpec>): void {
  const { dataSource, dataSourceRef } = spec
  if (dataSource && !dataSourceRef) spec.dataSourceRef = { ...dataSource }
  else if (dataSourceRef && !dataSource && !dataSourceRef.namespace) {
    const { namespace: _none, ...source } = dataSourceRef
    spec.dataSource = source
  }
}

export const PersistentVolumeClaim = defineKind({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  scope: 'Namespaced',
  shortNames: ['pvc'],
  status: true,
  doc: 'PersistentVolumeClaim requests storage in a namespace. It is bound to a PersistentVolume, which pods can then mount.',
  returnsDeleted: true,
  explicit: true,
  *warnings({ spec }, _old, at) {
    for (const side of ['requests', 'limits'] as const)
      yield* warnOfFraction(spec.resources[side]?.storage, at.field('spec', 'resources', side).key('storage'))
  },
  *validate({ spec }, at) {
    yield* validateClaimSpec(spec, at.field('spec'))
  },
  *validateUpdate(next, old, at) {
    yield* validateClaimUpdate(next, old, at)
  },
  columns: [
    {
      name: 'Status',
      type: 'string',
      value: o => (o.metadata.deletionTimestamp ? 'Terminating' : (o.status.phase ?? 'Pending')),
    },
    { name: 'Volume', type: 'string', value: o => o.spec.volumeName ?? '' },
    { name: 'Capacity', type: 'string', value: o => (o.spec.volumeName ? (o.status.capacity?.storage ?? '0') : '') },
    { name: 'Access Modes', type: 'string', value: o => accessModesText(o.status.accessModes) },
    { name: 'StorageClass', type: 'string', value: o => o.spec.storageClassName ?? '' },
    {
      name: 'VolumeAttributesClass',
      type: 'string',
      value: o => o.spec.volumeAttributesClassName ?? '<unset>',
    },
    ageColumn,
    { name: 'VolumeMode', type: 'string', value: o => o.spec.volumeMode ?? '<unset>', wide: true },
  ],
  prepare: (claim, old) => {
    if (!old) claim.status = { phase: 'Pending' } as typeof claim.status
    if (!old?.spec.dataSource && !old?.spec.dataSourceRef && !isKnownSource(claim.spec.dataSource))
      delete claim.spec.dataSource
    completeSources(claim.spec)
  },
  fields: {
    spec: PersistentVolumeClaimSpec.value({ proto: 2, doc: 'Desired properties of the volume.' }),
    status: PersistentVolumeClaimStatus.value({ proto: 3, doc: 'Most recently observed state of the claim.' }),
  },
})
export type PersistentVolumeClaim = Of<typeof PersistentVolumeClaim>
