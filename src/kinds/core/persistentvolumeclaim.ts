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

export const PersistentVolumeClaimCondition = struct(
  'core.v1.PersistentVolumeClaimCondition',
  'One aspect of a claim’s state.',
  {
    type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
    status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
    lastProbeTime: time({ proto: 3, always: true, doc: 'When the condition was last looked at.' }),
    lastTransitionTime: time({ proto: 4, always: true, doc: 'When the status last changed.' }),
    reason: string({ proto: 5, doc: 'One CamelCase word why.' }),
    message: string({ proto: 6, doc: 'The same for people.' }),
  },
)
export type PersistentVolumeClaimCondition = Of<typeof PersistentVolumeClaimCondition>

export const ModifyVolumeStatus = struct(
  'core.v1.ModifyVolumeStatus',
  'How far a change of the volume’s attributes has come.',
  {
    targetVolumeAttributesClassName: string({ proto: 1, doc: 'The class it is to have.' }),
    status: string({
      proto: 2,
      always: true,
      enum: ['Pending', 'InProgress', 'Infeasible'],
      doc: 'Pending, InProgress or Infeasible.',
    }),
  },
)
export type ModifyVolumeStatus = Of<typeof ModifyVolumeStatus>

export const PersistentVolumeClaimStatus = struct('core.v1.PersistentVolumeClaimStatus', 'The state of a claim.', {
  phase: string({ proto: 1, enum: ['Pending', 'Bound', 'Lost'], doc: 'Pending, Bound or Lost.' }),
  accessModes: list(string({}), { proto: 2, doc: 'Ways the volume can be mounted.' }),
  capacity: map(quantity({}), { proto: 3, doc: 'Size of the volume.' }),
  conditions: listByKey('type', PersistentVolumeClaimCondition, {
    proto: 4,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
  }),
  allocatedResources: map(quantity({}), { proto: 5, doc: 'Size that the volume is growing to.' }),
  allocatedResourceStatuses: map(string({}), { proto: 7, doc: 'How far the growing has come, by resource.' }),
  currentVolumeAttributesClassName: string({
    proto: 8,
    optional: true,
    doc: 'VolumeAttributesClass that is in effect.',
  }),
  modifyVolumeStatus: ModifyVolumeStatus.field({ proto: 9, doc: 'How far a change of that class has come.' }),
  healthStatus: VolumeHealthStatus.field({ proto: 10, doc: 'How healthy the volume is.' }),
})
export type PersistentVolumeClaimStatus = Of<typeof PersistentVolumeClaimStatus>

/** The old field for data sources has only ever known claims and snapshots: anything else in it does not count. */
function isKnownSource(source: PersistentVolumeClaimSpec['dataSource']): boolean {
  const { apiGroup = '', kind } = source ?? {}
  return apiGroup
    ? apiGroup === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot'
    : kind === 'PersistentVolumeClaim'
}

/** A data source in the old field is also in the new one, and the other way round. */
function completeSources(spec: PersistentVolumeClaimSpec): void {
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
  doc: 'A claim for storage: what a pod asks for, bound to a volume that has it.',
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
    ageColumn as never,
    { name: 'VolumeMode', type: 'string', value: o => o.spec.volumeMode ?? '<unset>', wide: true },
  ],
  prepare: (claim, old) => {
    if (!old) claim.status = { phase: 'Pending' } as typeof claim.status
    if (!old?.spec.dataSource && !old?.spec.dataSourceRef && !isKnownSource(claim.spec.dataSource))
      delete claim.spec.dataSource
    completeSources(claim.spec)
  },
  fields: {
    spec: PersistentVolumeClaimSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: PersistentVolumeClaimStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PersistentVolumeClaim = Of<typeof PersistentVolumeClaim>
