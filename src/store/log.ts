// What a LogStore needs from the place where rows are kept: append durably, read by revision, remove. The
// memory and the embedded store differ in nothing else.
import type { Revision } from './store.ts'

export interface Row {
  revision: Revision
  key: string
  created: Revision
  /** A tombstone: the key ended here. Its value is empty. */
  deleted: boolean
  value: Uint8Array
}

/** A row without its value, as read at start. */
export interface RowHead {
  revision: Revision
  key: string
  created: Revision
  deleted: boolean
  sizeBytes: number
}

export interface Log {
  /** Called once, before anything else: every row in order of revision, and the compaction point. */
  load(): { compacted: Revision; rows: Iterable<RowHead> }
  /** All rows or none; durable when it resolves. Rejects with a StatusError and stays usable otherwise. */
  append(rows: readonly Row[]): Promise<void>
  /** The row must be there: durable and not removed. */
  read(revision: Revision): Row
  /** Runs `fn`, which reads many rows: implementations make that cheaper than one by one. */
  reading<T>(fn: () => T): T
  /** The rows after `after` up to `upTo` whose key starts with `prefix`, in order; read lazily. */
  range(prefix: string, after: Revision, upTo: Revision): Iterable<Row>
  /** Notes the compaction point durably, then removes the rows and gives their space back. */
  remove(revisions: readonly Revision[], compacted: Revision): Promise<void>
  /** Runs `fn` when the writes of this turn are collected. */
  turn(fn: () => void): void
  sizeBytes(): number
  close(): Promise<void>
}
