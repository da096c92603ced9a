// How a service is reached, and what it leads to: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { bool, int32, intOrString, list, listByKey, map, string, struct } from '../../api/schema/build.ts'

export const ServicePort = struct('core.v1.ServicePort', 'Port of a service.', {
  name: string({
    proto: 1,
    doc: 'Name of the port as a DNS label, unique within the service. Required if there are several ports.',
  }),
  protocol: string({
    proto: 2,
    default: 'TCP',
    enum: ['TCP', 'UDP', 'SCTP'],
    doc: 'Protocol of the port: TCP, UDP or SCTP. Defaults to TCP.',
  }),
  appProtocol: string({
    proto: 6,
    optional: true,
    doc: 'Application protocol of the port, as a hint for implementations, such as https or kubernetes.io/h2c.',
  }),
  port: int32({ proto: 3, always: true, doc: 'Port at which the service is exposed, from 1 to 65535.' }),
  targetPort: intOrString({
    proto: 4,
    always: true,
    doc: 'Port of the pods, as a number or the name of a container port. Ignored for headless services. Defaults to the value of port.',
  }),
  nodePort: int32({
    proto: 5,
    doc: 'Port at which each node exposes the service, for types NodePort and LoadBalancer. Allocated automatically unless set. Must be in the node port range, 30000 to 32767 by default.',
  }),
})
export type ServicePort = Of<typeof ServicePort>

export const ClientIPConfig = struct('core.v1.ClientIPConfig', 'Settings of session affinity by client IP address.', {
  timeoutSeconds: int32({
    proto: 1,
    default: 10800,
    optional: true,
    doc: 'Seconds after its last connection for which a client keeps its pod, from 1 to 86400. Defaults to 10800 (3 hours).',
  }),
})
export type ClientIPConfig = Of<typeof ClientIPConfig>

export const SessionAffinityConfig = struct('core.v1.SessionAffinityConfig', 'Settings of session affinity.', {
  clientIP: ClientIPConfig.field({ proto: 1, doc: 'Settings of affinity by client IP address.' }),
})
export type SessionAffinityConfig = Of<typeof SessionAffinityConfig>

export const ServiceSpec = struct('core.v1.ServiceSpec', 'Desired state of a service.', {
  ports: listByKey(['port', 'protocol'], ServicePort, {
    proto: 1,
    mergeKey: 'port',
    doc: 'Ports that the service exposes. Required unless the service is headless or of type ExternalName.',
  }),
  selector: map(string({}), {
    atomic: true,
    proto: 2,
    doc: 'Labels of the pods that the service routes traffic to. If empty, its endpoints are managed separately. Ignored for type ExternalName.',
  }),
  clusterIP: string({
    proto: 3,
    doc: 'IP address of the service, allocated automatically unless set. None makes the service headless: DNS then returns the addresses of its pods. Cannot be changed, unless the type changes from or to ExternalName.',
  }),
  clusterIPs: list(string({}), {
    proto: 18,
    doc: 'IP addresses of the service, at most one for each IP family. The first one equals clusterIP.',
  }),
  type: string({
    proto: 4,
    default: 'ClusterIP',
    enum: ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'],
    doc: 'How the service is exposed: ClusterIP at an address within the cluster, NodePort also at a port of every node, LoadBalancer also through an external load balancer. ExternalName is only an alias in DNS. Defaults to ClusterIP.',
  }),
  externalIPs: list(string({}), {
    proto: 5,
    doc: 'Additional IP addresses at which nodes accept traffic for the service. Routing the traffic to the nodes is up to the administrator.',
  }),
  sessionAffinity: string({
    proto: 7,
    default: 'None',
    enum: ['ClientIP', 'None'],
    doc: 'ClientIP sends connections from one client IP address to the same pod, None does not. Defaults to None.',
  }),
  loadBalancerIP: string({
    proto: 8,
    doc: 'Deprecated: use annotations of the load balancer implementation. IP address to request for the load balancer.',
  }),
  loadBalancerSourceRanges: list(string({}), {
    proto: 9,
    doc: 'Client address ranges (CIDRs) from which the load balancer accepts traffic. Only for type LoadBalancer. If empty, all clients are accepted.',
  }),
  externalName: string({
    proto: 10,
    doc: 'DNS name that the service is an alias (CNAME) of. Required for type ExternalName, and only used then.',
  }),
  externalTrafficPolicy: string({
    proto: 11,
    enum: ['Cluster', 'Local'],
    doc: 'How external traffic is distributed: Cluster to all endpoints, Local only to endpoints on the node that received it, which preserves the client’s IP address and drops traffic if there are none. Defaults to Cluster.',
  }),
  healthCheckNodePort: int32({
    proto: 12,
    doc: 'Port at which each node reports whether it has endpoints of the service. Only for type LoadBalancer with externalTrafficPolicy Local. Allocated automatically unless set. Cannot be changed.',
  }),
  publishNotReadyAddresses: bool({
    proto: 13,
    doc: 'If true, endpoints are treated as ready even if their pods are not. Useful for headless services whose pods must find each other before they are ready. Defaults to false.',
  }),
  sessionAffinityConfig: SessionAffinityConfig.field({
    proto: 14,
    doc: 'Settings of session affinity. Only for sessionAffinity ClientIP.',
  }),
  ipFamilies: list(string({}), {
    proto: 19,
    doc: 'IP families of the service: IPv4, IPv6 or both, with the primary one first. Allocated from the cluster’s configuration and ipFamilyPolicy unless set. The primary family cannot be changed.',
  }),
  ipFamilyPolicy: string({
    proto: 17,
    optional: true,
    enum: ['SingleStack', 'PreferDualStack', 'RequireDualStack'],
    doc: 'SingleStack assigns one IP family, PreferDualStack two if the cluster supports both, RequireDualStack two or else fails. Defaults to SingleStack.',
  }),
  allocateLoadBalancerNodePorts: bool({
    proto: 20,
    optional: true,
    doc: 'Whether node ports are allocated for a service of type LoadBalancer. Set it to false if the load balancer does not need them. Defaults to true.',
  }),
  loadBalancerClass: string({
    proto: 21,
    optional: true,
    doc: 'Class of the load balancer implementation, as a label-style name such as example.com/internal. If unset, the default implementation is used. Only for type LoadBalancer. Cannot be changed once set.',
  }),
  internalTrafficPolicy: string({
    proto: 22,
    optional: true,
    enum: ['Cluster', 'Local'],
    doc: 'How traffic from within the cluster is distributed: Cluster to all endpoints, Local only to endpoints on the client’s node. Defaults to Cluster.',
  }),
  trafficDistribution: string({
    proto: 23,
    optional: true,
    doc: 'Preference for endpoints that are close to the client: PreferSameZone (formerly PreferClose) or PreferSameNode. If unset, traffic is distributed to all endpoints.',
  }),
})
export type ServiceSpec = Of<typeof ServiceSpec>

/** Whether it is reached from outside of the cluster, too. */
export const isExternal = ({ type, externalIPs }: ServiceSpec): boolean =>
  type === 'LoadBalancer' || type === 'NodePort' || (type === 'ClusterIP' && (externalIPs?.length ?? 0) > 0)
