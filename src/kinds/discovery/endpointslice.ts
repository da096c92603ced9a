// A slice of the endpoints of a service: up to a hundred addresses with their conditions.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int32, list, map, string, struct } from '../../api/schema/build.ts'
import { ObjectReference } from '../core/reference.ts'

const short = (all: readonly string[], none: string) =>
  all.length ? all.slice(0, 3).join(',') + (all.length > 3 ? ` + ${all.length - 3} more...` : '') : none

export const EndpointConditions = struct('discovery.v1.EndpointConditions', '', {
  ready: bool({ proto: 1, optional: true }),
  serving: bool({ proto: 2, optional: true }),
  terminating: bool({ proto: 3, optional: true }),
})
export type EndpointConditions = Of<typeof EndpointConditions>

export const ForZone = struct('discovery.v1.ForZone', '', {
  name: string({ proto: 1, always: true }),
})
export type ForZone = Of<typeof ForZone>

export const ForNode = struct('discovery.v1.ForNode', '', {
  name: string({ proto: 1, always: true }),
})
export type ForNode = Of<typeof ForNode>

export const EndpointHints = struct('discovery.v1.EndpointHints', '', {
  forZones: list(ForZone, { proto: 1 }),
  forNodes: list(ForNode, { proto: 2 }),
})
export type EndpointHints = Of<typeof EndpointHints>

export const Endpoint = struct('discovery.v1.Endpoint', '', {
  addresses: list(string({}), { proto: 1, always: true, required: true, listType: 'set' }),
  conditions: EndpointConditions.value({ proto: 2 }),
  hostname: string({ proto: 3, optional: true }),
  targetRef: ObjectReference.field({ proto: 4 }),
  deprecatedTopology: map(string({}), { proto: 5 }),
  nodeName: string({ proto: 6, optional: true }),
  zone: string({ proto: 7, optional: true }),
  hints: EndpointHints.field({ proto: 8 }),
})
export type Endpoint = Of<typeof Endpoint>

export const EndpointPort = struct('discovery.v1.EndpointPort', '', {
  name: string({ proto: 1, optional: true }),
  protocol: string({ proto: 2, optional: true }),
  port: int32({ proto: 3, optional: true }),
  appProtocol: string({ proto: 4, optional: true }),
})
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
  fields: {
    addressType: string({ proto: 4, always: true, required: true }),
    endpoints: list(Endpoint, { proto: 2, always: true }),
    ports: list(EndpointPort, { proto: 3, always: true }),
  },
})
export type EndpointSlice = Of<typeof EndpointSlice>
