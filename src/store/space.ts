// Space for deletions in a store that is full. Who cannot delete cannot make room, so two reserves are kept for it:
//
//   quota  ──► deletions and compactions may exceed it by `reserveBytes`
//   disk   ──► a file of `reserveBytes` beside the store, which is emptied when a deletion finds no space, and filled
//              again when there is plenty; until then nothing but deletions may use what it has given
//
// The reserve is larger than the log of SQLite gets between two checkpoints, so that there is space for a checkpoint.
// Source: etcd's alarm NOSPACE, under which only deletions and compactions go through.
import { closeSync, fsyncSync, openSync, statfsSync, statSync, truncateSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { afterIdle } from '../base/clock.ts'
import { pageBytes } from './sqlite-file.ts'

/** The file beside that of the store. */
export const reserveName = 'reserve'
const reserveBytes = 20 << 20
/** The reserve is filled again only when this much is free. */
const plentyBytes = 2 * reserveBytes
const firstFillMs = 1_000

/** What has run out: the quota of the store, or the file system. */
export type Lack = 'quota' | 'disk'

export class Space {
  readonly #db: DatabaseSync
  readonly #file: string
  readonly #quotaPages: number
  #held: boolean
  #exceeds = false
  #released = false

  constructor(db: DatabaseSync, file: string, maxSizeBytes: number) {
    this.#db = db
    this.#file = join(dirname(file), reserveName)
    this.#quotaPages = Math.ceil(maxSizeBytes / pageBytes)
    this.#held = (statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0) === reserveBytes
    // Not at once: nobody waits for it at a start.
    afterIdle(firstFillMs, () => this.#firstFill())
  }

  #firstFill(): void {
    try {
      this.restore()
    } catch {
      // Without a reserve, deletions have what the disk has. Writes report what is wrong with it.
    }
  }

  /** Whether something other than a deletion would use the reserve. */
  get spent(): boolean {
    return !this.#held && freeBytes(this.#file) < reserveBytes
  }

  /** Says whether what follows may exceed the quota. */
  allow(exceeds: boolean): void {
    if (exceeds === this.#exceeds) return
    const pages = this.#quotaPages + (exceeds ? reserveBytes / pageBytes : 0)
    this.#db.exec(`PRAGMA max_page_count = ${pages}`)
    this.#exceeds = exceeds
  }

  /** What has run out, after a write has failed for it. */
  lack(): Lack {
    return freeBytes(this.#file) < plentyBytes ? 'disk' : 'quota'
  }

  /** Gives the reserve on the disk, if there is one, to what is written next. */
  release(): void {
    if (!this.#held) return
    this.#released = true
    truncateSync(this.#file, 0)
    this.#held = false
  }

  /** Fills the reserve again after it was used. */
  refill(): void {
    if (this.#released) this.restore()
  }

  /** Fills the reserve, if it is not there and there is plenty of space. */
  restore(): void {
    if (this.#held || freeBytes(this.#file) < plentyBytes) return
    try {
      const file = openSync(this.#file, 'w', 0o600)
      try {
        // A file of holes would keep no space.
        for (let at = 0; at < reserveBytes; at += chunk.length) writeSync(file, chunk)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      this.#held = true
      this.#released = false
    } catch (error) {
      // Others may have been faster. What has been written is given back.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      truncateSync(this.#file, 0)
    }
  }
}

const chunk = Buffer.alloc(1 << 20)

function freeBytes(file: string): number {
  const { bavail, bsize } = statfsSync(dirname(file))
  return bavail * bsize
}
