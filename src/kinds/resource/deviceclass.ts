// A class of devices that claims may ask for.
import { defineKind, type Of } from '../../api/kind.ts'
import { inline, list, string, struct } from '../../api/schema/build.ts'
import { dnsSubdomainErrors } from '../../api/names.ts'
import { isExtended } from '../core/resource-rules.ts'
import { validateConfiguration, validateEach, validateSelectors } from './device-rules.ts'
import { DeviceConfiguration, DeviceSelector } from './types.ts'

export const DeviceClassConfiguration = struct(
  'resource.v1.DeviceClassConfiguration',
  'Settings for devices of a class.',
  {
    ...inline(DeviceConfiguration, 1),
  },
)
export type DeviceClassConfiguration = Of<typeof DeviceClassConfiguration>

export const DeviceClassSpec = struct('resource.v1.DeviceClassSpec', 'Which devices are of a class.', {
  selectors: list(DeviceSelector, { proto: 1, doc: 'What a device must be; all must hold.' }),
  config: list(DeviceClassConfiguration, { proto: 2, doc: 'Settings for the devices.' }),
  extendedResourceName: string({
    proto: 4,
    optional: true,
    doc: 'Resource name by which pods can ask for such devices too.',
  }),
})
export type DeviceClassSpec = Of<typeof DeviceClassSpec>

const maxConfigs = 32

export const DeviceClass = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  scope: 'Cluster',
  returnsDeleted: true,
  doc: 'A class of devices that claims may ask for.',
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
    spec: DeviceClassSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type DeviceClass = Of<typeof DeviceClass>
