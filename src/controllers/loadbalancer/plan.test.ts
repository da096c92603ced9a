// Which addresses of nodes Services get, and which ports of them.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../kinds/core/node.ts'
import type { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { objectOf } from '../../kinds/testing.ts'
import { planBalancing } from './plan.ts'
import { balanced, nodeAt } from './testing.ts'

const nodes = [nodeAt('a', { InternalIP: '10.0.0.1' }), nodeAt('b', { InternalIP: '10.0.0.2' })]
const both = ['10.0.0.1', '10.0.0.2']

const onNodes = (...names: string[]) =>
  objectOf(EndpointSlice, {
    addressType: 'IPv4',
    endpoints: names.map((nodeName, i) => ({ addresses: [`10.244.0.${i + 1}`], nodeName })),
  })

function plan(
  services: Service[],
  o: { nodes?: Node[]; slices?: EndpointSlice[]; occupied?: [string, string][] } = {},
) {
  const outcomes = planBalancing({
    services,
    nodes: o.nodes ?? nodes,
    slicesOf: () => o.slices ?? [],
    reserved: new Map([['TCP 6443', 'the API server']]),
    occupied: new Map(o.occupied ?? []),
    gatewayAddresses: new Set<string>(),
  })
  return Object.fromEntries(
    [...outcomes].map(([name, { addresses, problem }]) => [name.split('/')[1], problem ?? addresses]),
  )
}

test('a Service has the addresses of the nodes that are ready, those from outside first', () => {
  const some = [
    nodeAt('d', { InternalIP: '10.0.0.4', ExternalIP: '203.0.113.4' }),
    nodeAt('c', { InternalIP: '10.0.0.3' }),
    nodeAt('b', { InternalIP: '10.0.0.2' }, { isReady: false }),
    nodeAt(
      'a',
      { InternalIP: '10.0.0.1' },
      { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } },
    ),
  ]
  deepStrictEqual(plan([balanced('web')], { nodes: some }), { web: ['10.0.0.3', '203.0.113.4'] })
})

test('with the policy Local it has those with an endpoint, or all as long as there is none', () => {
  const local = balanced('web', { spec: { externalTrafficPolicy: 'Local' } })
  deepStrictEqual(plan([local], { slices: [onNodes('b')] }), { web: ['10.0.0.2'] })
  deepStrictEqual(plan([local], { slices: [onNodes('elsewhere')] }), { web: both })
  deepStrictEqual(plan([balanced('web')], { slices: [onNodes('b')] }), { web: both })
})

test('when no node is ready, those that have addresses keep them', () => {
  const lost = nodes.map(({ metadata }, i) => nodeAt(metadata.name ?? '', { InternalIP: both[i]! }, { isReady: false }))
  const services = [balanced('old', { has: ['10.0.0.1', '10.9.9.9'] }), balanced('new', { ports: [81] })]
  deepStrictEqual(plan(services, { nodes: lost }), {
    new: 'There are no available nodes for LoadBalancer',
    old: ['10.0.0.1'],
  })
})

test('a family that no node has is reported', () => {
  const six = balanced('six', { spec: { ipFamilies: ['IPv6'] } })
  deepStrictEqual(plan([six]), { six: 'no node has an IPv6 address' })
  const dual = [nodeAt('a', { InternalIP: 'fd00::1', ExternalIP: '203.0.113.1' })]
  const twice = balanced('twice', { spec: { ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'PreferDualStack' } })
  deepStrictEqual(plan([twice], { nodes: dual }), { twice: ['fd00::1', '203.0.113.1'] })
})

test('of two with one port the older has it, whichever the order of their names', () => {
  deepStrictEqual(plan([balanced('a', { age: 2 }), balanced('b', { age: 1 })]), {
    a: 'port TCP 80 of the nodes is used by the Service default/b',
    b: both,
  })
})

test('of two from one second, the one that has an address keeps it', () => {
  deepStrictEqual(plan([balanced('a'), balanced('b', { has: both })]), {
    a: 'port TCP 80 of the nodes is used by the Service default/b',
    b: both,
  })
})

test('other ports, and the same port of another protocol, do not collide', () => {
  const udp = balanced('udp', { age: 1, ports: [{ port: 80, protocol: 'UDP' }] })
  deepStrictEqual(plan([balanced('web'), udp, balanced('more', { age: 2, ports: [81, 82] })]), {
    web: both,
    udp: both,
    more: both,
  })
})

test('a Service that goes, and one of another class, hold nothing', () => {
  const others = balanced('others', { spec: { loadBalancerClass: 'example.com/lb' } })
  deepStrictEqual(plan([balanced('going', { isDeleted: true }), others, balanced('web', { age: 1 })]), { web: both })
  deepStrictEqual(plan([balanced('named', { spec: { loadBalancerClass: 'kutter.dev/default' } })]), { named: both })
})

test('node ports of older Services are taken, its own are not', () => {
  const port = { port: 30080, nodePort: 30080 }
  const nodePort = balanced('nodes', { ports: [{ port: 80, nodePort: 30080 }], spec: { type: 'NodePort' } })
  deepStrictEqual(plan([balanced('own', { ports: [port] })]), { own: both })
  deepStrictEqual(plan([nodePort, balanced('late', { age: 1, ports: [30080] })]), {
    late: 'port TCP 30080 of the nodes is used by the Service default/nodes as its node port',
  })
})

test('the ports of the cluster itself are for no Service, those of Ingresses for none that comes later', () => {
  const occupied: [string, string][] = [['TCP 80', 'Ingresses']]
  deepStrictEqual(plan([balanced('api', { ports: [6443], has: both })]), {
    api: 'port TCP 6443 of the nodes is used by the API server',
  })
  deepStrictEqual(plan([balanced('late')], { occupied }), { late: 'port TCP 80 of the nodes is used by Ingresses' })
  deepStrictEqual(plan([balanced('there', { has: both })], { occupied }), { there: both })
})
