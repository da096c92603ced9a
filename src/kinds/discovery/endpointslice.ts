// A slice of the endpoints of a service: up to a hundred addresses with their conditions.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, string } from '../../api/schema/build.ts'
import { validateSlice } from './endpointslice-rules.ts'
import { unchanged } from '../unchanged.ts'
import { Endpoint, EndpointPort } from './endpoint.ts'

const short = (all: readonly string[], none: string) =>
  all.length ? all.slice(0, 3).join(',') + (all.length > 3 ? ` + ${all.length - 3} more...` : '') : none

export const EndpointSlice = defineKind({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  scope: 'Namespaced',
  doc: 'EndpointSlice holds a part of the endpoints of a service. A service has one or more, each for one type of address.',
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
      doc: 'Type of the addresses: IPv4, IPv6 or FQDN. Cannot be changed.',
    }),
    endpoints: list(Endpoint, { proto: 2, always: true, doc: 'Endpoints in the slice. At most 1000.' }),
    ports: list(EndpointPort, {
      proto: 3,
      always: true,
      doc: 'Ports that every endpoint in the slice exposes. At most 20000.',
    }),
  },
})
export type EndpointSlice = Of<typeof EndpointSlice>
