// The recent changes of one kind, as a log in which each watch has a position.
//
//   position   #first                    end
//              ├── c ── c ── c ── c ── c ┤
//              ▲ all changes after `startRevision`, in order, none twice
//
// What always holds:
//
// - A change is in the log before those who wait for it are woken.
// - A position never moves by itself. From a position on, either all changes are in the log or, once the oldest have
//   been dropped, none are returned. So a watch is only a number: a slow one costs nothing, and it cannot lose a change
//   without noticing.
// - The log is cut into chunks of few changes, at the same places for all readers. So readers that have fallen behind
//   by different lengths soon read the same chunks, and share what was computed from them.
// - The log keeps the newest 4,096 changes, as long as the previous objects that they hold have at most 32 MiB.
import { firstIndex } from '../base/search.ts'
import { Waiters } from '../base/waiters.ts'
import type { MirrorChange } from '../api/mirror.ts'

/** Limits of the changes in the log, and of the bytes of previous objects that only they keep in memory. */
const maxChanges = 4096
const maxBytes = 32 * 1024 * 1024
/** Limits of a chunk. A larger change is a chunk of its own. */
const chunkChanges = 64
const chunkBytes = 64 * 1024
/** Limits of views that are kept for further readers: of the newest changes, and of whole chunks. */
const maxViews = 256
const maxChunkViews = 64
/** Dropping changes moves the whole log, so it waits until a limit is exceeded by this factor. */
const slack = 1.25

export class ChangeLog {
  #changes: MirrorChange[] = []
  #first = 0
  #bytes = 0
  #startRevision = 0
  #ended = false
  readonly #waiters = new Waiters()
  /** The positions after the whole chunks, in order, and what the one that is not whole has. */
  #ends: number[] = []
  #open = { changes: 0, bytes: 0 }
  /** What readers computed from the changes after a position, for further readers. Cleared by the next change. */
  readonly #views = new Map<string, unknown>()
  /** The same of changes up to the end of a chunk, to which no change is added. */
  readonly #chunkViews = new Map<string, unknown>()

  /** The revision after which all changes are in the log. */
  get startRevision(): number {
    return this.#startRevision
  }

  /** The position after the last change. */
  get endPosition(): number {
    return this.#first + this.#changes.length
  }

  /** Begins the empty log after `revision`. */
  start(revision: number): void {
    this.#startRevision = revision
  }

  /** Appends changes, and wakes those who wait for them. */
  append(changes: readonly MirrorChange[]): void {
    if (!changes.length) return
    this.#views.clear()
    for (const change of changes) {
      this.#cut(change.item.storedBytes)
      this.#changes.push(change)
      this.#bytes += sizeOf(change)
    }
    if (this.#changes.length > maxChanges * slack || this.#bytes > maxBytes * slack) this.#drop()
    this.#waiters.reach(this.endPosition)
  }

  /** The position of the first change after `revision`; undefined when some of them have been dropped. */
  positionAfter(revision: number): number | undefined {
    if (revision < this.#startRevision) return undefined
    return this.#first + firstIndex(this.#changes.length, i => this.#changes[i]!.item.revision > revision)
  }

  /** Ends all readers, as if they had fallen behind. */
  end(): void {
    this.#ended = true
    this.#waiters.reach(Infinity)
  }

  /**
   * The changes from a position on, up to the end of a chunk; undefined when some of them have been dropped, or the log
   * has ended.
   */
  from(position: number): readonly MirrorChange[] | undefined {
    if (this.#ended || position < this.#first) return undefined
    if (position === this.endPosition) return []
    return this.#changes.slice(position - this.#first, (this.#endAfter(position) ?? this.endPosition) - this.#first)
  }

  /** The result of `make` for the changes from a position on. Readers of the same changes with the same key share it. */
  view<V>(position: number, key: string, changes: readonly MirrorChange[], make: () => V): V {
    if (!changes.length) return make()
    const end = position + changes.length
    const whole = this.#endAfter(position) === end
    const [views, max] = whole ? [this.#chunkViews, maxChunkViews] : [this.#views, maxViews]
    const full = `${position} ${end} ${key}`
    let view = views.get(full)
    if (view === undefined) {
      if (views.size >= max) views.clear()
      views.set(full, (view = make()))
    }
    return view as V
  }

  /** Resolves when there is a change at `position`. Rejects when the signal aborts. */
  async reach(position: number, signal: AbortSignal): Promise<void> {
    if (!this.#ended && this.endPosition <= position) await this.#waiters.wait(position + 1, signal)
  }

  /** Ends the last chunk if a change of this size does not fit into it, and counts the change. */
  #cut(bytes: number): void {
    const open = this.#open
    if (open.changes && (open.changes === chunkChanges || open.bytes + bytes > chunkBytes)) {
      this.#ends.push(this.endPosition)
      this.#open = { changes: 1, bytes }
    } else this.#open = { changes: open.changes + 1, bytes: open.bytes + bytes }
  }

  /** The end of the chunk in which a position is; undefined for the one that is not whole. */
  #endAfter(position: number): number | undefined {
    return this.#ends[firstIndex(this.#ends.length, i => this.#ends[i]! > position)]
  }

  #drop(): void {
    let count = Math.max(0, this.#changes.length - maxChanges)
    for (const change of this.#changes.slice(0, count)) this.#bytes -= sizeOf(change)
    while (this.#bytes > maxBytes && count < this.#changes.length - 1) this.#bytes -= sizeOf(this.#changes[count++]!)
    this.#startRevision = this.#changes[count - 1]?.item.revision ?? this.#startRevision
    this.#changes = this.#changes.slice(count)
    this.#first += count
    this.#ends = this.#ends.filter(end => end > this.#first)
    this.#chunkViews.clear()
  }
}

/** The bytes that a change keeps in memory: those of the previous object, which the mirror no longer has. */
const sizeOf = ({ before }: MirrorChange): number => before?.storedBytes ?? 0
