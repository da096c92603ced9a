// Routes to pods of other nodes, as a table: the routes of the kernel, the ranges of the nodes, the commands.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOf } from '../kinds/testing.ts'
import type { Route } from '../linux/index.ts'
import { type Cidr, parseCidr } from '../api/ip.ts'
import { networksAnnotation } from '../kinds/core/node-networks.ts'
import { networksText } from './networks.ts'
import { planPeers, vxlanMac } from './overlay.ts'
import { factsOf, planRoutes, remoteRanges, routeProtocol } from './routes.ts'

const route = (to: string, more: Partial<Route> = {}): Route => ({
  to,
  via: undefined,
  link: 'eth0',
  source: undefined,
  protocol: 'kernel',
  ...more,
})
const ours = (to: string, via: string, link = 'eth0') => route(to, { via, link, protocol: routeProtocol })
const lan = [route('default', { via: '192.0.2.1', protocol: 'static' }), route('192.0.2.0/24')]
const podCidr = '10.244.0.0/16'
const networks = (...ranges: string[]): Cidr[] => ranges.map(range => parseCidr(range)!)
const routers = ['10.32.0.1']
const remote = [{ range: '10.244.1.0/24', address: '192.0.2.7', networks: undefined as Cidr[] | undefined }]
const behindRouter = [
  route('default', { via: '198.51.100.1', link: 'eth1' }),
  route('198.51.100.0/24', { link: 'eth1' }),
]

