// The log of a store in etcd, which several servers share. Each keeps what it has read in memory, and follows etcd by one
// watch; etcd is asked only to write, and for the newest revision. A batch of writes is one transaction, which etcd
// carries out if the head is still the one that the batch was planned at:
//
//   append ──▶ txn: head unchanged? ──yes──▶ rows, head ──┐
//     ▲                 │ no                             ├─▶ watch ──▶ deliver: rows in order, each once
//     └──── LogMoved ◀──┘          other servers' rows ──┘
//
// When etcd has no space, a batch of deletions takes its numbers from spare keys instead of writing the head (layout.ts).
import { realClock } from '../../base/clock.ts'
import { assert, messageOf, StatusError } from '../../base/errors.ts'
import type { Log as Logger } from '../../base/log.ts'
import { Waiters } from '../../base/waiters.ts'
import { grpcOf } from '../../wire/grpc.ts'
import { LogMoved, type Row, type RowHead, type SharedLog } from '../log.ts'
import { type Revision, type RowName, StoreFull } from '../store.ts'
import type { EtcdClient } from './client.ts'
import { type Head, type Layout, type Spares, sparesOf } from './layout.ts'
import type { EtcdEvent, RequestOp, TxnResponse } from './protocol.ts'
import { compactedUpTo, type EtcdState, isCompacted, positionIn, questions, readPosition, readState } from './state.ts'

const etcdLogLimits = {
  /** etcd allows 1.5 MiB in a transaction. */
  batchRows: 100,
  batchBytes: 1 << 20,
  /** How many transactions of the past are read at the start, so that watches from before it go on. */
  history: 5000,
  /** After so many failures in a row a server claims the next turn, which the others leave to it for a while. */
  lostTurns: 2,
  claimMs: 100,
  /** How many deletions an etcd without space takes, until it has space again. */
  spares: 1000,
  /** Of one transaction, in etcd. */
  operations: 128,
  /** Pauses before another watch, after the first and after many failures. */
  pauseMs: 50,
  maxPauseMs: 2000,
  /** For this long the size of the database counts as it was when etcd was asked last. */
  sizeMs: 10_000,
} as const

/** The last revision of the store that a transaction made, and the revision of etcd that it had. */
interface Mark {
  revision: Revision
  at: number
}

interface Pending {
  id: string
  rows: readonly Row[]
  isDone: boolean
}

class EtcdLog implements SharedLog {
  readonly batchLimits = {
    rows: etcdLogLimits.batchRows,
    sizeBytes: etcdLogLimits.batchBytes,
    /** etcd refuses a transaction that writes a key twice. */
    oneRowPerKey: true,
  }
  readonly #client: EtcdClient
  readonly #layout: Layout
  readonly #logger: Logger
  readonly #newId: () => string
  readonly #closing = new AbortController()
  readonly #rows = new Map<Revision, Row>()
  readonly #start: { compacted: Revision; rows: readonly Row[] }
  /** Oldest first. */
  #marks: Mark[] = []
  /** The newest revision that has been delivered, and the revision of etcd that wrote its head; 0 for none. */
  #revision: Revision
  #headAt: number
  #spares: Spares
  /** The newest revision of etcd of which everything has been delivered, by the watch or by an answer. */
  #position: number
  #pending: Pending | undefined
  readonly #self: string
  /** How often in a row others have been first. */
  #lost = 0
  /** Another server's claim of the next turn. */
  #claimed: { over: Promise<void>; end(): void } | undefined
  /** Events of a transaction whose head has not come yet. */
  #events: EtcdEvent[] = []
  /** How many spare keys the same transaction has deleted. */
  #spent = 0
  readonly #delivered = new Waiters()
  #show: (rows: readonly Row[]) => void = () => {}
  #fail: (error: StatusError) => void = () => {}
  #following: Promise<void> | undefined
  #failed: StatusError | undefined
  /** Whether nobody waits for rows any more. */
  #isEnding = false
  #size = { bytes: 0, askedAt: Number.NEGATIVE_INFINITY }
  readonly #newest = new Latest(() => this.#readNewest())

