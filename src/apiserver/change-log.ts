// The recent changes of one kind, as a log that every watch reads on from a position of its own.
//
//   position   #first                    end
//              ├── c ── c ── c ── c ── c ┤
//              ▲ everything after `startRevision`, in order, none twice
//
// What always holds: a change is in the log before anybody who waits for it is woken; a position never moves by
// itself; the changes from a position on are all there or, once the oldest were dropped, none are given. A watch is
// therefore nothing but a number: a slow one costs nothing, and cannot lose a change without noticing.
import { Waiters } from '../base/waiters.ts'
import type { MirrorChange } from '../api/mirror.ts'

/** Changes kept, and bytes of objects that they keep from being freed, as far as is known. */
const maxChanges = 4096
const maxBytes = 32 * 1024 * 1024
/** Views of the newest changes kept for the next reader. */
const maxViews = 256
/** Dropping is work on the whole log: it waits until this many are too many. */
const slack = 1.25

export class ChangeLog {
  #changes: MirrorChange[] = []
  #first = 0
  #bytes = 0
  #startRevision = 0
  readonly #waiters = new Waiters()
  /** What readers made of the changes from a position on; good until there are more. */
  readonly #views = new Map<string, unknown>()

  /** Everything after this revision is here. */
  get startRevision(): number {
    return this.#startRevision
  }

  /** The position after the last change. */
  get end(): number {
    return this.#first + this.#changes.length
  }

  /** Begins empty after `revision`. */
  start(revision: number): void {
    this.#startRevision = revision
  }

  append(changes: readonly MirrorChange[]): void {
    if (!changes.length) return
    this.#views.clear()
    for (const change of changes) {
      this.#changes.push(change)
      this.#bytes += sizeOf(change)
    }
    if (this.#changes.length > maxChanges * slack || this.#bytes > maxBytes * slack) this.#drop()
    this.#waiters.reach(this.end)
  }

  /** Where the changes after `revision` begin; undefined when some of them are not here any more. */
  positionAfter(revision: number): number | undefined {
    if (revision < this.#startRevision) return undefined
    let [low, high] = [0, this.#changes.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#changes[middle]!.item.revision > revision) high = middle
      else low = middle + 1
    }
    return this.#first + low
  }

  /** The changes from a position on; undefined for one that the log has left behind. */
  from(position: number): readonly MirrorChange[] | undefined {
    if (position < this.#first) return undefined
    return position === this.end ? [] : this.#changes.slice(position - this.#first)
  }

  /** What `make` makes of the changes from a position on; readers at one position with one key share it. */
  view<V>(position: number, key: string, changes: readonly MirrorChange[], make: () => V): V {
    if (!changes.length) return make()
    const full = `${position} ${key}`
    let view = this.#views.get(full)
    if (view === undefined) {
      if (this.#views.size >= maxViews) this.#views.clear()
      this.#views.set(full, (view = make()))
    }
    return view as V
  }

  /** Resolves when there is a change at `position`; rejects when the signal aborts. */
  async reach(position: number, signal: AbortSignal): Promise<void> {
    if (this.end <= position) await this.#waiters.wait(position + 1, signal)
  }

  #drop(): void {
    let count = Math.max(0, this.#changes.length - maxChanges)
    for (const change of this.#changes.slice(0, count)) this.#bytes -= sizeOf(change)
    while (this.#bytes > maxBytes && count < this.#changes.length - 1) this.#bytes -= sizeOf(this.#changes[count++]!)
    this.#startRevision = this.#changes[count - 1]?.item.revision ?? this.#startRevision
    this.#changes = this.#changes.slice(count)
    this.#first += count
  }
}

/** What a change keeps in memory that the mirror may have let go: the object before it. */
const sizeOf = ({ before }: MirrorChange): number => before?.storedBytes ?? 0
