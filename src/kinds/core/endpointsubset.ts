// What an Endpoints object is made of: addresses that share ports.
import type { Of } from '../../api/kind.ts'
import { int32, list, string, struct } from '../../api/schema/build.ts'
import { ObjectReference } from './reference.ts'

export const EndpointAddress = struct(
  'core.v1.EndpointAddress',
  'Address of an endpoint of a service.',
  {
    ip: string({
      proto: 1,
      always: true,
      doc: 'IP address of the endpoint. Must not be a loopback, link-local or multicast address.',
    }),
    hostname: string({ proto: 3, doc: 'Host name of the endpoint.' }),
    nodeName: string({ proto: 4, optional: true, doc: 'Name of the node that the endpoint is on.' }),
    targetRef: ObjectReference.field({ proto: 2, doc: 'Object that provides the endpoint, usually a pod.' }),
  },
  { atomic: true },
)
export type EndpointAddress = Of<typeof EndpointAddress>

export const EndpointPort = struct(
  'core.v1.EndpointPort',
  'Port of the endpoints of a service.',
  {
    name: string({
      proto: 1,
      doc: 'Name of the port, which equals that of the service port. Optional only if there is just one port.',
    }),
    port: int32({ proto: 2, always: true, doc: 'Port number of the endpoints.' }),
    protocol: string({
      proto: 3,
      default: 'TCP',
      enum: ['TCP', 'UDP', 'SCTP'],
      doc: 'Protocol of the port: TCP, UDP or SCTP. Defaults to TCP.',
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

export const EndpointSubset = struct(
  'core.v1.EndpointSubset',
  'Group of addresses with the same ports. Each address is combined with each port.',
  {
    addresses: list(EndpointAddress, { proto: 1, doc: 'Addresses that are ready to receive traffic.' }),
    notReadyAddresses: list(EndpointAddress, {
      proto: 2,
      doc: 'Addresses that offer the ports but are not ready, because the pod has not started yet or fails its readiness probe.',
    }),
    ports: list(EndpointPort, { proto: 3, doc: 'Ports of the addresses.' }),
  },
)
export type EndpointSubset = Of<typeof EndpointSubset>
