// Services of type LoadBalancer in a whole cluster: addresses, events and finalizers from creation to deletion, with the
// addresses of nodes and with a pool.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { parsePool } from '../../src/kinds/core/service-balancing.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { Ingress } from '../../src/kinds/networking/ingress.ts'
import { IngressClass } from '../../src/kinds/networking/ingressclass.ts'
import { type Sim, simulate, type SimOptions } from './cluster.ts'

const namespace = 'default'
const finalizer = 'service.kubernetes.io/load-balancer-cleanup'
const service = (name: string, spec: Draft<Service['spec']> = {}, annotations = {}): Draft<Service> => ({
  metadata: { name, namespace, annotations },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
})
const found = ({ client }: Sim, name: string) => client.mirror(Service).get(namespace, name)
const addresses = (sim: Sim, name: string) => (found(sim, name)?.status.loadBalancer.ingress ?? []).map(({ ip }) => ip)
const hasFinalizer = (sim: Sim, name: string) => found(sim, name)?.metadata.finalizers?.includes(finalizer) ?? false
const reasons = ({ client }: Sim, name: string) =>
  client
    .mirror(Event)
    .list(namespace)
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ reason, message }) => `${reason}: ${message}`)
const reported = (sim: Sim, name: string, what: RegExp) =>
  sim.until(`an event ${what}`, () => reasons(sim, name).some(text => what.test(text)))
const has = (sim: Sim, name: string, ...wanted: string[]) =>
  sim.until(`${name} has ${wanted.join(', ') || 'nothing'}`, () => addresses(sim, name).join() === wanted.join())
const removed = (sim: Sim, name: string) => sim.until(`${name} is gone`, () => found(sim, name) === undefined)
const patch = ({ client }: Sim, name: string, body: object) => client.patch(Service, { namespace, name }, 'merge', body)

const addressOfNode = (sim: Sim, name: string, address: string) =>
  sim.client.patch(
    Node,
    { name },
    'merge',
    { status: { addresses: [{ type: 'InternalIP', address }] } },
    { subresource: 'status' },
  )

function balancing(options: SimOptions, run: (sim: Sim) => Promise<void>): Promise<void> {
  return simulate({ nodes: 2, loadBalancing: { ingressPorts: [80, 443] }, ...options }, async sim => {
    await addressOfNode(sim, 'node-0', '10.0.0.1')
    await addressOfNode(sim, 'node-1', '10.0.0.2')
    await run(sim)
  })
}

test('a Service gets the addresses of the nodes, follows them, and is cleaned up', () =>
  balancing({}, async sim => {
    await sim.client.create(Service, service('web'))
    await has(sim, 'web', '10.0.0.1', '10.0.0.2')
    ok(hasFinalizer(sim, 'web'))
    deepStrictEqual(
      found(sim, 'web')!.status.loadBalancer.ingress!.map(({ ipMode }) => ipMode),
      ['VIP', 'VIP'],
    )
    await reported(sim, 'web', /^EnsuringLoadBalancer: Ensuring load balancer$/)
    await reported(sim, 'web', /^EnsuredLoadBalancer: Ensured load balancer$/)
    const label = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' }
    await sim.client.patch(Node, { name: 'node-1' }, 'merge', { metadata: { labels: label } })
    await has(sim, 'web', '10.0.0.1')
    await reported(sim, 'web', /^UpdatedLoadBalancer: Updated load balancer with new hosts$/)
    await sim.client.delete(Service, { namespace, name: 'web' })
    await removed(sim, 'web')
    await reported(sim, 'web', /^DeletedLoadBalancer: Deleted load balancer$/)
  }))

test('another type clears the status at once, and the finalizer soon', () =>
  balancing({}, async sim => {
    await sim.client.create(Service, service('web'))
    await has(sim, 'web', '10.0.0.1', '10.0.0.2')
    const changed = await patch(sim, 'web', { spec: { type: 'ClusterIP' } })
    deepStrictEqual(changed.status.loadBalancer, {})
    await sim.until('the finalizer is gone', () => !hasFinalizer(sim, 'web'))
    await patch(sim, 'web', { spec: { type: 'LoadBalancer' } })
    await has(sim, 'web', '10.0.0.1', '10.0.0.2')
  }))

