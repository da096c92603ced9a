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
  doc: 'CSIStorageCapacity reports how much storage a CSI driver can provide for a StorageClass in a topology.',
  columns: [createdColumn],
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
    nodeTopology: LabelSelector.field({
      proto: 2,
      doc: 'Selects the nodes that can access the storage by their labels. If unset, no nodes can; if empty, all nodes can. Cannot be changed.',
    }),
    storageClassName: string({
      proto: 3,
      always: true,
      doc: 'Name of the StorageClass that the capacity is for. Cannot be changed.',
    }),
    capacity: quantity({
      proto: 4,
      optional: true,
      doc: 'Storage that is available, in bytes. If unset, the driver does not report it.',
    }),
    maximumVolumeSize: quantity({
      proto: 5,
      optional: true,
      doc: 'Maximum size of a volume that can be provisioned, in bytes. If unset, the driver does not report it.',
    }),
  },
})
export type CSIStorageCapacity = Of<typeof CSIStorageCapacity>
