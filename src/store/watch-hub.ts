// Gives changes to watchers. A watcher is a position in the log and nothing more. It reads on from a ring of the newest
// changes, or from the log itself when it has fallen further behind. There are no queues of watchers, so a slow one
// costs no memory.
import { StatusError } from '../base/errors.ts'
import { watchExpired, type Change, type Revision } from './store.ts'

const hubLimits = {
  /** Limits of the ring. Earlier changes are read from the log. */
  ringChanges: 8192,
  ringBytes: 16 << 20,
  /** Limits of one batch for a watcher that is behind. */
  batchChanges: 1000,
  batchBytes: 4 << 20,
} as const

/** The history of the store, from which the hub reads. */
interface Past {
  revision(): Revision
  compacted(): Revision
  /** The changes after `after` of keys with `prefix`, in order, with `previous`, read lazily. */
  changes(prefix: string, after: Revision): Iterable<Change>
}

type Result = IteratorResult<readonly Change[], undefined>
interface Waiter {
  resolve(result: Result): void
  reject(error: unknown): void
}

export class WatchHub {
  #past: Past
  #watchers = new Set<Watcher>()
  #ring: Change[] = []
  #ringBytes = 0
  #closed = false

  constructor(past: Past) {
    this.#past = past
  }

  get watched(): boolean {
    return this.#watchers.size > 0
  }

  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<readonly Change[]> {
    return { [Symbol.asyncIterator]: () => new Watcher(this, prefix, after, signal) }
  }

  /** Takes the newest changes, in order and without a gap to those published before. */
  publish(changes: readonly Change[]): void {
    if (this.#watchers.size === 0) {
      // Without watchers, the previous values of this batch have not been read. The ring starts over, without a gap.
      this.#ring = []
      this.#ringBytes = 0
      return
    }
    for (const change of changes) {
      this.#ring.push(change)
      this.#ringBytes += sizeOf(change)
    }
    for (const watcher of this.#watchers) watcher.offer(changes)
    this.#trim()
  }

  /** The change of a revision, if it is still in the ring. */
  recent(revision: Revision): Change | undefined {
    const first = this.#ring[0]?.revision
    return first === undefined ? undefined : this.#ring[revision - first]
  }

  /** Ends all watches with the error. */
  close(error: StatusError): void {
    this.#closed = true
    for (const watcher of this.#watchers) watcher.fail(error)
  }

  /** For Watcher: the next changes after `after`, and the position that they reach. */
  read(prefix: string, after: Revision): { changes: Change[]; position: Revision } {
    const { batchChanges, batchBytes } = hubLimits
    const changes: Change[] = []
    let sizeBytes = 0
    for (const change of this.#source(prefix, after)) {
      if (changes.length >= batchChanges || sizeBytes >= batchBytes)
        return { changes, position: changes[changes.length - 1]!.revision }
      changes.push(change)
      sizeBytes += sizeOf(change)
    }
    return { changes, position: Math.max(after, this.#past.revision()) }
  }

  /** For Watcher. */
  join(watcher: Watcher): void {
    if (this.#closed) throw storeClosed()
    this.#watchers.add(watcher)
  }

  /** For Watcher. */
  leave(watcher: Watcher): void {
    this.#watchers.delete(watcher)
  }

  /** For Watcher. */
  expired(after: Revision): boolean {
    return after < this.#past.compacted()
  }

  #source(prefix: string, after: Revision): Iterable<Change> {
    if (after >= this.#past.revision()) return []
    const first = this.#ring[0]?.revision
    if (first === undefined || after + 1 < first) return this.#past.changes(prefix, after)
    return fromRing(this.#ring, after + 1 - first, prefix)
  }

  #trim(): void {
    const { ringChanges, ringBytes } = hubLimits
    if (this.#ring.length <= ringChanges && this.#ringBytes <= ringBytes) return
    // Half is dropped together, so that moving the rest is rare.
    const drop = this.#ring.splice(0, Math.ceil(this.#ring.length / 2))
    for (const change of drop) this.#ringBytes -= sizeOf(change)
  }
}

/** The iteration of one watch. `next` resolves from the past if there are changes, otherwise with the next publish. */
class Watcher implements AsyncIterator<readonly Change[], undefined> {
  #hub: WatchHub
  #prefix: string
  #position: Revision
  #signal: AbortSignal
  #waiter: Waiter | undefined
  #done = false
  #error: unknown

  constructor(hub: WatchHub, prefix: string, after: Revision, signal: AbortSignal) {
    this.#hub = hub
    this.#prefix = prefix
    this.#position = after
    this.#signal = signal
    if (signal.aborted) {
      this.#done = true
      return
    }
    hub.join(this)
    signal.addEventListener('abort', this.#stop, { once: true })
  }

  next(): Promise<Result> {
    if (this.#error !== undefined) {
      const error = this.#error
      this.#error = undefined
      return Promise.reject(error)
    }
    if (this.#done) return Promise.resolve({ done: true, value: undefined })
    if (this.#waiter) return Promise.reject(new Error('invariant broken: a watch has one reader at a time'))
    try {
      if (this.#hub.expired(this.#position)) throw watchExpired()
      const { changes, position } = this.#hub.read(this.#prefix, this.#position)
      this.#position = position
      if (changes.length > 0) return Promise.resolve({ done: false, value: changes })
    } catch (error) {
      this.#stop()
      return Promise.reject(error)
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  return(): Promise<Result> {
    this.#stop()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Called with the newest changes. A watcher that is not waiting reads them later, by its position. */
  offer(changes: readonly Change[]): void {
    if (!this.#waiter) return
    const mine = changes.filter(c => c.revision > this.#position && c.key.startsWith(this.#prefix))
    this.#position = Math.max(this.#position, changes[changes.length - 1]!.revision)
    if (mine.length === 0) return
    this.#waiter.resolve({ done: false, value: mine })
    this.#waiter = undefined
  }

  fail(error: StatusError): void {
    const waiter = this.#waiter
    if (!waiter) this.#error = error
    this.#waiter = undefined
    this.#stop()
    waiter?.reject(error)
  }

  #stop = () => {
    this.#done = true
    this.#hub.leave(this)
    this.#signal.removeEventListener('abort', this.#stop)
    this.#waiter?.resolve({ done: true, value: undefined })
    this.#waiter = undefined
  }
}

export const storeClosed = () => new StatusError('ServiceUnavailable', 'the store is closed')

function* fromRing(ring: readonly Change[], start: number, prefix: string): Generator<Change> {
  for (let i = start; i < ring.length; i++) if (ring[i]!.key.startsWith(prefix)) yield ring[i]!
}

const sizeOf = (change: Change) =>
  256 +
  change.key.length +
  (change.type === 'put' ? change.value.byteLength : 0) +
  (change.previous?.value.byteLength ?? 0)
