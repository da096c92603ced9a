// A service: one stable address and name in front of the pods a selector finds.
import { defineKind, type Of } from '../../api/kind.ts'
import { defaultService, prepareService, serviceColumns } from './service-defaults.ts'
import { validateService, validateServiceStatus, validateServiceUpdate } from './service-rules.ts'
import { ServiceSpec } from './servicespec.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import { ServiceStatus } from './servicestatus.ts'

export const Service = defineKind({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  scope: 'Namespaced',
  createOnUpdate: true,
  shortNames: ['svc'],
  categories: ['all'],
  subresources: ['proxy'],
  status: true,
  doc: 'Service gives a set of pods one stable IP address and DNS name, and distributes connections among them.',
  returnsDeleted: true,
  columns: serviceColumns,
  selectable: { 'spec.clusterIP': s => s.spec.clusterIP ?? '', 'spec.type': s => s.spec.type },
  defaults: defaultService,
  prepare: prepareService,
  *warnings({ spec }) {
    if (spec.externalIPs?.length)
      yield 'spec.externalIPs is deprecated and may no longer be implemented in some clusters'
    if (spec.trafficDistribution === 'PreferClose')
      yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
  },
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  validateStatus: validateServiceStatus,
  explicit: true,
  validateName: dnsLabelErrors,
  fields: {
    spec: ServiceSpec.value({ proto: 2, doc: 'Desired state of the service.' }),
    status: ServiceStatus.value({ proto: 3, doc: 'Most recently observed state of the service.' }),
  },
})
export type Service = Of<typeof Service>
