// Implements Store over any Log, with an index of keys in memory and a hub for watchers. Writes go to the log in
// batches, one at a time. They become visible, in the index and to watchers, only after the log has them.
//
//   put ──▶ queue ──turn──▶ planBatch ──▶ log.append ──durable──▶ index, watchers, then the writers
//                   ▲                                      │
//                   └───── writes that came meanwhile ◀────┘
import { assert, StatusError } from '../base/errors.ts'
import { gauge } from '../base/metrics.ts'
import { Waiters } from '../base/waiters.ts'
import { KeyIndex } from './key-index.ts'
import { LogMoved, type Log, type Row, type SharedLog } from './log.ts'
import {
  checkKey,
  checkValue,
  listExpired,
  StoreFull,
  storeLimits,
  tooLarge,
  watchExpired,
  type Change,
  type Entry,
  type Head,
  type ListOptions,
  type Page,
  type PutOptions,
  type Revision,
  type RowName,
  type Store,
  type StoreStats,
} from './store.ts'
import { WatchHub, storeClosed } from './watch-hub.ts'
import { planBatch, type Batch, type Write } from './write-batch.ts'

const logStoreLimits = {
  /** Limits of one append. */
  batch: { rows: 1024, sizeBytes: 16 << 20, oneRowPerKey: false },
  /** Beyond this much history the store compacts the older half by itself. */
  historyRows: 200_000,
  historyBytes: 512 << 20,
} as const

const isFull = gauge('kutter_store_full', 'Whether the store takes nothing but deletions, for want of space.')

export interface LogStoreOptions {
  historyRows?: number
  historyBytes?: number
  /** Called with failures that belong to no caller: of the store's own compaction, of a damaged old value. */
  onError?: (error: unknown) => void
  /** Called once when a shared log has failed: everything is refused from then on. */
  onFailure?: (error: StatusError) => void
}

export class LogStore implements Store {
  #log: Log
  /** The same log, if other processes append to it. */
  #shared: SharedLog | undefined
  #index = new KeyIndex()
  #hub: WatchHub
  #limits: { historyRows: number; historyBytes: number }
  #onError: (error: unknown) => void
  #revision: Revision
  #compacted: Revision
  #queue: Write[] = []
  #queuedBytes = 0
  #flushing: Promise<void> | undefined
  /** The last compaction. Each begins when the previous one has ended. */
  #compacting: Promise<void> = Promise.resolve()
  #selfCompacting = false
  /**
   * Rows that have left the index and are not yet removed from the log, oldest first: a tombstone must not be removed
   * before the rows it ended.
   */
  #doomed: Revision[]
  #closed = false
  #failed: StatusError | undefined
  /** Why the last write that was no deletion found no space. */
  #full: string | undefined
  /** Of revisions that others have written and the shared log has yet to show. */
  readonly #shown = new Waiters()

