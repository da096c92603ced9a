// A service: one stable address and name in front of the pods a selector finds.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { bool, int32, intOrString, list, listByKey, map, string, struct } from '../../api/schema/build.ts'
import {
  defaultService,
  serviceColumns,
  serviceNameErrors,
  validateService,
  validateServiceUpdate,
} from './service-rules.ts'

export const ServicePort = struct('core.v1.ServicePort', '', {
  name: string({ proto: 1 }),
  protocol: string({ proto: 2, default: 'TCP', enum: ['TCP', 'UDP', 'SCTP'] }),
  appProtocol: string({ proto: 6, optional: true }),
  port: int32({ proto: 3, always: true }),
  targetPort: intOrString({ proto: 4, always: true }),
  nodePort: int32({ proto: 5 }),
})
export type ServicePort = Of<typeof ServicePort>

export const ClientIPConfig = struct('core.v1.ClientIPConfig', '', {
  timeoutSeconds: int32({ proto: 1, default: 10800, optional: true }),
})
export type ClientIPConfig = Of<typeof ClientIPConfig>

export const SessionAffinityConfig = struct('core.v1.SessionAffinityConfig', '', {
  clientIP: ClientIPConfig.field({ proto: 1 }),
})
export type SessionAffinityConfig = Of<typeof SessionAffinityConfig>

export const ServiceSpec = struct('core.v1.ServiceSpec', '', {
  ports: listByKey(['port', 'protocol'], ServicePort, { proto: 1, mergeKey: 'port' }),
  selector: map(string({}), { proto: 2 }),
  clusterIP: string({ proto: 3 }),
  clusterIPs: list(string({}), { proto: 18 }),
  type: string({ proto: 4, default: 'ClusterIP', enum: ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] }),
  externalIPs: list(string({}), { proto: 5 }),
  sessionAffinity: string({ proto: 7, default: 'None', enum: ['ClientIP', 'None'] }),
  loadBalancerIP: string({ proto: 8 }),
  loadBalancerSourceRanges: list(string({}), { proto: 9 }),
  externalName: string({ proto: 10 }),
  externalTrafficPolicy: string({ proto: 11, enum: ['Cluster', 'Local'] }),
  healthCheckNodePort: int32({ proto: 12 }),
  publishNotReadyAddresses: bool({ proto: 13 }),
  sessionAffinityConfig: SessionAffinityConfig.field({ proto: 14 }),
  ipFamilies: list(string({}), { proto: 19 }),
  ipFamilyPolicy: string({ proto: 17, optional: true, enum: ['SingleStack', 'PreferDualStack', 'RequireDualStack'] }),
  allocateLoadBalancerNodePorts: bool({ proto: 20, optional: true }),
  loadBalancerClass: string({ proto: 21, optional: true }),
  internalTrafficPolicy: string({ proto: 22, optional: true, enum: ['Cluster', 'Local'] }),
  trafficDistribution: string({ proto: 23, optional: true }),
})
export type ServiceSpec = Of<typeof ServiceSpec>

export const PortStatus = struct('core.v1.PortStatus', '', {
  port: int32({ proto: 1, always: true }),
  protocol: string({ proto: 2, always: true, enum: ['TCP', 'UDP', 'SCTP'] }),
  error: string({ proto: 3, optional: true }),
})
export type PortStatus = Of<typeof PortStatus>

export const LoadBalancerIngress = struct('core.v1.LoadBalancerIngress', '', {
  ip: string({ proto: 1 }),
  hostname: string({ proto: 2 }),
  ipMode: string({ proto: 3, optional: true }),
  ports: list(PortStatus, { proto: 4 }),
})
export type LoadBalancerIngress = Of<typeof LoadBalancerIngress>

export const LoadBalancerStatus = struct('core.v1.LoadBalancerStatus', '', {
  ingress: list(LoadBalancerIngress, { proto: 1 }),
})
export type LoadBalancerStatus = Of<typeof LoadBalancerStatus>

export const ServiceStatus = struct('core.v1.ServiceStatus', '', {
  loadBalancer: LoadBalancerStatus.value({ proto: 1 }),
  conditions: listByKey('type', Condition, { proto: 2, mergeKey: 'type' }),
})
export type ServiceStatus = Of<typeof ServiceStatus>

export const Service = defineKind({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  scope: 'Namespaced',
  shortNames: ['svc'],
  categories: ['all'],
  subresources: ['proxy'],
  status: true,
  doc: 'A service: one stable address and name in front of the pods a selector finds.',
  returnsDeleted: true,
  columns: serviceColumns,
  selectable: { 'spec.clusterIP': s => s.spec.clusterIP ?? '', 'spec.type': s => s.spec.type },
  defaults: defaultService,
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  validateName: serviceNameErrors,
  fields: {
    spec: ServiceSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ServiceStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Service = Of<typeof Service>
