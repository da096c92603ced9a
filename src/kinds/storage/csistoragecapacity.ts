// How much storage a driver has left, and where.
import { createdColumn } from '../columns.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { named, validateSelector } from '../../api/checks.ts'
import { LabelSelector } from '../../api/meta.ts'
import { dnsSubdomainErrors } from '../../api/names.ts'
import { quantity, string } from '../../api/schema/build.ts'
import { validateAmount } from '../core/resource-rules.ts'
import { unchanged } from '../unchanged.ts'

export const CSIStorageCapacity = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  scope: 'Namespaced',
  conditionalUpdate: true,
  doc: 'How much storage a driver has left, and where.',
  columns: [createdColumn as never],
  explicit: true,
  *validate({ nodeTopology, storageClassName, capacity = '0' }, at) {
    yield* validateSelector(nodeTopology, at.field('nodeTopology'))
    yield* named(dnsSubdomainErrors, storageClassName, at.field('storageClassName'))
    yield* validateAmount('', capacity, at.field('capacity'))
  },
  *validateUpdate(next, old, at) {
    yield* unchanged(next, old, ['nodeTopology', 'storageClassName'], at)
  },
  fields: {
    nodeTopology: LabelSelector.field({ proto: 2, doc: 'Nodes that can reach this storage.' }),
    storageClassName: string({ proto: 3, always: true, doc: 'StorageClass that this is about.' }),
    capacity: quantity({ proto: 4, optional: true, doc: 'Room that is left.' }),
    maximumVolumeSize: quantity({ proto: 5, optional: true, doc: 'Largest volume that can be made.' }),
  },
})
export type CSIStorageCapacity = Of<typeof CSIStorageCapacity>
