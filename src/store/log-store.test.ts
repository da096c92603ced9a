// The store over a log that the test holds: when a write becomes visible, what a failed append leaves, how much may
// wait, and what a process that ends between two steps of a compaction leaves for the next one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from '../base/errors.ts'
import { Waiters } from '../base/waiters.ts'
import { bytes, has, text } from './contract.ts'
import type { Log, Row, SharedLog } from './log.ts'
import { LogStore, type LogStoreOptions } from './log-store.ts'
import { storeLimits, type Change, type Revision, type RowName } from './store.ts'

/** What is on the disk. It outlives a store. */
class Disk {
  rows = new Map<Revision, Row>()
  compacted = 0

  copy(): Disk {
    const copy = new Disk()
    copy.rows = new Map(this.rows)
    copy.compacted = this.compacted
    return copy
  }
}

/** A log whose appends wait for the test, whose writes fail when the test says so, and which shows each step. */
class TestLog implements Log {
  readonly disk: Disk
  /** The appends that wait, oldest first; undefined to let them pass. */
  held: (() => void)[] | undefined
  failure: Error | undefined
  readonly batches: number[] = []
  damaged = new Set<Revision>()
  /** Called after every step that a crash may follow. */
  onStep: (disk: Disk) => void = () => {}
  closed = false

  constructor(disk = new Disk()) {
    this.disk = disk
  }

  load() {
    const rows = [...this.disk.rows.values()].sort((a, b) => a.revision - b.revision)
    return { compacted: this.disk.compacted, rows: rows.map(row => ({ ...row, sizeBytes: row.value.byteLength })) }
  }

  async append(rows: readonly Row[]): Promise<void> {
    assert.ok(rows.length > 0)
    this.batches.push(rows.length)
    if (this.held) await new Promise<void>(resolve => this.held!.push(resolve))
    if (this.failure) throw this.failure
    for (const row of rows) this.disk.rows.set(row.revision, row)
    this.onStep(this.disk)
  }

  read({ revision }: RowName): Row {
    const row = this.disk.rows.get(revision)
    assert.ok(row, `revision ${revision} is not on the disk`)
    if (this.damaged.has(revision)) throw new StatusError('InternalError', `revision ${revision} is damaged`)
    return row
  }

  readAll(rows: readonly RowName[]): Row[] {
    return rows.map(row => this.read(row))
  }

  *range(prefix: string, after: Revision, upTo: Revision): Iterable<Row> {
    for (let revision = after + 1; revision <= upTo; revision++) {
      const row = this.disk.rows.get(revision)
      if (row?.key.startsWith(prefix)) yield this.read(row)
    }
  }

  async remove(revisions: readonly Revision[], compacted: Revision): Promise<void> {
    if (this.failure) throw this.failure
    this.disk.compacted = Math.max(this.disk.compacted, compacted)
    this.onStep(this.disk)
    for (const revision of revisions) {
      this.disk.rows.delete(revision)
      this.onStep(this.disk)
    }
  }

  turn(fn: () => void): void {
    queueMicrotask(fn)
  }

  sizeBytes = () => this.disk.rows.size

  async close(): Promise<void> {
    this.closed = true
  }

  release(): void {
    for (const go of this.held!.splice(0)) go()
  }
}

/** A log that others append to, over a connection that is lost: their rows are counted, and do not come. */
class TestSharedLog extends TestLog implements SharedLog {
  newestRevision: Revision = 0
  readonly #others = new Waiters()

  override async append(rows: readonly Row[]): Promise<void> {
    if (rows[0]!.revision <= this.newestRevision) await this.#others.wait(this.newestRevision)
    return super.append(rows)
  }

  follow(): void {}

  newest = async () => this.newestRevision

  endWaits(): void {
    this.#others.fail(new StatusError('ServiceUnavailable', 'the store is closed'))
  }
}

/** Lets everything run that waits for no append. */
const settled = () => new Promise(resolve => setImmediate(resolve))

function open(options: LogStoreOptions = {}, disk = new Disk()) {
  const log = new TestLog(disk)
  return { log, disk, store: new LogStore(log, options) }
}

