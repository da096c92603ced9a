// The addresses behind a service, in the older form.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, list, string, struct } from '../../api/schema/build.ts'
import { ObjectReference } from './reference.ts'
import { validateSubsets } from './endpoints-rules.ts'
import { endpointsText } from './endpoints-text.ts'

export const EndpointAddress = struct(
  'core.v1.EndpointAddress',
  'An address behind a service.',
  {
    ip: string({ proto: 1, always: true, doc: 'The address.' }),
    hostname: string({ proto: 3, doc: 'Host name of the pod.' }),
    nodeName: string({ proto: 4, optional: true, doc: 'Node of the pod.' }),
    targetRef: ObjectReference.field({ proto: 2, doc: 'The pod.' }),
  },
  { atomic: true },
)
export type EndpointAddress = Of<typeof EndpointAddress>

export const EndpointPort = struct(
  'core.v1.EndpointPort',
  'A port behind a service.',
  {
    name: string({ proto: 1, doc: 'Name of the service’s port.' }),
    port: int32({ proto: 2, always: true, doc: 'Number of the port.' }),
    protocol: string({ proto: 3, default: 'TCP', enum: ['TCP', 'UDP', 'SCTP'], doc: 'TCP, UDP or SCTP.' }),
    appProtocol: string({ proto: 4, optional: true, doc: 'Protocol spoken on top.' }),
  },
  { atomic: true },
)
export type EndpointPort = Of<typeof EndpointPort>

export const EndpointSubset = struct('core.v1.EndpointSubset', 'Addresses that share the same ports.', {
  addresses: list(EndpointAddress, { proto: 1, doc: 'Addresses that take traffic.' }),
  notReadyAddresses: list(EndpointAddress, { proto: 2, doc: 'Addresses that do not take traffic yet.' }),
  ports: list(EndpointPort, { proto: 3, doc: 'The ports.' }),
})
export type EndpointSubset = Of<typeof EndpointSubset>

export const Endpoints = defineKind({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  scope: 'Namespaced',
  deprecated: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  createOnUpdate: true,
  shortNames: ['ep'],
  doc: 'The addresses behind a service, in the older form.',
  explicit: true,
  validate: ({ subsets }, at) => validateSubsets(subsets, at.field('subsets')),
  columns: [{ name: 'Endpoints', type: 'string', value: o => endpointsText(o.subsets) }],
  fields: {
    subsets: list(EndpointSubset, { proto: 2, doc: 'Addresses and ports behind the service.' }),
  },
})
export type Endpoints = Of<typeof Endpoints>
