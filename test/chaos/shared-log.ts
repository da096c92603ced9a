// The twin of an etcd: one log in memory that several servers append to, each over a connection of its own with latency,
// which can be cut, stall, and lose answers. On a virtual clock a run of it can be repeated.
import type { VirtualClock } from '../../src/base/clock.ts'
import { assert, StatusError } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/random.ts'
import { Waiters } from '../../src/base/waiters.ts'
import { LogMoved, type Row, type RowHead, type SharedLog } from '../../src/store/log.ts'
import { LogStore } from '../../src/store/log-store.ts'
import type { Change, Entry, Revision, RowName, Store } from '../../src/store/store.ts'
import type { Era } from './eras.ts'
import type { LinkMode, Medium, Restore, StoreConnection } from './medium.ts'

const maxLatencyMs = 4
/** After this long, or half of it, the client of the log gives a question up. */
const patienceMs = 40_000

export class SharedMemory implements Medium {
  /** Of the present era. */
  rows: Row[] = []
  readonly clock: VirtualClock
  readonly random: Random
  /** Those that are open. */
  readonly #links = new Set<StoreLink>()
  /** The newest connection of each server. */
  readonly #newest = new Map<number, StoreLink>()
  readonly #eras: { from: number; kept: Revision; begins: Revision; entries: readonly Entry[]; rows: Row[] }[] = []

  constructor(clock: VirtualClock, random: Random) {
    this.clock = clock
    this.random = random
    this.#eras.push({ from: 0, kept: 0, begins: 0, entries: [], rows: this.rows })
  }

  get head(): Revision {
    return this.rows.at(-1)?.revision ?? this.start.revision
  }

  /** The rows that the log begins with: those of a snapshot. */
  get start(): { revision: Revision; rows: readonly Row[] } {
    const { begins, entries } = this.#eras.at(-1)!
    return { revision: begins, rows: entries.map(entry => ({ ...entry, deleted: false })) }
  }

  get isOpen(): boolean {
    return this.#links.size > 0
  }

  async newest(): Promise<Revision> {
    return this.head
  }

  async replace(entries: readonly Entry[], { from, kept, begins }: Restore): Promise<void> {
    assert(!this.isOpen, 'the log is open')
    this.rows = []
    this.#eras.push({ from, kept, begins, entries, rows: this.rows })
  }

  async eras(): Promise<Era[]> {
    return this.#eras.map(({ rows, ...era }) => ({ ...era, changes: rows.map(changeOf) }))
  }

  pass(ms: number): Promise<void> {
    return this.clock.forward(ms)
  }

  link(server: number): StoreLink | undefined {
    return this.#newest.get(server)
  }

  /** There is nothing but connections. */
  readonly faults = []
  readonly leastHistory = 5

  async close(): Promise<void> {}

  append(rows: readonly Row[]): void {
    this.rows.push(...rows)
    for (const link of this.#links) link.notify()
  }

  /** Rows with bytes of their own, as those that come over a connection are. */
  after(revision: Revision): Row[] {
    const first = this.#eras.at(-1)!.begins + 1
    return this.rows.slice(revision + 1 - first).map(row => ({ ...row, value: Uint8Array.from(row.value) }))
  }

  async open(server: number): Promise<Store> {
    const link = new StoreLink(this)
    this.#newest.set(server, link)
    await link.pass()
    this.#links.add(link)
    return new LogStore(new LinkedLog(this, link))
  }

  forget(link: StoreLink): void {
    this.#links.delete(link)
  }
}

const changeOf = ({ key, deleted, value, revision, created }: Row): Change =>
  deleted ? { type: 'delete', key, revision } : { type: 'put', key, value, revision, created }

/** The connection of one life of a server. */
class StoreLink implements StoreConnection {
  mode: LinkMode = 'open'
  losesAnswers = false
  #isOver = false
  readonly #memory: SharedMemory
  readonly #moved = new Set<() => void>()
  notify: () => void = () => {}

  constructor(memory: SharedMemory) {
    this.#memory = memory
  }

  end(): void {
    this.set('cut')
    this.#isOver = true
  }