test('a write that the log does not have yet is seen by no reader and no watcher', async () => {
  const { log, store } = open()
  await store.put('/a', bytes('1'), { expect: 'absent' })
  log.held = []
  const seen: Change[] = []
  const abort = new AbortController()
  const watching = (async () => {
    for await (const changes of store.watch('/', { after: 1, signal: abort.signal })) seen.push(...changes)
  })()
  let done = false
  const writing = store.put('/a', bytes('2'), { expect: 1 }).then(() => {
    done = true
  })
  await settled()
  assert.equal(log.held.length, 1)
  assert.equal(text((await store.get('/a'))?.value), '1')
  assert.equal(await store.revision(), 1)
  assert.deepEqual([seen.length, done], [0, false])
  log.release()
  await writing
  assert.equal(text((await store.get('/a'))?.value), '2')
  await settled()
  assert.deepEqual(
    seen.map(c => c.revision),
    [2],
  )
  abort.abort()
  await watching
})

test('a write that conflicts with one that is not durable yet is refused only when that is certain', async () => {
  const { log, store } = open()
  log.held = []
  const outcomes: string[] = []
  const note = (name: string, promise: Promise<unknown>) =>
    promise.then(
      () => outcomes.push(`${name} stored`),
      error => outcomes.push(`${name} ${(error as Error).name}`),
    )
  const writes = [
    note('first', store.put('/a', bytes('1'), { expect: 'absent' })),
    note('second', store.put('/a', bytes('2'), { expect: 'absent' })),
    // This one conflicts with what is durable already.
    note('stale', store.put('/b', bytes('2'), { expect: 9 })),
  ]
  await settled()
  assert.deepEqual(outcomes, ['stale StoreConflict'])
  log.release()
  await Promise.all(writes)
  assert.deepEqual(outcomes.slice(1), ['first stored', 'second StoreConflict'])
})

test('an append that fails rejects all of its writes, uses up no revision, and the next one is tried', async () => {
  const { log, store } = open()
  await store.put('/a', bytes('1'), { expect: 'absent' })
  log.failure = new StatusError('ServiceUnavailable', 'no space left')
  const writes = await Promise.allSettled([
    store.put('/a', bytes('2'), { expect: 1 }),
    store.put('/a', bytes('x'), { expect: 1 }),
    store.delete('/a', { expect: 2 }),
  ])
  // The second and third depend on the first, so that nothing can be said about them but the failure.
  for (const write of writes) assert.ok(write.status === 'rejected' && has('ServiceUnavailable')(write.reason))
  assert.equal(text((await store.get('/a'))?.value), '1')
  log.failure = undefined
  assert.equal(await store.put('/a', bytes('2'), { expect: 1 }), 2)
})

test('writes of one turn are one append, and those that come meanwhile are the next', async () => {
  const { log, store } = open()
  log.held = []
  const put = (key: string) => store.put(key, bytes(key), { expect: 'absent' })
  const first = [put('/1'), put('/2'), put('/3')]
  await settled()
  const second = [put('/4'), put('/5')]
  await settled()
  assert.deepEqual(log.batches, [3])
  log.release()
  await Promise.all(first)
  await settled()
  log.release()
  assert.deepEqual(await Promise.all(second), [4, 5])
  assert.deepEqual(log.batches, [3, 2])
})

test('an append has at most 1,024 rows and 16 MiB', async () => {
  const { log, store } = open()
  const puts = (count: number, sizeBytes: number, prefix: string) =>
    Array.from({ length: count }, (_, i) => store.put(`${prefix}${i}`, new Uint8Array(sizeBytes), { expect: 'absent' }))
  await Promise.all(puts(2500, 1, '/many/'))
  assert.deepEqual(log.batches.splice(0), [1024, 1024, 452])
  await Promise.all(puts(5, 6 << 20, '/large/'))
  assert.deepEqual(log.batches, [2, 2, 1])
})

test('a write beyond the number that may wait is refused at once and can be repeated later', async () => {
  const { log, store } = open()
  log.held = []
  const first = store.put('/first', bytes(''), { expect: 'absent' })
  await settled()
  const { queuedWrites } = storeLimits
  const waiting = Array.from({ length: queuedWrites }, (_, i) => store.put(`/${i}`, bytes(''), { expect: 'absent' }))
  await assert.rejects(store.put('/more', bytes(''), { expect: 'absent' }), (error: unknown) => {
    assert.ok(has('TooManyRequests')(error))
    assert.equal((error as StatusError).details?.retryAfterSeconds, 1)
    return true
  })
  log.held.splice(0).forEach(go => go())
  log.held = undefined
  await Promise.all([first, ...waiting])
  assert.equal(await store.put('/more', bytes(''), { expect: 'absent' }), queuedWrites + 2)
})

