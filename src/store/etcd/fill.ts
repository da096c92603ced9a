// Puts the entries of another store into etcd, in place of those that were there.
import type { Entry, Revision } from '../store.ts'
import type { EtcdClient } from './client.ts'
import type { Layout } from './layout.ts'

const batchRows = 100
const batchBytes = 1 << 20

/**
 * Replaces the store below a prefix by entries. Its newest revision is `revision`, and it has no history. A key says that
 * this is under way: a server that finds it does not start, so that nobody sees a part. One that runs all the same finds
 * another head, so it can write nothing more, and ends. Returns the number of keys.
 */
export async function fillEtcd(
  client: EtcdClient,
  layout: Layout,
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  revision: Revision,
): Promise<number> {
  const begun = { request_put: { key: layout.filling, value: Buffer.from(String(revision)) } }
  const taken = { request_put: { key: layout.head, value: layout.filledHead(revision) } }
  await client.call('txn', { success: [begun, taken] })
  await client.call('deleteRange', layout.values)
  let keys = 0
  let batch: Entry[] = []
  let sizeBytes = 0
  const write = async () => {
    if (!batch.length) return
    const success = batch.map(entry => layout.put({ ...entry, deleted: false }))
    await client.call('txn', { success })
    keys += batch.length
    batch = []
    sizeBytes = 0
  }
  for await (const entry of entries) {
    if (batch.length >= batchRows || sizeBytes + entry.value.byteLength > batchBytes) await write()
    batch.push(entry)
    sizeBytes += entry.value.byteLength
  }
  await write()
  const head = { request_put: { key: layout.head, value: layout.filledHead(revision) } }
  const filled = { request_put: { key: layout.filled, value: Buffer.from(String(revision)) } }
  await client.call('txn', { success: [head, filled, { request_delete_range: { key: layout.filling } }] })
  return keys
}
