// A slice of the endpoints of a service: up to a hundred addresses with their conditions.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int32, list, map, string, struct } from '../../api/schema/build.ts'
import { validateSlice } from './endpointslice-rules.ts'
import { unchanged } from '../unchanged.ts'
import { ObjectReference } from '../core/reference.ts'

const short = (all: readonly string[], none: string) =>
  all.length ? all.slice(0, 3).join(',') + (all.length > 3 ? ` + ${all.length - 3} more...` : '') : none

export const EndpointConditions = struct('discovery.v1.EndpointConditions', 'Whether an endpoint takes traffic.', {
  ready: bool({ proto: 1, optional: true, doc: 'Whether it takes traffic; unset counts as true.' }),
  serving: bool({ proto: 2, optional: true, doc: 'Whether its pod is ready, ending or not.' }),
  terminating: bool({ proto: 3, optional: true, doc: 'Whether its pod is ending.' }),
})
export type EndpointConditions = Of<typeof EndpointConditions>

export const ForZone = struct('discovery.v1.ForZone', 'A zone.', {
  name: string({ proto: 1, always: true, doc: 'Its name.' }),
})
export type ForZone = Of<typeof ForZone>

export const ForNode = struct('discovery.v1.ForNode', 'A node.', {
  name: string({ proto: 1, always: true, doc: 'Its name.' }),
})
export type ForNode = Of<typeof ForNode>

export const EndpointHints = struct('discovery.v1.EndpointHints', 'Who should prefer an endpoint.', {
  forZones: list(ForZone, { proto: 1, doc: 'Clients in these zones.' }),
  forNodes: list(ForNode, { proto: 2, doc: 'Clients on these nodes.' }),
})
export type EndpointHints = Of<typeof EndpointHints>

export const Endpoint = struct('discovery.v1.Endpoint', 'An address behind a service.', {
  addresses: list(string({}), {
    proto: 1,
    always: true,
    required: true,
    listType: 'set',
    doc: 'The address; only the first is used.',
  }),
  conditions: EndpointConditions.value({ proto: 2, doc: 'Whether it takes traffic.' }),
  hostname: string({ proto: 3, optional: true, doc: 'Host name of the pod.' }),
  targetRef: ObjectReference.field({ proto: 4, doc: 'The pod.' }),
  deprecatedTopology: map(string({}), { proto: 5, doc: 'Obsolete; not set.' }),
  nodeName: string({ proto: 6, optional: true, doc: 'Node of the pod.' }),
  zone: string({ proto: 7, optional: true, doc: 'Zone of the node.' }),
  hints: EndpointHints.field({ proto: 8, doc: 'Who should prefer it.' }),
})
export type Endpoint = Of<typeof Endpoint>

export const EndpointPort = struct(
  'discovery.v1.EndpointPort',
  'A port of every address in the slice.',
  {
    name: string({ proto: 1, default: '', optional: true, doc: 'Name of the service’s port.' }),
    protocol: string({
      proto: 2,
      default: 'TCP',
      optional: true,
      doc: 'TCP, UDP or SCTP.',
    }),
    port: int32({ proto: 3, optional: true, doc: 'Number of the port.' }),
    appProtocol: string({ proto: 4, optional: true, doc: 'Protocol spoken on top.' }),
  },
  { atomic: true },
)
export type EndpointPort = Of<typeof EndpointPort>

export const EndpointSlice = defineKind({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  scope: 'Namespaced',
  doc: 'A slice of the endpoints of a service: up to a hundred addresses with their conditions.',
  generation: true,
  columns: [
    { name: 'AddressType', type: 'string', value: '.addressType' },
    {
      name: 'Ports',
      type: 'string',
      value: o =>
        short(
          (o.ports ?? []).map(p => String(p.port ?? '*')),
          '<unset>',
        ),
    },
    {
      name: 'Endpoints',
      type: 'string',
      value: o =>
        short(
          (o.endpoints ?? []).flatMap(e => e.addresses),
          '<unset>',
        ),
    },
  ],
  explicit: true,
  prepare: (slice, old) => {
    // A field of older versions, which this one does not take.
    if (!old) for (const endpoint of slice.endpoints ?? []) delete endpoint.deprecatedTopology
  },
  validate: validateSlice,
  *validateUpdate(next, old, at) {
    yield* unchanged(next, old, ['addressType'], at)
  },
  fields: {
    addressType: string({
      proto: 4,
      always: true,
      required: true,
      enum: ['IPv4', 'IPv6', 'FQDN'],
      doc: 'IPv4, IPv6 or FQDN; cannot change.',
    }),
    endpoints: list(Endpoint, { proto: 2, always: true, doc: 'The addresses; at most 1000.' }),
    ports: list(EndpointPort, { proto: 3, always: true, doc: 'Their ports.' }),
  },
})
export type EndpointSlice = Of<typeof EndpointSlice>