test('the bytes that wait are limited too, and are counted back when they are written', async () => {
  const { log, store } = open()
  const value = new Uint8Array(storeLimits.valueBytes)
  const count = storeLimits.queuedBytes / storeLimits.valueBytes
  for (const round of [1, 2]) {
    log.held = []
    const first = store.put(`/${round}`, bytes(''), { expect: 'absent' })
    await settled()
    const waiting = Array.from({ length: count }, (_, i) => store.put(`/${round}/${i}`, value, { expect: 'absent' }))
    await assert.rejects(store.delete('/x', { expect: 1 }), has('TooManyRequests'))
    log.held.splice(0).forEach(go => go())
    log.held = undefined
    await Promise.all([first, ...waiting])
  }
})

test('closing waits for the append under way, and refuses what is queued behind it', async () => {
  const { log, store } = open()
  log.held = []
  const underWay = store.put('/a', bytes('1'), { expect: 'absent' })
  await settled()
  const queued = assert.rejects(store.put('/b', bytes('1'), { expect: 'absent' }), has('ServiceUnavailable'))
  const closing = store.close()
  await queued
  await settled()
  assert.equal(log.closed, false)
  log.release()
  assert.equal(await underWay, 1)
  await closing
  assert.equal(log.closed, true)
  assert.deepEqual([...log.disk.rows.keys()], [1])
  for (const refused of [
    () => store.revision(),
    () => store.list('/'),
    () => store.changes('/', { after: 0, upTo: 1, limit: 9 }),
    () => store.compact(1),
    () => store.delete('/a', { expect: 1 }),
  ])
    await assert.rejects(refused, has('ServiceUnavailable'))
  await store.close()
})

test('closing does not wait for what others have written, which may not come', async () => {
  for (const doing of ['append', 'plan'] as const) {
    const log = new TestSharedLog()
    const store = new LogStore(log)
    log.newestRevision = 1
    // One that expects a value has to see the rows of others before it is planned at all.
    const expect = doing === 'plan' ? 1 : 'absent'
    const refused = assert.rejects(store.put('/a', bytes('1'), { expect }), has('ServiceUnavailable'))
    await settled()
    const closing = store.close()
    await refused
    await closing
    assert.ok(log.closed)
    assert.deepEqual(log.batches, [])
  }
})

test('a change whose old value is damaged is given without it, and the damage is reported', async () => {
  const errors: string[] = []
  const { log, store } = open({ onError: error => errors.push((error as Error).message) })
  await store.put('/a', bytes('1'), { expect: 'absent' })
  log.damaged.add(1)
  const abort = new AbortController()
  const watch = store.watch('/', { after: 1, signal: abort.signal })[Symbol.asyncIterator]()
  const next = watch.next()
  assert.equal(await store.put('/a', bytes('2'), { expect: 1 }), 2)
  const [change] = (await next).value!
  assert.deepEqual([change!.revision, change!.previous], [2, undefined])
  assert.deepEqual(errors, ['revision 1 is damaged'])
  abort.abort()
})

test('a compaction that fails leaves its rows to the next one', async () => {
  const { log, disk, store } = open()
  let at: Revision | 'absent' = 'absent'
  for (let i = 0; i < 6; i++) at = await store.put('/a', bytes(`${i}`), { expect: at })
  log.failure = new Error('the disk is away')
  await assert.rejects(store.compact(4), /the disk is away/)
  // The position is given up all the same: rows of which some may be gone must not be readable.
  await assert.rejects(store.get('/a', 3), has('Expired'))
  log.failure = undefined
  await store.compact(5)
  assert.deepEqual([...disk.rows.keys()], [5, 6])
  assert.equal(disk.compacted, 5)
})