  constructor(log: Log, options: LogStoreOptions = {}) {
    this.#log = log
    this.#limits = {
      historyRows: options.historyRows ?? logStoreLimits.historyRows,
      historyBytes: options.historyBytes ?? logStoreLimits.historyBytes,
    }
    this.#onError = options.onError ?? (() => {})
    const { compacted, rows } = log.load()
    this.#revision = Math.max(compacted, this.#index.fill(rows))
    this.#compacted = compacted
    this.#hub = new WatchHub({
      revision: () => this.#revision,
      compacted: () => this.#compacted,
      changes: (prefix, after) => this.#changes(prefix, after),
    })
    // A crash in the middle of a compaction leaves rows that can no longer be read.
    this.#doomed = this.#index.compact(compacted)
    if (this.#doomed.length > 0) this.#compacting = this.#remove().catch(error => this.#onError(error))
    if (!isShared(log)) return
    this.#shared = log
    const fail = (error: StatusError) => {
      this.#fail(error)
      options.onFailure?.(error)
    }
    log.follow(rows => this.#show(rows), fail)
  }

  get isShared(): boolean {
    return this.#shared !== undefined
  }

  async revision(): Promise<Revision> {
    this.#mustBeOpen()
    if (this.#shared) await this.#catchUp(this.#shared)
    return this.#revision
  }

  async get(key: string, at?: Revision): Promise<Entry | undefined> {
    const position = await this.#position(at)
    const revision = at === undefined ? this.#index.current(key)?.revision : this.#index.at(key, position)
    return revision === undefined ? undefined : entryOf(this.#log.read({ key, revision }))
  }

  async list(prefix: string, { limit = 0, after, at, uncounted = false }: ListOptions = {}): Promise<Page> {
    const position = await this.#position(at)
    const found: RowName[] = []
    let remaining = 0
    for (const key of this.#index.keys(prefix, after)) {
      const revision = this.#index.at(key, position)
      if (revision === undefined) continue
      if (limit > 0 && found.length >= limit) remaining++
      else found.push({ key, revision })
      if (remaining > 0 && uncounted) break
    }
    const entries = this.#log.readAll(found).map(entryOf)
    if (remaining === 0) return { entries, revision: position }
    return { entries, revision: position, next: entries[entries.length - 1]!.key, ...(!uncounted && { remaining }) }
  }

  async heads(prefix: string): Promise<{ heads: Head[]; revision: Revision }> {
    const revision = await this.#position(undefined)
    return { heads: this.#index.heads(prefix), revision }
  }

  values(entries: readonly RowName[]): Uint8Array[] {
    this.#mustBeOpen()
    try {
      return this.#log.readAll(entries).map(({ value }) => value)
    } catch (error) {
      if (error instanceof StatusError) this.#log.refuse?.(error)
      throw error
    }
  }

  put(key: string, value: Uint8Array, { expect, requires }: PutOptions): Promise<Revision> {
    return this.#write(key, value, expect, requires)
  }

  delete(key: string, { expect }: { expect: Revision }): Promise<Revision> {
    return this.#write(key, undefined, expect)
  }

  watch(prefix: string, { after, signal }: { after: Revision; signal: AbortSignal }): AsyncIterable<readonly Change[]> {
    return this.#hub.watch(prefix, after, signal)
  }

  async changes(
    prefix: string,
    { after, upTo, limit }: { after: Revision; upTo: Revision; limit: number },
  ): Promise<Change[]> {
    this.#mustBeOpen()
    if (this.#shared && upTo > this.#revision) await this.#catchUp(this.#shared)
    if (after < this.#compacted) throw watchExpired()
    const found: Change[] = []
    for (const change of this.#changes(prefix, after)) {
      if (change.revision > upTo) break
      if (found.length === limit) throw watchExpired()
      found.push(change)
    }
    return found
  }

  compact(upTo: Revision): Promise<void> {
    this.#compacting = this.#compacting.catch(() => {}).then(() => this.#compact(upTo))
    return this.#compacting
  }

  async defragment(): Promise<void> {
    // Not while rows are being removed, which frees space.
    await this.#compacting.catch(() => {})
    await this.#log.defragment?.()
  }

  stats(): StoreStats {
    const sizeBytes = this.#closed ? 0 : this.#log.sizeBytes()
    const full = this.#full
    return {
      revision: this.#revision,
      compacted: this.#compacted,
      sizeBytes,
      keys: this.#index.live,
      ...(full && { full }),
    }
  }

  /** Waits for the batch that is being written. Writes that are still queued are refused. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const write of this.#queue.splice(0)) write.reject(storeClosed())
    this.#shown.fail(storeClosed())
    this.#shared?.endWaits()
    await this.#flushing
    // A failure is reported to the caller of the compaction.
    await this.#compacting.catch(() => {})
    this.#hub.close(storeClosed())
    await this.#log.close()
  }

  #mustBeOpen(): void {
    if (this.#closed) throw storeClosed()
    if (this.#failed) throw this.#failed
  }

  /** Waits for all that other processes have written. */
  async #catchUp(shared: SharedLog): Promise<void> {
    const newest = await shared.newest()
    this.#mustBeOpen()
    if (newest > this.#revision) await this.#shown.wait(newest)
  }

  #fail(error: StatusError): void {
    this.#failed = error
    for (const write of this.#queue.splice(0)) write.reject(error)
    this.#shown.fail(error)
    this.#hub.close(error)
  }

  async #position(at: Revision | undefined): Promise<Revision> {
    this.#mustBeOpen()
    if (this.#shared && (at === undefined || at > this.#revision)) await this.#catchUp(this.#shared)
    if (at === undefined) return this.#revision
    if (at > this.#revision) throw tooLarge(at, this.#revision)
    if (at < this.#compacted) throw listExpired()
    return at
  }

  #write(
    key: string,
    value: Uint8Array | undefined,
    expect: Revision | 'absent',
    requires?: ReadonlyMap<string, Revision>,
  ): Promise<Revision> {
    return new Promise((resolve, reject) => {
      this.#mustBeOpen()
      checkKey(key)
      if (value) checkValue(key, value)
      const { queuedWrites, queuedBytes } = storeLimits
      if (this.#queue.length >= queuedWrites || this.#queuedBytes >= queuedBytes)
        throw new StatusError('TooManyRequests', 'too many writes are waiting for the disk, please try again later', {
          details: { retryAfterSeconds: 1 },
        })
      this.#queue.push({ key, value, expect, requires, resolve, reject })
      this.#queuedBytes += value?.byteLength ?? 0
      this.#flushing ??= this.#turn().then(() => this.#flush())
    })
  }

  /** Writes batches to the log until the queue is empty. Never rejects: a failure is reported to the writers. */
  async #flush(): Promise<void> {
    for (; this.#queue.length > 0; await this.#turn()) {
      const writes = this.#takeBatch()
      try {
        await this.#append(writes)
      } catch (error) {
        await this.#deleteOnly(writes, error)
      }
    }
    this.#flushing = undefined
  }

  /** After a failure: without space the deletions are written alone, and everything else is refused. */
  async #deleteOnly(writes: readonly Write[], error: unknown): Promise<void> {
    const isForSpace = error instanceof StoreFull
    if (isForSpace) this.#noteFull(error.message)
    const deletions = isForSpace ? writes.filter(({ value }) => value === undefined) : []
    for (const write of writes) if (write.value !== undefined || !isForSpace) write.reject(error)
    if (deletions.length === 0) return
    try {
      if (deletions.length === writes.length) throw error
      await this.#append(deletions)
    } catch (failure) {
      for (const write of deletions) write.reject(failure)
    }
  }

  #noteFull(why: string | undefined): void {
    this.#full = why
    isFull.set(why === undefined ? 0 : 1)
  }

  async #append(writes: readonly Write[]): Promise<void> {
    let batch = this.#plan(writes)
    if (this.#shared && batch.stale.some(({ write }) => this.#isUncertain(write))) {
      await this.#catchUp(this.#shared)
      batch = this.#plan(writes)
    }
    for (const { write, conflict } of batch.stale) write.reject(conflict)
    if (batch.rows.length === 0) return
    try {
      await this.#log.append(batch.rows)
    } catch (error) {
      if (!(error instanceof LogMoved)) throw error
      const stale = new Set(batch.stale.map(({ write }) => write))
      this.#putBack(writes.filter(write => !stale.has(write)))
      return
    }
    if (!this.#shared) this.#show(batch.rows)
    if (this.#full !== undefined && batch.rows.some(row => !row.deleted)) this.#noteFull(undefined)
    batch.winners.forEach((write, i) => write.resolve(batch.rows[i]!.revision))
    for (const { write, conflict } of batch.losers) write.reject(conflict)
    this.#boundHistory()
  }

  /**
   * Whether a write that conflicts with what has been shown here may not conflict with what others have written since.
   * Revisions of a key only grow, so an expected one that has been passed does not come back.
   */
  #isUncertain({ expect, requires }: Write): boolean {
    const isAhead = (revision: Revision) => revision > this.#revision
    return expect === 'absent' || isAhead(expect) || [...(requires?.values() ?? [])].some(isAhead)
  }

  #plan(writes: readonly Write[]): Batch {
    return planBatch(writes, this.#revision, key => this.#index.current(key))
  }

  /**
   * Waits for a turn, in which writers whose write has resolved can queue their next one. So it joins the next batch.
   */
  #turn(): Promise<void> {
    return new Promise(resolve => this.#log.turn(resolve))
  }

  #takeBatch(): Write[] {
    const limits = this.#log.batchLimits ?? logStoreLimits.batch
    const keys = new Set<string>()
    let rows = 0
    let sizeBytes = 0
    for (const { key, value } of this.#queue) {
      const more = sizeBytes + (value?.byteLength ?? 0)
      if (rows > 0 && (rows >= limits.rows || more > limits.sizeBytes || (limits.oneRowPerKey && keys.has(key)))) break
      keys.add(key)
      rows++
      sizeBytes = more
    }
    this.#queuedBytes -= sizeBytes
    return this.#queue.splice(0, rows)
  }

  /** Queues writes before all others. Those whose store has closed or failed meanwhile are refused. */
  #putBack(writes: readonly Write[]): void {
    if (this.#closed || this.#failed) for (const write of writes) write.reject(this.#failed ?? storeClosed())
    else this.#queue.unshift(...writes)
    if (!this.#closed) for (const { value } of writes) this.#queuedBytes += value?.byteLength ?? 0
  }

  /** Makes durable rows visible to readers and watchers. */
  #show(rows: readonly Row[]): void {
    const watched = this.#hub.watched
    const changes: Change[] = []
    for (const row of rows) {
      if (watched) changes.push(this.#change(row, this.#index.current(row.key)?.revision, changes))
      this.#index.add({ ...row, sizeBytes: row.value.byteLength })
    }
    this.#revision = rows[rows.length - 1]!.revision
    this.#hub.publish(changes)
    this.#shown.reach(this.#revision)
  }

  /** @param newer changes of the same batch, which are not in the ring yet */
  #change(row: Row, previous: Revision | undefined, newer: readonly Change[]): Change {
    const { key, revision, created, value } = row
    const change: Change = row.deleted
      ? { type: 'delete', key, revision }
      : { type: 'put', key, value, revision, created }
    if (previous === undefined) return change
    const known = newer[previous - (newer[0]?.revision ?? 0)] ?? this.#hub.recent(previous)
    assert(known?.type !== 'delete', `revision ${previous} is a value of ${key}, not its deletion`)
    try {
      change.previous = entryOf(known ?? this.#log.read({ key, revision: previous }))
    } catch (error) {
      // A damaged old value must not hide a newer one that is durable already.
      this.#onError(error)
    }
    return change
  }

  *#changes(prefix: string, after: Revision): Generator<Change> {
    for (const row of this.#log.range(prefix, after, this.#revision))
      yield this.#change(row, this.#index.at(row.key, row.revision - 1), [])
  }

  async #compact(upTo: Revision): Promise<void> {
    this.#mustBeOpen()
    if (upTo <= this.#compacted) return
    if (upTo > this.#revision)
      throw new StatusError('BadRequest', `cannot compact up to revision ${upTo}: the newest is ${this.#revision}`)
    this.#compacted = upTo
    this.#doomed = this.#doomed.concat(this.#index.compact(upTo))
    await this.#remove()
  }

  async #remove(): Promise<void> {
    const { length } = this.#doomed
    await this.#log.remove(this.#doomed, this.#compacted)
    this.#doomed = this.#doomed.slice(length)
  }

  #boundHistory(): void {
    const { rows, sizeBytes } = this.#index.garbage
    const { historyRows, historyBytes } = this.#limits
    if (this.#selfCompacting || this.#closed || (rows <= historyRows && sizeBytes <= historyBytes)) return
    this.#selfCompacting = true
    this.compact(this.#index.halfOfGarbage())
      .catch(error => this.#onError(error))
      .finally(() => {
        this.#selfCompacting = false
      })
  }
}

/** The entry of a row or a change that has a value. */
const entryOf = ({ key, value, revision, created }: Row | Entry): Entry => ({ key, value, revision, created })

const isShared = (log: Log): log is SharedLog => 'follow' in log