test('a Service of another class is left alone, with its status and its finalizer', () =>
  balancing({}, async sim => {
    const { metadata, spec } = service('other', { loadBalancerClass: 'example.com/lb' })
    await sim.client.create(Service, { metadata: { ...metadata, finalizers: [finalizer] }, spec })
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.5' }] } }
    await sim.client.patch(Service, { namespace, name: 'other' }, 'merge', { status }, { subresource: 'status' })
    await sim.client.create(Service, service('own', { loadBalancerClass: 'kutter.dev/default' }))
    await has(sim, 'own', '10.0.0.1', '10.0.0.2')
    await sim.client.delete(Service, { namespace, name: 'other' })
    await sim.client.create(Service, service('later', { ports: [{ port: 81 }] }))
    await has(sim, 'later', '10.0.0.1', '10.0.0.2')
    deepStrictEqual(addresses(sim, 'other'), ['203.0.113.5'])
    ok(hasFinalizer(sim, 'other'))
    await patch(sim, 'other', { metadata: { finalizers: null } })
    await removed(sim, 'other')
  }))

test('of two with one port the older serves, and the other one as soon as it is free', () =>
  balancing({}, async sim => {
    await sim.client.create(Service, service('web'))
    await has(sim, 'web', '10.0.0.1', '10.0.0.2')
    await sim.client.create(Service, service('again'))
    await reported(
      sim,
      'again',
      /^SyncLoadBalancerFailed: .*port TCP 80 of the nodes is used by the Service default\/web$/,
    )
    deepStrictEqual(addresses(sim, 'again'), [])
    await sim.client.delete(Service, { namespace, name: 'web' })
    await has(sim, 'again', '10.0.0.1', '10.0.0.2')
  }))

test('a port on which Ingresses are served is not taken from them, nor from a Service that had it before', () =>
  balancing({}, async sim => {
    await sim.client.create(IngressClass, { metadata: { name: 'kutter' }, spec: { controller: 'kutter.dev/ingress' } })
    const backend = { service: { name: 'web', port: { number: 80 } } }
    const ingress = (ingressClassName: string) => ({
      metadata: { name: ingressClassName, namespace },
      spec: { ingressClassName, defaultBackend: backend },
    })
    await sim.client.create(Ingress, ingress('nginx'))
    await sim.client.create(Service, service('web'))
    await has(sim, 'web', '10.0.0.1', '10.0.0.2')
    await sim.client.create(Ingress, ingress('kutter'))
    await sim.client.create(Service, service('tls', { ports: [{ port: 443 }] }))
    await reported(sim, 'tls', /port TCP 443 of the nodes is used by Ingresses$/)
    deepStrictEqual(addresses(sim, 'web'), ['10.0.0.1', '10.0.0.2'])
    await sim.client.delete(Ingress, { namespace, name: 'kutter' })
    await has(sim, 'tls', '10.0.0.1', '10.0.0.2')
  }))

test('the port of the API server is for no Service', () =>
  balancing({}, async sim => {
    await sim.client.create(Service, service('api', { ports: [{ port: 6443 }] }))
    await reported(sim, 'api', /port TCP 6443 of the nodes is used by the API server$/)
  }))

const pool = parsePool(['192.0.2.10-192.0.2.12'])

test('with a pool each Service has an address of its own, also after a restart, and gives it back', () =>
  balancing({ loadBalancing: { pool } }, async sim => {
    for (const name of ['a', 'b', 'c', 'd']) {
      await sim.client.create(Service, service(name))
      if (name !== 'd') await sim.until(`${name} has an address`, () => addresses(sim, name).length === 1)
    }
    await reported(sim, 'd', /the pool has no free IPv4 address$/)
    const before = ['a', 'b', 'c'].map(name => addresses(sim, name)[0])
    deepStrictEqual(before, ['192.0.2.10', '192.0.2.11', '192.0.2.12'])
    await sim.restartControllers()
    await patch(sim, 'b', { spec: { type: 'NodePort' } })
    await has(sim, 'd', '192.0.2.11')
    await patch(sim, 'b', { spec: { type: 'LoadBalancer' } })
    deepStrictEqual(
      ['a', 'd', 'c'].map(name => addresses(sim, name)[0]),
      before,
    )
    await sim.client.delete(Service, { namespace, name: 'a' })
    await has(sim, 'b', '192.0.2.10')
  }))

