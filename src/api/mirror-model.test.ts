// The mirror is compared with a plain Map: whatever lists, changes and deletions it is given, readers see the state of
// the model, and listeners get the difference between two states.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import { settle } from '../base/clock.ts'
import type { KubeObject } from './kind.ts'
import { Item, Mirror, type MirrorChange, objectKey } from './mirror.ts'

/** The part of an object that the model stores. */
interface Entry {
  name: string
  namespace: string | undefined
  apps: readonly string[]
  owners: readonly string[]
  revision: number
}

const appsOf = (object: { readonly metadata: { readonly labels?: Readonly<Record<string, string>> } }) =>
  Object.keys(object.metadata.labels ?? {})

function itemOf({ name, namespace, apps, owners, revision }: Entry): Item {
  const object: KubeObject = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      resourceVersion: String(revision),
      labels: Object.fromEntries(apps.map(app => [app, ''])),
      ownerReferences: owners.map(uid => ({ apiVersion: 'v1', kind: 'ConfigMap', name: uid, uid })),
    },
  }
  return new Item(object, revision)
}

const keyOf = ({ namespace, name }: Pick<Entry, 'namespace' | 'name'>) => (namespace ? `${namespace}/${name}` : name)

const apps = ['x', 'y', 'z']
const owners = ['o1', 'o2']
const namespaces = [undefined, 'a', 'b']
const content = fc.record({
  name: fc.constantFrom('1', '2', '3'),
  namespace: fc.constantFrom(...namespaces),
  apps: fc.subarray(apps),
  owners: fc.subarray(owners),
})
type Content = typeof content extends fc.Arbitrary<infer T> ? T : never
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('apply' as const),
      changes: fc.array(fc.record({ remove: fc.boolean(), content }), { minLength: 1, maxLength: 4 }),
    }),
  },
  // A new list: some objects are unchanged, some changed, some new, and others missing.
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('reset' as const),
      kept: fc.array(fc.nat({ max: 8 }), { maxLength: 5 }),
      fresh: fc.array(content, { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('bookmark' as const), by: fc.integer({ min: -3, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ahead: fc.integer({ min: -2, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('index' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A mirror and its model side by side. */
class Trial {
  readonly mirror = new Mirror(({ of, error }) => this.failures.push(`${of}: ${(error as Error).message}`))
  readonly failures: string[] = []
  /** The state that readers should see, in no order. */
  readonly model = new Map<string, Entry>()
  /** The state that a listener computes from changes. */
  readonly reported = new Map<string, number>()
  readonly waits: { target: number; done: boolean }[] = []
  revision = 0
  synced = false
  /** The index by app is first read at a later step, and must catch up then. */
  indexed = false

  constructor() {
    this.mirror.subscribe(changes => this.#listen(changes), 'model')
  }

  #listen(changes: readonly MirrorChange[]): void {
    for (const { type, item, before } of changes) {
      const key = objectKey(item.object)
      assert.equal(before?.revision, this.reported.get(key), `what ${key} was before`)
      if (type === 'DELETED') this.reported.delete(key)
      else {
        assert.equal(type, before ? 'MODIFIED' : 'ADDED')
        this.reported.set(key, item.revision)
      }
    }
    // The whole batch is applied before a listener is called.
    for (const key of new Set(changes.map(change => objectKey(change.item.object))))
      assert.equal(this.mirror.itemByKey(key)?.revision, this.reported.get(key), `${key} is visible to a listener`)
  }

  run(s: Step): void {
    switch (s.do) {
      case 'apply':
        return this.#apply(s.changes)
      case 'reset':
        return this.#reset(s.kept, s.fresh)
      case 'bookmark':
        this.mirror.apply([], this.revision + s.by)
        // The mirror never goes back.
        this.revision = Math.max(this.revision, this.revision + s.by)
        return
      case 'wait':
        return this.#wait(this.revision + s.ahead)
      case 'index':
        this.indexed = true
    }
  }

  #apply(changes: readonly { remove: boolean; content: Content }[]): void {
    const batch = changes.map(({ remove, content: given }) => {
      const entry = { ...given, revision: ++this.revision }
      const key = keyOf(entry)
      const before = this.model.get(key)
      // The change of a deletion has the last state of the object.
      const item = itemOf(remove && before ? { ...before, revision: entry.revision } : entry)
      if (remove) this.model.delete(key)
      else this.model.set(key, entry)
      return { type: remove ? ('DELETED' as const) : ('MODIFIED' as const), item }
    })
    this.mirror.apply(batch, this.revision)
  }

  #reset(kept: readonly number[], fresh: readonly Content[]): void {
    const before = [...this.model.values()]
    const next = new Map<string, Entry>()
    for (const index of kept) {
      const entry = before[index]
      if (entry) next.set(keyOf(entry), entry)
    }
    for (const given of fresh) next.set(keyOf(given), { ...given, revision: ++this.revision })
    this.model.clear()
    for (const [key, entry] of next) this.model.set(key, entry)
    this.synced = true
    this.mirror.reset([...next.values()].map(itemOf), this.revision)
  }

  #wait(target: number): void {
    const wait = { target, done: false }
    this.waits.push(wait)
    void this.mirror.waitFor(target).then(() => (wait.done = true))
  }

  check(): void {
    const { mirror, model } = this
    const revisions = (items: Iterable<Item>) => [...items].map(item => item.revision).sort((a, b) => a - b)
    const expected = (holds: (entry: Entry) => boolean) =>
      [...model.values()]
        .filter(holds)
        .map(entry => entry.revision)
        .sort((a, b) => a - b)
    assert.deepEqual(this.failures, [])
    assert.deepEqual([mirror.revision, mirror.synced, mirror.size], [this.revision, this.synced, model.size])
    assert.deepEqual(
      [...this.reported].sort(),
      [...model].map(([key, entry]): [string, number] => [key, entry.revision]).sort(),
    )
    assert.deepEqual(
      revisions(mirror.items()),
      expected(() => true),
    )
    for (const namespace of ['a', 'b'])
      assert.deepEqual(
        revisions(mirror.items(namespace)),
        expected(entry => entry.namespace === namespace),
      )
    for (const namespace of namespaces)
      for (const name of ['1', '2', '3']) {
        const found = model.get(keyOf({ namespace, name }))
        assert.equal(mirror.item(namespace, name)?.revision, found?.revision)
        assert.equal(mirror.get(namespace, name)?.metadata.resourceVersion, found && String(found.revision))
      }
    for (const owner of owners)
      assert.deepEqual(
        mirror
          .ownedBy(owner)
          .map(object => Number(object.metadata.resourceVersion))
          .sort((a, b) => a - b),
        expected(entry => entry.owners.includes(owner)),
      )
    for (const app of this.indexed ? apps : [])
      assert.deepEqual(
        revisions(mirror.itemsByIndex('app', appsOf, app)),
        expected(entry => entry.apps.includes(app)),
      )
    for (const { target, done } of this.waits)
      assert.equal(done, this.synced && this.revision >= target, `the wait for ${target} at ${this.revision}`)
  }
}

test('readers see the state of a plain map, and listeners get the changes that lead to it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
      const trial = new Trial()
      for (const s of steps) {
        trial.run(s)
        await settle(1)
        trial.check()
      }
    }),
    { numRuns: 300 },
  )
})

