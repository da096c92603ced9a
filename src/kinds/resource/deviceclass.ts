// A class of devices that claims may ask for.
import { defineKind, type Of } from '../../api/kind.ts'
import { inline, list, string, struct } from '../../api/schema/build.ts'
import { dnsSubdomainErrors } from '../../api/names.ts'
import { isExtended } from '../core/resource-rules.ts'
import { validateConfiguration, validateEach, validateSelectors } from './device-rules.ts'
import { DeviceConfiguration, DeviceSelector } from './types.ts'

export const DeviceClassConfiguration = struct(
  'resource.v1.DeviceClassConfiguration',
  'Configuration that applies to all devices that are allocated through a class.',
  {
    ...inline(DeviceConfiguration, 1),
  },
)
export type DeviceClassConfiguration = Of<typeof DeviceClassConfiguration>

export const DeviceClassSpec = struct(
  'resource.v1.DeviceClassSpec',
  'Devices that belong to a class, and their configuration.',
  {
    selectors: list(DeviceSelector, {
      proto: 1,
      doc: 'Selectors that a device must all match to belong to the class. At most 32.',
    }),
    config: list(DeviceClassConfiguration, {
      proto: 2,
      doc: 'Configuration for the devices that are allocated through the class. At most 32 entries.',
    }),
    extendedResourceName: string({
      proto: 4,
      optional: true,
      doc: 'Name of an extended resource by which pods can also request devices of the class in their container resources.',
    }),
  },
)
export type DeviceClassSpec = Of<typeof DeviceClassSpec>

const maxConfigs = 32

export const DeviceClass = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  scope: 'Cluster',
  returnsDeleted: true,
  doc: 'DeviceClass defines a category of devices that ResourceClaims can request.',
  explicit: true,
  validateName: name => dnsSubdomainErrors(name, 'bytes'),
  *validate({ spec }, at) {
    const { selectors = [], config = [], extendedResourceName: resource } = spec
    yield* validateSelectors(selectors, at.field('spec', 'selectors'))
    yield* validateEach(config, maxConfigs, validateConfiguration, at.field('spec', 'config'))
    if (resource !== undefined && !isExtended(resource))
      yield at.field('spec', 'extendedResourceName').invalid(resource, 'must be a valid extended resource name')
  },
  generation: true,
  fields: {
    spec: DeviceClassSpec.value({ proto: 2, doc: 'Devices that belong to the class, and their configuration.' }),
  },
})
export type DeviceClass = Of<typeof DeviceClass>