test('many Services that come at once get different addresses', () =>
  balancing({ loadBalancing: { pool: parsePool(['198.51.100.0/24']) } }, async sim => {
    const names = Array.from({ length: 60 }, (_, i) => `s${i}`)
    await Promise.all(names.map(name => sim.client.create(Service, service(name))))
    await sim.until('all have one', () => names.every(name => addresses(sim, name).length === 1))
    strictEqual(new Set(names.map(name => addresses(sim, name)[0])).size, names.length)
  }))

test('an address is moved when the Service asks for another one, and shared by consent', () =>
  balancing({ loadBalancing: { pool } }, async sim => {
    const sharing = { 'kutter.dev/allow-shared-ip': 'us' }
    await sim.client.create(Service, service('a', {}, sharing))
    await has(sim, 'a', '192.0.2.10')
    await patch(sim, 'a', { spec: { loadBalancerIP: '192.0.2.12' } })
    await has(sim, 'a', '192.0.2.12')
    const annotations = { ...sharing, 'kutter.dev/load-balancer-ips': '192.0.2.12' }
    await sim.client.create(Service, service('b', { ports: [{ port: 53, protocol: 'UDP' }] }, annotations))
    await has(sim, 'b', '192.0.2.12')
    await sim.client.create(Service, service('c', {}, annotations))
    await reported(sim, 'c', /the address 192.0.2.12 is used by the Service default\/a$/)
  }))

test('node ports are given to load balancers unless they refuse them, and are free then', () =>
  balancing({}, async sim => {
    const without = { allocateLoadBalancerNodePorts: false }
    const plain = await sim.client.create(Service, service('plain', without))
    deepStrictEqual(
      plain.spec.ports!.map(({ nodePort }) => nodePort ?? 0),
      [0],
    )
    await has(sim, 'plain', '10.0.0.1', '10.0.0.2')
    const ports = [{ port: 81, nodePort: 30081 }]
    await sim.client.create(Service, service('asks', { ...without, ports }))
    await rejects(
      sim.client.create(Service, service('late', { ...without, ports })),
      /provided port is already allocated/,
    )
    const low = [{ port: 81, nodePort: 80 }]
    await rejects(sim.client.create(Service, service('low', { ...without, ports: low })), /not in the valid range/)
  }))

test('a port for health checks is given once', () =>
  balancing({}, async sim => {
    const local: Draft<Service['spec']> = { externalTrafficPolicy: 'Local', healthCheckNodePort: 31111 }
    const made = await sim.client.create(Service, service('a', local))
    strictEqual(made.spec.healthCheckNodePort, 31111)
    await rejects(
      sim.client.create(Service, service('b', local)),
      /failed to allocate requested HealthCheck NodePort 31111: provided port is already allocated/,
    )
    await rejects(
      sim.client.create(Service, service('c', { ...local, healthCheckNodePort: 80 })),
      /failed to allocate requested HealthCheck NodePort 80: provided port is not in the valid range/,
    )
    const free = await sim.client.create(Service, service('d', { externalTrafficPolicy: 'Local' }))
    ok((free.spec.healthCheckNodePort ?? 0) >= 30000)
    const cluster = await patch(sim, 'd', { spec: { externalTrafficPolicy: 'Cluster' } })
    strictEqual(cluster.spec.healthCheckNodePort ?? 0, 0)
  }))

test('a status that makes no sense is refused', () =>
  balancing({ controllers: false }, async sim => {
    const { client } = sim
    await client.create(Service, service('web'))
    await client.create(Service, service('plain', { type: 'ClusterIP' }))
    const write = (name: string, ingress: object) =>
      client.patch(
        Service,
        { namespace, name },
        'merge',
        { status: { loadBalancer: { ingress: [ingress] } } },
        { subresource: 'status' },
      )
    await rejects(write('plain', { ip: '192.0.2.1' }), /may only be used when `spec.type` is 'LoadBalancer'/)
    await rejects(write('web', { ip: 'x' }), /must be a valid IP address/)
    await rejects(write('web', { hostname: 'x', ipMode: 'VIP' }), /may not be specified when `ip` is not set/)
    await rejects(write('web', { hostname: '192.0.2.1' }), /must be a DNS name, not an IP address/)
    const written = await write('web', { ip: '192.0.2.1' })
    strictEqual(written.status.loadBalancer.ingress![0]!.ipMode, 'VIP')
  }))
