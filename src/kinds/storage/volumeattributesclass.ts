// Attributes of volumes that may be changed while they are in use.
import { sameJson } from '../../api/equal.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { present } from '../../api/checks.ts'
import { map, string } from '../../api/schema/build.ts'
import { validateParameters, validateProvisioner } from './class-rules.ts'

export const VolumeAttributesClass = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  scope: 'Cluster',
  returnsDeleted: true,
  shortNames: ['vac'],
  doc: 'VolumeAttributesClass defines attributes of volumes, such as IOPS, that can be changed while a volume is in use.',
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
      if (!sameJson(next[field], old[field])) yield at.field(field).forbidden(`updates to ${field} are forbidden.`)
  },
  fields: {
    driverName: string({
      proto: 2,
      always: true,
      doc: 'Name of the CSI driver whose volumes the class applies to. Cannot be changed.',
    }),
    parameters: map(string({}), {
      proto: 3,
      doc: 'Attributes, as parameters for the driver. At least one is required, and at most 512 with at most 256 KiB in total. Cannot be changed.',
    }),
  },
})
export type VolumeAttributesClass = Of<typeof VolumeAttributesClass>
