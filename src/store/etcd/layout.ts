// How the store is laid out in etcd, below a prefix such as `/kutter`:
//
//   /kutter/head           the newest revision, and what the transaction that made it did: {"revision":12,"id":"…",…}
//   /kutter/claim          written by a server that has lost to others several times, so that they let it go first
//   /kutter/filling        there while another store is copied here; /kutter/filled: when that was last done
//   /kutter/spare/000000000042   no value: a deletion may take its number from it, see below
//   /kutter/keys/registry/core/pods/default/web
//                          "12 7\n" and the bytes of the value: it was written at revision 12, the key created at 7
//
// A revision is the store's own, not etcd's: so it counts up by one for each write, also when many are in one
// transaction, when others use the same etcd, and when the store is copied to another etcd. Every transaction writes
// `head` last, and only if nobody else has written it since; deletions are named there, since they leave no value.
//
// An etcd without space takes transactions that only delete, so these cannot write `head`. Each deletion then deletes one of
// the spare keys, too, the lowest first: the newest revision is that of `head` and the number of spare keys that are gone
// since. `head` says which there were. So a transaction finds everything as it was planned if nobody has written `head`,
// and the lowest spare key is still there.
import { StatusError } from '../../base/errors.ts'
import type { Row } from '../log.ts'
import type { Revision } from '../store.ts'
import type { Compare, RequestOp } from './protocol.ts'

/** What `head` says of the transaction that wrote it. */
export interface Head {
  /** The newest revision. */
  revision: Revision
  /** A random word, by which a writer finds out whether its transaction was carried out. */
  id: string
  /** The keys that it deleted, by revision. */
  deleted: readonly (readonly [Revision, string])[]
  /** The spare keys that there were then. A store of an earlier release has none. */
  spares?: readonly [first: number, end: number]
}

/** The spare keys that there are, by their numbers: from `first` on, up to but not including `end`. */
export interface Spares {
  readonly first: number
  readonly end: number
}

export const sparesOf = ({ spares: [first, end] = [0, 0] }: Head): Spares => ({ first, end })

const emptyHead: Head = { revision: 0, id: '', deleted: [] }

export class Layout {
  readonly head: Buffer
  readonly claim: Buffer
  readonly filling: Buffer
  readonly filled: Buffer
  readonly #keys: Buffer
  /** All keys of the store, as a range of etcd. */
  readonly all: { key: Buffer; range_end: Buffer }
  /** The keys that have values. */
  readonly values: { key: Buffer; range_end: Buffer }
  readonly spares: { key: Buffer; range_end: Buffer }
  readonly #spare: string

