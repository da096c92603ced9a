// What a claim asks for: shared by claims and by the templates of ephemeral volumes.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { TypedLocalObjectReference } from './reference.ts'

export const VolumeResourceRequirements = struct('core.v1.VolumeResourceRequirements', 'The size asked for.', {
  limits: map(quantity({}), { proto: 1, doc: 'The most that would do.' }),
  requests: map(quantity({}), { proto: 2, doc: 'The least that would do, as storage.' }),
})
export type VolumeResourceRequirements = Of<typeof VolumeResourceRequirements>

export const TypedObjectReference = struct('core.v1.TypedObjectReference', 'Points to an object of any kind.', {
  apiGroup: string({ proto: 1, always: true, optional: true, doc: 'Group of the object; empty for the core group.' }),
  kind: string({ proto: 2, always: true, doc: 'Kind of the object.' }),
  name: string({ proto: 3, always: true, doc: 'Name of the object.' }),
  namespace: string({ proto: 4, optional: true, doc: 'Namespace of the object; otherwise the same one.' }),
})
export type TypedObjectReference = Of<typeof TypedObjectReference>

export const PersistentVolumeClaimSpec = struct('core.v1.PersistentVolumeClaimSpec', 'What volume is asked for.', {
  accessModes: list(string({}), {
    proto: 1,
    doc: 'Ways to mount it: ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod.',
  }),
  selector: LabelSelector.field({ proto: 4, doc: 'Labels the volume must have.' }),
  resources: VolumeResourceRequirements.value({ proto: 2, doc: 'Its size; may grow later if the class allows it.' }),
  volumeName: string({ proto: 3, doc: 'The volume; set when one is bound, or by hand to ask for a certain one.' }),
  storageClassName: string({
    proto: 5,
    optional: true,
    doc: 'StorageClass to make it with; unset for the default, empty for none.',
  }),
  volumeMode: string({
    proto: 6,
    default: 'Filesystem',
    optional: true,
    enum: ['Block', 'Filesystem'],
    doc: 'Filesystem, or Block for a raw device.',
  }),
  dataSource: TypedLocalObjectReference.field({ proto: 7, doc: 'Snapshot or claim whose content it starts with.' }),
  dataSourceRef: TypedObjectReference.field({
    proto: 8,
    doc: 'As dataSource, for any kind and also in other namespaces.',
  }),
  volumeAttributesClassName: string({ proto: 9, optional: true, doc: 'VolumeAttributesClass it should have.' }),
})
export type PersistentVolumeClaimSpec = Of<typeof PersistentVolumeClaimSpec>
