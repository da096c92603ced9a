// How a service is reached, and what it leads to: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { bool, int32, intOrString, list, listByKey, map, string, struct } from '../../api/schema/build.ts'

export const ServicePort = struct('core.v1.ServicePort', 'A port of a service.', {
  name: string({ proto: 1, doc: 'Name of the port; needed if there are several.' }),
  protocol: string({ proto: 2, default: 'TCP', enum: ['TCP', 'UDP', 'SCTP'], doc: 'TCP, UDP or SCTP.' }),
  appProtocol: string({ proto: 6, optional: true, doc: 'Protocol spoken on top, such as http or kubernetes.io/h2c.' }),
  port: int32({ proto: 3, always: true, doc: 'Port at the service’s address; 1 to 65535.' }),
  targetPort: intOrString({
    proto: 4,
    always: true,
    doc: 'Port of the pods, by number or name; otherwise the same as port.',
  }),
  nodePort: int32({ proto: 5, doc: 'Port of every node that leads here; chosen from a range unless set.' }),
})
export type ServicePort = Of<typeof ServicePort>

export const ClientIPConfig = struct('core.v1.ClientIPConfig', 'How long a client stays with its pod.', {
  timeoutSeconds: int32({
    proto: 1,
    default: 10800,
    optional: true,
    doc: 'Seconds since its last connection; at most 86400.',
  }),
})
export type ClientIPConfig = Of<typeof ClientIPConfig>

export const SessionAffinityConfig = struct('core.v1.SessionAffinityConfig', 'Settings of session affinity.', {
  clientIP: ClientIPConfig.field({ proto: 1, doc: 'For affinity by client address.' }),
})
export type SessionAffinityConfig = Of<typeof SessionAffinityConfig>

export const ServiceSpec = struct('core.v1.ServiceSpec', 'How a service is reached, and what it leads to.', {
  ports: listByKey(['port', 'protocol'], ServicePort, { proto: 1, mergeKey: 'port', doc: 'Its ports.' }),
  selector: map(string({}), {
    atomic: true,
    proto: 2,
    doc: 'Labels of the pods it leads to; without it, endpoints are kept by somebody else.',
  }),
  clusterIP: string({
    proto: 3,
    doc: 'Its address in the cluster; None for none, so that DNS gives the pods’ addresses.',
  }),
  clusterIPs: list(string({}), { proto: 18, doc: 'Its addresses, one per family; the first is clusterIP.' }),
  type: string({
    proto: 4,
    default: 'ClusterIP',
    enum: ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'],
    doc: 'ClusterIP, NodePort, LoadBalancer or ExternalName; each of the first three adds to the one before.',
  }),
  externalIPs: list(string({}), {
    proto: 5,
    doc: 'Further addresses that the nodes accept traffic for; getting it to them is up to others.',
  }),
  sessionAffinity: string({
    proto: 7,
    default: 'None',
    enum: ['ClientIP', 'None'],
    doc: 'ClientIP sends a client to the same pod each time.',
  }),
  loadBalancerIP: string({ proto: 8, doc: 'Address to ask of the load balancer; obsolete.' }),
  loadBalancerSourceRanges: list(string({}), { proto: 9, doc: 'Clients, as CIDRs, that the load balancer lets in.' }),
  externalName: string({ proto: 10, doc: 'Domain name that DNS gives for type ExternalName.' }),
  externalTrafficPolicy: string({
    proto: 11,
    enum: ['Cluster', 'Local'],
    doc: 'Local sends traffic from outside to pods of the same node only, and keeps the client’s address.',
  }),
  healthCheckNodePort: int32({
    proto: 12,
    doc: 'Port where nodes tell a load balancer whether they have pods of the service.',
  }),
  publishNotReadyAddresses: bool({ proto: 13, doc: 'True to treat pods as ready when they are not.' }),
  sessionAffinityConfig: SessionAffinityConfig.field({ proto: 14, doc: 'Settings of session affinity.' }),
  ipFamilies: list(string({}), { proto: 19, doc: 'IPv4, IPv6 or both, the main one first.' }),
  ipFamilyPolicy: string({
    proto: 17,
    optional: true,
    enum: ['SingleStack', 'PreferDualStack', 'RequireDualStack'],
    doc: 'Whether the service has one family, two if it can, or must have two.',
  }),
  allocateLoadBalancerNodePorts: bool({
    proto: 20,
    optional: true,
    doc: 'False to give a load balancer’s service no node ports.',
  }),
  loadBalancerClass: string({
    proto: 21,
    optional: true,
    doc: 'Which load balancer is meant, as a label-like name; cannot change.',
  }),
  internalTrafficPolicy: string({
    proto: 22,
    optional: true,
    enum: ['Cluster', 'Local'],
    doc: 'Local sends traffic from pods to pods of the same node only.',
  }),
  trafficDistribution: string({
    proto: 23,
    optional: true,
    doc: 'Wish for close endpoints: PreferSameZone or PreferSameNode.',
  }),
})
export type ServiceSpec = Of<typeof ServiceSpec>

/** Whether it is reached from outside of the cluster, too. */
export const isExternal = ({ type, externalIPs }: DeepReadonly<ServiceSpec>): boolean =>
  type === 'LoadBalancer' || type === 'NodePort' || (type === 'ClusterIP' && (externalIPs?.length ?? 0) > 0)
