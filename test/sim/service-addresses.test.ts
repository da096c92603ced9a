// The objects for addresses of Services, and address ranges that are added and removed.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { parseIP } from '../../src/api/ip.ts'
import type { Draft } from '../../src/api/kind.ts'
import { planAddress } from '../../src/controllers/service-addresses.ts'
import { planRange } from '../../src/controllers/service-cidr.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { IPAddress } from '../../src/kinds/networking/ipaddress.ts'
import { ServiceCIDR } from '../../src/kinds/networking/servicecidr.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const service = (name: string, spec: Draft<Service['spec']> = {}): Draft<Service> => ({
  metadata: { name, namespace },
  spec: { ports: [{ port: 80 }], ...spec },
})
const address = ({ client }: Sim, ip: string) => client.mirror(IPAddress).get(undefined, ip)
const range = ({ client }: Sim, name: string) => client.mirror(ServiceCIDR).get(undefined, name)
const ready = (sim: Sim, name: string) => range(sim, name)?.status.conditions?.find(c => c.type === 'Ready')?.status
const extra = { metadata: { name: 'extra' }, spec: { cidrs: ['203.0.113.0/24'] } }

test('the address of a Service has an IPAddress as long as the Service exists', () =>
  simulate({ scheduler: false }, async sim => {
    const { client } = sim
    const made = await client.create(Service, service('web'))
    const ip = made.spec.clusterIP!
    await sim.until('the address is there', () => address(sim, ip) !== undefined)
    deepStrictEqual(address(sim, ip)!.spec.parentRef, { resource: 'services', namespace, name: 'web' })
    deepStrictEqual(address(sim, ip)!.metadata.labels, {
      'ipaddress.kubernetes.io/ip-family': 'IPv4',
      'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
    })
    ok(address(sim, '10.96.0.1'), 'the Service kubernetes has one')
    await client.delete(IPAddress, { name: ip })
    await sim.until('it is made again', () => address(sim, ip) !== undefined)
    await client.delete(Service, { name: 'web', namespace })
    await sim.until('the address is gone', () => address(sim, ip) === undefined)
  }))

test('an address that a user reserved with an IPAddress is not given to a Service', () =>
  simulate({ scheduler: false }, async sim => {
    const { client } = sim
    await client.create(IPAddress, {
      metadata: { name: '10.96.0.77' },
      spec: { parentRef: { resource: 'lamps', name: 'l' } },
    })
    await rejects(
      client.create(Service, service('web', { clusterIP: '10.96.0.77' })),
      /provided IP is already allocated/,
    )
    await client.delete(IPAddress, { name: '10.96.0.77' })
    await client.create(Service, service('web', { clusterIP: '10.96.0.77' }))
    await sim.until('the address is there', () => address(sim, '10.96.0.77') !== undefined)
    await client.delete(Service, { name: 'web', namespace })
    await client.create(Service, service('again', { clusterIP: '10.96.0.77' }))
    await sim.until('it names the other', () => address(sim, '10.96.0.77')?.spec.parentRef.name === 'again')
  }))

test('a further ServiceCIDR is used once it is ready, and deleted when no Service needs it', () =>
  simulate({ scheduler: false }, async sim => {
    const { client } = sim
    const asked = service('far', { clusterIP: '203.0.113.10' })
    await rejects(client.create(Service, asked), /does not match the current range/)
    await client.create(ServiceCIDR, extra)
    await sim.until('both are ready', () => ready(sim, 'extra') === 'True' && ready(sim, 'kubernetes') === 'True')
    deepStrictEqual(range(sim, 'extra')!.metadata.finalizers, ['networking.k8s.io/service-cidr-finalizer'])
    await client.create(Service, asked)
    await sim.until('the address is there', () => address(sim, '203.0.113.10') !== undefined)
    await client.delete(ServiceCIDR, { name: 'extra' })
    await sim.until('it is held', () => ready(sim, 'extra') === 'False')
    strictEqual(range(sim, 'extra')!.status.conditions?.[0]?.reason, 'Terminating')
    await rejects(
      client.create(Service, service('late', { clusterIP: '203.0.113.11' })),
      /does not match the current range/,
    )
    await client.delete(Service, { name: 'far', namespace })
    await sim.until('the range is gone', () => range(sim, 'extra') === undefined)
  }))

