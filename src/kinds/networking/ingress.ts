// An ingress: which outside HTTP requests go to which service.
import { defineKind, type Of } from '../../api/kind.ts'
import { inline, int32, list, string, struct } from '../../api/schema/build.ts'
import { validateIngress } from './ingress-rules.ts'
import { TypedLocalObjectReference } from '../core/reference.ts'

export const ServiceBackendPort = struct(
  'networking.v1.ServiceBackendPort',
  'A port of a service; by name or number.',
  {
    name: string({ proto: 1, doc: 'Name of the port.' }),
    number: int32({ proto: 2, doc: 'Number of the port.' }),
  },
  { atomic: true },
)
export type ServiceBackendPort = Of<typeof ServiceBackendPort>

export const IngressServiceBackend = struct('networking.v1.IngressServiceBackend', 'A service that requests go to.', {
  name: string({ proto: 1, always: true, doc: 'Name of the service.' }),
  port: ServiceBackendPort.value({ proto: 2, doc: 'Port of the service.' }),
})
export type IngressServiceBackend = Of<typeof IngressServiceBackend>

export const IngressBackend = struct('networking.v1.IngressBackend', 'Where requests go; exactly one is set.', {
  service: IngressServiceBackend.field({ proto: 4, doc: 'A service.' }),
  resource: TypedLocalObjectReference.field({ proto: 3, doc: 'An object that the controller knows how to ask.' }),
})
export type IngressBackend = Of<typeof IngressBackend>

export const IngressTLS = struct('networking.v1.IngressTLS', 'A certificate for some hosts.', {
  hosts: list(string({}), { proto: 1, doc: 'The hosts.' }),
  secretName: string({ proto: 2, doc: 'Secret with the certificate and its key.' }),
})
export type IngressTLS = Of<typeof IngressTLS>

export const HTTPIngressPath = struct('networking.v1.HTTPIngressPath', 'Sends requests below a path somewhere.', {
  path: string({ proto: 1, doc: 'The path; begins with a slash.' }),
  pathType: string({ proto: 3, optional: true, doc: 'Exact, Prefix, or ImplementationSpecific.' }),
  backend: IngressBackend.value({ proto: 2, doc: 'Where the requests go.' }),
})
export type HTTPIngressPath = Of<typeof HTTPIngressPath>

export const HTTPIngressRuleValue = struct('networking.v1.HTTPIngressRuleValue', 'The paths of a host.', {
  paths: list(HTTPIngressPath, { proto: 1, always: true, doc: 'The paths; the longest that fits counts.' }),
})
export type HTTPIngressRuleValue = Of<typeof HTTPIngressRuleValue>

export const IngressRuleValue = struct('networking.v1.IngressRuleValue', 'What becomes of the requests for a host.', {
  http: HTTPIngressRuleValue.field({ proto: 1, doc: 'By path.' }),
})
export type IngressRuleValue = Of<typeof IngressRuleValue>

export const IngressRule = struct('networking.v1.IngressRule', 'What becomes of the requests for one host.', {
  host: string({ proto: 1, doc: 'The host, or *.domain for one level below; empty for all.' }),
  ...inline(IngressRuleValue, 2),
})
export type IngressRule = Of<typeof IngressRule>

export const IngressSpec = struct('networking.v1.IngressSpec', 'How requests from outside get to services.', {
  ingressClassName: string({ proto: 4, optional: true, doc: 'IngressClass, and so the controller, that serves this.' }),
  defaultBackend: IngressBackend.field({ proto: 1, doc: 'Where requests go that no rule fits.' }),
  tls: list(IngressTLS, { proto: 2, doc: 'Certificates.' }),
  rules: list(IngressRule, { proto: 3, doc: 'What becomes of the requests, by host.' }),
})
export type IngressSpec = Of<typeof IngressSpec>

export const IngressPortStatus = struct('networking.v1.IngressPortStatus', 'A port of a load balancer.', {
  port: int32({ proto: 1, always: true, doc: 'Number of the port.' }),
  protocol: string({ proto: 2, always: true, doc: 'TCP, UDP or SCTP.' }),
  error: string({ proto: 3, optional: true, doc: 'What is wrong with it, in one CamelCase word.' }),
})
export type IngressPortStatus = Of<typeof IngressPortStatus>

export const IngressLoadBalancerIngress = struct(
  'networking.v1.IngressLoadBalancerIngress',
  'An address of a load balancer.',
  {
    ip: string({ proto: 1, doc: 'Address of the load balancer.' }),
    hostname: string({ proto: 2, doc: 'Host name of the load balancer.' }),
    ports: list(IngressPortStatus, { proto: 4, doc: 'Its ports.' }),
  },
)
export type IngressLoadBalancerIngress = Of<typeof IngressLoadBalancerIngress>

export const IngressLoadBalancerStatus = struct(
  'networking.v1.IngressLoadBalancerStatus',
  'Where the load balancer is reached.',
  {
    ingress: list(IngressLoadBalancerIngress, { proto: 1, doc: 'Its addresses.' }),
  },
)
export type IngressLoadBalancerStatus = Of<typeof IngressLoadBalancerStatus>

export const IngressStatus = struct('networking.v1.IngressStatus', 'What has been set up for an ingress.', {
  loadBalancer: IngressLoadBalancerStatus.value({ proto: 1, doc: 'Where its load balancer is reached.' }),
})
export type IngressStatus = Of<typeof IngressStatus>

export const Ingress = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  scope: 'Namespaced',
  shortNames: ['ing'],
  status: true,
  doc: 'An ingress: which outside HTTP requests go to which service.',
  generation: true,
  columns: [
    { name: 'Class', type: 'string', value: o => o.spec.ingressClassName ?? '<none>' },
    { name: 'Hosts', type: 'string', value: o => (o.spec.rules ?? []).map(r => r.host || '*').join(',') || '*' },
    {
      name: 'Address',
      type: 'string',
      value: o => (o.status.loadBalancer.ingress ?? []).map(i => i.ip || i.hostname).join(','),
    },
    { name: 'Ports', type: 'string', value: o => (o.spec.tls?.length ? '80, 443' : '80') },
  ],
  *validate({ spec }, at) {
    yield* validateIngress(spec, at.field('spec'))
  },
  fields: {
    spec: IngressSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: IngressStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Ingress = Of<typeof Ingress>
