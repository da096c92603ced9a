// Where packets go: the rules of random Services are carried out for single packets, and the result is compared with
// what the policies of Services say in their own words. The rules are read as nftables reads them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import type { Draft } from '../api/kind.ts'
import { cidrContains, parseCidr } from '../api/ip.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { objectOf } from '../kinds/testing.ts'
import type { Fragment } from './fragment.ts'
import { planService } from './plan.ts'
import { pickText } from './table.ts'

const podCidr = '10.244.0.0/16'
const context = { nodeName: 'here', podCidrs: [podCidr] }
const table = {
  table: 't',
  podCidrs: [podCidr],
  serviceCidrs: ['10.96.0.0/16'],
  bridge: 'b',
  pods: true,
  nodePortAddresses: [],
}
const clusterIP = '10.96.0.20'
const externalIP = '203.0.113.9'
const nodeIP = '192.0.2.1'

/** Who sends: a pod of the cluster, this node itself, or somebody outside. */
const sources = { pod: '10.244.3.3', node: nodeIP, outside: '198.51.100.7' } as const
type Source = keyof typeof sources

interface Packet {
  source: Source
  to: string
  port: number
}

/** The endpoints among which the kernel may choose, and whether the source address is replaced; or a refusal. */
type Fate = { to: string[]; masquerade: boolean } | 'drop' | 'refuse' | 'pass'

/** Carries out the rules for the first packet of a connection over TCP: those of the chain services, in their order. */
function fateOf(fragment: Fragment, { source, to, port }: Packet): Fate {
  const has = (name: string, key: string) => fragment.elements.get(name)?.get(key)
  const isNode = to === nodeIP || to === '127.0.0.1'
  const saddr = sources[source]
  const ways = [
    { start: '', key: `${to} . tcp . ${port}` },
    ...(isNode ? [{ start: 'node-', key: `tcp . ${port}` }] : []),
  ]
  for (const { start, key } of ways) {
    const sticky = has(`${start}sticky`, key)
    const picked = has(`${start}services`, key)
    const fate = sticky
      ? walk({ rules: fragment.chains, fragment, key, saddr }, sticky.replace(/^goto /, ''), false)
      : picked && walk(pickWorld(fragment, key, saddr), chainOf(fragment, picked), false)
    if (fate) return fate
    // A verdict is for good: what its chain does not translate meets the filter chains.
    if (sticky || picked) break
  }
  for (const { start, key } of ways) {
    if (has(`${start}no-endpoints`, key) !== undefined) return 'refuse'
    if (has(`${start}no-local-endpoints`, key) !== undefined) return 'drop'
  }
  return has('cluster-ips', to) === undefined ? 'pass' : 'refuse'
}

/** What a walk through chains needs. */
interface World {
  rules: ReadonlyMap<string, readonly string[]>
  fragment: Fragment
  /** The key of the packet in the maps. */
  key: string
  saddr: string
}

const pickWorld = (fragment: Fragment, key: string, saddr: string): World => {
  const rules = new Map<string, string[]>()
  for (const pick of fragment.picks.values())
    for (const line of pickText(table, pick).split('\n')) {
      const [, chain, rule] = /^add rule inet t (\S+) (.*)$/.exec(line) ?? []
      if (chain) rules.set(chain, [...(rules.get(chain) ?? []), rule!])
    }
  return { rules, fragment, key, saddr }
}

/** The chain to which a class leads. */
function chainOf(fragment: Fragment, id: string): string {
  const pick = fragment.picks.get(id) ?? assert.fail(`nobody made the class ${id}`)
  return /picks \{ \S+ : goto (\S+) \}/.exec(pickText(table, pick))![1]!
}

