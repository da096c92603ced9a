import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalJson } from '../../api/equal.ts'
import { seededRandom } from '../../base/random.ts'
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
    'of several slices one stays when the last endpoints go',
    [group([])],
    [slice('a', range(0, 100)), slice('b', [100]), slice('c', [101])],
    { create: [], update: { a: 0 }, remove: ['b', 'c'] },
  ],
  [
    'an empty slice stays, whatever slices another family gets',
    [group([1], { addressType: 'IPv6' }), group([])],
    [slice('a', [])],
    { create: [1], update: {}, remove: [] },
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

/** The slices after a plan is carried out. */
function carriedOut(plan: ReturnType<typeof planSlices>, nextName: () => string): EndpointSlice[] {
  const made = plan.create.map(given => objectOf(EndpointSlice, { metadata: { name: nextName() }, ...given }))
  const updated = plan.update.map(({ slice: { metadata, addressType }, endpoints, ports: of }) =>
    objectOf(EndpointSlice, { metadata: { name: metadata.name! }, addressType, ports: of, endpoints: [...endpoints] }),
  )
  return [...plan.unchanged, ...updated, ...made]
}

for (let seed = 1; seed <= 20; seed++)
  test(`through random changes each endpoint is in one slice, and stays in it, with seed ${seed}`, () => {
    const chance = seededRandom(seed)
    const upTo = (n: number) => Math.floor(chance.float() * (n + 1))
    let count = 0
    let slices: EndpointSlice[] = []
    const groupsOf: (Partial<Group> & { ids: Set<number> })[] = [
      { ids: new Set() },
      { ids: new Set(), addressType: 'IPv6' },
      { ids: new Set(), ports: [{ name: '', port: 81, protocol: 'TCP' }] },
    ]
    for (let step = 0; step < 25; step++) {
      for (const { ids } of groupsOf) {
        const size = [0, 1, 5, 150, 320][upTo(4)]!
        if (chance.float() < 0.15) ids.clear()
        for (const id of ids) if (chance.float() < 0.1) ids.delete(id)
        for (let i = 0; i < size && ids.size < 400; i++) ids.add(upTo(999))
      }
      // The third group of ports exists at times only.
      const groups = (chance.float() < 0.7 ? groupsOf : groupsOf.slice(0, 2)).map(({ ids, ...more }) =>
        group([...ids], more),
      )
      const before = slices
      const plan = planSlices(groups, before)
      slices = carriedOut(plan, () => `s${count++}`)
      const keyOf = ({ addressType, ports: of }: EndpointSlice | Group) => canonicalJson([addressType, of])
      const uidsIn = (of: EndpointSlice | Group) => [...(of.endpoints ?? [])].map(e => e.targetRef!.uid!)
      assert.equal(new Set(slices.map(keyOf)).size, groups.length, 'each group has slices, and nothing else has')
      for (const wanted of groups) {
        const mine = slices.filter(s => keyOf(s) === keyOf(wanted))
        assert.deepEqual(mine.flatMap(uidsIn).sort(), uidsIn(wanted).sort())
        assert.ok(mine.every(s => s.endpoints.length <= 100))
        const isOnePlaceholder = mine.length === 1 && wanted.endpoints.length === 0
        assert.ok(isOnePlaceholder || mine.every(s => s.endpoints.length > 0), `${mine.map(s => s.endpoints.length)}`)
        const placeOf = new Map(
          before.filter(s => keyOf(s) === keyOf(wanted)).flatMap(s => uidsIn(s).map(uid => [uid, s.metadata.name])),
        )
        for (const s of slices.filter(one => keyOf(one) === keyOf(wanted)))
          for (const uid of uidsIn(s))
            if (placeOf.has(uid)) assert.equal(s.metadata.name, placeOf.get(uid), 'an endpoint has moved')
      }
      const again = planSlices(groups, slices)
      assert.deepEqual(brief(again), { create: [], update: {}, remove: [] }, 'a second plan changes nothing')
    }
  })