  set(mode: LinkMode): void {
    if (this.#isOver) return
    this.mode = mode
    this.#moved.forEach(wake => wake())
    if (mode === 'open') this.notify()
  }

  /** Goes over the connection in one direction. Rejects when it is cut, and when it stalls for too long. */
  async pass(direction: 'there' | 'back' = 'there'): Promise<void> {
    const { clock, random } = this.#memory
    const givenUpAt = clock.steady() + patienceMs * (random.float() < 0.5 ? 1 : 0.5)
    await clock.sleep(random.float() * maxLatencyMs)
    while (this.mode === 'stalled' || (this.mode === 'deaf' && direction === 'back')) {
      const leftMs = givenUpAt - clock.steady()
      if (leftMs <= 0) throw new StatusError('Timeout', 'the store does not answer')
      await new Promise<void>(resolve => {
        const cancel = clock.after(leftMs, () => wake())
        const wake = () => {
          cancel()
          this.#moved.delete(wake)
          resolve()
        }
        this.#moved.add(wake)
      })
    }
    if (this.mode === 'cut') throw new StatusError('ServiceUnavailable', 'the store is not there')
  }
}

class LinkedLog implements SharedLog {
  readonly #memory: SharedMemory
  readonly #link: StoreLink
  readonly #rows = new Map<Revision, Row>()
  readonly #delivered = new Waiters()
  #revision: Revision
  #show: (rows: readonly Row[]) => void = () => {}
  #delivering: Promise<void> | undefined
  #closed = false
  /** Whether nobody waits for rows any more. */
  #isEnding = false

  constructor(memory: SharedMemory, link: StoreLink) {
    this.#memory = memory
    this.#link = link
    this.#revision = memory.head
    for (const row of [...memory.start.rows, ...memory.rows]) this.#rows.set(row.revision, row)
  }

  load(): { compacted: Revision; rows: Iterable<RowHead> } {
    const heads = Array.from(this.#rows.values(), row => ({ ...row, sizeBytes: row.value.byteLength }))
    return { compacted: this.#memory.start.revision, rows: heads.sort((a, b) => a.revision - b.revision) }
  }

  follow(show: (rows: readonly Row[]) => void): void {
    this.#show = show
    this.#link.notify = () => void this.#deliver()
  }

  async newest(): Promise<Revision> {
    await this.#pass()
    const { head } = this.#memory
    await this.#pass('back')
    return head
  }

  async append(rows: readonly Row[]): Promise<void> {
    const first = rows[0]!.revision
    await this.#pass()
    const { head } = this.#memory
    if (first !== head + 1) {
      await this.#pass('back')
      await this.#reach(head)
      throw new LogMoved()
    }
    this.#memory.append(rows)
    if (this.#link.losesAnswers) throw new StatusError('ServiceUnavailable', 'the answer of the store is lost')
    await this.#pass('back')
    await this.#reach(rows.at(-1)!.revision)
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

  async remove(revisions: readonly Revision[]): Promise<void> {
    for (const revision of revisions) this.#rows.delete(revision)
  }

  turn(fn: () => void): void {
    queueMicrotask(fn)
  }

  sizeBytes(): number {
    return 0
  }

  endWaits(): void {
    this.#isEnding = true
    this.#delivered.fail(closed())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#delivered.fail(closed())
    this.#link.notify = () => {}
    this.#memory.forget(this.#link)
  }

  async #pass(direction?: 'there' | 'back'): Promise<void> {
    await this.#link.pass(direction)
    if (this.#closed) throw closed()
  }

  async #reach(revision: Revision): Promise<void> {
    if (this.#revision >= revision) return
    if (this.#isEnding || this.#closed) throw closed()
    await this.#delivered.wait(revision)
  }

  /** Brings what has been written, once at a time. One that fails is begun again when the connection is mended. */
  #deliver(): Promise<void> {
    this.#delivering ??= this.#bring()
      .catch(() => {})
      .finally(() => {
        this.#delivering = undefined
        if (!this.#closed && this.#link.mode === 'open' && this.#revision < this.#memory.head) void this.#deliver()
      })
    return this.#delivering
  }

  async #bring(): Promise<void> {
    await this.#pass('back')
    const rows = this.#memory.after(this.#revision)
    if (!rows.length) return
    for (const row of rows) this.#rows.set(row.revision, row)
    this.#revision = rows.at(-1)!.revision
    this.#show(rows)
    this.#delivered.reach(this.#revision)
  }
}

const closed = () => new StatusError('ServiceUnavailable', 'the store is closed')
