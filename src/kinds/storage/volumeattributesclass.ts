// Attributes of volumes that may be changed while they are in use.
import { defineKind, type Of } from '../../api/kind.ts'
import { map, string } from '../../api/schema/build.ts'

export const VolumeAttributesClass = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  scope: 'Cluster',
  shortNames: ['vac'],
  doc: 'Attributes of volumes that may be changed while they are in use.',
  fields: {
    driverName: string({ proto: 2, always: true, doc: 'CSI driver of the volumes.' }),
    parameters: map(string({}), { proto: 3, doc: 'Attributes that the driver gives them.' }),
  },
})
export type VolumeAttributesClass = Of<typeof VolumeAttributesClass>
