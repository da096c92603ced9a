// A service: one stable address and name in front of the pods a selector finds.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { int32, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { defaultService, prepareService, serviceColumns } from './service-defaults.ts'
import { validateService, validateServiceUpdate } from './service-rules.ts'
import { ServiceSpec } from './servicespec.ts'
import { dnsLabelErrors } from '../../api/names.ts'

export const PortStatus = struct('core.v1.PortStatus', 'Status of a port of a load balancer.', {
  port: int32({ proto: 1, always: true, doc: 'Port number of the service port.' }),
  protocol: string({
    proto: 2,
    always: true,
    enum: ['TCP', 'UDP', 'SCTP'],
    doc: 'Protocol of the service port: TCP, UDP or SCTP.',
  }),
  error: string({
    proto: 3,
    optional: true,
    doc: 'Machine-readable problem with the port in CamelCase. Names of a cloud provider have a domain prefix.',
  }),
})
export type PortStatus = Of<typeof PortStatus>

export const LoadBalancerIngress = struct('core.v1.LoadBalancerIngress', 'Address of a load balancer.', {
  ip: string({ proto: 1, doc: 'IP address of the load balancer, if it is reached by address.' }),
  hostname: string({ proto: 2, doc: 'Host name of the load balancer, if it is reached by name.' }),
  ipMode: string({
    proto: 3,
    optional: true,
    doc: 'How the load balancer delivers traffic: VIP keeps its IP address as the destination, Proxy sends it to the IP address of a node or pod. Can only be set with ip. Defaults to VIP.',
  }),
  ports: list(PortStatus, { proto: 4, doc: 'Status of each port of the service.' }),
})
export type LoadBalancerIngress = Of<typeof LoadBalancerIngress>

export const LoadBalancerStatus = struct('core.v1.LoadBalancerStatus', 'Status of a load balancer.', {
  ingress: list(LoadBalancerIngress, {
    proto: 1,
    doc: 'Addresses at which the load balancer accepts traffic for the service.',
  }),
})
export type LoadBalancerStatus = Of<typeof LoadBalancerStatus>

export const ServiceStatus = struct('core.v1.ServiceStatus', 'Most recently observed state of a service.', {
  loadBalancer: LoadBalancerStatus.value({ proto: 1, doc: 'Status of the load balancer, if the service has one.' }),
  conditions: listByKey('type', Condition, {
    proto: 2,
    mergeKey: 'type',
    doc: 'Current conditions of the service.',
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
  explicit: true,
  validateName: dnsLabelErrors,
  fields: {
    spec: ServiceSpec.value({ proto: 2, doc: 'Desired state of the service.' }),
    status: ServiceStatus.value({ proto: 3, doc: 'Most recently observed state of the service.' }),
  },
})
export type Service = Of<typeof Service>