function walk(world: World, chain: string, marked: boolean): Fate | undefined {
  const { fragment, key, saddr } = world
  let mark = marked
  for (const rule of world.rules.get(chain) ?? assert.fail(`there is no chain ${chain}`)) {
    let rest = rule
    const take = (pattern: RegExp) => {
      const match = pattern.exec(rest)
      if (match) rest = rest.slice(match[0].length)
      return match
    }
    const range = take(/^ip saddr (!= )?(\d+\.\d+\.\d+\.\d+\/\d+) /)
    if (range && cidrContains(parseCidr(range[2]!)!, saddr) === Boolean(range[1])) continue
    if (take(/^fib saddr type local /) && saddr !== nodeIP) continue
    // Nobody has been served lately, so that no set has a client.
    if (take(/^ip saddr @\S+ /)) continue
    if (take(/^update @\S+ \{ ip saddr \}$/)) continue
    if (take(/^meta mark set meta mark or 0x4000( |$)/)) mark = true
    if (!rest) continue
    const goto = take(/^goto (\S+)$/)
    if (goto) return walk(world, goto[1]!, mark)
    const choice = take(/^numgen random mod (\d+) vmap \{ (.*) \}$/)
    if (choice) {
      const chains = choice[2]!.split(', ').map(part => part.replace(/^\d+ : goto /, ''))
      assert.equal(chains.length, Number(choice[1]))
      const fates = chains.map(name => walk(world, name, mark) as { to: string[]; masquerade: boolean })
      return { to: fates.flatMap(f => f.to).sort(), masquerade: mark }
    }
    const again = take(/^meta priority set .* map @(\S+) meta priority vmap @local-picks$/)
    if (again) {
      const id = fragment.elements.get(again[1]!)?.get(key)
      if (id) return walk(world, chainOf(fragment, id), mark)
      continue
    }
    const one = take(/^meta l4proto tcp dnat ip to (\S+)$/)
    if (one) return { to: [one[1]!], masquerade: mark }
    const many = take(
      /^meta priority set numgen random mod (\d+) dnat ip addr \. port to .* \. meta priority map @(\S+)$/,
    )
    assert.ok(many, `the rule is not understood: ${rule}`)
    const to = Array.from({ length: Number(many[1]) }, (_, i) => {
      const backend = fragment.elements.get(many[2]!)?.get(`${key} . 0:${i}`)
      return (backend ?? assert.fail(`no endpoint ${i} of ${key} in ${many[2]}`)).replace(' . ', ':')
    })
    return { to: to.sort(), masquerade: mark }
  }
  return undefined
}

interface Endpoint {
  ip: string
  here: boolean
  state: 'ready' | 'starting' | 'ending' | 'ending and not serving'
}
interface Given {
  type: 'ClusterIP' | 'NodePort' | 'LoadBalancer'
  inside: 'Cluster' | 'Local'
  outside: 'Cluster' | 'Local'
  affinity: boolean
  external: boolean
  endpoints: Endpoint[]
}

/** What the policies say, by KEP-1669, KEP-2086 and the documentation of Services. */
function expected(given: Given, { source, to, port }: Packet): Fate {
  const outward = given.type === 'ClusterIP' ? 'Cluster' : given.outside
  const usable = (list: readonly Endpoint[]) => {
    const ready = list.filter(e => e.state === 'ready')
    return (ready.length ? ready : list.filter(e => e.state === 'ending')).map(e => `${e.ip}:8080`).sort()
  }
  const all = usable(given.endpoints)
  const here = usable(given.endpoints.filter(e => e.here))
  const none: Fate = all.length ? 'drop' : 'refuse'
  if (to === clusterIP) {
    if (port !== 80) return 'refuse'
    if (given.inside === 'Local') return here.length ? { to: here, masquerade: false } : none
    return all.length ? { to: all, masquerade: source !== 'pod' } : none
  }
  const isNodePort = (to === nodeIP || to === '127.0.0.1') && port === 30080 && given.type !== 'ClusterIP'
  const isExternal = to === externalIP && port === 80 && given.external
  if (!isNodePort && !isExternal) return 'pass'
  if (outward === 'Cluster') return all.length ? { to: all, masquerade: true } : none
  // Pods and the node are inside of the cluster, so that the policy for the outside is not about them.
  if (source !== 'outside') return all.length ? { to: all, masquerade: source === 'node' } : none
  return here.length ? { to: here, masquerade: false } : none
}

