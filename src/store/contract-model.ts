// Compares a store with a model that is simple enough to be right: all states of a small map, one for each revision.
import assert from 'node:assert/strict'
import { fc } from '../base/testing.ts'
import type { Change, Revision, Store } from './store.ts'

type State = Map<string, { value: string; revision: Revision; created: Revision }>
type Outcome = { reason: string } | { ok: unknown }

const key = fc.constantFrom('/a', '/a/1', '/a/2', '/b')
const back = fc.nat({ max: 6 })
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      key,
      right: fc.boolean(),
      value: fc.string({ maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key, right: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('get' as const), key, back: fc.option(back) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('list' as const),
      prefix: fc.constantFrom('', '/a', '/a/'),
      back: fc.option(back),
      limit: fc.nat({ max: 3 }),
      after: fc.option(key),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/**
 * Runs random steps in random parallel groups. After each group, a watcher that began at revision 0 must have seen the
 * model's log.
 */
export function modelTest(open: () => Promise<Store>) {
  return fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 15 }), async groups => {
    const store = await open()
    const abort = new AbortController()
    const seen: Change[] = []
    const watching = (async () => {
      for await (const changes of store.watch('/', { after: 0, signal: abort.signal })) seen.push(...changes)
    })()
    try {
      const model = new Model()
      for (const group of groups) {
        // The writes of a group are called in order, before its reads begin. A caller is promised no more order than
        // that.
        const ordered = [...group.filter(isWrite), ...group.filter(s => !isWrite(s))]
        const expected = ordered.map(s => model.apply(s))
        const writing = ordered.filter(isWrite).map((s, i) => outcome(write(store, s, expected[i]!.expect)))
        const results = await Promise.all(writing)
        for (const s of ordered.slice(results.length)) results.push(await outcome(read(store, s, model)))
        assert.deepEqual(
          results,
          expected.map(e => e.outcome),
        )
        assert.equal(await store.revision(), model.states.length - 1)
        assert.equal(store.stats().keys, model.now.size)
        assert.deepEqual(seen.map(view), model.changes)
      }
      await comparePositions(store, model)
    } finally {
      abort.abort()
      await watching
      await store.close()
    }
  })
}

/** From every position that is not compacted, the store must give the rest of the model's log, and no other position. */
async function comparePositions(store: Store, model: Model): Promise<void> {
  const head = model.states.length - 1
  for (let after = 0; after <= head; after++)
    for (const prefix of ['', '/a/']) {
      const changes = model.changes.filter(c => c.revision > after && c.key.startsWith(prefix))
      const expected = after < model.compacted ? { reason: 'Expired' } : { ok: changes }
      const history = store.changes(prefix, { after, upTo: head, limit: head })
      assert.deepEqual(await outcome(history.then(found => found.map(view))), expected)
      // All but the last change, where there is one: `upTo` may be any position too.
      const shorter = store.changes(prefix, { after, upTo: head - 1, limit: head })
      const before = 'ok' in expected ? { ok: changes.filter(c => c.revision < head) } : expected
      if (after < head) assert.deepEqual(await outcome(shorter.then(found => found.map(view))), before)
      if ('ok' in expected && changes.length === 0) continue
      assert.deepEqual(await outcome(firstOf(store, prefix, after)), expected)
    }
}

/** What a watch gives at once. */
async function firstOf(store: Store, prefix: string, after: Revision): Promise<unknown> {
  const abort = new AbortController()
  const watch = store.watch(prefix, { after, signal: abort.signal })[Symbol.asyncIterator]()
  try {
    return (await watch.next()).value!.map(view)
  } finally {
    abort.abort()
  }
}

type WriteStep = Extract<Step, { do: 'put' | 'delete' }>
const isWrite = (s: Step): s is WriteStep => s.do === 'put' || s.do === 'delete'

class Model {
  states: State[] = [new Map()]
  compacted = 0
  changes: { type: string; key: string; revision: Revision }[] = []

  get now(): State {
    return this.states[this.states.length - 1]!
  }

