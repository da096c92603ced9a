// The contract of the store, which has everything durable in a cluster. The store is a log: a revision is a position in
// it, a read is of one position, and a watch reads on from one. Values are bytes; nothing here depends on kinds.
import { StatusError } from '../base/errors.ts'

/** A position in the log, one counter for the whole store. The first write is 1; 0 is the empty store. */
export type Revision = number

export interface Entry {
  key: string
  value: Uint8Array
  /** The revision of the write that made this value. */
  revision: Revision
  /** The revision of the write that created the key since it was last absent. */
  created: Revision
}

/** What names an entry of some time. */
export interface RowName {
  key: string
  revision: Revision
}

/** An entry without its value. */
export interface Head extends RowName {
  /** The length of the value. */
  sizeBytes: number
}

export interface Page {
  /** Sorted by key. */
  entries: Entry[]
  /** The revision of the page. Passed as `at`, it gives further pages of the same state. */
  revision: Revision
  /** Passed as `after`, it gives the next page; absent on the last one. */
  next?: string
  /** How many entries follow, when `limit` ended the page, unless that was not to be counted. */
  remaining?: number
}

/** A write of one key. `previous` is the entry that the key had before; absent when it had none. */
export type Change =
  | (Entry & { type: 'put'; previous?: Entry })
  | { type: 'delete'; key: string; revision: Revision; previous?: Entry }

export interface ListOptions {
  limit?: number
  /** Lists only keys greater than this one. */
  after?: string
  at?: Revision
  /** Leaves `remaining` out, which takes a look at every key that follows. */
  uncounted?: boolean
}

export interface PutOptions {
  expect: Revision | 'absent'
  /** The revisions at which other keys must be at the moment of the write. */
  requires?: ReadonlyMap<string, Revision>
}

export interface StoreStats {
  revision: Revision
  /** Reads and watches of revisions before this one are refused with Expired. */
  compacted: Revision
  sizeBytes: number
  /** The number of keys that have a value. */
  keys: number
  /** Why the store takes nothing but deletions, in one sentence; absent while it takes everything. */
  full?: string
}

/** There is no space for what is to be written. Deletions may still go through. */
export class StoreFull extends StatusError {
  constructor(message: string, cause: unknown) {
    super('ServiceUnavailable', message, { cause, details: { retryAfterSeconds: 5 } })
  }
}

/**
 * The contract, checked by contract.ts on every implementation:
 *
 * - The store is linearizable: a read that begins after a write has resolved sees it, and no reader or watcher ever
 *   sees a write that is not durable.
 * - A change is given to watchers that wait for it before the write that made it resolves.
 * - Keys are ordered by UTF-16 code units, which for ASCII is the order of bytes.
 * - Values are neither copied nor changed. A caller must not write into one that it passed or received.
 * - A write that rejects with StoreConflict or RequirementLost, or for a limit, has not been stored. After another error,
 *   such as the end of the writing thread, it may have been; a later read shows it.
 *
 * An example: put(a) = 1, put(b) = 2, put(a) at 1 = 3, delete(b) at 2 = 4. Now get(b) is undefined, get(b, 3) has
 * revision 2, and a watch after 1 gives b@2, a@3 and the deletion of b at 4. After compact(3), get(b, 3) still works
 * and get(a, 2) throws Expired.
 */
export interface Store {
  /** Whether other processes may write it at the same time. */
  readonly isShared: boolean
  /** Returns the newest durable revision. */
  revision(): Promise<Revision>
  /**
   * Returns the value at a revision, or now. Throws Expired when `at` is compacted, Timeout when it is in the future.
   */
  get(key: string, at?: Revision): Promise<Entry | undefined>
  /** Returns the entries whose keys start with `prefix`. Throws like `get`. */
  list(prefix: string, options?: ListOptions): Promise<Page>
  /** Returns the present entries whose keys start with `prefix` without their values, sorted by key. */
  heads(prefix: string): Promise<{ heads: Head[]; revision: Revision }>
  /**
   * Returns the values of entries that are present, or were a moment ago. Throws InternalError for a damaged one, and for
   * one that is compacted.
   */
  values(entries: readonly RowName[]): Uint8Array[]
  /**
   * Writes a value, which is durable when this resolves. Throws StoreConflict when the key is not at `expect`, and
   * RequirementLost when another key is not at the revision that is required of it.
   */
  put(key: string, value: Uint8Array, options: PutOptions): Promise<Revision>
  /** Deletes a key, which is durable when this resolves. Throws StoreConflict when the key is not at `expect`. */
  delete(key: string, options: { expect: Revision }): Promise<Revision>
  /**
   * Gives every change after `after` in order, none twice and none left out. Ends when the signal aborts. Throws
   * Expired once the next change to read has been compacted, and ServiceUnavailable when the store closes.
   */
  watch(prefix: string, options: { after: Revision; signal: AbortSignal }): AsyncIterable<readonly Change[]>
  /**
   * Returns the changes after `after` up to `upTo` in order, as a watch would give them. Throws Expired when some are
   * compacted, or when there are more than `limit`.
   */
  changes(prefix: string, options: { after: Revision; upTo: Revision; limit: number }): Promise<Change[]>
  /** Gives up revisions before `upTo`, and frees the space of values that only they had. */
  compact(upTo: Revision): Promise<void>

  /** Gives space that is not used back to the disk, while reads and writes go on. An etcd is defragmented by its members. */
  defragment(): Promise<void>
  stats(): StoreStats
  close(): Promise<void>
}

/** The key was at another revision than the writer expected. The writer reads it and decides again. */
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

/** Another key than the one that is written was not as the write requires. */
export class RequirementLost extends StatusError {
  readonly key: string

  constructor(key: string) {
    super('ServerTimeout', 'what this write depends on has changed, please try again')
    this.key = key
  }
}

const describe = (at: Revision | 'absent') => (at === 'absent' ? 'absent' : `at revision ${at}`)

/** Limits of every implementation. Exceeding one is a StatusError that names it. */
export const storeLimits = {
  keyBytes: 4096,
  valueBytes: 8 << 20,
  /** Writes that wait for their turn. */
  queuedWrites: 20_000,
  queuedBytes: 128 << 20,
} as const

/** Throws for a key that is empty, too long, or not valid text. */
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

/** The answer of kube-apiserver to a resourceVersion that it has not reached yet. Clients match on the cause. */
export function tooLarge(at: Revision, current: Revision): StatusError {
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]
  return new StatusError('Timeout', `Timeout: Too large resource version: ${at}, current: ${current}`, {
    details: { causes, retryAfterSeconds: 1 },
  })
}