  /** @param prefix such as `/kutter`, without a slash at the end */
  constructor(prefix: string) {
    this.head = Buffer.from(`${prefix}/head`)
    this.claim = Buffer.from(`${prefix}/claim`)
    this.filling = Buffer.from(`${prefix}/filling`)
    this.filled = Buffer.from(`${prefix}/filled`)
    this.#keys = Buffer.from(`${prefix}/keys`)
    this.all = { key: Buffer.from(`${prefix}/`), range_end: Buffer.from(`${prefix}0`) }
    this.values = { key: this.#keys, range_end: Buffer.from(`${prefix}/keyt`) }
    this.#spare = `${prefix}/spare/`
    this.spares = { key: Buffer.from(this.#spare), range_end: Buffer.from(`${prefix}/spare0`) }
  }

  /** The operations that store the rows, which have different keys, spare keys from those before to these, and the head. */
  operations(rows: readonly Row[], id: string, before: Spares, spares: Spares): RequestOp[] {
    const operations: RequestOp[] = rows.map(row => {
      return row.deleted ? { request_delete_range: { key: this.#keyOf(row.key) } } : this.put(row)
    })
    const deleted = rows.filter(row => row.deleted).map(row => [row.revision, row.key] as const)
    for (let i = before.end; i < spares.end; i++)
      operations.push({ request_put: { key: this.#spareKey(i), value: noValue } })
    operations.push(this.#putHead({ revision: rows.at(-1)!.revision, id, deleted }, spares))
    return operations
  }

  /** The operations that delete rows, which have different keys, where nothing can be put. */
  deletions(rows: readonly Row[], { first }: Spares): RequestOp[] {
    const spent = { key: this.#spareKey(first), range_end: this.#spareKey(first + rows.length) }
    return [
      ...rows.map(row => ({ request_delete_range: { key: this.#keyOf(row.key) } })),
      { request_delete_range: spent },
    ]
  }

  #putHead(head: Head, { first, end }: Spares): RequestOp {
    const spares = end > first ? { spares: [first, end] } : {}
    return { request_put: { key: this.head, value: Buffer.from(JSON.stringify({ ...head, ...spares })) } }
  }

  /** The conditions under which nobody has written since. */
  unchanged(headAt: number, { first, end }: Spares): Compare[] {
    const head: Compare = { target: 'MOD', key: this.head, mod_revision: headAt }
    if (first >= end) return [head]
    return [head, { target: 'MOD', result: 'GREATER', key: this.#spareKey(first), mod_revision: 0 }]
  }

  #spareKey(index: number): Buffer {
    return Buffer.from(`${this.#spare}${String(index).padStart(spareDigits, '0')}`)
  }

  /** The number of a spare key; undefined for another one. */
  spareOf(key: Uint8Array): number | undefined {
    const name = textOf(Buffer.from(key))
    return name.startsWith(this.#spare) ? Number(name.slice(this.#spare.length)) : undefined
  }

  put(row: Row): RequestOp {
    return { request_put: { key: this.#keyOf(row.key), value: stamped(row) } }
  }

  /** The head of a store that was copied here. */
  filledHead(revision: Revision): Buffer {
    return Buffer.from(JSON.stringify({ ...emptyHead, revision, id: 'filled' } satisfies Head))
  }

  isHead = (key: Uint8Array): boolean => this.head.equals(key)
  isClaim = (key: Uint8Array): boolean => this.claim.equals(key)

  /** The row of a key that has a value. Throws for one that the store did not write. */
  row(key: Uint8Array, value: Uint8Array): Row {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    const end = bytes.subarray(0, stampBytes).indexOf('\n')
    const stamp = /^([1-9]\d*) ([1-9]\d*)$/.exec(bytes.toString('latin1', 0, Math.max(0, end)))
    const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength)
    if (!stamp || !name.subarray(0, this.#keys.length).equals(this.#keys))
      throw new StatusError('InternalError', `the key ${name.toString()} of etcd was not written by this store`)
    return {
      key: this.nameOf(name),
      revision: Number(stamp[1]),
      created: Number(stamp[2]),
      deleted: false,
      // A copy, since these bytes would otherwise keep the whole answer in memory.
      value: Buffer.from(bytes.subarray(end + 1)),
    }
  }

  /** The store's key of one of etcd that has or had a value. */
  nameOf = (key: Uint8Array): string => textOf(Buffer.from(key).subarray(this.#keys.length))

  readHead(value: Uint8Array | undefined): Head {
    if (!value) return emptyHead
    try {
      const head = JSON.parse(Buffer.from(value).toString()) as Partial<Head>
      const { revision, id, deleted, spares = [0, 0] } = head
      const numbers = [revision, ...spares]
      const isHead = typeof id === 'string' && Array.isArray(deleted) && numbers.length === 3
      if (isHead && numbers.every(Number.isSafeInteger)) return head as Head
    } catch {
      // Reported below, like a head of another shape.
    }
    throw new StatusError('InternalError', `the key ${this.head.toString()} of etcd was not written by this store`)
  }

  #keyOf(key: string): Buffer {
    return Buffer.concat([this.#keys, bytesOf(key)])
  }
}

const spareDigits = 12
const noValue = new Uint8Array(0)

/** Two numbers of at most 16 digits, a blank and a newline. */
const stampBytes = 34

const stamped = ({ revision, created, value }: Row): Buffer =>
  Buffer.concat([Buffer.from(`${revision} ${created}\n`), value])

/**
 * The bytes of a key. etcd orders by bytes and the store by UTF-16 code units. UTF-8 differs from that only where
 * surrogates are compared with the characters after them, so here each surrogate is written by itself (CESU-8).
 */
export function bytesOf(key: string): Buffer {
  if (!/[\ud800-\udfff]/.test(key)) return Buffer.from(key)
  const parts = key.split(/([\ud800-\udfff])/).map(part => (isSurrogate(part) ? unitBytes(part) : Buffer.from(part)))
  return Buffer.concat(parts)
}

/** The inverse of `bytesOf`. */
export function textOf(bytes: Buffer): string {
  let text = ''
  let from = 0
  for (let at = bytes.indexOf(0xed); at >= 0; at = bytes.indexOf(0xed, at + 1)) {
    if (bytes[at + 1]! < 0xa0) continue
    text += bytes.toString('utf8', from, at)
    text += String.fromCharCode(0xd000 | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f))
    from = at + 3
  }
  return text + bytes.toString('utf8', from)
}

const isSurrogate = (part: string) => part.length === 1 && part >= '\ud800' && part <= '\udfff'

function unitBytes(unit: string): Buffer {
  const code = unit.charCodeAt(0)
  return Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)])
}
