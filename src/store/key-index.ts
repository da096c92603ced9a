// Where every key is and was: the revisions of each key that can still be read, in memory, without values.
// It also knows which revisions nobody will need once the store is compacted, oldest first.
//
//   writes      1:a   2:b   3:a   4:delete a   5:a
//   history     a → [1, 3, -4, 5]     b → [2]                  (a negative revision is a tombstone)
//   garbage     1 (dead from 3 on)   3 (from 4)   4 (from 4: a tombstone shows nothing)
//   compact(4)  drops 1, 3, 4:  a → [5]
import { SortedKeys } from './sorted-keys.ts'
import type { RowHead } from './log.ts'
import type { Revision } from './store.ts'

interface History {
  /** Of the newest revision: when the key was made, and the size of the row. */
  created: Revision
  sizeBytes: number
  /** Oldest first; negative for a tombstone. */
  revisions: number[]
}

interface Garbage {
  revision: Revision
  key: string
  /** Nobody can see the row once the store is compacted up to here. */
  deadAt: Revision
  sizeBytes: number
}

export class KeyIndex {
  #histories = new Map<string, History>()
  #keys = new SortedKeys()
  #garbage: Garbage[] = []
  /** Entries of #garbage before this one are taken; cut off in one go so that taking stays cheap. */
  #garbageTaken = 0
  #garbageBytes = 0
  #live = 0

  /** Takes the rows of a log, in order of revision; the index must be empty. */
  fill(rows: Iterable<RowHead>): void {
    for (const row of rows) this.#note(row)
    this.#keys.fill(this.#histories.keys())
  }

  add(row: RowHead): void {
    if (this.#note(row)) this.#keys.add(row.key)
  }

  /** Keys that have a value now. */
  get live(): number {
    return this.#live
  }

  /** How much a full compaction would free. */
  get garbage(): { rows: number; sizeBytes: number } {
    return { rows: this.#garbage.length - this.#garbageTaken, sizeBytes: this.#garbageBytes }
  }

  /** Compacting up to here frees about half of the garbage. */
  halfOfGarbage(): Revision {
    return this.#garbage[(this.#garbageTaken + this.#garbage.length) >>> 1]?.deadAt ?? 0
  }

  /** Revision and creation of the key's value now. */
  current(key: string): { revision: Revision; created: Revision } | undefined {
    const history = this.#histories.get(key)
    if (!history) return undefined
    const revision = history.revisions[history.revisions.length - 1]!
    return revision < 0 ? undefined : { revision, created: history.created }
  }

  /** The revision of the value the key had at `at`, if it had one. */
  at(key: string, at: Revision): Revision | undefined {
    const revisions = this.#histories.get(key)?.revisions
    if (!revisions) return undefined
    for (let i = revisions.length - 1; i >= 0; i--) {
      const revision = revisions[i]!
      if (Math.abs(revision) <= at) return revision < 0 ? undefined : revision
    }
    return undefined
  }

  /** Keys that start with `prefix` and have or had a value, greater than `after`, in order. */
  keys(prefix: string, after?: string): Iterable<string> {
    return this.#keys.from(prefix, after)
  }

  /** Forgets what only positions before `upTo` could see; returns the revisions to remove from the log. */
  compact(upTo: Revision): Revision[] {
    const gone: Revision[] = []
    while (this.#garbageTaken < this.#garbage.length) {
      const { revision, key, deadAt, sizeBytes } = this.#garbage[this.#garbageTaken]!
      if (deadAt > upTo) break
      this.#garbageTaken++
      this.#garbageBytes -= sizeBytes
      gone.push(revision)
      // Garbage is in order of revision for each key, so the oldest revision is the one to go.
      const history = this.#histories.get(key)!
      history.revisions.shift()
      if (history.revisions.length === 0) {
        this.#histories.delete(key)
        this.#keys.delete(key)
      }
    }
    if (this.#garbageTaken > this.#garbage.length / 2) {
      this.#garbage = this.#garbage.slice(this.#garbageTaken)
      this.#garbageTaken = 0
    }
    return gone
  }

  /** Returns whether the key is new to the index. */
  #note({ key, revision, created, deleted, sizeBytes }: RowHead): boolean {
    const history = this.#histories.get(key)
    const signed = deleted ? -revision : revision
    const before = history?.revisions[history.revisions.length - 1] ?? -1
    // A row that replaces a tombstone kills nothing: the tombstone died the moment it was written.
    if (history && before > 0) this.#bury({ revision: before, key, deadAt: revision, sizeBytes: history.sizeBytes })
    if (deleted) this.#bury({ revision, key, deadAt: revision, sizeBytes })
    if (deleted && before > 0) this.#live--
    if (!deleted && before < 0) this.#live++
    if (history) {
      history.revisions.push(signed)
      history.created = created
      history.sizeBytes = sizeBytes
    } else this.#histories.set(key, { created, sizeBytes, revisions: [signed] })
    return !history
  }

  #bury(garbage: Garbage): void {
    this.#garbage.push(garbage)
    this.#garbageBytes += garbage.sizeBytes
  }
}
