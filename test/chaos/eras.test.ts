// The checks of what was observed across restores: each accepts what a restore may do, and finds what it must not.
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Change, Entry } from '../../src/store/store.ts'
import { type Beginning, type Era, type Observations, wrongEras } from './eras.ts'
import type { Operation } from './history.ts'
import { prefix } from './objects.ts'
import type { Seen } from './observed.ts'

const [a, b] = [`${prefix}a`, `${prefix}b`]
const bytes = (object: object) => Buffer.from(JSON.stringify(object))
const valueOf = (value: string) => bytes({ data: { value } })
const put = (revision: number, key: string, value: string | object): Change & { type: 'put' } => ({
  type: 'put',
  key,
  value: typeof value === 'string' ? valueOf(value) : bytes(value),
  revision,
  created: revision,
})
const gone = (revision: number, key: string): Change => ({ type: 'delete', key, revision })
const entry = ({ type: _, ...rest }: Change & { type: 'put' }): Entry => rest
const first = [put(1, '/registry/core/namespaces/default', {}), put(2, a, 'a1'), put(3, b, 'b1'), put(4, a, 'a2')]
const [namespace, a1, b1] = first as [Change & { type: 'put' }, Change & { type: 'put' }, Change & { type: 'put' }]

/** One era, and another that begins with a snapshot of it at revision 3. */
const eras = (after: readonly Change[] = [], restored: Partial<Era> = {}): Era[] => [
  { from: 0, kept: 0, begins: 0, entries: [], changes: first },
  { from: 0, kept: 3, begins: 100, entries: [namespace, a1, b1].map(entry), changes: after, ...restored },
]
const beginnings: Beginning[] = [
  { at: 0, tick: 0 },
  { at: 1000, tick: 50 },
]
const check = (all: readonly Era[], { operations = [], watches = [], running = [] }: Partial<Observations>) =>
  wrongEras(all, beginnings, { operations, watches, running })
const one = (found: readonly string[], message: RegExp, what: string) => {
  strictEqual(found.length, 1, `${what}: ${found.join('; ')}`)
  match(found[0]!, message, what)
}
const wrote = (start: number, key: string, value: string, outcome: number): Operation => {
  return { type: 'put', start, end: start + 1, key, value, outcome }
}
const got = (start: number, key: string, seen: number): Operation => {
  return { type: 'get', start, end: start + 1, key, seen }
}
const seen = (type: Seen['type'], key: string, revision: number): Seen => ({ type, key, revision })

test('a restore loses what came after its snapshot, and nothing else', () => {
  const after = [put(101, a, 'a3'), gone(102, b)]
  const operations = [wrote(1, a, 'a1', 2), got(3, a, 2), wrote(5, a, 'a2', 4), got(7, a, 4)]
  deepStrictEqual(
    check(eras(after), {
      operations: [...operations, got(51, a, 2), got(51, b, 3), wrote(60, a, 'a3', 101), got(70, a, 101)],
      watches: [
        { watcher: 'w', after: 1, events: [seen('ADDED', a, 2), seen('ADDED', b, 3), seen('MODIFIED', a, 4)] },
        { watcher: 'w', after: 100, events: [seen('MODIFIED', a, 101), seen('BOOKMARK', '', 101)] },
      ],
    }),
    [],
  )
  one(check(eras(), { operations: [got(51, a, 4)] }), /seen at revision 4 after 100/, 'what was lost is seen')
  one(check(eras(), { operations: [got(51, b, 0)] }), /seen at revision 0 after 100/, 'what was kept is not seen')
  match(
    check(eras(after), { operations: [wrote(51, a, 'a2', 4)] })[0]!,
    /is at no revision/,
    'a write into a lost time',
  )
  one(check(eras(after), { operations: [wrote(1, b, 'a3', 101)] }), /is at no revision/, 'a write out of a lost time')
  one(check(eras([put(5, a, 'a3')]), {}), /revision 5 where 101 belongs/, 'revisions go back')
})

test('a snapshot of less than was acknowledged is found, as is one that is restored as something else', () => {
  const list: Operation = { type: 'list', start: 10, end: 11, at: 3, seen: new Map([[a, 2]]) }
  const acknowledged = [wrote(5, a, 'a2', 4), list]
  one(check(eras(), { operations: acknowledged }), /list of revision 3 began after 4/, 'an old snapshot')
  one(check(eras(), { operations: [list] }), /list of revision 3 has .* at 0/, 'one with a hole')
  one(check(eras([], { begins: 4 }), {}), /begins at 4, and 4 had been given/, 'a revision that was given')
  const entries = [namespace, a1, b1].map(entry)
  one(check(eras([], { entries: entries.slice(1) }), {}), /namespaces\/default at 1 is not restored/, 'a hole')
  const other = { ...entries[1]!, value: valueOf('other') }
  one(check(eras([], { entries: [entries[0]!, other, entries[2]!] }), {}), /chaos-a at 2 is restored/, 'another value')
  const later = entry(put(4, a, 'a2'))
  one(check(eras([], { entries: [entries[0]!, later, entries[2]!] }), {}), /at 4 is restored from 3/, 'a later value')
})

