// A service: one stable address and name in front of the pods a selector finds.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { int32, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { defaultService, prepareService, serviceColumns } from './service-defaults.ts'
import { validateService, validateServiceUpdate } from './service-rules.ts'
import { ServiceSpec } from './servicespec.ts'
import { dnsLabelErrors } from '../../api/names.ts'

export const PortStatus = struct('core.v1.PortStatus', 'A port of a load balancer.', {
  port: int32({ proto: 1, always: true, doc: 'Number of the port.' }),
  protocol: string({ proto: 2, always: true, enum: ['TCP', 'UDP', 'SCTP'], doc: 'TCP, UDP or SCTP.' }),
  error: string({ proto: 3, optional: true, doc: 'What is wrong with it, in one CamelCase word.' }),
})
export type PortStatus = Of<typeof PortStatus>

export const LoadBalancerIngress = struct('core.v1.LoadBalancerIngress', 'An address of a load balancer.', {
  ip: string({ proto: 1, doc: 'Address of the load balancer.' }),
  hostname: string({ proto: 2, doc: 'Host name of the load balancer.' }),
  ipMode: string({
    proto: 3,
    optional: true,
    doc: 'VIP if packets arrive with this address, Proxy if with that of a node or pod.',
  }),
  ports: list(PortStatus, { proto: 4, doc: 'Its ports.' }),
})
export type LoadBalancerIngress = Of<typeof LoadBalancerIngress>

export const LoadBalancerStatus = struct('core.v1.LoadBalancerStatus', 'Where the load balancer is reached.', {
  ingress: list(LoadBalancerIngress, { proto: 1, doc: 'Its addresses.' }),
})
export type LoadBalancerStatus = Of<typeof LoadBalancerStatus>

export const ServiceStatus = struct('core.v1.ServiceStatus', 'What has been set up for a service.', {
  loadBalancer: LoadBalancerStatus.value({ proto: 1, doc: 'Where its load balancer is reached.' }),
  conditions: listByKey('type', Condition, {
    proto: 2,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
  }),
})
export type ServiceStatus = Of<typeof ServiceStatus>

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
  doc: 'A service: one stable address and name in front of the pods a selector finds.',
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
  explicit: true,
  validateName: dnsLabelErrors,
  fields: {
    spec: ServiceSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ServiceStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Service = Of<typeof Service>
