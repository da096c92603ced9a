// The store is a log. A revision is a position in it; a read is a look at one position, a watch is reading
// on from one. Bytes in, bytes out: the store knows no kinds. Everything durable in a cluster lives here.
import { StatusError } from '../base/errors.ts'

/** A position in the log, one counter for the whole store. The first write is 1; 0 is the empty store. */
export type Revision = number

export interface Entry {
  key: string
  value: Uint8Array
  /** The write that made this value. */
  revision: Revision
  /** The write that made the key, since it was last absent. */
  created: Revision
}

export interface Page {
  /** In order of key. */
  entries: Entry[]
  /** The position the page shows; pass it as `at` to read the next page of the same state. */
  revision: Revision
  /** Pass as `after` to go on; absent on the last page. */
  next?: string
  /** How many entries follow this page, when it was cut by `limit`. */
  remaining?: number
}

export interface Change {
  type: 'put' | 'delete'
  key: string
  /** Absent for a delete. */
  value?: Uint8Array
  revision: Revision
  /** Absent for a delete. */
  created?: Revision
  /** What was there before, absent when nothing was. */
  previous?: Entry
}

export interface ListOptions {
  limit?: number
  /** Only keys greater than this one. */
  after?: string
  at?: Revision
}

export interface StoreStats {
  revision: Revision
  /** Reads and watches of positions before this one are refused. */
  compacted: Revision
  sizeBytes: number
  /** Keys that have a value. */
  keys: number
}

/**
 * The contract, checked by contract.ts on every implementation:
 *
 * - linearizable: a read that starts after a write resolved sees it, and no reader or watcher ever sees
 *   a write that is not durable;
 * - a change is handed to the waiting watchers before the write that made it resolves;
 * - keys are ordered by UTF-16 code unit (for ASCII, the same as by byte);
 * - values are neither copied nor changed: who passes or receives one must not write into it.
 */
export interface Store {
  /** The newest durable revision. */
  revision(): Promise<Revision>
  /** The value at `at`, or now. Throws Expired when `at` is compacted, Timeout when it lies ahead. */
  get(key: string, at?: Revision): Promise<Entry | undefined>
  /** The entries whose key starts with `prefix`. Throws as `get` does. */
  list(prefix: string, options?: ListOptions): Promise<Page>
  /** Durable when it resolves. Writes only if the key is still at `expect`; throws StoreConflict otherwise. */
  put(key: string, value: Uint8Array, options: { expect: Revision | 'absent' }): Promise<Revision>
  /** Durable when it resolves. Throws StoreConflict when the key is not at `expect`. */
  delete(key: string, options: { expect: Revision }): Promise<Revision>
  /**
   * Every change after `after`, in order, none twice, none left out. Ends when the signal aborts; throws
   * Expired once the next change to read is compacted, ServiceUnavailable when the store closes.
   */
  watch(prefix: string, options: { after: Revision; signal: AbortSignal }): AsyncIterable<readonly Change[]>
  /**
   * The changes after `after` up to `upTo`, in order: what a watch would have been given. Throws Expired when some are
   * compacted or when there are more than `limit`.
   */
  changes(prefix: string, options: { after: Revision; upTo: Revision; limit: number }): Promise<Change[]>
  /** Gives up the positions before `upTo` and the space of what only they could see. */
  compact(upTo: Revision): Promise<void>
  stats(): StoreStats
  close(): Promise<void>
}

/** The key was not where the writer thought it was; read again and decide again. */
export class StoreConflict extends Error {
  readonly key: string
  readonly expected: Revision | 'absent'
  readonly actual: Revision | 'absent'

  constructor(key: string, expected: Revision | 'absent', actual: Revision | 'absent') {
    super(`${key} is ${describe(actual)}, expected ${describe(expected)}`)
    this.name = 'StoreConflict'
    this.key = key
    this.expected = expected
    this.actual = actual
  }
}

const describe = (at: Revision | 'absent') => (at === 'absent' ? 'absent' : `at revision ${at}`)

/** Limits of every implementation. Passing one gives a StatusError that says which. */
export const storeLimits = {
  keyBytes: 4096,
  valueBytes: 8 << 20,
  /** Writes waiting for their turn. */
  queuedWrites: 20_000,
  queuedBytes: 128 << 20,
} as const

/** Refuses what no implementation could keep. */
export function checkKey(key: string): void {
  if (key === '' || key.includes('\0') || !key.isWellFormed())
    throw new StatusError('BadRequest', `store key ${JSON.stringify(key)} is empty or not valid text`)
  if (Buffer.byteLength(key) > storeLimits.keyBytes)
    throw new StatusError('BadRequest', `store key ${key.slice(0, 80)}… is longer than ${storeLimits.keyBytes} bytes`)
}

export function checkValue(key: string, value: Uint8Array): void {
  if (value.byteLength > storeLimits.valueBytes)
    throw new StatusError(
      'RequestEntityTooLarge',
      `the value of ${key} has ${value.byteLength} bytes, the limit is ${storeLimits.valueBytes}`,
    )
}

export const listExpired = () => new StatusError('Expired', 'The resourceVersion for the provided list is too old.')
export const watchExpired = () => new StatusError('Expired', 'The resourceVersion for the provided watch is too old.')

/** As kube-apiserver answers a resourceVersion it has not reached yet: clients match on the cause. */
export function tooLarge(at: Revision, current: Revision): StatusError {
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]
  return new StatusError('Timeout', `Timeout: Too large resource version: ${at}, current: ${current}`, {
    details: { causes, retryAfterSeconds: 1 },
  })
}
