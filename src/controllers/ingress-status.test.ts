// Which addresses the statuses of Ingresses get.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Ingress } from '../kinds/networking/ingress.ts'
import { nodeOf, objectOf } from '../kinds/testing.ts'
import { planIngressStatus } from './ingress-status.ts'

const node = (name: string, addresses: Record<string, string>, isReady = true, labels = {}) =>
  nodeOf({
    metadata: { name, labels },
    status: {
      addresses: Object.entries(addresses).map(([type, address]) => ({ type, address })),
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  })
const nodes = [
  node('b', { InternalIP: '10.0.0.2' }),
  node('a', { InternalIP: '10.0.0.1', ExternalIP: '203.0.113.1' }),
  node('late', { InternalIP: '10.0.0.3' }, false),
  node('out', { InternalIP: '10.0.0.4' }, true, { 'node.kubernetes.io/exclude-from-external-load-balancers': '' }),
]
const ingress = (...ips: string[]) =>
  objectOf(Ingress, {
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
    status: { loadBalancer: { ingress: ips.map(ip => ({ ip })) } },
  })
const planned = (object: Ingress, isOurs: boolean) =>
  planIngressStatus(object, isOurs, nodes)?.loadBalancer.ingress.map(({ ip }) => ip)

test('an Ingress that the nodes serve has the addresses of those that are ready', () => {
  deepStrictEqual(planned(ingress(), true), ['10.0.0.2', '203.0.113.1'])
  deepStrictEqual(planned(ingress('10.0.0.2', '203.0.113.1'), true), undefined)
  deepStrictEqual(planned(ingress('10.0.0.3'), true), ['10.0.0.2', '203.0.113.1'])
})

test('one that they do not serve loses their addresses, and keeps those of others', () => {
  deepStrictEqual(planned(ingress('10.0.0.2', '10.0.0.3'), false), [])
  deepStrictEqual(planned(ingress('198.51.100.7'), false), undefined)
  deepStrictEqual(planned(ingress(), false), undefined)
})
