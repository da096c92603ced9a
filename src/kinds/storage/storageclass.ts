// A storage class: how volumes of one sort are made.
import { defineKind, type Of } from '../../api/kind.ts'
import { unchanged } from '../unchanged.ts'
import { bool, list, map, string } from '../../api/schema/build.ts'
import { supported } from '../../api/checks.ts'
import { TopologySelectorTerm } from '../core/affinity.ts'
import { validateParameters, validateProvisioner, validateTopologies } from './class-rules.ts'

export const StorageClass = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  scope: 'Cluster',
  returnsDeleted: true,
  shortNames: ['sc'],
  doc: 'A storage class: how volumes of one sort are made.',
  columns: [
    { name: 'Provisioner', type: 'string', value: '.provisioner' },
    { name: 'ReclaimPolicy', type: 'string', value: '.reclaimPolicy' },
    { name: 'VolumeBindingMode', type: 'string', value: '.volumeBindingMode' },
    { name: 'AllowVolumeExpansion', type: 'string', value: o => o.allowVolumeExpansion ?? false },
  ],
  explicit: true,
  *validate({ provisioner, parameters = {}, reclaimPolicy, volumeBindingMode, allowedTopologies = [] }, at) {
    yield* validateProvisioner(provisioner, at.field('provisioner'))
    yield* validateParameters(parameters, at.field('parameters'))
    if (reclaimPolicy) yield* supported(reclaimPolicy, ['Delete', 'Retain'], at.field('reclaimPolicy'))
    yield* supported(volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'], at.field('volumeBindingMode'))
    yield* validateTopologies(allowedTopologies, at.field('allowedTopologies'))
  },
  *validateUpdate(next, old, at) {
    yield* unchanged(next, old, ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'], at)
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