  /** Applies a step to the model: its outcome, and the expectation that the store must be called with. */
  apply(s: Step): { outcome: Outcome; expect?: Revision | 'absent' } {
    const revision = this.states.length
    const head = revision - 1
    switch (s.do) {
      case 'put':
      case 'delete': {
        const now = this.now.get(s.key)
        const actual = now?.revision ?? 'absent'
        const expect = s.right ? actual : revision + 100
        if (expect !== actual || (s.do === 'delete' && !now)) return { outcome: { reason: 'StoreConflict' }, expect }
        const next = new Map(this.now)
        const previous = now ? { previous: now } : {}
        if (s.do === 'delete') {
          next.delete(s.key)
          this.changes.push({ type: 'delete', key: s.key, revision, ...previous })
        } else {
          const made = { value: s.value, revision, created: now?.created ?? revision }
          next.set(s.key, made)
          this.changes.push({ type: 'put', key: s.key, ...made, ...previous })
        }
        this.states.push(next)
        return { outcome: { ok: revision }, expect }
      }
      case 'get': {
        const at = this.#at(s.back)
        if (at < this.compacted) return { outcome: { reason: 'Expired' } }
        return { outcome: { ok: this.states[at]!.get(s.key) ?? null } }
      }
      case 'list': {
        const at = this.#at(s.back)
        if (at < this.compacted) return { outcome: { reason: 'Expired' } }
        const all = [...this.states[at]!]
          .filter(([k]) => k.startsWith(s.prefix) && (s.after === null || k > s.after))
          .sort(([a], [b]) => (a < b ? -1 : 1))
        const shown = s.limit ? all.slice(0, s.limit) : all
        const left = all.length - shown.length
        return {
          outcome: {
            ok: [at, shown.map(([k, v]) => ({ key: k, ...v })), left, left ? shown[shown.length - 1]![0] : null],
          },
        }
      }
      case 'compact':
        this.compacted = Math.max(this.compacted, Math.max(0, head - s.back))
        return { outcome: { ok: null } }
    }
  }

  #at(steps: number | null): Revision {
    return steps === null ? this.states.length - 1 : Math.max(0, this.states.length - 1 - steps)
  }
}

async function write(store: Store, s: WriteStep, expect: Revision | 'absent' | undefined): Promise<unknown> {
  if (s.do === 'put') return store.put(s.key, new TextEncoder().encode(s.value), { expect: expect! })
  // `delete` has no expectation for an absent key, so it is given a revision that no key has.
  return store.delete(s.key, { expect: expect === 'absent' ? 1e9 : expect! })
}

async function read(store: Store, s: Step, model: Model): Promise<unknown> {
  const head = model.states.length - 1
  const at = 'back' in s && s.back !== null ? { at: Math.max(0, head - s.back) } : {}
  switch (s.do) {
    case 'get': {
      const entry = await store.get(s.key, at.at)
      return entry ? plain(entry) : null
    }
    case 'list': {
      const page = await store.list(s.prefix, {
        limit: s.limit,
        ...(s.after === null ? {} : { after: s.after }),
        ...at,
      })
      return [
        page.revision,
        page.entries.map(e => ({ key: e.key, ...plain(e) })),
        page.remaining ?? 0,
        page.next ?? null,
      ]
    }
    case 'compact':
      await store.compact(at.at!)
      return null
    default:
      throw new Error('a write among the reads')
  }
}

const plain = (e: { value: Uint8Array; revision: Revision; created: Revision }) => ({
  value: new TextDecoder().decode(e.value),
  revision: e.revision,
  created: e.created,
})

function view(all: Change): unknown {
  const { previous, ...change } = all
  return {
    ...change,
    ...(change.type === 'put' ? { value: new TextDecoder().decode(change.value) } : {}),
    ...(previous ? { previous: plain(previous) } : {}),
  }
}

async function outcome(promise: Promise<unknown>): Promise<Outcome> {
  try {
    return { ok: await promise }
  } catch (error) {
    return { reason: (error as { reason?: string }).reason ?? (error as Error).name }
  }
}
