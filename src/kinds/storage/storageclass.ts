// A storage class: how volumes of one sort are made.
import { defineKind, type Of } from '../../api/kind.ts'
import { same, unchanged } from '../unchanged.ts'
import { bool, list, map, string } from '../../api/schema/build.ts'
import { TopologySelectorTerm } from '../core/affinity.ts'

export const StorageClass = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  scope: 'Cluster',
  shortNames: ['sc'],
  doc: 'A storage class: how volumes of one sort are made.',
  columns: [
    { name: 'Provisioner', type: 'string', value: '.provisioner' },
    { name: 'ReclaimPolicy', type: 'string', value: '.reclaimPolicy' },
    { name: 'VolumeBindingMode', type: 'string', value: '.volumeBindingMode' },
    { name: 'AllowVolumeExpansion', type: 'boolean', value: o => o.allowVolumeExpansion ?? false },
  ],
  *validateUpdate(next, old, at) {
    if (!same(next.parameters ?? {}, old.parameters ?? {}))
      yield at.field('parameters').forbidden('updates to parameters are forbidden.')
    if (next.provisioner !== old.provisioner)
      yield at.field('provisioner').forbidden('updates to provisioner are forbidden.')
    if (next.reclaimPolicy !== old.reclaimPolicy)
      yield at.field('reclaimPolicy').forbidden('updates to reclaimPolicy are forbidden.')
    yield* unchanged(next, old, ['volumeBindingMode'], at)
  },
  fields: {
    provisioner: string({ proto: 2, always: true, required: true, doc: 'Who makes the volumes.' }),
    parameters: map(string({}), { proto: 3, doc: 'Settings for the provisioner.' }),
    reclaimPolicy: string({
      proto: 4,
      default: 'Delete',
      optional: true,
      enum: ['Delete', 'Retain'],
      doc: 'What happens to its volumes once their claim is gone: Delete or Retain.',
    }),
    mountOptions: list(string({}), { proto: 5, doc: 'Options for mounting its volumes.' }),
    allowVolumeExpansion: bool({ proto: 6, optional: true, doc: 'Whether claims may ask for more room later.' }),
    volumeBindingMode: string({
      proto: 7,
      default: 'Immediate',
      optional: true,
      enum: ['Immediate', 'WaitForFirstConsumer'],
      doc: 'Immediate, or WaitForFirstConsumer to make the volume where the pod goes.',
    }),
    allowedTopologies: list(TopologySelectorTerm, { proto: 8, doc: 'Places where volumes may be made.' }),
  },
})
export type StorageClass = Of<typeof StorageClass>
