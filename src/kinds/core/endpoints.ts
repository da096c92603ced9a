// The addresses behind a service, in the older form.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, list, string, struct } from '../../api/schema/build.ts'
import { ObjectReference } from './reference.ts'
import { endpointsText } from './endpoints-text.ts'

export const EndpointAddress = struct('core.v1.EndpointAddress', '', {
  ip: string({ proto: 1, always: true }),
  hostname: string({ proto: 3 }),
  nodeName: string({ proto: 4, optional: true }),
  targetRef: ObjectReference.field({ proto: 2 }),
})
export type EndpointAddress = Of<typeof EndpointAddress>

export const EndpointPort = struct('core.v1.EndpointPort', '', {
  name: string({ proto: 1 }),
  port: int32({ proto: 2, always: true }),
  protocol: string({ proto: 3, enum: ['TCP', 'UDP', 'SCTP'] }),
  appProtocol: string({ proto: 4, optional: true }),
})
export type EndpointPort = Of<typeof EndpointPort>

export const EndpointSubset = struct('core.v1.EndpointSubset', '', {
  addresses: list(EndpointAddress, { proto: 1 }),
  notReadyAddresses: list(EndpointAddress, { proto: 2 }),
  ports: list(EndpointPort, { proto: 3 }),
})
export type EndpointSubset = Of<typeof EndpointSubset>

export const Endpoints = defineKind({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  scope: 'Namespaced',
  shortNames: ['ep'],
  doc: 'The addresses behind a service, in the older form.',
  columns: [{ name: 'Endpoints', type: 'string', value: o => endpointsText(o.subsets) }],
  fields: {
    subsets: list(EndpointSubset, { proto: 2 }),
  },
})
export type Endpoints = Of<typeof Endpoints>
