// An ingress: which outside HTTP requests go to which service.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, list, string, struct } from '../../api/schema/build.ts'
import { validateIngress } from './ingress-rules.ts'
import { IngressSpec } from './ingressspec.ts'

export const IngressPortStatus = struct('networking.v1.IngressPortStatus', 'Status of a port of a load balancer.', {
  port: int32({ proto: 1, always: true, doc: 'Port number of the load balancer.' }),
  protocol: string({ proto: 2, always: true, doc: 'Protocol of the port: TCP, UDP or SCTP.' }),
  error: string({
    proto: 3,
    optional: true,
    doc: 'Machine-readable problem with the port in CamelCase. Names of a cloud provider have a domain prefix.',
  }),
})
export type IngressPortStatus = Of<typeof IngressPortStatus>

export const IngressLoadBalancerIngress = struct(
  'networking.v1.IngressLoadBalancerIngress',
  'Address of the load balancer of an Ingress.',
  {
    ip: string({ proto: 1, doc: 'IP address of the load balancer, if it is reached by address.' }),
    hostname: string({ proto: 2, doc: 'Host name of the load balancer, if it is reached by name.' }),
    ports: list(IngressPortStatus, { proto: 4, doc: 'Status of each port of the load balancer.' }),
  },
)
export type IngressLoadBalancerIngress = Of<typeof IngressLoadBalancerIngress>

export const IngressLoadBalancerStatus = struct(
  'networking.v1.IngressLoadBalancerStatus',
  'Status of the load balancer of an Ingress.',
  {
    ingress: list(IngressLoadBalancerIngress, {
      proto: 1,
      doc: 'Addresses at which the load balancer accepts traffic.',
    }),
  },
)
export type IngressLoadBalancerStatus = Of<typeof IngressLoadBalancerStatus>

export const IngressStatus = struct('networking.v1.IngressStatus', 'Most recently observed state of an Ingress.', {
  loadBalancer: IngressLoadBalancerStatus.value({ proto: 1, doc: 'Status of the load balancer.' }),
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
  doc: 'Ingress routes HTTP requests from outside the cluster to services, by host and path.',
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
    spec: IngressSpec.value({ proto: 2, doc: 'Desired state of the Ingress.' }),
    status: IngressStatus.value({ proto: 3, doc: 'Most recently observed state of the Ingress.' }),
  },
})
export type Ingress = Of<typeof Ingress>