  constructor(client: EtcdClient, layout: Layout, state: EtcdState, o: LogOptions) {
    this.#client = client
    this.#layout = layout
    this.#logger = o.log
    this.#newId = o.newId
    this.#self = o.newId()
    for (const row of state.rows) this.#rows.set(row.revision, row)
    this.#start = { compacted: state.revision, rows: state.rows }
    this.#revision = state.revision
    this.#headAt = state.written
    this.#spares = state.spares
    this.#position = state.at
    this.#marks.push({ revision: state.revision, at: state.at })
  }

  load(): { compacted: Revision; rows: Iterable<RowHead> } {
    return {
      compacted: this.#start.compacted,
      rows: this.#start.rows.map(row => ({ ...row, sizeBytes: row.value.byteLength })),
    }
  }

  follow(show: (rows: readonly Row[]) => void, fail: (error: StatusError) => void): void {
    assert(!this.#following, 'a log is followed once')
    this.#show = show
    this.#fail = fail
    this.#following = this.#follow().catch(error => {
      if (!this.#closing.signal.aborted) this.#stop(error)
    })
  }

  /** Ends everything with an error, which it returns. */
  #stop(error: unknown): StatusError {
    if (this.#failed) return this.#failed
    this.#failed =
      error instanceof StatusError ? error : new StatusError('InternalError', messageOf(error), { cause: error })
    this.#delivered.fail(this.#failed)
    this.#fail(this.#failed)
    return this.#failed
  }

  /** The newest revision that any server has written. Calls that come while etcd is asked share the next question. */
  newest(): Promise<Revision> {
    return this.#newest.get()
  }

