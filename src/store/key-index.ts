// The index of the log in memory, without values: for each key the revisions that can still be read. It also has the
// garbage, oldest first: revisions that can be removed once the store is compacted.
//
//   writes      1:a   2:b   3:a   4:delete a   5:a
//   history     a → [1, 3, -4, 5]     b → [2]                  (a negative revision is a tombstone)
//   garbage     1 (dead from 3 on)   3 (from 4)   4 (from 4: a tombstone shows nothing)
//   compact(4)  drops 1, 3, 4:  a → [5]
import { SortedKeys } from './sorted-keys.ts'
import type { RowHead } from './log.ts'
import type { Head, Revision } from './store.ts'

interface History {
  /** Of the newest revision: the revision that created the key, and the size of the row. */
  created: Revision
  sizeBytes: number
  /** Oldest first; negative for a tombstone. */
  revisions: number[]
}

interface Garbage {
  revision: Revision
  key: string
  /** Once the store is compacted up to this revision, the row can no longer be read. */
  deadAt: Revision
  sizeBytes: number
}

export class KeyIndex {
  #histories = new Map<string, History>()
  #keys = new SortedKeys()
  #garbage: Garbage[] = []
  /** How many entries of #garbage have been taken. They are cut off together, so that taking one is cheap. */
  #garbageTaken = 0
  #garbageBytes = 0
  #live = 0

  /** Fills the empty index with the rows of a log, in order of revision. Returns the newest; 0 without any. */
  fill(rows: Iterable<RowHead>): Revision {
    let newest = 0
    for (const row of rows) {
      this.#note(row)
      newest = row.revision
    }
    this.#keys.fill(this.#histories.keys())
    return newest
  }

  add(row: RowHead): void {
    if (this.#note(row)) this.#keys.add(row.key)
  }

  /** The number of keys that have a value now. */
  get live(): number {
    return this.#live
  }

  /** The rows and bytes that a full compaction would free. */
  get garbage(): { rows: number; sizeBytes: number } {
    return { rows: this.#garbage.length - this.#garbageTaken, sizeBytes: this.#garbageBytes }
  }

  /** The revision up to which a compaction frees about half of the garbage. */
  halfOfGarbage(): Revision {
    return this.#garbage[(this.#garbageTaken + this.#garbage.length) >>> 1]?.deadAt ?? 0
  }

  /** The revision, creation and size of the present value of a key; undefined when it has none. */
  current(key: string): { revision: Revision; created: Revision; sizeBytes: number } | undefined {
    const history = this.#histories.get(key)
    if (!history) return undefined
    const revision = history.revisions[history.revisions.length - 1]!
    return revision < 0 ? undefined : { revision, created: history.created, sizeBytes: history.sizeBytes }
  }

  /** The present entries whose keys start with `prefix`, sorted by key. */
  heads(prefix: string): Head[] {
    const heads: Head[] = []
    for (const key of this.#keys.from(prefix)) {
      const { revisions, sizeBytes } = this.#histories.get(key)!
      const revision = revisions[revisions.length - 1]!
      if (revision > 0) heads.push({ key, revision, sizeBytes })
    }
    return heads
  }

  /** The revision of the value that a key had at `at`; undefined when it had none. */
  at(key: string, at: Revision): Revision | undefined {
    const revisions = this.#histories.get(key)?.revisions
    if (!revisions) return undefined
    for (let i = revisions.length - 1; i >= 0; i--) {
      const revision = revisions[i]!
      if (Math.abs(revision) <= at) return revision < 0 ? undefined : revision
    }
    return undefined
  }

  /** The keys that start with `prefix`, are greater than `after`, and have or had a value, in order. */
  keys(prefix: string, after?: string): Iterable<string> {
    return this.#keys.from(prefix, after)
  }

  /** Drops what can be read only at revisions before `upTo`. Returns the revisions to remove from the log. */
  compact(upTo: Revision): Revision[] {
    const gone: Revision[] = []
    while (this.#garbageTaken < this.#garbage.length) {
      const { revision, key, deadAt, sizeBytes } = this.#garbage[this.#garbageTaken]!
      if (deadAt > upTo) break
      this.#garbageTaken++
      this.#garbageBytes -= sizeBytes
      gone.push(revision)
      // For each key, garbage is in order of revision, so the oldest revision is the one to remove.
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
    // A row that follows a tombstone makes no garbage: the tombstone was garbage when it was written.
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
