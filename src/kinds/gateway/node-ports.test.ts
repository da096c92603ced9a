// Which ports of the nodes are left for Gateways.
import { deepStrictEqual, notStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Service } from '../core/service.ts'
import { objectOf } from '../testing.ts'
import { portFactsOf, portsTaken } from './node-ports.ts'

const service = (name: string, type: string, ports: readonly object[], ip?: string): Service =>
  objectOf(Service, {
    metadata: { name },
    spec: { type, ports },
    status: { loadBalancer: ip === undefined ? {} : { ingress: [{ ip }] } },
  } as object)

test('Ingresses, node ports and Services with an address have their ports', () => {
  const taken = portsTaken(
    [
      service(
        'a',
        'LoadBalancer',
        [
          { port: 81, nodePort: 30081 },
          { port: 82, protocol: 'UDP' },
        ],
        '192.0.2.1',
      ),
      service('b', 'LoadBalancer', [{ port: 83 }]),
      service('c', 'NodePort', [{ port: 84, nodePort: 30084 }]),
    ],
    [80],
  )
  deepStrictEqual(
    [...taken],
    [
      [80, 'Ingresses'],
      [81, 'the Service default/a'],
      [30081, 'the Service default/a as its node port'],
      [30084, 'the Service default/c as its node port'],
    ],
  )
})

test('only what decides about ports counts as a change', () => {
  const pending = service('a', 'LoadBalancer', [{ port: 80 }])
  notStrictEqual(portFactsOf(pending), portFactsOf(service('a', 'LoadBalancer', [{ port: 80 }], '192.0.2.1')))
  strictEqual(portFactsOf(service('a', 'ClusterIP', [{ port: 80 }])), portFactsOf(undefined))
})
