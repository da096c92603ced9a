import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Group, planSlices } from './slices.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { objectOf } from '../../kinds/testing.ts'

const endpoint = (i: number, ready = true) => ({
  addresses: [`10.0.${Math.floor(i / 250)}.${i % 250}`],
  conditions: { ready },
  targetRef: { uid: `pod-${i}` },
})
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const ports = [{ name: '', port: 80, protocol: 'TCP' }]
const group = (ids: number[], more: Partial<Group> = {}): Group => ({
  addressType: 'IPv4',
  ports,
  endpoints: ids.map(i => endpoint(i)),
  ...more,
})
const slice = (name: string, ids: number[], of = ports): EndpointSlice =>
  objectOf(EndpointSlice, {
    metadata: { name },
    addressType: 'IPv4',
    ports: of,
    endpoints: ids.map(i => endpoint(i)),
  })
// Slices that do not change are not in the table.
const brief = (plan: ReturnType<typeof planSlices>) => ({
  create: plan.create.map(g => g.endpoints.length),
  update: Object.fromEntries(plan.update.map(u => [u.slice.metadata.name, u.endpoints.length])),
  remove: plan.remove.map(s => s.metadata.name),
})

const table: [string, Group[], EndpointSlice[], ReturnType<typeof brief>][] = [
  ['equal endpoints change no slice', [group([1, 2])], [slice('a', [2, 1])], { create: [], update: {}, remove: [] }],
  ['a service without pods has one empty slice', [group([])], [], { create: [0], update: {}, remove: [] }],
  [
    'endpoints are divided into slices of a hundred',
    [group(range(0, 250))],
    [],
    { create: [100, 100, 50], update: {}, remove: [] },
  ],
  [
    'a new endpoint goes into the fullest slice with room',
    [group(range(0, 131))],
    [slice('a', range(0, 100)), slice('b', range(100, 130))],
    { create: [], update: { b: 31 }, remove: [] },
  ],
  [
    'a new endpoint goes into a slice that changes anyway',
    [group([...range(1, 100), 130])],
    [slice('a', range(0, 100))],
    { create: [], update: { a: 100 }, remove: [] },
  ],
  [
    'a slice without endpoints is removed while another has some',
    [group(range(0, 100))],
    [slice('a', range(0, 100)), slice('b', [100])],
    { create: [], update: {}, remove: ['b'] },
  ],
  [
    'a slice is used again for other ports',
    [group([1], { ports: [{ name: '', port: 81, protocol: 'TCP' }] })],
    [slice('a', [1])],
    { create: [], update: { a: 1 }, remove: [] },
  ],
  [
    'a slice is not used again for another address family',
    [group([1], { addressType: 'IPv6' })],
    [slice('a', [1])],
    { create: [1], update: {}, remove: ['a'] },
  ],
]
for (const [what, groups, existing, expected] of table)
  test(what, () => assert.deepEqual(brief(planSlices(groups, existing)), expected))

test('a change of one condition changes only its slice', () => {
  const wanted = group(range(0, 150))
  wanted.endpoints[120] = endpoint(120, false)
  const plan = planSlices([wanted], [slice('a', range(0, 100)), slice('b', range(100, 150))])
  assert.deepEqual(brief(plan), { create: [], update: { b: 50 }, remove: [] })
})
