// Reads what a store in etcd holds at one revision of etcd, page by page.
import { isReason } from '../../base/errors.ts'
import { grpcOf } from '../../wire/grpc.ts'
import type { Row } from '../log.ts'
import type { EtcdClient } from './client.ts'
import type { Revision } from '../store.ts'
import { type Head, type Layout, type Spares, sparesOf } from './layout.ts'
import type { KeyValue, RequestOp, TxnResponse } from './protocol.ts'

/** Keys of the first page. Pages that are too large for an answer are asked for again with fewer. */
const pageKeys = 1000

interface EtcdPosition {
  head: Head
  /** The revision of etcd that wrote the head; 0 if none has. */
  written: number
  /** The newest revision of the store, and the spare keys that are left. */
  revision: Revision
  spares: Spares
  /** The newest revision of etcd. */
  newest: number
}

export interface EtcdState extends EtcdPosition {
  /** Sorted by revision. */
  rows: Row[]
  /** The revision of etcd that this is. */
  at: number
}

/** Where the store is. Linearizable, and of now unless an older revision of etcd is named. */
export async function readPosition(client: EtcdClient, layout: Layout, at = 0): Promise<EtcdPosition> {
  return positionIn(layout, await client.call('txn', { success: questions(layout, at) }))
}

/** The operations of a transaction that ask where the store is. */
export const questions = (layout: Layout, at = 0): RequestOp[] => [
  { request_range: { key: layout.head, revision: at } },
  { request_range: { ...layout.spares, limit: 1, revision: at } },
]

/** The answer to these questions. */
export function positionIn(layout: Layout, { header, responses }: TxnResponse): EtcdPosition {
  const [found, lowest] = responses.map(response => response.response_range?.kvs[0])
  const head = layout.readHead(found?.value)
  const { first, end } = sparesOf(head)
  const left = Math.min(end, lowest ? layout.spareOf(lowest.key)! : end)
  const revision = head.revision + Math.max(0, left - first)
  return { head, written: found?.mod_revision ?? 0, revision, spares: { first: left, end }, newest: header!.revision }
}

/** Reads all rows as they were at a revision of etcd. Undefined when etcd does not have it any more. */
export async function readState(client: EtcdClient, layout: Layout, at: number): Promise<EtcdState | undefined> {
  try {
    const position = await readPosition(client, layout, at)
    const rows: Row[] = []
    for await (const kv of valuesAt(client, layout, at)) rows.push(layout.row(kv.key, kv.value))
    rows.sort((a, b) => a.revision - b.revision)
    return { ...position, rows, at }
  } catch (error) {
    if (isCompacted(error)) return undefined
    throw error
  }
}

export const isCompacted = (error: unknown): boolean =>
  grpcOf(error)?.code === 'OutOfRange' && /compacted/.test(grpcOf(error)!.desc)

/** The revision up to which etcd gave up its history, if it is after `from`. Only a watch is answered with it. */
export async function compactedUpTo(client: EtcdClient, layout: Layout, from: number): Promise<number | undefined> {
  const stop = new AbortController()
  try {
    for await (const answer of client.watch({ key: layout.head, range_end: nothing }, from, stop.signal))
      if (!answer.created || answer.canceled) return answer.compact_revision || undefined
    return undefined
  } finally {
    stop.abort()
  }
}

/** The end of a range of one key. */
const nothing = Buffer.alloc(0)

/** The keys with values, in their order, as they were at a revision of etcd. */
async function* valuesAt(client: EtcdClient, layout: Layout, revision: number): AsyncGenerator<KeyValue> {
  let limit = pageKeys
  let { key } = layout.values
  const { range_end } = layout.values
  for (;;) {
    let page
    try {
      page = await client.call('range', { key, range_end, limit, revision })
    } catch (error) {
      if (!isReason(error, 'TooManyRequests') || limit === 1) throw error
      limit = Math.ceil(limit / 4)
      continue
    }
    yield* page.kvs
    if (!page.more) return
    // The next key in the order of bytes.
    key = Buffer.concat([page.kvs.at(-1)!.key, Buffer.from([0])])
  }
}