test('a restore of a snapshot from before another restore loses what both had', () => {
  const all = [...eras([put(101, a, 'a3')]), { ...eras()[1]!, kept: 2, begins: 200, changes: [put(201, b, 'b2')] }]
  all[2] = { ...all[2]!, entries: [namespace, a1].map(entry) }
  const third = [...beginnings, { at: 2000, tick: 90 }]
  const operations = [wrote(51, a, 'a3', 101), got(91, a, 2), got(91, b, 0), wrote(95, b, 'b2', 201)]
  deepStrictEqual(wrongEras(all, third, { operations, watches: [], running: [] }), [])
  one(
    wrongEras(all, third, { operations: [got(91, a, 101)], watches: [], running: [] }),
    /seen at revision 101/,
    'what the era between had',
  )
})

test('a watch that goes on from a lost time is found', () => {
  const watch = { watcher: 'w', after: 3, events: [seen('MODIFIED', a, 4), seen('MODIFIED', a, 101)] }
  one(check(eras([put(101, a, 'a3')]), { watches: [watch] }), /at 101 where nothing belongs/, 'across a restore')
})

test('a pod that a restore has lost may run for a while beside the one that takes its name, and no longer', () => {
  const pod = (revision: number, uid: string, nodeName: string) =>
    put(revision, '/registry/core/pods/default/db-0', { metadata: { uid }, spec: { nodeName } })
  const before: Era = { from: 0, kept: 0, begins: 0, entries: [], changes: [namespace, pod(2, 'lost', 'n-0')] }
  const after: Era = { from: 0, kept: 1, begins: 100, entries: [entry(namespace)], changes: [pod(101, 'new', 'n-1')] }
  const runs = (uid: string, node: string, ip: string) => ({ name: 'default/db-0', uid, node, ip })
  const both = [runs('lost', 'n-0', '10.0.0.1'), runs('new', 'n-1', '10.0.1.1')]
  deepStrictEqual(check([before, after], { running: [{ at: 2000, pods: both }] }), [])
  one(check([before, after], { running: [{ at: 1e6, pods: both }] }), /db-0 still runs on n-0 as lost/, 'for long')
  const [lost, fresh] = [runs('lost', 'n-0', '10.0.0.1'), runs('new', 'n-1', '10.0.0.1')]
  one(check([before, after], { running: [{ at: 2000, pods: [lost, fresh] }] }), /is the address of/, 'one address')
  const twice = [
    pod(101, 'new', 'n-1'),
    put(102, '/registry/core/pods/default/x', { metadata: { uid: 'old' }, spec: { nodeName: 'n-0' } }),
  ]
  one(
    check([before, { ...after, changes: twice }], {
      running: [{ at: 2000, pods: [runs('old', 'n-0', ''), both[1]!] }],
    }),
    /runs on n-0 as old and on n-1 as new/,
    'two of the same time',
  )
  // A pod that had gone before one snapshot comes back with an older one, and runs still when the first is restored.
  const [had, has] = [entry(pod(2, 'lost', 'n-0')), entry(pod(4, 'new', 'n-1'))]
  const whole: Era = { ...before, changes: [...before.changes, gone(3, had.key), pod(4, 'new', 'n-1')] }
  const between: Era = { from: 0, kept: 2, begins: 100, entries: [entry(namespace), had], changes: [] }
  const last: Era = { from: 0, kept: 4, begins: 200, entries: [entry(namespace), has], changes: [] }
  const third = [...beginnings, { at: 2000, tick: 90 }]
  const running = [{ at: 3000, pods: both }]
  deepStrictEqual(wrongEras([whole, between, last], third, { operations: [], watches: [], running }), [])
  one(check([before], { running: [{ at: 1, pods: [runs('none', 'n-0', '')] }] }), /which is no object/, 'no restore')
})

test('what is left in a namespace that is gone is found, as is what is written into it', () => {
  const name = '/registry/core/namespaces/temp'
  const map = '/registry/core/configmaps/temp/c'
  const of = (...changes: Change[]) => check([{ from: 0, kept: 0, begins: 0, entries: [], changes }], {})
  deepStrictEqual(of(put(1, name, {}), put(2, map, {}), gone(3, map), gone(4, name)), [])
  one(of(put(1, name, {}), put(2, map, {}), gone(3, name)), /configmaps\/temp\/c is left in temp/, 'left')
  one(of(put(1, name, {}), gone(2, name), put(3, map, {})), /is written at 3, and has no namespace/, 'written')
})