const six = {
  podCidr: 'fd00:10:244::/56',
  remote: [{ range: 'fd00:10:244:1::/64', address: 'fd00:10:32::3', networks: networks('fd00:10:32::/64') }],
}
const cases: {
  name: string
  routes: Route[]
  remote?: typeof remote
  podCidr?: string
  commands: string[]
  links?: string[]
  overlay?: typeof remote
  uplinks?: string[]
}[] = [
  {
    name: 'IPv6: a node on a network of this machine',
    ...six,
    routes: [route('fd00:10:32::/64'), route('fe80::/64'), route('default', { via: 'fe80::1' })],
    commands: [`route replace fd00:10:244:1::/64 via fd00:10:32::3 dev eth0 proto ${routeProtocol}`],
  },
  {
    name: 'IPv6: a node behind a router, and one that is gone',
    ...six,
    routes: [route('default', { via: 'fe80::1' }), ours('fd00:10:244:7::/64', 'fd00:10:32::9')],
    commands: [
      `route replace fd00:10:244:1::/64 via fd00:10:244:1:: dev ktv onlink src fd00:10:244::1 proto ${routeProtocol}`,
      'route delete fd00:10:244:7::/64',
    ],
    links: [],
    overlay: six.remote,
    uplinks: ['eth0'],
  },
  {
    name: 'packets to a node behind a router that has no way to its pods go through VXLAN',
    routes: behindRouter,
    commands: [`route replace 10.244.1.0/24 via 10.244.1.0 dev ktv onlink src 10.244.0.1 proto ${routeProtocol}`],
    links: [],
    overlay: remote,
    uplinks: ['eth1'],
  },
  {
    name: 'a route through VXLAN that exists already stays',
    routes: [...behindRouter, { ...ours('10.244.1.0/24', '10.244.1.0', 'ktv'), source: '10.244.0.1' }],
    commands: [],
    links: [],
    overlay: remote,
    uplinks: ['eth1'],
  },
  {
    name: 'a node that is on a network of this machine, but has this machine behind a router, is reached as it reaches it',
    routes: lan,
    remote: [{ ...remote[0]!, networks: networks('198.51.100.0/24') }],
    commands: [`route replace 10.244.1.0/24 via 10.244.1.0 dev ktv onlink src 10.244.0.1 proto ${routeProtocol}`],
    links: [],
    overlay: [{ ...remote[0]!, networks: networks('198.51.100.0/24') }],
    uplinks: ['eth0'],
  },
  {
    name: 'to nodes in namespaces of this machine it is the router',
    routes: [route('10.32.0.0/24', { link: 'ktn' })],
    remote: [{ range: '10.244.1.0/24', address: '10.32.0.2', networks: networks('10.32.0.0/24') }],
    commands: [`route replace 10.244.1.0/24 via 10.32.0.2 dev ktn proto ${routeProtocol}`],
    links: ['ktn'],
  },
  {
    name: 'a node that moved to this segment is reached without VXLAN again',
    routes: [...lan, { ...ours('10.244.1.0/24', '10.244.1.0', 'ktv'), source: '10.244.0.1' }],
    commands: [`route replace 10.244.1.0/24 via 192.0.2.7 dev eth0 proto ${routeProtocol}`],
  },
  {
    name: 'a node on a network of this machine is its own next hop',
    routes: lan,
    commands: [`route replace 10.244.1.0/24 via 192.0.2.7 dev eth0 proto ${routeProtocol}`],
  },
  { name: 'a route that exists already stays', routes: [...lan, ours('10.244.1.0/24', '192.0.2.7')], commands: [] },
  {
    name: 'the route to a node that moved is replaced',
    routes: [...lan, ours('10.244.1.0/24', '192.0.2.6')],
    commands: [`route replace 10.244.1.0/24 via 192.0.2.7 dev eth0 proto ${routeProtocol}`],
  },
  {
    name: 'the next hop to a node behind a router is the router',
    routes: [route('default', { via: '10.32.0.1', protocol: 'boot' }), route('10.32.0.0/24')],
    commands: [`route replace 10.244.1.0/24 via 10.32.0.1 dev eth0 proto ${routeProtocol}`],
  },
  {
    name: 'the longest match decides the next hop',
    routes: [...lan, route('192.0.2.7', { link: 'wg0', protocol: 'static' })],
    commands: [`route replace 10.244.1.0/24 via 192.0.2.7 dev wg0 proto ${routeProtocol}`],
    links: ['wg0'],
  },
  {
    name: 'the route to a removed node is deleted, and routes of other clusters and programs stay',
    routes: [
      ...lan,
      ours('10.244.2.0/24', '192.0.2.8'),
      ours('10.243.2.0/24', '192.0.2.8'),
      route('10.244.9.0/24', { protocol: 'static' }),
    ],
    remote: [],
    commands: ['route delete 10.244.2.0/24'],
    links: [],
  },
  { name: 'a node that cannot be reached gets no route', routes: [route('192.168.0.0/24')], commands: [], links: [] },
]
for (const one of cases) {
  const { name, routes, commands, links = ['eth0'], overlay: behind = [], uplinks = [] } = one
  const { remote: wanted = remote, podCidr: range = podCidr } = one
  test(name, () => {
    const source = range === podCidr ? '10.244.0.1' : 'fd00:10:244::1'
    const self = { address: range === podCidr ? '192.0.2.1' : 'fd00:10:32::1', source }
    const around = { routers, localNodes: ['10.32.0.0/24'], link: 'ktv', self }
    const plan = planRoutes({ remote: wanted, podCidr: range, routes, ...around })
    assert.deepEqual(plan, { commands, links, overlay: behind, uplinks })
  })
}

test('routes are planned again when a range, address or network of any node changes, this one included', () => {
  const at = (podCIDR: string | undefined, address: string, annotation?: string, ready = 'True') =>
    nodeOf({
      metadata: { name: 'n', ...(annotation && { annotations: { [networksAnnotation]: annotation } }) },
      spec: { ...(podCIDR && { podCIDR }) },
      status: { addresses: [{ type: 'InternalIP', address }], conditions: [{ type: 'Ready', status: ready }] },
    })
  const facts = [
    at(undefined, '192.0.2.1'),
    at('10.244.1.0/24', '192.0.2.1'),
    at('10.244.1.0/24', '192.0.2.2'),
    at('10.244.1.0/24', '192.0.2.2', '192.0.2.0/24'),
  ].map(node => factsOf([node]))
  assert.equal(new Set(facts).size, 4)
  assert.equal(factsOf([at('10.244.1.0/24', '192.0.2.1', undefined, 'False')]), facts[1])
})

