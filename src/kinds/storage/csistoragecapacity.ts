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
    nodeTopology: LabelSelector.field({ proto: 2 }),
    storageClassName: string({ proto: 3, always: true }),
    capacity: quantity({ proto: 4, optional: true }),
    maximumVolumeSize: quantity({ proto: 5, optional: true }),
  },
})
export type CSIStorageCapacity = Of<typeof CSIStorageCapacity>
