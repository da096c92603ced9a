import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { makeLog, silentLog } from '../../base/log.ts'
import type { StatusError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import { bytes, has, storeContract, text } from '../contract.ts'
import { type Change, type Entry, type Revision, type Store, StoreConflict, StoreFull } from '../store.ts'
import { EtcdClient } from './client.ts'
import { copyToEtcd, type EtcdOptions, openEtcdStore } from './index.ts'
import { withMembers } from './lazy.ts'
import { type EtcdCluster, noEtcd, soon, startEtcd } from './testing.ts'

const opened: Store[] = []

describe('with one member', { skip: noEtcd }, () => {
  let etcd: EtcdCluster
  let prefixes = 0
  before(async () => {
    etcd = await startEtcd()
  })
  after(() => etcd.stop())
  afterEach(closeAll)
  const at = (prefix: string, more: { onFailure?: (error: StatusError) => void } = {}) =>
    open({ endpoints: etcd.endpoints, prefix, log: silentLog, ...more })
  const newPrefix = () => `/kutter-${prefixes++}`

  storeContract('etcd', () => at(newPrefix()))

  test('several servers write one history, and all see it alike', async () => {
    const prefix = newPrefix()
    const stores = await Promise.all([at(prefix), at(prefix), at(prefix)])
    const watches = stores.map(store => record(store))
    await stores[0]!.put('/n', bytes('0'), { expect: 'absent' })
    await Promise.all(stores.flatMap((store, i) => [countUp(store, 15), countUp(store, 15), mess(store, i)]))
    for (const store of stores) assert.equal(text((await store.get('/n'))?.value), '90')
    const newest = await stores[0]!.revision()
    assert.equal(newest, await stores[2]!.revision())
    const seen = await Promise.all(watches.map(watch => watch.upTo(newest)))
    assert.deepEqual(
      seen[0]!.map(change => change.revision),
      Array.from({ length: newest }, (_, i) => i + 1),
    )
    assert.deepEqual(seen[1], seen[0])
    assert.deepEqual(seen[2], seen[0])
    // A server that starts later has the same past.
    const late = await at(prefix)
    assert.deepEqual(await record(late).upTo(newest), seen[0])
    assert.equal(text((await late.get('/n', 5))?.value), text((await stores[0]!.get('/n', 5))?.value))
    const [a, b] = [await late.list(''), await stores[1]!.list('')]
    assert.deepEqual(a.entries.map(plainEntry), b.entries.map(plainEntry))
  })

  test('what one server has acknowledged, the others read at once', async () => {
    const prefix = newPrefix()
    const [one, two] = [await at(prefix), await at(prefix)]
    for (let i = 0; i < 50; i++) {
      const [writer, reader] = i % 2 ? [one, two] : [two, one]
      const revision = await writer.put(`/${i}`, bytes(`${i}`), { expect: 'absent' })
      assert.equal((await reader.get(`/${i}`))?.revision, revision)
      // And may write what they have seen elsewhere.
      await reader.put(`/${i}`, bytes('again'), { expect: revision })
      await assert.rejects(writer.put(`/${i}`, bytes('late'), { expect: revision }), StoreConflict)
    }
  })

  test('compaction by one server leaves the others their watches, and later ones the present', async () => {
    const prefix = newPrefix()
    const [one, two] = [await at(prefix), await at(prefix)]
    const watch = record(two)
    for (let i = 1; i <= 20; i++) await one.put('/a', bytes(`${i}`), { expect: i === 1 ? 'absent' : i - 1 })
    assert.equal((await two.get('/a'))?.revision, 20)
    await one.compact(15)
    assert.equal((await watch.upTo(20)).length, 20)
    const late = await at(prefix)
    assert.equal(late.stats().compacted, 15)
    await assert.rejects(late.get('/a', 14), has('Expired'))
    assert.equal(text((await late.get('/a', 15))?.value), '15')
    assert.equal((await late.changes('/', { after: 15, upTo: 20, limit: 10 })).length, 5)
  })

  test('what other programs write below the prefix has no effect and is logged', async () => {
    const prefix = newPrefix()
    const lines: string[] = []
    const options = { endpoints: etcd.endpoints, prefix, log: makeLog(line => lines.push(line)) }
    const store = await open(options)
    await store.put('/a', bytes('1'), { expect: 'absent' })
    const client = new EtcdClient(etcd.endpoints)
    await client.call('deleteRange', { key: Buffer.from(`${prefix}/keys/a`) })
    client.close()
    assert.equal(await store.put('/b', bytes('1'), { expect: 'absent' }), 2)
    const watched = record(store)
    await watched.upTo(2)
    assert.equal(text((await store.get('/a'))?.value), '1')
    assert.equal(await store.put('/c', bytes('1'), { expect: 'absent' }), 3)
    while (!lines.some(line => line.includes('changed in etcd by another program'))) await soon(10)
  })

  test('a server that runs while another store is copied to its place writes nothing more, and ends', async () => {
    const prefix = newPrefix()
    let failure: StatusError | undefined
    const store = await at(prefix, { onFailure: error => (failure = error) })
    await store.put('/old', bytes('old'), { expect: 'absent' })
    const entries = [{ key: '/new', value: bytes('new'), revision: 3, created: 3 }]
    await copyToEtcd({ endpoints: etcd.endpoints, prefix }, entries, 500)
    await assert.rejects(store.put('/late', bytes('late'), { expect: 'absent' }))
    while (!failure) await soon(10)
    assert.match(failure.message, /another store has been copied/)
    const next = await at(prefix)
    assert.deepEqual(
      (await next.list('')).entries.map(entry => entry.key),
      ['/new'],
    )
    assert.equal(await next.revision(), 500)
  })

  test('a store whose etcd was emptied refuses everything', async () => {
    const prefix = newPrefix()
    let failure: StatusError | undefined
    const store = await at(prefix, { onFailure: error => (failure = error) })
    await store.put('/a', bytes('1'), { expect: 'absent' })
    const client = new EtcdClient(etcd.endpoints)
    await client.call('deleteRange', { key: Buffer.from(`${prefix}/`), range_end: Buffer.from(`${prefix}0`) })
    client.close()
    await assert.rejects(store.get('/a'), has('InternalError'))
    await assert.rejects(store.put('/b', bytes('1'), { expect: 'absent' }), has('InternalError'))
    assert.match(failure?.message ?? '', /restored or replaced|was deleted in etcd/)
  })
})

describe('without space', { skip: noEtcd }, () => {
  let etcd: EtcdCluster
  before(async () => {
    etcd = await startEtcd(1, ['--quota-backend-bytes', String(4 << 20)])
  })
  after(() => etcd.stop())
  afterEach(closeAll)
  const server = () => open({ endpoints: etcd.endpoints, prefix: '/kutter', log: silentLog })
  /** Frees what etcd has compacted, which it does some time after it was asked to. */
  const defragmented = () =>
    withMembers(undefined, async membership => {
      do await membership.defragment(etcd.endpoints)
      while ((await membership.states(etcd.endpoints))[0]!.sizeBytes > 3 << 20)
    })

  test('deletions by any server go through and are seen by all, until there is space for the rest', async () => {
    const [one, two] = [await server(), await server()]
    const watches = [record(one), record(two)]
    const keys = await fill(one)
    await assert.rejects(two.put('/more', bytes('more'), { expect: 'absent' }), StoreFull)
    const some = await Promise.all(keys.map(key => two.get(key)))
    // Each server deletes every second one, all at once, and neither deletes one again.
    const deletions = some.map((entry, i) => (i % 2 ? one : two).delete(keys[i]!, { expect: entry!.revision }))
    const revisions = await Promise.all(deletions)
    assert.equal(new Set(revisions).size, keys.length)
    await assert.rejects(one.delete(keys[0]!, { expect: some[0]!.revision }), StoreConflict)
    await assert.rejects(one.put('/more', bytes('more'), { expect: 'absent' }), StoreFull)
    const newest = await one.revision()
    assert.equal(newest, Math.max(...revisions))
    const seen = await Promise.all(watches.map(watch => watch.upTo(newest)))
    assert.deepEqual(
      seen[0]!.map(change => change.revision),
      Array.from({ length: newest }, (_, i) => i + 1),
    )
    assert.deepEqual(seen[1], seen[0])
    // One that starts now is at the same revision, and has the same past.
    const late = await server()
    assert.equal(await late.revision(), newest)
    assert.deepEqual(await record(late).upTo(newest), seen[0])
    assert.deepEqual((await late.list('')).entries, [])
    await one.compact(newest)
    await defragmented()
    assert.equal(await two.put('/more', bytes('more'), { expect: 'absent' }), newest + 1)
    assert.equal(await late.put('/most', bytes('most'), { expect: 'absent' }), newest + 2)
    assert.equal(await (await server()).revision(), newest + 2)
  })

  test('the number of deletions is limited, and grows again with the next writes', async () => {
    const store = await server()
    const small = Array.from({ length: 1100 }, (_, i) => `/small/${i}`)
    const written = await Promise.all(small.map(key => store.put(key, bytes('x'), { expect: 'absent' })))
    let big: Revision | 'absent' = 'absent'
    // The space is taken by what is no more, so that it can be freed without a deletion.
    const grow = async () => (big = await store.put('/big', Buffer.alloc(60_000, 'x'), { expect: big }))
    const full = await repeat(grow)
    assert.ok(full instanceof StoreFull, String(full))
    const deleted = await Promise.allSettled(small.map((key, i) => store.delete(key, { expect: written[i]! })))
    const [refused, done] = [deleted.filter(isRejected), deleted.filter(({ status }) => status === 'fulfilled')]
    assert.ok(done.length > 900 && refused.length > 0, `${done.length} deletions`)
    for (const { reason } of refused) assert.ok(reason instanceof StoreFull, String(reason))
    await store.compact(await store.revision())
    await defragmented()
    await repeat(grow)
    await store.delete('/big', { expect: (await store.get('/big'))!.revision })
  })
})

describe('with three members', { skip: noEtcd }, () => {
  let etcd: EtcdCluster
  before(async () => {
    etcd = await startEtcd(3, ['--heartbeat-interval', '50', '--election-timeout', '300'])
  })
  after(() => etcd.stop())
  afterEach(closeAll)

  test('a member that does not run gets another address by those that do, and has it when it is back', async () => {
    const member = etcd.members[0]!
    member.kill()
    await withMembers(undefined, async membership => {
      const own = async () => (await membership.list(etcd.endpoints)).find(({ name }) => name === 'm0')!
      const { id, peerUrls } = await own()
      const elsewhere = 'http://127.0.0.2:1'
      await membership.update(etcd.endpoints, id, elsewhere)
      assert.deepEqual([(await own()).id, (await own()).peerUrls], [id, [elsewhere]])
      await assert.rejects(membership.update(etcd.endpoints, 'abc', elsewhere), /member not found/)
      const other = (await membership.list(etcd.endpoints)).find(({ name }) => name === 'm1')!
      await assert.rejects(membership.update(etcd.endpoints, id, other.peerUrls[0]!), /Peer URLs already exists/)
      await membership.update(etcd.endpoints, id, peerUrls[0]!)
      await member.start()
      do await soon(50)
      while (!(await membership.states(etcd.endpoints)).every(({ answers, hasLeader }) => answers && hasLeader))
    })
  })

  test('writes, reads and watches go on while members die, hang and come back', async () => {
    const from = (first: number) => {
      const endpoints = [...etcd.endpoints.slice(first), ...etcd.endpoints.slice(0, first)]
      return open({ endpoints, prefix: '/kutter', log: silentLog })
    }
    const stores = await Promise.all([from(0), from(1), from(2)])
    const watches = stores.map(store => record(store))
    await stores[0]!.put('/n', bytes('0'), { expect: 'absent' })
    const stop = new AbortController()
    const counts = Promise.all(stores.map(store => countUntil(store, stop.signal)))
    for (let i = 0; i < 3; i++) {
      const member = etcd.members[i]!
      member.kill()
      await soon(600)
      await member.start()
      member.pause()
      await soon(1200)
      member.resume()
      await soon(300)
    }
    stop.abort()
    const counted = (await counts).reduce((sum, n) => sum + n, 0)
    assert.ok(counted > 20, `only ${counted} writes`)
    for (const store of stores) assert.equal(text((await store.get('/n'))?.value), String(counted))
    const newest = await stores[0]!.revision()
    const [first, ...others] = await Promise.all(watches.map(watch => watch.upTo(newest)))
    assert.equal(first!.length, newest)
    for (const other of others) assert.deepEqual(other, first)
  })
})

const isRejected = (result: PromiseSettledResult<unknown>) => result.status === 'rejected'

/** Writes until there is no space. Returns the keys. */
async function fill(store: Store): Promise<string[]> {
  const keys: string[] = []
  const failure = await repeat(async () => {
    const key = `/big/${keys.length}`
    await store.put(key, Buffer.alloc(60_000, 'x'), { expect: 'absent' })
    keys.push(key)
  })
  assert.ok(failure instanceof StoreFull, String(failure))
  return keys
}

/** Does something until it fails, and returns the failure. */
async function repeat(attempt: () => Promise<unknown>): Promise<unknown> {
  for (;;)
    try {
      await attempt()
    } catch (error) {
      return error
    }
}

async function open(options: EtcdOptions): Promise<Store> {
  const store = await openEtcdStore(options)
  opened.push(store)
  return store
}

async function closeAll(): Promise<void> {
  for (const store of opened.splice(0)) await store.close()
}

/** Adds one to a number, `times` times, against others that do the same. */
async function countUp(store: Store, times: number): Promise<void> {
  for (let done = 0; done < times; ) if (await addOne(store)) done++
}

/** Adds one until the signal aborts, and returns how often. A write never fails without being refused as a conflict. */
async function countUntil(store: Store, signal: AbortSignal): Promise<number> {
  let done = 0
  while (!signal.aborted) {
    if (await addOne(store)) done++
    await soon(5)
  }
  return done
}

async function addOne(store: Store): Promise<boolean> {
  const now = (await store.get('/n'))!
  try {
    await store.put('/n', bytes(`${Number(text(now.value)) + 1}`), { expect: now.revision })
    return true
  } catch (error) {
    assert.ok(error instanceof StoreConflict, String(error))
    return false
  }
}

/** Creates, changes and deletes keys that other servers change too, many at a time. */
async function mess(store: Store, seed: number): Promise<void> {
  const random = seededRandom(seed)
  for (let round = 0; round < 15; round++) {
    const writes = Array.from({ length: 8 }, async (_, i) => {
      const key = `/k/${Math.floor(random.float() * 12)}`
      const now = await store.get(key)
      if (now && random.float() < 0.4) await store.delete(key, { expect: now.revision })
      else await store.put(key, bytes(`${seed} ${round} ${i}`), { expect: now?.revision ?? 'absent' })
    })
    for (const result of await Promise.allSettled(writes))
      assert.ok(result.status === 'fulfilled' || result.reason instanceof StoreConflict)
  }
}

/** Watches all keys from the beginning. `upTo` gives the changes once that revision has come. */
function record(store: Store) {
  const abort = new AbortController()
  const changes: Change[] = []
  const watch = store.watch('', { after: 0, signal: abort.signal })[Symbol.asyncIterator]()
  return {
    async upTo(revision: Revision): Promise<{ revision: Revision }[]> {
      while ((changes.at(-1)?.revision ?? 0) < revision) changes.push(...(await watch.next()).value!)
      abort.abort()
      return changes.map(change => ({ ...plain(change), revision: change.revision }))
    },
  }
}

const plainEntry = (entry: Entry) => ({ ...entry, value: text(entry.value) })

/** The same, with text instead of bytes. */
function plain(change: Change): object {
  const { previous, ...rest } = change
  const value = change.type === 'put' ? { value: text(change.value) } : {}
  return { ...rest, ...value, ...(previous && { previous: plainEntry(previous) }) }
}
