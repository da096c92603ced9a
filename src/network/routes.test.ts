// Routes to pods of other nodes, as a table: the routes of the kernel, the ranges of the nodes, the commands.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOf } from '../kinds/testing.ts'
import type { Route } from '../linux/index.ts'
import { planRoutes, remoteRanges, routeProtocol } from './routes.ts'

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
const remote = [{ range: '10.244.1.0/24', address: '192.0.2.7' }]

const six = {
  podCidr: 'fd00:10:244::/56',
  remote: [{ range: 'fd00:10:244:1::/64', address: 'fd00:10:32::3' }],
}
const cases: {
  name: string
  routes: Route[]
  remote?: typeof remote
  podCidr?: string
  commands: string[]
  links?: string[]
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
      `route replace fd00:10:244:1::/64 via fe80::1 dev eth0 proto ${routeProtocol}`,
      'route delete fd00:10:244:7::/64',
    ],
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
for (const { name, routes, commands, links = ['eth0'], remote: wanted = remote, podCidr: range = podCidr } of cases)
  test(name, () => assert.deepEqual(planRoutes({ remote: wanted, podCidr: range, routes }), { commands, links }))

test('only nodes with both a range and an address get a route', () => {
  const node = (name: string, podCIDR: string | undefined, address: string | undefined) =>
    nodeOf({
      metadata: { name },
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
      { range: '10.244.1.0/24', address: '192.0.2.2' },
      { range: '10.244.2.0/24', address: '192.0.2.3' },
    ],
  )
})