const conditionsOf = {
  ready: { ready: true, serving: true, terminating: false },
  starting: { ready: false, serving: false, terminating: false },
  ending: { ready: false, serving: true, terminating: true },
  'ending and not serving': { ready: false, serving: false, terminating: true },
}

function planOf({ type, inside, outside, affinity, external, endpoints }: Given): Fragment {
  const spec: Draft<Service>['spec'] = {
    type,
    clusterIP,
    clusterIPs: [clusterIP],
    internalTrafficPolicy: inside,
    ...(type !== 'ClusterIP' && { externalTrafficPolicy: outside }),
    sessionAffinity: affinity ? 'ClientIP' : 'None',
    ...(external && { externalIPs: [externalIP] }),
    ports: [{ name: 'http', port: 80, targetPort: 8080, ...(type !== 'ClusterIP' && { nodePort: 30080 }) }],
  }
  const slices = [endpoints.filter((_, i) => i % 2 === 0), endpoints.filter((_, i) => i % 2 === 1)].map((part, i) =>
    objectOf(EndpointSlice, {
      metadata: { name: `web-${i}` },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: part.map(({ ip, here, state }) => ({
        addresses: [ip],
        nodeName: here ? 'here' : 'there',
        conditions: conditionsOf[state],
      })),
    }),
  )
  return planService(objectOf(Service, { metadata: { name: 'web' }, spec }), slices, context)
}

const given = fc.record({
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
  inside: fc.constantFrom('Cluster', 'Local'),
  outside: fc.constantFrom('Cluster', 'Local'),
  affinity: fc.boolean(),
  external: fc.boolean(),
  endpoints: fc
    .array(
      fc.record({
        here: fc.boolean(),
        state: fc.constantFrom('ready', 'starting', 'ending', 'ending and not serving'),
      }),
      { maxLength: 5 },
    )
    .map(list => list.map((e, i) => ({ ...e, ip: `10.244.${e.here ? 0 : 1}.${i + 5}` }))),
}) as fc.Arbitrary<Given>

const packets: Packet[] = (Object.keys(sources) as Source[]).flatMap(source =>
  [clusterIP, externalIP, nodeIP, '127.0.0.1'].flatMap(to => [80, 81, 30080].map(port => ({ source, to, port }))),
)

test('every packet goes where the policies of its Service say', () => {
  fc.assert(
    fc.property(given, g => {
      const fragment = planOf(g)
      for (const packet of packets)
        assert.deepEqual(fateOf(fragment, packet), expected(g, packet), JSON.stringify(packet))
    }),
    { numRuns: 400 },
  )
})

test('a node whose last pod is terminating still serves outsiders with it, while other nodes have ready ones', () => {
  const rolling: Given = {
    type: 'NodePort',
    inside: 'Local',
    outside: 'Local',
    affinity: false,
    external: false,
    endpoints: [
      { ip: '10.244.0.5', here: true, state: 'ending' },
      { ip: '10.244.1.6', here: false, state: 'ready' },
    ],
  }
  const fragment = planOf(rolling)
  const here = { to: ['10.244.0.5:8080'], masquerade: false }
  assert.deepEqual(fateOf(fragment, { source: 'outside', to: nodeIP, port: 30080 }), here)
  assert.deepEqual(fateOf(fragment, { source: 'pod', to: clusterIP, port: 80 }), here)
  assert.deepEqual(fateOf(fragment, { source: 'pod', to: nodeIP, port: 30080 }), {
    to: ['10.244.1.6:8080'],
    masquerade: false,
  })
  // It may connect to itself through the Service.
  assert.ok(fragment.elements.get('hairpin')?.has('10.244.0.5 . 10.244.0.5'))
})

