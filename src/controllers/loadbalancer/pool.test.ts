// Which addresses of a pool Services get: examples, and what holds whatever the Services and the pool are.
import assert, { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { isInRanges } from '../../api/ip-range.ts'
import { fc } from '../../base/testing.ts'
import { parsePool } from '../../kinds/core/service-balancing.ts'
import type { Service } from '../../kinds/core/service.ts'
import { planBalancing } from './plan.ts'
import { balanced, nodeAt } from './testing.ts'

const nodes = [nodeAt('a', { InternalIP: '192.0.2.11' })]

const outcomesOf = (services: readonly Service[], pool: readonly string[], ofGateways: readonly string[] = []) =>
  planBalancing({
    services,
    nodes,
    slicesOf: () => [],
    pool: parsePool(pool),
    reserved: new Map(),
    occupied: new Map(),
    gatewayAddresses: new Set(ofGateways),
  })

function plan(services: readonly Service[], ...pool: string[]) {
  return Object.fromEntries(
    [...outcomesOf(services, pool)].map(([name, { addresses, problem }]) => [
      name.split('/')[1],
      problem ? [...addresses, problem] : addresses,
    ]),
  )
}

const few = '192.0.2.10-192.0.2.13'
const asking = (ips: string, key?: string) => ({
  'kutter.dev/load-balancer-ips': ips,
  ...(key && { 'kutter.dev/allow-shared-ip': key }),
})

test('each Service gets an address of its own, and none that a node has', () => {
  const services = [balanced('a'), balanced('b', { age: 1 }), balanced('c', { age: 2 }), balanced('d', { age: 3 })]
  deepStrictEqual(plan(services, few), {
    a: ['192.0.2.10'],
    b: ['192.0.2.12'],
    c: ['192.0.2.13'],
    d: ['the pool has no free IPv4 address'],
  })
})

test('what a Service has it keeps, unless the pool does not have it', () => {
  const services = [balanced('a'), balanced('b', { has: ['192.0.2.10'] }), balanced('c', { has: ['10.0.0.1'] })]
  deepStrictEqual(plan(services, few), { a: ['192.0.2.13'], b: ['192.0.2.10'], c: ['192.0.2.12'] })
})

test('the address of a Gateway is given to no Service, and taken away from none', () => {
  const services = [balanced('a', { has: ['192.0.2.10'] }), balanced('b', { age: 1 })]
  const outcomes = outcomesOf(
    [...services, balanced('c', { annotations: asking('192.0.2.12'), age: 2 })],
    [few],
    ['192.0.2.10', '192.0.2.12'],
  )
  deepStrictEqual(
    [...outcomes.values()].map(({ addresses, problem }) => problem ?? addresses.join()),
    ['192.0.2.10', '192.0.2.13', 'the address 192.0.2.12 is used by a Gateway'],
  )
})

test('a request is met if the address is free, and does not take away what the Service has', () => {
  deepStrictEqual(
    plan(
      [
        balanced('a', { annotations: asking('192.0.2.13'), has: ['192.0.2.10'] }),
        balanced('b', { spec: { loadBalancerIP: '192.0.2.12' } }),
        balanced('c', { annotations: asking('192.0.2.12'), age: 1 }),
        balanced('d', { annotations: asking('192.0.2.99'), has: ['192.0.2.10'] }),
        balanced('e', { annotations: asking('192.0.2.11') }),
      ],
      few,
    ),
    {
      a: ['192.0.2.13'],
      b: ['192.0.2.12'],
      c: ['the address 192.0.2.12 is used by the Service default/b'],
      d: ['192.0.2.10', 'the address 192.0.2.99 is not in the pool'],
      e: ['the address 192.0.2.11 is used by a node'],
    },
  )
})

test('a request that makes no sense is reported', () => {
  const said = (ips: string) => plan([balanced('x', { annotations: asking(ips) })], few).x
  deepStrictEqual(said('nonsense'), ['"nonsense", which the Service asks for, is not an address'])
  deepStrictEqual(said('fd00::1'), ['fd00::1 is not of a family of the Service'])
  deepStrictEqual(said('192.0.2.10,192.0.2.12'), ['the Service asks for two IPv4 addresses'])
  deepStrictEqual(said(' 192.0.2.12 , '), ['192.0.2.12'])
})

test('an address is shared by key, and only where the ports differ', () => {
  const ip = '192.0.2.12'
  const local: Service['spec']['externalTrafficPolicy'] = 'Local'
  const second = (o: Parameters<typeof balanced>[1]) =>
    plan([balanced('a', { annotations: asking(ip, 'k') }), balanced('b', { age: 1, ports: [443], ...o })], few).b
  const used = [`the address ${ip} is used by the Service default/a`]
  deepStrictEqual(second({ annotations: asking(ip, 'k') }), [ip])
  deepStrictEqual(second({ annotations: asking(ip, 'k'), ports: [{ port: 80, protocol: 'UDP' }] }), [ip])
  deepStrictEqual(second({ annotations: asking(ip, 'k'), ports: [443, 80] }), used)
  deepStrictEqual(second({ annotations: asking(ip, 'other') }), used)
  deepStrictEqual(second({ annotations: asking(ip) }), used)
  deepStrictEqual(
    second({ annotations: asking(ip, 'k'), spec: { externalTrafficPolicy: local, selector: { a: 'b' } } }),
    used,
  )
  deepStrictEqual(second({ annotations: asking(ip, 'k'), spec: { externalTrafficPolicy: local } }), [ip])
})

test('two families need two addresses where the Service requires them', () => {
  const dual = (ipFamilyPolicy: 'PreferDualStack' | 'RequireDualStack') =>
    balanced('x', { spec: { ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy } })
  deepStrictEqual(plan([dual('RequireDualStack')], '192.0.2.10', 'fd00::5-fd00::6'), { x: ['fd00::5', '192.0.2.10'] })
  deepStrictEqual(plan([dual('PreferDualStack')], '192.0.2.10'), { x: ['192.0.2.10'] })
  deepStrictEqual(plan([dual('RequireDualStack')], '192.0.2.10'), { x: ['the pool has no free IPv6 address'] })
})

test('a large pool costs no more than what is used of it', () => {
  const many = Array.from({ length: 3_000 }, (_, i) =>
    balanced(`s${i}`, { spec: { ipFamilies: ['IPv6'] }, has: i % 2 ? [`fd00::${i.toString(16)}`] : [] }),
  )
  const outcomes = outcomesOf(many, ['fd00::/64'])
  deepStrictEqual(new Set([...outcomes.values()].flatMap(o => o.addresses)).size, many.length)
})

const wish = fc.record({
  age: fc.integer({ min: 0, max: 3 }),
  key: fc.constantFrom(undefined, 'k', 'l'),
  asks: fc.constantFrom(undefined, undefined, '192.0.2.10', '192.0.2.12', '192.0.2.50', 'fd00::1'),
  ports: fc.uniqueArray(fc.integer({ min: 80, max: 83 }), { minLength: 1, maxLength: 2 }),
  families: fc.constantFrom(['IPv4'], ['IPv6'], ['IPv4', 'IPv6']),
  policy: fc.constantFrom('SingleStack', 'PreferDualStack', 'RequireDualStack'),
  isLocal: fc.boolean(),
})
type Wish = typeof wish extends fc.Arbitrary<infer W> ? W : never
const pools = fc.constantFrom([few], [few, 'fd00::1-fd00::3'], ['fd00::/126'], ['192.0.2.12', '192.0.2.10'])

function serviceOf(w: Wish, i: number, has: readonly string[]): Service {
  const families = w.policy === 'SingleStack' ? w.families.slice(0, 1) : w.families
  return balanced(`s${i}`, {
    age: w.age,
    ports: w.ports,
    has,
    annotations: {
      ...(w.asks && { 'kutter.dev/load-balancer-ips': w.asks }),
      ...(w.key && { 'kutter.dev/allow-shared-ip': w.key }),
    },
    spec: {
      ipFamilies: families,
      ipFamilyPolicy: w.policy as 'SingleStack',
      selector: { app: `s${i % 2}` },
      ...(w.isLocal && { externalTrafficPolicy: 'Local' }),
    },
  })
}

test('no address is given twice without consent, plans are stable, and what is kept stays when others come', () => {
  fc.assert(
    fc.property(fc.array(wish, { maxLength: 8 }), fc.array(wish, { maxLength: 3 }), pools, (wishes, later, pool) => {
      const first = outcomesOf(
        wishes.map((w, i) => serviceOf(w, i, [])),
        pool,
      )
      const has = (i: number) => first.get(`default/s${i}`)?.addresses ?? []
      const settled = wishes.map((w, i) => serviceOf(w, i, has(i)))
      check(settled, first, pool)
      const again = outcomesOf(settled, pool)
      for (const [i] of wishes.entries())
        if (has(i).length)
          deepStrictEqual(again.get(`default/s${i}`)?.addresses, has(i), 'a second plan changes nothing')
      const all = [...settled, ...later.map((w, i) => serviceOf(w, wishes.length + i, []))]
      const grown = outcomesOf(all, pool)
      check(all, grown, pool)
      for (const [i] of wishes.entries())
        for (const address of has(i))
          assert(grown.get(`default/s${i}`)?.addresses.includes(address), `s${i} has lost ${address} to a later one`)
    }),
  )
})

function check(services: readonly Service[], outcomes: ReturnType<typeof planBalancing>, pool: readonly string[]) {
  const users = new Map<string, Service[]>()
  for (const service of services) {
    const { addresses, problem } = outcomes.get(`default/${service.metadata.name}`)!
    assert(addresses.length || problem, 'who has nothing has a reason')
    assert(addresses.length <= service.spec.ipFamilies!.length)
    if (service.spec.ipFamilyPolicy === 'RequireDualStack' && service.spec.ipFamilies!.length === 2)
      assert(addresses.length !== 1)
    for (const address of addresses) {
      assert(isInRanges(parsePool(pool), address), `${address} is not in the pool`)
      assert(address !== '192.0.2.11', 'an address of a node')
      users.set(address, [...(users.get(address) ?? []), service])
    }
  }
  for (const [address, sharing] of users) {
    const keys = new Set(sharing.map(({ metadata }) => metadata.annotations?.['kutter.dev/allow-shared-ip']))
    if (sharing.length > 1) assert(keys.size === 1 && !keys.has(undefined), `${address} is shared without consent`)
    const ports = sharing.flatMap(({ spec }) => (spec.ports ?? []).map(({ port }) => port))
    deepStrictEqual(new Set(ports).size, ports.length, `a port of ${address} is given twice`)
  }
}
