// Attributes of volumes that may be changed while they are in use.
import { defineKind, type Of } from '../../api/kind.ts'
import { present } from '../../api/checks.ts'
import { map, string } from '../../api/schema/build.ts'
import { same } from '../unchanged.ts'
import { validateParameters, validateProvisioner } from './class-rules.ts'

export const VolumeAttributesClass = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  scope: 'Cluster',
  returnsDeleted: true,
  shortNames: ['vac'],
  doc: 'Attributes of volumes that may be changed while they are in use.',
  columns: [{ name: 'DriverName', type: 'string', value: o => o.driverName }],
  explicit: true,
  *validate({ driverName, parameters = {} }, at) {
    const path = at.field('parameters')
    yield* validateProvisioner(driverName, at.field('driverName'))
    yield* validateParameters(parameters, path)
    yield* present(Object.keys(parameters), path, 'must contain at least one key/value pair')
  },
  *validateUpdate(next, old, at) {
    for (const field of ['driverName', 'parameters'] as const)
      if (!same(next[field], old[field])) yield at.field(field).forbidden(`updates to ${field} are forbidden.`)
  },
  fields: {
    driverName: string({ proto: 2, always: true, doc: 'CSI driver of the volumes.' }),
    parameters: map(string({}), { proto: 3, doc: 'Attributes that the driver gives them.' }),
  },
})
export type VolumeAttributesClass = Of<typeof VolumeAttributesClass>