test('a Service gets an address of its family', () =>
  simulate({ scheduler: false }, async sim => {
    const { client } = sim
    await client.create(ServiceCIDR, { metadata: { name: 'six' }, spec: { cidrs: ['2001:db8::/120'] } })
    await rejects(client.create(Service, service('early', { ipFamilies: ['IPv6'] })), /not configured on this cluster/)
    await sim.until('it is ready', () => ready(sim, 'six') === 'True')
    const six = await client.create(Service, service('six', { ipFamilies: ['IPv6'] }))
    strictEqual(parseIP(six.spec.clusterIP!)?.family, 6)
  }))

test('invalid ServiceCIDRs are refused', () =>
  simulate({ controllers: false, scheduler: false }, async ({ client }) => {
    const table: [string[], RegExp][] = [
      [[], /spec.cidrs: Required value/],
      [['10.0.0.1/24'], /must not have bits set beyond the prefix length/],
      [['nonsense'], /must be a valid CIDR value/],
      [['10.0.0.0/24', '10.1.0.0/24'], /no more than one IP for each IP family/],
    ]
    for (const [cidrs, message] of table)
      await rejects(client.create(ServiceCIDR, { metadata: { name: 'bad' }, spec: { cidrs } }), message)
    await client.create(ServiceCIDR, extra)
    await rejects(
      client.patch(ServiceCIDR, { name: 'extra' }, 'merge', { spec: { cidrs: ['10.9.0.0/24'] } }),
      /immutable/,
    )
    for (const name of ['10.0.0.256', '10.00.0.1', 'FE80::1', 'fe80:0::1'])
      await rejects(
        client.create(IPAddress, { metadata: { name }, spec: { parentRef: { resource: 'r', name: 'n' } } }),
        { reason: 'Invalid' },
      )
  }))

const now = Date.UTC(2026, 0, 1, 1)
const finalizer = 'networking.k8s.io/service-cidr-finalizer'
const going = (cidr: string, secondsAgo: number) =>
  ({
    metadata: {
      name: 'going',
      deletionTimestamp: new Date(now - secondsAgo * 1000).toISOString().replace('.000', ''),
      finalizers: [finalizer],
    },
    spec: { cidrs: [cidr] },
    status: {},
  }) as unknown as ServiceCIDR
const other = (cidr: string) =>
  ({ metadata: { name: cidr }, spec: { cidrs: [cidr] }, status: {} }) as unknown as ServiceCIDR

test('a ServiceCIDR in deletion stays as long as an address needs it', () => {
  const table: [others: string[], addresses: string[], secondsAgo: number, expected: string][] = [
    [[], [], 60, 'finalizers'],
    [[], [], 4, 'wait'],
    [[], ['10.0.0.9'], 60, 'status'],
    [[], ['10.0.1.9'], 60, 'finalizers'],
    [['10.0.0.0/16'], ['10.0.0.9'], 60, 'finalizers'],
    [['10.0.0.0/25'], ['10.0.0.9'], 60, 'finalizers'],
    [['10.0.0.128/25'], ['10.0.0.9'], 60, 'status'],
  ]
  for (const [others, addresses, secondsAgo, expected] of table) {
    const range = going('10.0.0.0/24', secondsAgo)
    strictEqual(planRange(range, [range, ...others.map(other)], addresses, now).do, expected)
  }
})

test('the IPAddress of an address is created, kept or deleted by who made it and which Service has the address', () => {
  const managed = (name: string) =>
    ({
      metadata: { labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
      spec: { parentRef: { resource: 'services', namespace, name } },
    }) as unknown as IPAddress
  const web = { metadata: { name: 'web', namespace } } as unknown as Service
  strictEqual(planAddress(undefined, undefined), 'nothing')
  strictEqual(planAddress(web, undefined), 'create')
  strictEqual(planAddress(web, managed('web')), 'nothing')
  strictEqual(planAddress(web, managed('db')), 'delete')
  strictEqual(planAddress(undefined, managed('db')), 'delete')
  strictEqual(planAddress(undefined, { ...managed('db'), metadata: {} } as unknown as IPAddress), 'nothing')
})
