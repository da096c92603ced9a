// A slice of the devices that a driver offers.
import { defineKind, type Of } from '../../api/kind.ts'
import { ResourceSliceSpec } from './resourceslicespec.ts'
import { validateSlice } from './slice-rules.ts'

export const ResourceSlice = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  scope: 'Cluster',
  returnsDeleted: true,
  doc: 'ResourceSlice publishes devices that a driver makes available. Several slices can form one pool.',
  // A taint begins when it is first written.
  prepare: ({ spec }, _old, now) => {
    for (const device of spec.devices ?? []) for (const taint of device.taints ?? []) taint.timeAdded ??= now
  },
  explicit: true,
  validate: ({ spec }, at, old) => validateSlice(spec, old?.spec, at.field('spec')),
  unknownSelector: field => `field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: ${field}`,
  selectable: { 'spec.nodeName': o => o.spec.nodeName ?? '', 'spec.driver': o => o.spec.driver },
  generation: true,
  columns: [
    { name: 'Node', type: 'string', value: o => o.spec.nodeName ?? '' },
    { name: 'Driver', type: 'string', value: o => o.spec.driver },
    { name: 'Pool', type: 'string', value: o => o.spec.pool.name },
  ],
  fields: {
    spec: ResourceSliceSpec.value({
      proto: 2,
      required: true,
      doc: 'Devices of the slice, and the nodes that can access them.',
    }),
  },
})
export type ResourceSlice = Of<typeof ResourceSlice>
