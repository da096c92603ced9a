// How much storage a driver has left, and where.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { quantity, string } from '../../api/schema/build.ts'

export const CSIStorageCapacity = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  scope: 'Namespaced',
  doc: 'How much storage a driver has left, and where.',
  fields: {
    nodeTopology: LabelSelector.field({ proto: 2, doc: 'Nodes that can reach this storage.' }),
    storageClassName: string({ proto: 3, always: true, doc: 'StorageClass that this is about.' }),
    capacity: quantity({ proto: 4, optional: true, doc: 'Room that is left.' }),
    maximumVolumeSize: quantity({ proto: 5, optional: true, doc: 'Largest volume that can be made.' }),
  },
})
export type CSIStorageCapacity = Of<typeof CSIStorageCapacity>
