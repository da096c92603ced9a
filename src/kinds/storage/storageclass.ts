// A storage class: how volumes of one sort are made.
import { defineKind, type KubeObject, type Of } from '../../api/kind.ts'
import { nameColumn } from '../../api/table.ts'
import { ageColumn } from '../columns.ts'
import { unchanged } from '../unchanged.ts'
import { bool, list, map, string } from '../../api/schema/build.ts'
import { supported } from '../../api/checks.ts'
import { TopologySelectorTerm } from '../core/affinity.ts'
import { validateParameters, validateProvisioner, validateTopologies } from './class-rules.ts'

const defaultAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
]
const isDefault = ({ annotations }: KubeObject['metadata']): boolean =>
  defaultAnnotations.some(name => annotations?.[name] === 'true')

export const StorageClass = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  scope: 'Cluster',
  returnsDeleted: true,
  shortNames: ['sc'],
  doc: 'StorageClass describes how volumes are provisioned. The annotation storageclass.kubernetes.io/is-default-class makes it the default.',
  columns: [
    {
      ...nameColumn,
      value: ({ metadata }) => (isDefault(metadata) ? `${metadata.name} (default)` : (metadata.name ?? '')),
    },
    { name: 'Provisioner', type: 'string', value: '.provisioner' },
    { name: 'ReclaimPolicy', type: 'string', value: '.reclaimPolicy' },
    { name: 'VolumeBindingMode', type: 'string', value: '.volumeBindingMode' },
    { name: 'AllowVolumeExpansion', type: 'string', value: o => o.allowVolumeExpansion ?? false },
    ageColumn,
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
    provisioner: string({
      proto: 2,
      always: true,
      required: true,
      doc: 'Name of the provisioner, such as the name of a CSI driver. Cannot be changed.',
    }),
    parameters: map(string({}), {
      proto: 3,
      doc: 'Parameters for the provisioner. At most 512, with at most 256 KiB in total. Cannot be changed.',
    }),
    reclaimPolicy: string({
      proto: 4,
      default: 'Delete',
      optional: true,
      enum: ['Delete', 'Retain'],
      doc: 'What happens to provisioned volumes when their claim is deleted: Delete or Retain. Cannot be changed. Defaults to Delete.',
    }),
    mountOptions: list(string({}), {
      proto: 5,
      doc: 'Options for mounting provisioned volumes, such as ro. They are not validated: an invalid option makes mounting fail.',
    }),
    allowVolumeExpansion: bool({
      proto: 6,
      optional: true,
      doc: 'Whether claims of this class can request a larger size later. Defaults to false.',
    }),
    volumeBindingMode: string({
      proto: 7,
      default: 'Immediate',
      optional: true,
      enum: ['Immediate', 'WaitForFirstConsumer'],
      doc: 'When volumes are provisioned and bound: Immediate, or WaitForFirstConsumer once a pod that uses the claim is scheduled. Cannot be changed. Defaults to Immediate.',
    }),
    allowedTopologies: list(TopologySelectorTerm, {
      proto: 8,
      doc: 'Topologies in which volumes can be provisioned. If unset, there is no restriction.',
    }),
  },
})
export type StorageClass = Of<typeof StorageClass>
