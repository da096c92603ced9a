// An ingress: which outside HTTP requests go to which service.
import { defineKind, type Of } from '../../api/kind.ts'
import { inline, int32, list, string, struct } from '../../api/schema/build.ts'
import { TypedLocalObjectReference } from '../core/reference.ts'

export const ServiceBackendPort = struct('networking.v1.ServiceBackendPort', '', {
  name: string({ proto: 1 }),
  number: int32({ proto: 2 }),
})
export type ServiceBackendPort = Of<typeof ServiceBackendPort>

export const IngressServiceBackend = struct('networking.v1.IngressServiceBackend', '', {
  name: string({ proto: 1, always: true }),
  port: ServiceBackendPort.value({ proto: 2 }),
})
export type IngressServiceBackend = Of<typeof IngressServiceBackend>

export const IngressBackend = struct('networking.v1.IngressBackend', '', {
  service: IngressServiceBackend.field({ proto: 4 }),
  resource: TypedLocalObjectReference.field({ proto: 3 }),
})
export type IngressBackend = Of<typeof IngressBackend>

export const IngressTLS = struct('networking.v1.IngressTLS', '', {
  hosts: list(string({}), { proto: 1 }),
  secretName: string({ proto: 2 }),
})
export type IngressTLS = Of<typeof IngressTLS>

export const HTTPIngressPath = struct('networking.v1.HTTPIngressPath', '', {
  path: string({ proto: 1 }),
  pathType: string({ proto: 3, optional: true }),
  backend: IngressBackend.value({ proto: 2 }),
})
export type HTTPIngressPath = Of<typeof HTTPIngressPath>

export const HTTPIngressRuleValue = struct('networking.v1.HTTPIngressRuleValue', '', {
  paths: list(HTTPIngressPath, { proto: 1, always: true }),
})
export type HTTPIngressRuleValue = Of<typeof HTTPIngressRuleValue>

export const IngressRuleValue = struct('networking.v1.IngressRuleValue', '', {
  http: HTTPIngressRuleValue.field({ proto: 1 }),
})
export type IngressRuleValue = Of<typeof IngressRuleValue>

export const IngressRule = struct('networking.v1.IngressRule', '', {
  host: string({ proto: 1 }),
  ...inline(IngressRuleValue, 2),
})
export type IngressRule = Of<typeof IngressRule>

export const IngressSpec = struct('networking.v1.IngressSpec', '', {
  ingressClassName: string({ proto: 4, optional: true }),
  defaultBackend: IngressBackend.field({ proto: 1 }),
  tls: list(IngressTLS, { proto: 2 }),
  rules: list(IngressRule, { proto: 3 }),
})
export type IngressSpec = Of<typeof IngressSpec>

export const IngressPortStatus = struct('networking.v1.IngressPortStatus', '', {
  port: int32({ proto: 1, always: true }),
  protocol: string({ proto: 2, always: true }),
  error: string({ proto: 3, optional: true }),
})
export type IngressPortStatus = Of<typeof IngressPortStatus>

export const IngressLoadBalancerIngress = struct('networking.v1.IngressLoadBalancerIngress', '', {
  ip: string({ proto: 1 }),
  hostname: string({ proto: 2 }),
  ports: list(IngressPortStatus, { proto: 4 }),
})
export type IngressLoadBalancerIngress = Of<typeof IngressLoadBalancerIngress>

export const IngressLoadBalancerStatus = struct('networking.v1.IngressLoadBalancerStatus', '', {
  ingress: list(IngressLoadBalancerIngress, { proto: 1 }),
})
export type IngressLoadBalancerStatus = Of<typeof IngressLoadBalancerStatus>

export const IngressStatus = struct('networking.v1.IngressStatus', '', {
  loadBalancer: IngressLoadBalancerStatus.value({ proto: 1 }),
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
  fields: {
    spec: IngressSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: IngressStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Ingress = Of<typeof Ingress>
