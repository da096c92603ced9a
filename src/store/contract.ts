// The contract of stores as a suite of tests, which every implementation runs.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../base/testing.ts'
import { StatusError } from '../base/errors.ts'
import { modelTest } from './contract-model.ts'
import { StoreConflict, type Change, type Revision, type Store } from './store.ts'

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value)
export const has = (reason: string) => (error: unknown) => error instanceof StatusError && error.reason === reason

/** Runs the suite. `open` returns an empty store, which the suite closes. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  const check: Check = (what, body) => {
    test(what, async () => {
      const store = await open()
      try {
        await body(store)
      } finally {
        await store.close()
      }
    })
  }

  describe(`${name} store`, () => {
    writes(check)
    reads(check)
    watches(check)
    compaction(check)
    test('behaves as the model does', async () => {
      await fc.assert(modelTest(open), { numRuns: 60 })
    })
  })
}

type Check = (what: string, body: (store: Store) => Promise<void>) => void

function writes(check: Check): void {
  check('the first write is revision 1, each further one counts up', async store => {
    assert.equal(await store.revision(), 0)
    assert.equal(await store.put('/a', bytes('1'), { expect: 'absent' }), 1)
    assert.equal(await store.put('/a', bytes('2'), { expect: 1 }), 2)
    assert.equal(await store.delete('/a', { expect: 2 }), 3)
    assert.equal(await store.put('/a', bytes('3'), { expect: 'absent' }), 4)
    assert.equal(await store.revision(), 4)
    const entry = await store.get('/a')
    assert.deepEqual([text(entry?.value), entry?.revision, entry?.created], ['3', 4, 4])
  })

  check('a write that expects something else is refused and changes nothing', async store => {
    await store.put('/a', bytes('1'), { expect: 'absent' })
    await assert.rejects(store.put('/a', bytes('x'), { expect: 'absent' }), (error: unknown) => {
      assert.ok(error instanceof StoreConflict)
      assert.deepEqual([error.key, error.expected, error.actual], ['/a', 'absent', 1])
      return true
    })
    await assert.rejects(store.put('/a', bytes('x'), { expect: 7 }), StoreConflict)
    await assert.rejects(store.put('/b', bytes('x'), { expect: 1 }), StoreConflict)
    await assert.rejects(store.delete('/b', { expect: 1 }), StoreConflict)
    assert.equal(await store.revision(), 1)
  })

  check('one of many simultaneous writes to a key wins', async store => {
    const tries = Array.from({ length: 50 }, (_, i) => store.put('/a', bytes(`${i}`), { expect: 'absent' }))
    const results = await Promise.allSettled(tries)
    assert.equal(results.filter(r => r.status === 'fulfilled').length, 1)
    assert.equal(await store.revision(), 1)
  })

  check('counting up from many writers loses no step', async store => {
    await store.put('/n', bytes('0'), { expect: 'absent' })
    const writer = async () => {
      for (let done = 0; done < 20; ) {
        const now = (await store.get('/n'))!
        const next = bytes(`${Number(text(now.value)) + 1}`)
        done += await store.put('/n', next, { expect: now.revision }).then(
          () => 1,
          error => (assert.ok(error instanceof StoreConflict), 0),
        )
      }
    }
    await Promise.all(Array.from({ length: 8 }, writer))
    assert.equal(text((await store.get('/n'))?.value), '160')
  })

  check('keys and values beyond the limits are refused', async store => {
    for (const key of ['', 'a\0b', '\ud800', 'k'.repeat(5000)])
      await assert.rejects(store.put(key, bytes(''), { expect: 'absent' }), has('BadRequest'))
    await assert.rejects(store.put('/big', new Uint8Array(9 << 20), { expect: 'absent' }), has('RequestEntityTooLarge'))
    await store.put('/ünï/😀', new Uint8Array(0), { expect: 'absent' })
    assert.equal((await store.get('/ünï/😀'))?.value.length, 0)
  })

  check('a closed store refuses everything', async store => {
    await store.put('/a', bytes('1'), { expect: 'absent' })
    const late = store.put('/b', bytes('1'), { expect: 'absent' })
    const settled = assert.rejects(late, has('ServiceUnavailable'))
    await store.close()
    await settled
    await assert.rejects(store.get('/a'), has('ServiceUnavailable'))
    await assert.rejects(store.put('/a', bytes('2'), { expect: 1 }), has('ServiceUnavailable'))
  })
}

function reads(check: Check): void {
  check('old revisions can be read', async store => {
    await store.put('/a', bytes('1'), { expect: 'absent' })
    await store.put('/a', bytes('2'), { expect: 1 })
    await store.delete('/a', { expect: 2 })
    assert.equal(await store.get('/a', 0), undefined)
    assert.equal(text((await store.get('/a', 1))?.value), '1')
    assert.deepEqual([(await store.get('/a', 2))?.revision, (await store.get('/a', 2))?.created], [2, 1])
    assert.equal(await store.get('/a', 3), undefined)
    await assert.rejects(store.get('/a', 4), (error: unknown) => {
      assert.ok(has('Timeout')(error))
      assert.equal((error as StatusError).details?.causes?.[0]?.reason, 'ResourceVersionTooLarge')
      return true
    })
  })

  check('a prefix is listed in order, page by page, at one revision', async store => {
    for (const key of ['/pods/b', '/pods/a', '/podsx', '/pod', '/pods/c', '/pods/d'])
      await store.put(key, bytes(key), { expect: 'absent' })
    const first = await store.list('/pods/', { limit: 2 })
    assert.deepEqual(
      first.entries.map(e => e.key),
      ['/pods/a', '/pods/b'],
    )
    assert.deepEqual([first.revision, first.next, first.remaining], [6, '/pods/b', 2])
    const uncounted = await store.list('/pods/', { limit: 2, uncounted: true })
    assert.deepEqual([uncounted.next, 'remaining' in uncounted], ['/pods/b', false])
    await store.delete('/pods/c', { expect: 5 })
    await store.put('/pods/bb', bytes('new'), { expect: 'absent' })
    const second = await store.list('/pods/', { limit: 2, after: first.next!, at: first.revision })
    assert.deepEqual(
      second.entries.map(e => e.key),
      ['/pods/c', '/pods/d'],
    )
    assert.deepEqual([second.revision, second.next, second.remaining], [6, undefined, undefined])
    const all = await store.list('/pods/')
    assert.deepEqual(
      all.entries.map(e => e.key),
      ['/pods/a', '/pods/b', '/pods/bb', '/pods/d'],
    )
    assert.equal(all.revision, 8)
    assert.deepEqual((await store.list('/none/')).entries, [])
    assert.equal((await store.list('')).entries.length, 6)
  })

  check('a write that requires another key at a revision is stored only while it is there', async store => {
    const claim = await store.put('/claim', bytes('1'), { expect: 'absent' })
    const requires = new Map([['/claim', claim]])
    const value = await store.put('/a', bytes('1'), { expect: 'absent', requires })
    // In one batch each write sees those before it.
    const taken = store.put('/claim', bytes('2'), { expect: claim })
    const late = assert.rejects(store.put('/a', bytes('2'), { expect: value, requires }), has('ServerTimeout'))
    await Promise.all([taken, late])
    await assert.rejects(store.put('/b', bytes('1'), { expect: 'absent', requires }), has('ServerTimeout'))
    await store.delete('/claim', { expect: await taken })
    await assert.rejects(store.put('/b', bytes('1'), { expect: 'absent', requires }), has('ServerTimeout'))
    const never = new Map([['/none', 1]])
    await assert.rejects(store.put('/b', bytes('1'), { expect: 'absent', requires: never }), has('ServerTimeout'))
    assert.deepEqual([text((await store.get('/a'))!.value), await store.get('/b')], ['1', undefined])
  })

  check('many keys stay in order', async store => {
    const keys = Array.from({ length: 3000 }, (_, i) => `/k/${(i * 7919) % 3000}`)
    await Promise.all(keys.map(key => store.put(key, bytes(key), { expect: 'absent' })))
    const page = await store.list('/k/')
    assert.deepEqual(
      page.entries.map(e => e.key),
      [...keys].sort(),
    )
    assert.ok(page.entries.every(e => text(e.value) === e.key))
    assert.equal(store.stats().keys, 3000)
  })
}

function watches(check: Check): void {
  check('a watch gets the history, then new changes, each with the previous value', async store => {
    await store.put('/a/1', bytes('1'), { expect: 'absent' })
    await store.put('/b', bytes('b'), { expect: 'absent' })
    await store.put('/a/1', bytes('2'), { expect: 1 })
    const seen = collect(store, '/a/', 1)
    await seen.until(3)
    await store.delete('/a/1', { expect: 3 })
    await store.put('/a/2', bytes('x'), { expect: 'absent' })
    await seen.until(5)
    await seen.stop()
    assert.deepEqual(seen.changes.map(brief), ['put /a/1 2 @3 was 1 @1', 'delete /a/1 @4 was 2 @3', 'put /a/2 x @5'])
    const put = seen.changes[0]!
    assert.deepEqual([put.type === 'put' && put.created, put.previous?.created], [1, 1])
  })

  check('a change reaches a waiting watcher no later than its writer', async store => {
    const order: string[] = []
    const abort = new AbortController()
    const watcher = store.watch('/', { after: 0, signal: abort.signal })[Symbol.asyncIterator]()
    for (let i = 0; i < 5; i++) {
      const next = watcher.next().then(() => order.push('watcher'))
      await store.put(`/${i}`, bytes('x'), { expect: 'absent' }).then(() => order.push('writer'))
      await next
    }
    abort.abort()
    assert.deepEqual(order, Array.from({ length: 5 }, () => ['watcher', 'writer']).flat())
  })

  check('every watcher sees every change once, however slow it reads', async store => {
    const total = 3000
    const quick = collect(store, '/', 0)
    const abort = new AbortController()
    const slow = store.watch('/', { after: 0, signal: abort.signal })[Symbol.asyncIterator]()
    for (let i = 0; i < total; i += 100)
      await Promise.all(
        Array.from({ length: 100 }, (_, j) => store.put(`/${i + j}`, new Uint8Array(9000), { expect: 'absent' })),
      )
    await quick.until(total)
    await quick.stop()
    const late: Revision[] = []
    while (late.length < total) late.push(...(await slow.next()).value!.map((c: Change) => c.revision))
    abort.abort()
    assert.equal((await slow.next()).done, true)
    const expected = Array.from({ length: total }, (_, i) => i + 1)
    assert.deepEqual(late, expected)
    assert.deepEqual(
      quick.changes.map(c => c.revision),
      expected,
    )
  })

  check('a watch may start ahead, ends on abort, and fails when the store closes', async store => {
    const ahead = collect(store, '/', 2)
    for (const key of ['/a', '/b', '/c']) await store.put(key, bytes(''), { expect: 'absent' })
    await ahead.until(3)
    await ahead.stop()
    assert.deepEqual(
      ahead.changes.map(c => c.key),
      ['/c'],
    )
    const signal = new AbortController().signal
    const idle = store.watch('/', { after: 3, signal })[Symbol.asyncIterator]()
    const failed = assert.rejects(idle.next(), has('ServiceUnavailable'))
    await store.close()
    await failed
    assert.equal((await idle.next()).done, true)
  })
}

function compaction(check: Check): void {
  check('compaction ends old positions and keeps what is current', async store => {
    await store.put('/a', bytes('1'), { expect: 'absent' })
    await store.put('/a', bytes('2'), { expect: 1 })
    await store.put('/b', bytes('b'), { expect: 'absent' })
    await store.delete('/b', { expect: 3 })
    await store.put('/a', bytes('3'), { expect: 2 })
    await store.compact(4)
    await store.compact(2)
    assert.equal(store.stats().compacted, 4)
    await assert.rejects(store.get('/a', 3), (error: unknown) => {
      assert.ok(has('Expired')(error))
      assert.equal((error as Error).message, 'The resourceVersion for the provided list is too old.')
      return true
    })
    await assert.rejects(store.list('/', { at: 1 }), has('Expired'))
    assert.equal(text((await store.get('/a', 4))?.value), '2')
    assert.equal(text((await store.get('/a'))?.value), '3')
    assert.deepEqual(
      (await store.list('/', { at: 4 })).entries.map(e => e.key),
      ['/a'],
    )
    await assert.rejects(store.compact(6), has('BadRequest'))
    const past = (after: number, limit = 9) => store.changes('/', { after, upTo: 5, limit })
    await assert.rejects(past(3), has('Expired'))
    assert.deepEqual((await past(4)).map(brief), ['put /a 3 @5 was 2 @2'])
    await assert.rejects(past(4, 0), has('Expired'))
    assert.deepEqual(await past(5), [])
    const signal = new AbortController().signal
    await assert.rejects(store.watch('/', { after: 3, signal })[Symbol.asyncIterator]().next(), has('Expired'))
    const seen = collect(store, '/', 4)
    await seen.until(5)
    await seen.stop()
    assert.deepEqual(seen.changes.map(brief), ['put /a 3 @5 was 2 @2'])
  })

  check('a watcher that has fallen behind a compaction gets Expired', async store => {
    const abort = new AbortController()
    const slow = store.watch('/', { after: 0, signal: abort.signal })[Symbol.asyncIterator]()
    await store.put('/a', bytes('1'), { expect: 'absent' })
    await store.put('/a', bytes('2'), { expect: 1 })
    await store.compact(2)
    await assert.rejects(slow.next(), has('Expired'))
    assert.equal((await slow.next()).done, true)
    abort.abort()
  })
}

function collect(store: Store, prefix: string, after: Revision) {
  const abort = new AbortController()
  const changes: Change[] = []
  let arrived = () => {}
  const reading = (async () => {
    for await (const batch of store.watch(prefix, { after, signal: abort.signal })) {
      changes.push(...batch)
      arrived()
    }
  })()
  return {
    changes,
    async until(revision: Revision) {
      while ((changes[changes.length - 1]?.revision ?? 0) < revision)
        await Promise.race([reading, new Promise<void>(resolve => (arrived = resolve))])
    },
    stop() {
      abort.abort()
      return reading
    },
  }
}

function brief(change: Change): string {
  const { type, key, revision, previous } = change
  const was = previous ? ` was ${text(previous.value)} @${previous.revision}` : ''
  return `${type} ${key} ${change.type === 'put' ? `${text(change.value)} ` : ''}@${revision}${was}`
}