test('a node without a range of its own has no overlay', () => {
  const plan = planRoutes({
    remote,
    podCidr,
    routes: behindRouter,
    routers,
    localNodes: [],
    link: 'ktv',
    self: undefined,
  })
  assert.deepEqual(plan, { commands: [], links: [], overlay: [], uplinks: [] })
})

test('the networks of a node are those of its links, without those of pods and single addresses', () => {
  const at = (link: string, address: string, prefixLength: number, scope = 'global') => ({
    link,
    address,
    prefixLength,
    scope,
    family: address.includes(':') ? ('inet6' as const) : ('inet' as const),
  })
  const addresses = [
    at('lo', '127.0.0.1', 8, 'host'),
    at('eth0', '192.0.2.7', 24),
    at('eth0', '192.0.2.9', 32),
    at('eth0', 'fd00::7', 64),
    at('eth0', 'fe80::7', 64, 'link'),
    at('ktabc', '10.244.0.1', 24),
    at('ktabcn', '10.32.0.1', 24),
    at('ktother', '10.243.0.1', 24),
    at('docker0', '172.17.0.1', 16),
  ]
  assert.equal(networksText(addresses, 'ktabc'), '10.32.0.0/24,192.0.2.0/24,fd00::/64')
})

test('the tables of VXLAN become those of the nodes behind a router', () => {
  const [one, two] = [
    { range: '10.244.1.0/24', address: '192.0.2.7' },
    { range: '10.244.2.0/24', address: '198.51.100.8' },
  ]
  const mac = vxlanMac(one.address)
  assert.equal(mac, '0a:4b:c0:00:02:07')
  assert.match(vxlanMac('fd00::1'), /^0a:4b(:[0-9a-f]{2}){4}$/)
  assert.deepEqual(planPeers('ktv', [one], [], []), {
    ip: [`neighbour replace 10.244.1.0 lladdr ${mac} dev ktv nud permanent`],
    bridge: [`fdb replace ${mac} dev ktv dst 192.0.2.7 self permanent`],
  })
  const has = [{ dst: '10.244.1.0', lladdr: mac }]
  const knows = [{ mac, dst: '192.0.2.7' }]
  assert.deepEqual(planPeers('ktv', [one], has, knows), { ip: [], bridge: [] })
  assert.deepEqual(planPeers('ktv', [two], has, knows), {
    ip: [
      `neighbour replace 10.244.2.0 lladdr ${vxlanMac(two.address)} dev ktv nud permanent`,
      'neighbour delete 10.244.1.0 dev ktv',
    ],
    bridge: [
      `fdb replace ${vxlanMac(two.address)} dev ktv dst 198.51.100.8 self permanent`,
      `fdb delete ${mac} dev ktv dst 192.0.2.7 self`,
    ],
  })
})

test('only nodes with both a range and an address get a route', () => {
  const node = (name: string, podCIDR: string | undefined, address: string | undefined) =>
    nodeOf({
      metadata: {
        name,
        ...(name === 'b' && { annotations: { [networksAnnotation]: '192.0.2.0/24,198.51.100.0/24' } }),
      },
      spec: { ...(podCIDR && { podCIDR }) },
      status: { addresses: address ? [{ type: 'InternalIP', address }] : [] },
    })
  assert.deepEqual(
    remoteRanges(
      [
        node('self', '10.244.0.0/24', '192.0.2.1'),
        node('b', '10.244.2.0/24', '192.0.2.3'),
        node('a', '10.244.1.0/24', '192.0.2.2'),
        node('fresh', undefined, '192.0.2.4'),
        node('lost', '10.244.3.0/24', undefined),
        node('six', '10.244.4.0/24', 'fd00::4'),
      ],
      'self',
      4,
    ),
    [
      { range: '10.244.1.0/24', address: '192.0.2.2', networks: undefined },
      { range: '10.244.2.0/24', address: '192.0.2.3', networks: networks('192.0.2.0/24', '198.51.100.0/24') },
    ],
  )
})