  async append(rows: readonly Row[]): Promise<void> {
    this.#mustRun()
    await this.#letOthersGo()
    const pending: Pending = { id: this.#newId(), rows, isDone: false }
    // Rows that came while others went first are shown already, and make this plan an old one.
    if (rows[0]!.revision !== this.#revision + 1) throw new LogMoved()
    this.#pending = pending
    try {
      const { answer, spares, hasHead } = await this.#send(pending)
      if (pending.isDone) return
      if (answer.succeeded) return this.#deliver(rows, answer.header!.revision, spares, hasHead)
      void this.#claim()
      const now = positionIn(this.#layout, answer)
      await this.#reach(now.revision)
      if (!pending.isDone) throw new LogMoved()
    } catch (error) {
      if (pending.isDone) return
      if (error instanceof Gap) throw this.#stop(error)
      throw error instanceof LogMoved ? error : writeError(error)
    } finally {
      this.#pending = undefined
    }
  }

  /** Makes the transaction of a batch, with spare keys if etcd has no space for another one. */
  async #send({ rows, id }: Pending): Promise<{ answer: TxnResponse; spares: Spares; hasHead: boolean }> {
    const before = this.#spares
    const compare = this.#layout.unchanged(this.#headAt, before)
    // After a failure a transaction may be sent again: only one of them finds the head as it was.
    const commit = (success: RequestOp[]) =>
      this.#client.call('txn', { compare, success, failure: questions(this.#layout) })
    try {
      const spares = stocked(before, rows.length)
      return { answer: await commit(this.#layout.operations(rows, id, before, spares)), spares, hasHead: true }
    } catch (error) {
      const spares = { ...before, first: before.first + rows.length }
      if (!isNoSpace(error) || rows.some(({ deleted }) => !deleted) || spares.first > spares.end) throw error
      return { answer: await commit(this.#layout.deletions(rows, before)), spares, hasHead: false }
    }
  }

  read({ revision }: RowName): Row {
    const row = this.#rows.get(revision)
    assert(row, `revision ${revision} is in memory`)
    return row
  }

  readAll(rows: readonly RowName[]): Row[] {
    return rows.map(row => this.read(row))
  }

  *range(prefix: string, after: Revision, upTo: Revision): Iterable<Row> {
    for (let revision = after + 1; revision <= upTo; revision++) {
      const row = this.#rows.get(revision)
      if (row?.key.startsWith(prefix)) yield row
    }
  }

  /** Forgets the rows, and lets etcd give up the transactions before the compaction point. */
  async remove(revisions: readonly Revision[], compacted: Revision): Promise<void> {
    for (const revision of revisions) this.#rows.delete(revision)
    const index = this.#marks.findLastIndex(mark => mark.revision <= compacted)
    if (index <= 0) return
    const { at } = this.#marks[index]!
    this.#marks = this.#marks.slice(index)
    try {
      await this.#client.call('compact', { revision: at })
    } catch (error) {
      if (!isCompacted(error)) throw error
    }
  }

  turn(fn: () => void): void {
    setImmediate(fn)
  }

  /** The size of etcd's database on one member, which is asked for again when it is old. */
  sizeBytes(): number {
    const now = realClock.steady()
    if (now - this.#size.askedAt >= etcdLogLimits.sizeMs) {
      this.#size.askedAt = now
      this.#client.call('status', {}).then(
        ({ dbSize }) => (this.#size.bytes = dbSize),
        error => this.#closing.signal.aborted || this.#logger.debug('etcd gives no size', { error: messageOf(error) }),
      )
    }
    return this.#size.bytes
  }

  endWaits(): void {
    this.#isEnding = true
    this.#delivered.fail(closed())
  }

  async close(): Promise<void> {
    this.#closing.abort(closed())
    this.#client.close()
    this.#delivered.fail(this.#closing.signal.reason)
    await this.#following
    this.#rows.clear()
  }

  async #readNewest(): Promise<Revision> {
    this.#mustRun()
    const before = this.#revision
    const { revision } = await readPosition(this.#client, this.#layout)
    if (revision < before) throw this.#stop(goneBack(revision, before))
    return revision
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; !this.#failed; failures++) {
      try {
        for await (const answer of this.#client.watch(this.#layout.all, this.#position + 1, signal)) {
          if (answer.canceled && answer.compact_revision > this.#position)
            throw new Gap(`etcd gave up history up to ${answer.compact_revision} that was not read yet`)
          if (answer.canceled) throw new StatusError('ServiceUnavailable', answer.cancel_reason)
          failures = 0
          for (const event of answer.events) this.#take(event)
        }
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof Gap) throw new StatusError('InternalError', error.message, { cause: error })
        this.#logger.warn('the watch of etcd has ended, and another one begins', { error: messageOf(error) })
      }
      this.#forgetEvents()
      await realClock.sleep(
        Math.min(etcdLogLimits.maxPauseMs, etcdLogLimits.pauseMs * 2 ** Math.min(failures, 10)),
        signal,
      )
    }
  }

  /** Takes an event of the watch. A transaction is complete with its head. */
  #take(event: EtcdEvent): void {
    const { key, mod_revision: at, value } = event.kv!
    if (this.#layout.isClaim(key)) return this.#seeClaim(Buffer.from(value).toString())
    if (!this.#layout.isHead(key)) {
      const spare = this.#layout.spareOf(key)
      if (spare === undefined) this.#events.push(event)
      else if (event.type === 'DELETE') this.#takeSpare(spare, at)
      return
    }
    const events = this.#eventsOf(at)
    if (event.type === 'DELETE') throw new Gap(`the key ${this.#layout.head.toString()} was deleted in etcd`)
    const head = this.#layout.readHead(value)
    if (head.revision <= this.#revision) return
    const pending = this.#pending
    const rows = pending?.id === head.id ? pending.rows : this.#rowsOf(events, head)
    if (!rows.length) throw new Gap('another store has been copied into the place of this one')
    this.#deliver(rows, at, sparesOf(head), true)
  }

  /** Takes the deletion of a spare key. When there are as many as of other keys, the transaction is complete. */
  #takeSpare(index: number, at: number): void {
    this.#spent++
    const keys = this.#events.filter(({ type, kv }) => type === 'DELETE' && kv!.mod_revision === at)
    if (this.#spent < keys.length) return
    const [isOld, first] = [at <= this.#position, index + 1 - this.#spent]
    this.#eventsOf(at)
    if (isOld) return
    if (!keys.length || first !== this.#spares.first) throw new Gap('a spare key was deleted by another program')
    const from = this.#revision + 1
    const made = keys.map(({ kv }, i) => deletion(this.#layout.nameOf(kv!.key), from + i))
    // Without a head there is no word of its writer. Two that delete the same at the same revision have both done it.
    const own = this.#pending?.rows
    const isOwn = own && own.length === made.length && own.every((row, i) => row.deleted && row.key === made[i]!.key)
    this.#deliver(isOwn ? own : made, at, { ...this.#spares, first: index + 1 }, false)
  }

  /** The events of a transaction that is complete. What else has come belongs to none. */
  #eventsOf(at: number): EtcdEvent[] {
    const events = this.#events.filter(({ kv }) => kv!.mod_revision === at)
    const foreign = this.#events.length - events.length
    this.#forgetEvents()
    this.#position = Math.max(this.#position, at)
    if (foreign > 0)
      this.#logger.error('keys of the store were changed in etcd by another program, which has no effect', { foreign })
    return events
  }

  #forgetEvents(): void {
    this.#events = []
    this.#spent = 0
  }

  #rowsOf(events: readonly EtcdEvent[], head: Head): Row[] {
    const rows = events.flatMap(({ type, kv }) => (type === 'PUT' ? [this.#layout.row(kv!.key, kv!.value)] : []))
    for (const [revision, key] of head.deleted) rows.push(deletion(key, revision))
    return rows.sort((a, b) => a.revision - b.revision)
  }

  /**
   * Hands on the rows of a transaction, which begin right after those before, or have come already.
   * @param spares those that there are after it
   * @param hasHead whether it has written the head, rather than deleted spare keys
   */
  #deliver(rows: readonly Row[], at: number, spares: Spares, hasHead: boolean): void {
    const last = rows.at(-1)!.revision
    if (last <= this.#revision) return
    if (rows[0]!.revision !== this.#revision + 1 || last !== this.#revision + rows.length)
      throw new Gap(`the store in etcd goes on from revision ${this.#revision} with ${rows[0]!.revision} to ${last}`)
    for (const row of rows) this.#rows.set(row.revision, row)
    this.#revision = last
    if (this.#pending?.rows === rows) this.#lost = 0
    else this.#claimed?.end()
    if (hasHead) this.#headAt = at
    this.#spares = spares
    this.#position = Math.max(this.#position, at)
    this.#marks.push({ revision: last, at })
    if (this.#pending?.rows === rows) this.#pending.isDone = true
    this.#show(rows)
    this.#delivered.reach(last)
  }

  /** Claims the next turn after this server has lost several. The winner of a turn would else be first again and again. */
  async #claim(): Promise<void> {
    if (++this.#lost % etcdLogLimits.lostTurns !== 0) return
    try {
      await this.#client.call('put', { key: this.#layout.claim, value: Buffer.from(this.#self) })
    } catch (error) {
      this.#logger.debug('no turn could be claimed', { error: messageOf(error) })
    }
  }

  #seeClaim(server: string): void {
    if (server === this.#self) return
    let end = () => {}
    const over = new Promise<void>(resolve => (end = resolve))
    this.#claimed?.end()
    this.#claimed = { over, end }
  }

  async #letOthersGo(): Promise<void> {
    const claimed = this.#claimed
    if (!claimed) return
    const cancel = realClock.after(etcdLogLimits.claimMs, claimed.end)
    await claimed.over
    cancel()
    if (this.#claimed === claimed) this.#claimed = undefined
  }

  async #reach(revision: Revision): Promise<void> {
    this.#mustRun()
    if (this.#revision >= revision) return
    if (this.#isEnding) throw closed()
    await this.#delivered.wait(revision)
  }

  #mustRun(): void {
    this.#closing.signal.throwIfAborted()
    if (this.#failed) throw this.#failed
  }
}

interface LogOptions {
  log: Logger
  /** Makes a word that no other transaction has. */
  newId: () => string
}

/** Reads the state of the recent past; the watch then gives what has happened since. */
export async function openEtcdLog(client: EtcdClient, layout: Layout, options: LogOptions): Promise<EtcdLog> {
  const { newest } = await readPosition(client, layout)
  if ((await client.call('range', { key: layout.filling })).kvs.length)
    throw new StatusError(
      'ServiceUnavailable',
      'another store is being copied here, or that was interrupted; wait for it, or do it again',
    )
  const filled = (await client.call('range', { key: layout.filled })).kvs[0]?.mod_revision ?? 1
  const past = Math.max(filled, newest - etcdLogLimits.history)
  const state =
    (await readState(client, layout, past)) ??
    (await readState(client, layout, (await compactedUpTo(client, layout, past)) ?? newest))
  if (!state) throw new StatusError('ServiceUnavailable', 'etcd gave up its newest revision while it was read')
  return new EtcdLog(client, layout, state, options)
}

const closed = () => new StatusError('ServiceUnavailable', 'the store is closed')

/** Another etcd answers, or one that was restored: what this server holds is not what is stored. */
const goneBack = (now: Revision, before: Revision) =>
  new StatusError(
    'InternalError',
    `etcd is at revision ${now} and was at ${before} before: it has been restored or replaced`,
  )

/** What has happened cannot be continued from what this server holds. */
class Gap extends Error {}

/** Runs a question so that each caller gets the answer to one that was asked after the call. */
class Latest<T> {
  readonly #ask: () => Promise<T>
  #running: Promise<unknown> | undefined
  #next: Promise<T> | undefined

  constructor(ask: () => Promise<T>) {
    this.#ask = ask
  }

  get(): Promise<T> {
    if (this.#next) return this.#next
    const next = (this.#running ?? Promise.resolve()).then(() => {
      this.#next = undefined
      const asked = this.#ask()
      const running = asked
        .catch(() => {})
        .then(() => {
          if (this.#running === running) this.#running = undefined
        })
      this.#running = running
      return asked
    })
    this.#next = next
    return next
  }
}

/** The spare keys after a transaction of so many rows, which makes some while there are few. Pure. */
function stocked({ first, end }: Spares, rows: number): Spares {
  const { spares, operations } = etcdLogLimits
  return { first, end: Math.min(Math.max(end, first + spares), end + operations - 1 - rows) }
}

const deletion = (key: string, revision: Revision): Row => ({
  revision,
  key,
  created: revision,
  deleted: true,
  value: noValue,
})

const isNoSpace = (error: unknown): boolean => {
  const grpc = grpcOf(error)
  return grpc?.code === 'ResourceExhausted' && /space exceeded/.test(grpc.desc)
}

function writeError(error: unknown): unknown {
  const grpc = grpcOf(error)
  if (grpc?.code === 'InvalidArgument' && /too large/.test(grpc.desc))
    return new StatusError('RequestEntityTooLarge', 'etcd refuses the write: the request is too large', {
      cause: error,
    })
  if (isNoSpace(error))
    return new StoreFull(
      'etcd refuses writes: its database has reached its quota (mvcc: database space exceeded); delete objects, compact it, and then defragment it with: kutter store defragment',
      error,
    )
  return error
}

const noValue = new Uint8Array(0)
