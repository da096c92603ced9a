// A claim for storage: what a pod asks for, bound to a volume that has it.
import { warnOfFraction } from './volume-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { PersistentVolumeClaimSpec } from './persistentvolumeclaimspec.ts'
import { ageColumn } from '../columns.ts'
import { accessModesText } from './access-modes.ts'
import { validateClaimSpec } from './claim-rules.ts'
import { validateClaimUpdate } from './claim-update-rules.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { PersistentVolumeClaimStatus } from './persistentvolumeclaimstatus.ts'

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
