// What a claim asks for: shared by claims and by the templates of ephemeral volumes.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { TypedLocalObjectReference } from './reference.ts'

export const VolumeResourceRequirements = struct('core.v1.VolumeResourceRequirements', '', {
  limits: map(quantity({}), { proto: 1 }),
  requests: map(quantity({}), { proto: 2 }),
})
export type VolumeResourceRequirements = Of<typeof VolumeResourceRequirements>

export const TypedObjectReference = struct('core.v1.TypedObjectReference', '', {
  apiGroup: string({ proto: 1, optional: true }),
  kind: string({ proto: 2, always: true }),
  name: string({ proto: 3, always: true }),
  namespace: string({ proto: 4, optional: true }),
})
export type TypedObjectReference = Of<typeof TypedObjectReference>

export const PersistentVolumeClaimSpec = struct('core.v1.PersistentVolumeClaimSpec', '', {
  accessModes: list(string({}), { proto: 1 }),
  selector: LabelSelector.field({ proto: 4 }),
  resources: VolumeResourceRequirements.value({ proto: 2 }),
  volumeName: string({ proto: 3 }),
  storageClassName: string({ proto: 5, optional: true }),
  volumeMode: string({ proto: 6, default: 'Filesystem', optional: true, enum: ['Block', 'Filesystem'] }),
  dataSource: TypedLocalObjectReference.field({ proto: 7 }),
  dataSourceRef: TypedObjectReference.field({ proto: 8 }),
  volumeAttributesClassName: string({ proto: 9, optional: true }),
})
export type PersistentVolumeClaimSpec = Of<typeof PersistentVolumeClaimSpec>
