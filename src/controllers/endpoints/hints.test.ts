import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planHints, zoneShares } from './hints.ts'
import type { SlicePlan } from './slices.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { nodeOf, objectOf } from '../../kinds/testing.ts'

const service = (annotations: object, spec: object = {}) =>
  objectOf(Service, { metadata: { name: 's', annotations: { ...annotations } }, spec })
const auto = service({ 'service.kubernetes.io/topology-mode': 'Auto' })
const close = (distribution: string) => service({}, { trafficDistribution: distribution })
const node = (zone: string | undefined, cpu: string | undefined, more: { ready?: string; role?: string } = {}) =>
  nodeOf({
    metadata: {
      labels: { ...(zone && { 'topology.kubernetes.io/zone': zone }), ...(more.role && { [more.role]: '' }) },
    },
    status: { ...(cpu && { allocatable: { cpu } }), conditions: [{ type: 'Ready', status: more.ready ?? 'True' }] },
  })

const endpoint = (zone: string, i: number, hint?: string, ready = true) => ({
  addresses: [`10.0.0.${i}`],
  conditions: { ready },
  zone,
  nodeName: `node-${i}`,
  ...(hint && { hints: { forZones: [{ name: hint }] } }),
})
type Given = ReturnType<typeof endpoint>
const slice = (endpoints: Given[]) =>
  objectOf(EndpointSlice, { metadata: { name: 'a' }, addressType: 'IPv4', endpoints })
const plan = (create: Given[], unchanged: Given[] = []): SlicePlan => ({
  create: create.length ? [{ addressType: 'IPv4', ports: [], endpoints: create }] : [],
  update: [],
  remove: [],
  unchanged: unchanged.length ? [slice(unchanged)] : [],
})
const hintsOf = ({ create, update }: SlicePlan) =>
  [...create, ...update].flatMap(({ endpoints }) => endpoints.map(e => e.hints?.forZones?.[0]?.name ?? '-')).join('')

const shares = (text: object) => new Map(Object.entries(text) as [string, number][])
const even = shares({ a: 0.5, b: 0.5 })
const zones = (text: string) => [...text].map((zone, i) => endpoint(zone, i))

test('each zone has the share of the processors of its ready nodes', () => {
  const two = [node('a', '4'), node('a', '2'), node('b', '2'), node('b', '9', { ready: 'False' })]
  assert.deepEqual(zoneShares(two), shares({ a: 0.75, b: 0.25 }))
  assert.deepEqual(
    zoneShares([...two, node('c', '8', { role: 'node-role.kubernetes.io/control-plane' })]),
    shares({ a: 0.75, b: 0.25 }),
  )
  assert.equal(zoneShares([node('a', '4')]), undefined)
  assert.equal(zoneShares([...two, node(undefined, '4')]), undefined)
  assert.equal(zoneShares([...two, node('b', undefined)]), undefined)
})

const autos: [string, SlicePlan, Map<string, number> | undefined, string, string | undefined][] = [
  ['endpoints in proportion are for their own zones', plan(zones('aabb')), even, 'aabb', 'TopologyAwareHintsEnabled'],
  [
    'an endpoint of a zone with too many is given to one with too few',
    plan(zones('aaab')),
    even,
    'baab',
    'TopologyAwareHintsEnabled',
  ],
  [
    'a difference of half an endpoint moves none',
    plan(zones('aaaaaabbbb')),
    shares({ a: 0.55, b: 0.45 }),
    'aaaaaabbbb',
    'TopologyAwareHintsEnabled',
  ],
  [
    'a zone without endpoints gets some of another zone',
    plan(zones('aaaa')),
    even,
    'bbaa',
    'TopologyAwareHintsEnabled',
  ],
  ['with fewer endpoints than zones there are no hints', plan(zones('a')), even, '-', 'TopologyAwareHintsDisabled'],
  [
    'without enough endpoints for the shares there are no hints',
    plan(zones('abc')),
    shares({ a: 0.6, b: 0.2, c: 0.2 }),
    '---',
    'TopologyAwareHintsDisabled',
  ],
  ['without shares of zones there are no hints', plan(zones('ab')), undefined, '--', 'TopologyAwareHintsDisabled'],
  [
    'with an endpoint that has no zone there are no hints',
    plan([endpoint('', 0), ...zones('ab')]),
    even,
    '---',
    'TopologyAwareHintsDisabled',
  ],
  [
    'only ready endpoints get hints',
    plan([...zones('ab'), endpoint('a', 9, undefined, false)]),
    even,
    'ab-',
    'TopologyAwareHintsEnabled',
  ],
  ['hints that are still right stay', plan([], [endpoint('a', 0, 'a'), endpoint('b', 1, 'b')]), even, '', undefined],
  ['an endpoint without a hint gets one', plan([], [endpoint('a', 0, 'a'), endpoint('b', 1)]), even, 'ab', undefined],
  [
    'hints that give a zone too many endpoints are computed again',
    plan([], [endpoint('a', 0, 'a'), endpoint('b', 1, 'a'), endpoint('b', 2, 'a'), endpoint('a', 3, 'b')]),
    even,
    'abba',
    undefined,
  ],
]
for (const [what, given, known, expected, reason] of autos)
  test(what, () => {
    const result = planHints(auto, given, known)
    assert.equal(hintsOf(result.plan), expected)
    assert.equal(result.events[0]?.reason, reason)
  })

test('a service that prefers its zone or its node gets hints for it', () => {
  const zone = planHints(close('PreferClose'), plan([endpoint('a', 0), endpoint('b', 1, undefined, false)]), undefined)
  assert.deepEqual(
    zone.plan.create[0]!.endpoints.map(e => e.hints),
    [{ forZones: [{ name: 'a' }] }, undefined],
  )
  const near = planHints(close('PreferSameNode'), plan([], [endpoint('a', 0, 'a')]), undefined)
  assert.deepEqual(near.plan.update[0]!.endpoints[0]!.hints, {
    forZones: [{ name: 'a' }],
    forNodes: [{ name: 'node-0' }],
  })
  const same = planHints(close('PreferSameZone'), plan([], [endpoint('a', 0, 'a')]), undefined)
  assert.deepEqual([same.plan.update.length, same.plan.unchanged.length], [0, 1])
})

test('hints are removed when the service stops asking for them', () => {
  const { plan: next } = planHints(service({}), plan([], [endpoint('a', 0, 'a')]), undefined)
  assert.equal(next.update[0]!.endpoints[0]!.hints, undefined)
  assert.equal(planHints(service({}), plan([], [endpoint('a', 0)]), undefined).plan.update.length, 0)
})