test('a listener that is added later ends with the same state as one from the start', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.array(step, { maxLength: 12 }), (early, late) => {
      const trial = new Trial()
      for (const s of early) trial.run(s)
      const followed = new Map<string, number>()
      const stop = trial.mirror.follow(({ type, item }) => {
        const key = objectKey(item.object)
        if (type === 'DELETED') followed.delete(key)
        else followed.set(key, item.revision)
      }, 'late')
      for (const s of late) trial.run(s)
      assert.deepEqual([...followed].sort(), [...trial.reported].sort())
      stop()
      const left = followed.size
      trial.mirror.reset([], trial.revision + 1)
      assert.equal(followed.size, left, 'a listener that has left is not called any more')
    }),
  )
})

test('a reset that lists the same revisions again reports nothing', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), steps => {
      const trial = new Trial()
      for (const s of steps) trial.run(s)
      const seen: string[] = []
      trial.mirror.subscribe(changes => seen.push(...changes.map(change => change.type)))
      trial.mirror.reset([...trial.model.values()].map(itemOf), trial.revision)
      assert.deepEqual(seen, [])
      assert.equal(trial.mirror.synced, true)
    }),
  )
})

test('an object that is deleted and created again between two lists is modified and has another uid', () => {
  const mirror = new Mirror()
  const of = (uid: string, revision: number) =>
    new Item({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', uid } }, revision)
  mirror.reset([of('first', 1)], 1)
  const seen: unknown[] = []
  mirror.subscribeEach(
    ({ type, item, before }) => seen.push([type, before?.object.metadata.uid, item.object.metadata.uid]),
    'test',
  )
  mirror.reset([of('second', 3)], 3)
  assert.deepEqual(seen, [['MODIFIED', 'first', 'second']])
})

test('a wait ends with its signal, and other waits go on', async () => {
  const mirror = new Mirror()
  const abort = new AbortController()
  const [ends, goesOn] = [mirror.waitFor(2, abort.signal), mirror.waitFor(2)]
  abort.abort(new Error('enough'))
  await assert.rejects(ends, { message: 'enough' })
  mirror.reset([], 2)
  await goesOn
})
