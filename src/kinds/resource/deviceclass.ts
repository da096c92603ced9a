// A class of devices that claims may ask for.
import { defineKind, type Of } from '../../api/kind.ts'
import { inline, list, string, struct } from '../../api/schema/build.ts'
import { DeviceConfiguration, DeviceSelector } from './types.ts'

export const DeviceClassConfiguration = struct('resource.v1.DeviceClassConfiguration', '', {
  ...inline(DeviceConfiguration, 1),
})
export type DeviceClassConfiguration = Of<typeof DeviceClassConfiguration>

export const DeviceClassSpec = struct('resource.v1.DeviceClassSpec', '', {
  selectors: list(DeviceSelector, { proto: 1 }),
  config: list(DeviceClassConfiguration, { proto: 2 }),
  extendedResourceName: string({ proto: 4, optional: true }),
})
export type DeviceClassSpec = Of<typeof DeviceClassSpec>

export const DeviceClass = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  scope: 'Cluster',
  doc: 'A class of devices that claims may ask for.',
  fields: {
    spec: DeviceClassSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type DeviceClass = Of<typeof DeviceClass>