test('hints lead to the endpoints for this node, else for its zone, if every ready endpoint has one', () => {
  interface Hinted {
    nodes?: string[]
    zones?: string[]
    state?: Endpoint['state']
  }
  const reached = (endpoints: Hinted[], zone: string | undefined, spec: object = {}) => {
    const named = (names: string[] | undefined) => names?.map(name => ({ name }))
    const slice = objectOf(EndpointSlice, {
      metadata: { name: 'web-0' },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: endpoints.map(({ nodes, zones, state = 'ready' }, i) => ({
        addresses: [`10.244.1.${i}`],
        nodeName: 'there',
        conditions: conditionsOf[state],
        hints: { ...(nodes && { forNodes: named(nodes)! }), ...(zones && { forZones: named(zones)! }) },
      })),
    })
    const ports = [{ name: 'http', port: 80, targetPort: 8080 }]
    const service = objectOf(Service, {
      metadata: { name: 'web' },
      spec: { clusterIP, clusterIPs: [clusterIP], ports, ...spec },
    })
    const fate = fateOf(planService(service, [slice], { ...context, zone }), { source: 'pod', to: clusterIP, port: 80 })
    return typeof fate === 'string' ? fate : fate.to.map(to => Number(to.split(/[.:]/)[3])).join()
  }
  const table: [what: string, endpoints: Hinted[], zone: string | undefined, reached: string][] = [
    ['no hints', [{}, {}], 'z1', '0,1'],
    ['zones', [{ zones: ['z1'] }, { zones: ['z2'] }], 'z1', '0'],
    ['several zones', [{ zones: ['z1', 'z2'] }, { zones: ['z2'] }], 'z2', '0,1'],
    ['one without a hint', [{ zones: ['z1'] }, {}], 'z1', '0,1'],
    ['none for this zone', [{ zones: ['z2'] }, { zones: ['z3'] }], 'z1', '0,1'],
    ['a node without a zone', [{ zones: ['z1'] }, { zones: ['z2'] }], undefined, '0,1'],
    ['nodes', [{ nodes: ['here'] }, { nodes: ['there'] }], 'z1', '0'],
    [
      'nodes before zones',
      [
        { nodes: ['here'], zones: ['z2'] },
        { nodes: ['there'], zones: ['z1'] },
      ],
      'z1',
      '0',
    ],
    [
      'another node, in this zone',
      [
        { nodes: ['far'], zones: ['z2'] },
        { nodes: ['there'], zones: ['z1'] },
      ],
      'z1',
      '1',
    ],
    ['the one of this zone is not ready', [{ zones: ['z1'], state: 'starting' }, { zones: ['z2'] }], 'z1', '1'],
    ['one that is not ready has no hint', [{ zones: ['z1'] }, { zones: ['z2'] }, { state: 'ending' }], 'z1', '0'],
    [
      'only terminating ones',
      [
        { zones: ['z1'], state: 'ending' },
        { zones: ['z2'], state: 'ending' },
      ],
      'z1',
      '0,1',
    ],
  ]
  for (const [what, endpoints, zone, expected] of table) assert.equal(reached(endpoints, zone), expected, what)
  // With the policy Local, zones do not matter.
  assert.equal(reached([{ zones: ['z1'] }, { zones: ['z2'] }], 'z1', { internalTrafficPolicy: 'Local' }), 'drop')
})

test('the same objects give the same rules, whatever the order of slices and endpoints', () => {
  fc.assert(
    fc.property(given, g => {
      const text = (fragment: Fragment) =>
        JSON.stringify([
          [...fragment.chains],
          [...fragment.sets],
          [...fragment.elements].map(([n, m]) => [n, [...m].sort()]).sort(),
        ])
      assert.equal(text(planOf(g)), text(planOf({ ...g, endpoints: g.endpoints.toReversed() })))
    }),
    { numRuns: 50 },
  )
})
