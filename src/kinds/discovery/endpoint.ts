// What an EndpointSlice is made of: endpoints with their conditions, and ports.
import type { Of } from '../../api/kind.ts'
import { bool, int32, list, map, string, struct } from '../../api/schema/build.ts'
import { ObjectReference } from '../core/reference.ts'

export const EndpointConditions = struct('discovery.v1.EndpointConditions', 'Conditions of an endpoint.', {
  ready: bool({
    proto: 1,
    optional: true,
    doc: 'Whether the endpoint is ready to receive traffic. False while it is terminating, unless the service publishes addresses that are not ready. Unset means true.',
  }),
  serving: bool({
    proto: 2,
    optional: true,
    doc: 'Whether the endpoint can serve traffic, even if it is terminating. Unset means the same as ready.',
  }),
  terminating: bool({ proto: 3, optional: true, doc: 'Whether the endpoint is terminating. Unset means false.' }),
})
export type EndpointConditions = Of<typeof EndpointConditions>

export const ForZone = struct('discovery.v1.ForZone', 'Zone that should use an endpoint.', {
  name: string({ proto: 1, always: true, doc: 'Name of the zone.' }),
})
export type ForZone = Of<typeof ForZone>

export const ForNode = struct('discovery.v1.ForNode', 'Node that should use an endpoint.', {
  name: string({ proto: 1, always: true, doc: 'Name of the node.' }),
})
export type ForNode = Of<typeof ForNode>

export const EndpointHints = struct('discovery.v1.EndpointHints', 'Hints about how an endpoint should be used.', {
  forZones: list(ForZone, { proto: 1, doc: 'Zones whose clients should use the endpoint. At most 8.' }),
  forNodes: list(ForNode, { proto: 2, doc: 'Nodes whose clients should use the endpoint. At most 8.' }),
})
export type EndpointHints = Of<typeof EndpointHints>

export const Endpoint = struct('discovery.v1.Endpoint', 'Endpoint of a service, usually a pod.', {
  addresses: list(string({}), {
    proto: 1,
    always: true,
    required: true,
    listType: 'set',
    doc: 'Addresses of the endpoint, of the type in addressType. From 1 to 100, of which only the first one is used.',
  }),
  conditions: EndpointConditions.value({ proto: 2, doc: 'Conditions of the endpoint.' }),
  hostname: string({
    proto: 3,
    optional: true,
    doc: 'Host name of the endpoint, as a DNS label. It has a DNS record of its own.',
  }),
  targetRef: ObjectReference.field({ proto: 4, doc: 'Object that provides the endpoint, usually a pod.' }),
  deprecatedTopology: map(string({}), {
    proto: 5,
    doc: 'Deprecated: use nodeName and zone. Topology of the endpoint, which is no longer set.',
  }),
  nodeName: string({ proto: 6, optional: true, doc: 'Name of the node that the endpoint is on.' }),
  zone: string({ proto: 7, optional: true, doc: 'Name of the zone that the endpoint is in.' }),
  hints: EndpointHints.field({ proto: 8, doc: 'Hints about which clients should use the endpoint.' }),
})
export type Endpoint = Of<typeof Endpoint>

export const EndpointPort = struct(
  'discovery.v1.EndpointPort',
  'Port of the endpoints in a slice.',
  {
    name: string({
      proto: 1,
      default: '',
      optional: true,
      doc: 'Name of the port, which equals that of the service port. Must be unique within the slice. May be empty.',
    }),
    protocol: string({
      proto: 2,
      default: 'TCP',
      optional: true,
      doc: 'Protocol of the port: TCP, UDP or SCTP. Defaults to TCP.',
    }),
    port: int32({
      proto: 3,
      optional: true,
      doc: 'Port number of the endpoints. If unset, clients have to interpret it by the context.',
    }),
    appProtocol: string({
      proto: 4,
      optional: true,
      doc: 'Application protocol of the port, such as https or kubernetes.io/h2c.',
    }),
  },
  { atomic: true },
)
export type EndpointPort = Of<typeof EndpointPort>
