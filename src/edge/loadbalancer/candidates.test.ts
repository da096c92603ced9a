// Which nodes may announce an address, and which one of them does.
import assert, { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import type { Node } from '../../kinds/core/node.ts'
import { parsePool } from '../../kinds/core/service-balancing.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { nodeOf, objectOf } from '../../kinds/testing.ts'
import { mustShow, ownAddresses, planCandidates } from './candidates.ts'

const pool = parsePool(['192.0.2.0/24'])
const service = (ip: string, spec: Draft<Service['spec']> = {}) =>
  objectOf(Service, {
    metadata: { name: `s-${ip.replaceAll('.', '-')}` },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
    status: { loadBalancer: { ingress: [{ ip }] } },
  })
const node = (name: string, o: { networks?: string; isReady?: boolean } = {}): Node =>
  nodeOf({
    metadata: { name, ...(o.networks && { annotations: { 'kutter.dev/networks': o.networks } }) },
    status: { conditions: [{ type: 'Ready', status: (o.isReady ?? true) ? 'True' : 'False' }] },
  })
const onNodes = (...names: string[]) =>
  objectOf(EndpointSlice, {
    addressType: 'IPv4',
    endpoints: names.map((nodeName, i) => ({ addresses: [`10.244.0.${i + 1}`], nodeName })),
  })
const plan = (services: Service[], nodes: Node[], slices: EndpointSlice[] = []) =>
  planCandidates({ services, nodes, slicesOf: () => slices, pool, gatewayAddresses: [] })
const names = (services: Service[], nodes: Node[], slices: EndpointSlice[] = []) =>
  [...(plan(services, nodes, slices).get('192.0.2.1') ?? [])].sort()

test('nodes that are ready may announce the addresses of the pool that our Services have', () => {
  const nodes = [node('a'), node('b', { isReady: false }), node('c')]
  deepStrictEqual(names([service('192.0.2.1')], nodes), ['a', 'c'])
  deepStrictEqual(plan([service('10.0.0.1'), service('192.0.2.1', { loadBalancerClass: 'x.io/y' })], nodes).size, 0)
})

test('with the policy Local, those with an endpoint', () => {
  const local = service('192.0.2.1', { externalTrafficPolicy: 'Local' })
  deepStrictEqual(names([local], [node('a'), node('b')], [onNodes('b')]), ['b'])
  deepStrictEqual(names([local], [node('a'), node('b')], [onNodes()]), ['a', 'b'])
})

test('where some have a link to the network of the address, only those', () => {
  const far = node('far', { networks: '198.51.100.3/24,nonsense' })
  const near = node('near', { networks: '10.0.0.0/8,192.0.2.7/24' })
  deepStrictEqual(names([service('192.0.2.1')], [far, near, node('silent')]), ['near'])
  deepStrictEqual(names([service('192.0.2.1')], [far, node('silent')]), ['far', 'silent'])
  const lost = node('near', { networks: '192.0.2.7/24', isReady: false })
  deepStrictEqual(names([service('192.0.2.1')], [far, lost]), [], 'it could not be found at the other')
})

test('a few nodes stand ready for each address, and a node that goes moves only its own', () => {
  const nodes = Array.from({ length: 20 }, (_, i) => node(`n${i}`))
  const services = Array.from({ length: 100 }, (_, i) => service(`192.0.2.${i}`))
  const before = plan(services, nodes)
  const after = plan(services, nodes.slice(1))
  const counts = new Map<string, number>()
  for (const [address, some] of before) {
    deepStrictEqual(some.length, 3)
    counts.set(some[0]!, (counts.get(some[0]!) ?? 0) + 1)
    if (some[0] !== 'n0') deepStrictEqual(after.get(address)![0], some[0])
  }
  assert(counts.size > 15, 'addresses are spread over the nodes')
})

test('only a node that shares an address shows that it is alive', () => {
  deepStrictEqual(mustShow(new Map([['192.0.2.1', ['a']]]), 'a'), false)
  deepStrictEqual(mustShow(new Map([['192.0.2.1', ['b', 'c']]]), 'a'), false)
  deepStrictEqual(mustShow(new Map([['192.0.2.1', ['b', 'a']]]), 'a'), true)
})

test('the first node that is alive announces an address', () => {
  const own = (o: { alive?: string[]; certain?: string[]; isShown?: boolean; held?: string[] }, ...nodes: string[]) =>
    ownAddresses(new Map([['x', nodes]]), 'me', {
      isAlive: name => (o.alive ?? []).includes(name),
      isCertain: name => (o.certain ?? []).includes(name),
      isShown: o.isShown ?? true,
      held: new Set(o.held ?? []),
    }).has('x')
  deepStrictEqual(own({}, 'me', 'b'), true)
  deepStrictEqual(own({ alive: ['b'] }, 'b', 'me'), false)
  deepStrictEqual(own({ alive: [] }, 'b', 'me'), true)
  deepStrictEqual(own({}, 'b', 'c'), false)
  deepStrictEqual(own({ isShown: false }, 'me', 'b'), false, 'others could not see it')
  deepStrictEqual(own({ isShown: false }, 'me'), true, 'there are no others')
  deepStrictEqual(own({ isShown: false, held: ['x'] }, 'me', 'b'), true)
  deepStrictEqual(own({ alive: ['b'], held: ['x'] }, 'b', 'me'), true, 'it keeps what it has until another is certain')
  deepStrictEqual(own({ alive: ['b'], certain: ['b'], held: ['x'] }, 'b', 'me'), false)
})

test('the address of a Gateway is announced by any node that is ready', () => {
  const nodes = [node('a'), node('b'), node('c', { isReady: false })]
  const gatewayAddresses = ['192.0.2.9']
  const found = planCandidates({ services: [], nodes, slicesOf: () => [], pool, gatewayAddresses })
  assert.deepEqual([...(found.get('192.0.2.9') ?? [])].sort(), ['a', 'b'])
})
