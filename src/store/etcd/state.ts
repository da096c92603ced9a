// Reads what a store in etcd holds at one revision of etcd, page by page.
import { isReason } from '../../base/errors.ts'
import { grpcOf } from '../../wire/grpc.ts'
import type { Row } from '../log.ts'
import type { EtcdClient } from './client.ts'
import type { Head, Layout } from './layout.ts'
import type { KeyValue } from './protocol.ts'

/** Keys of the first page. Pages that are too large for an answer are asked for again with fewer. */
const pageKeys = 1000

export interface EtcdState {
  head: Head
  /** The revision of etcd that wrote the head; 0 if none has. */
  written: number
  /** Sorted by revision. */
  rows: Row[]
  /** The revision of etcd that this is. */
  at: number
}

/**
 * The head, the revision of etcd that wrote it (0 if none has), and etcd's newest. Linearizable, and of now unless an older
 * revision of etcd is named.
 */
export async function readHead(client: EtcdClient, layout: Layout, at = 0) {
  const { header, kvs } = await client.call('range', { key: layout.head, revision: at })
  const [found] = kvs
  return { head: layout.readHead(found?.value), written: found?.mod_revision ?? 0, newest: header!.revision }
}

/** Reads all rows as they were at a revision of etcd. Undefined when etcd does not have it any more. */
export async function readState(client: EtcdClient, layout: Layout, at: number): Promise<EtcdState | undefined> {
  try {
    const { head, written } = await readHead(client, layout, at)
    const rows: Row[] = []
    for await (const kv of valuesAt(client, layout, at)) rows.push(layout.row(kv.key, kv.value))
    rows.sort((a, b) => a.revision - b.revision)
    return { head, written, rows, at }
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

const nothing = Buffer.alloc(0)

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