test('compactions that are asked for at once run one after the other, and the furthest one counts', async () => {
  const { disk, store } = open()
  let at: Revision | 'absent' = 'absent'
  for (let i = 0; i < 9; i++) at = await store.put('/a', bytes(`${i}`), { expect: at })
  const results = await Promise.allSettled([store.compact(3), store.compact(99), store.compact(8), store.compact(5)])
  assert.deepEqual(
    results.map(r => r.status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  assert.equal(store.stats().compacted, 8)
  assert.deepEqual([...disk.rows.keys()], [8, 9])
})

test('the history is halved by itself once it has too many bytes, in one compaction at a time', async () => {
  const { store } = open({ historyBytes: 1000 })
  let at: Revision | 'absent' = 'absent'
  for (let i = 0; i < 10; i++) at = await store.put('/a', new Uint8Array(100), { expect: at })
  await settled()
  assert.equal(store.stats().compacted, 0)
  for (let i = 0; i < 2; i++) at = await store.put('/a', new Uint8Array(100), { expect: at })
  await settled()
  const { compacted } = store.stats()
  assert.ok(compacted >= 6 && compacted <= 7, `${compacted}`)
})

test('the changes up to a position are those up to and with it, and no more than asked for', async () => {
  const { store } = open()
  for (const key of ['/a', '/b', '/c', '/d']) await store.put(key, bytes(key), { expect: 'absent' })
  const past = async (after: number, upTo: number, limit: number) =>
    (await store.changes('/', { after, upTo, limit })).map(c => c.revision)
  assert.deepEqual(await past(0, 3, 3), [1, 2, 3])
  assert.deepEqual(await past(1, 4, 3), [2, 3, 4])
  assert.deepEqual(await past(4, 4, 0), [])
  await assert.rejects(past(0, 4, 3), has('Expired'))
})

/** All that a store answers: at each position that can be read the entries, and the changes from each on. */
async function everything(store: LogStore) {
  const { compacted, keys } = store.stats()
  const head = await store.revision()
  const states: unknown[] = []
  for (let at = compacted; at <= head; at++) {
    const { entries } = await store.list('/', { at })
    const changes = await store.changes('/', { after: at, upTo: head, limit: 100 })
    states.push([at, entries, changes])
  }
  return { compacted, head, keys, states }
}

test('a process may end between any two steps of writing and compacting, and the next one continues', async () => {
  const { log, disk, store } = open()
  // After each step: the disk as it is then, and how many writes were acknowledged by then.
  const moments: { disk: Disk; acknowledged: number }[] = []
  let acknowledged = 0
  log.onStep = now => moments.push({ disk: now.copy(), acknowledged })
  const revisions = new Map<string, Revision>()
  for (let i = 1; i <= 40; i++) {
    const key = `/${(i * 7) % 5}`
    const at = revisions.get(key)
    if (at !== undefined && i % 3 === 0) {
      acknowledged = await store.delete(key, { expect: at })
      revisions.delete(key)
    } else {
      acknowledged = await store.put(key, bytes(`${i}`), { expect: at ?? 'absent' })
      revisions.set(key, acknowledged)
    }
    if (i % 8 === 0) await store.compact(acknowledged - 3)
  }
  assert.ok(moments.length > 60, `${moments.length} moments`)
  const whole = await everything(store)
  for (const moment of moments) {
    const next = open({}, moment.disk)
    const before = await everything(next.store)
    assert.ok(before.head >= moment.acknowledged, `${before.head} of ${moment.acknowledged} acknowledged writes`)
    // Rows that only a compacted position could read are removed at the start.
    await next.store.compact(before.compacted)
    await settled()
    const live = new Set(before.states.flatMap(s => (s as [number, { revision: number }[], Change[]])[1]))
    for (const { revision } of live) assert.ok(moment.disk.rows.has(revision))
    const third = open({}, moment.disk.copy())
    assert.deepEqual(await everything(third.store), before)
    // It goes on where the other has ended: the counter does not go back, and takes no revision twice.
    const write = await next.store.put('/new', bytes('x'), { expect: 'absent' })
    assert.equal(write, before.head + 1)
  }
  const last = open({}, disk.copy())
  assert.deepEqual(await everything(last.store), whole)
})

test('rows that a compaction has left behind are removed when the log is opened', async () => {
  const disk = new Disk()
  const row = (revision: number, value: string, deleted = false): Row => ({
    revision,
    key: '/a',
    created: 1,
    deleted,
    value: bytes(value),
  })
  for (const left of [row(1, '1'), row(2, '2'), row(3, '', true)]) disk.rows.set(left.revision, left)
  disk.compacted = 3
  const { store } = open({}, disk)
  assert.equal(await store.revision(), 3)
  assert.equal(await store.get('/a'), undefined)
  await store.compact(3)
  await settled()
  assert.deepEqual([...disk.rows.keys()], [])
  assert.equal(await store.put('/a', bytes('4'), { expect: 'absent' }), 4)
})
