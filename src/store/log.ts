// The interface of a log, over which log-store.ts implements the store: append durably, read by revision, remove. The
// memory store and the embedded store differ only in their logs.
import type { StatusError } from '../base/errors.ts'
import type { Revision, RowName } from './store.ts'

export interface Row {
  revision: Revision
  key: string
  created: Revision
  /** Whether the row is a tombstone: the key was deleted by it, and its value is empty. */
  deleted: boolean
  value: Uint8Array
}

/** A row without its value, as it is read at the start. */
export interface RowHead {
  revision: Revision
  key: string
  created: Revision
  deleted: boolean
  sizeBytes: number
}

export interface Log {
  /** Limits of one append, where they are not those of every log. */
  readonly batchLimits?: BatchLimits
  /** Returns all rows in order of revision, and the compaction point. It is called once, before everything else. */
  load(): { compacted: Revision; rows: Iterable<RowHead> }
  /** Appends all rows or none. They are durable when it resolves. Rejects with a StatusError, and stays usable then. */
  append(rows: readonly Row[]): Promise<void>
  /** Returns a row, which must be durable and not removed. Throws InternalError when it is damaged, or not of this key. */
  read(row: RowName): Row
  /** Returns several rows in this order, as `read` does. Many are cheaper together. */
  readAll(rows: readonly RowName[]): Row[]
  /** The rows after `after` and up to `upTo` whose keys start with `prefix`, in order, read lazily. */
  range(prefix: string, after: Revision, upTo: Revision): Iterable<Row>
  /** Stores the compaction point durably, then removes the rows and frees their space. */
  remove(revisions: readonly Revision[], compacted: Revision): Promise<void>
  /** Ends all writing, since a present value cannot be read. Absent where values are in memory. */
  refuse?(error: StatusError): void
  /** Gives space that is not used back to the disk. Absent where that is done elsewhere. */
  defragment?(): Promise<void>
  /** Runs `fn` after the callers of the present turn have queued their writes. */
  turn(fn: () => void): void
  sizeBytes(): number
  close(): Promise<void>
}

interface BatchLimits {
  rows: number
  /** Exceeded only by a batch of one row. */
  sizeBytes: number
  /** Whether the rows of a batch must have different keys. */
  oneRowPerKey: boolean
}

/**
 * A log that other processes append to as well. `append` rejects with LogMoved when others have appended since the
 * newest row that was shown.
 */
export interface SharedLog extends Log {
  /**
   * Shows all rows that are not part of `load`, in order and each once: those of others, and those of `append` before
   * it resolves. Calls `fail` once when the log cannot go on. It is called once, after `load`.
   */
  follow(show: (rows: readonly Row[]) => void, fail: (error: StatusError) => void): void
  /** The newest durable revision, of all processes. What `append` has resolved anywhere before the call is part of it. */
  newest(): Promise<Revision>
  /**
   * Ends the appends that wait for rows of others, and lets none wait any more, since the store closes: with the
   * connection lost these rows may not come for a long time. An append that others do not delay ends as it does.
   */
  endWaits(): void
}

/** The rows of an append were planned at an old state; the newer rows have been shown. Nothing was appended. */
export class LogMoved extends Error {
  constructor() {
    super('others have appended to the log')
  }
}
