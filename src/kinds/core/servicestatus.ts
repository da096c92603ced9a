// What is observed of a service: the addresses that a load balancer has given it.
import type { Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { int32, list, listByKey, string, struct } from '../../api/schema/build.ts'

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
