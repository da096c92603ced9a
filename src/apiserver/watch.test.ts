// Watches over a real store: before the first read, after a restart, after a compaction, and when a reader is slow.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import type { KubeObject } from '../api/kind.ts'
import type { Operation, OperationOptions, WatchEvent } from '../api/operation.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { openMemoryStore, type Store } from '../store/index.ts'
import { canonical } from './body.ts'
import { Storage } from './storage.ts'
import { watch } from './watch.ts'
import type { Mutable } from '../api/schema/node.ts'

async function openStorage(store: Store): Promise<Storage> {
  const storage = new Storage(store, new VirtualClock(), silentLog)
  storage.add(ConfigMap)
  await storage.load()
  return storage
}

const object = (name: string, labels: Record<string, string> = {}): Mutable<KubeObject> =>
  canonical(ConfigMap, { metadata: { name, namespace: 'a', labels } })

async function start(storage: Storage, options: OperationOptions) {
  const abort = new AbortController()
  const operation: Operation = {
    verb: 'watch',
    kind: ConfigMap,
    subresource: '',
    namespace: 'a',
    name: '',
    user: { name: 'tester', groups: [] },
    options,
    signal: abort.signal,
  }
  const events = (await watch(storage, operation))[Symbol.asyncIterator]()
  return { next: async () => brief((await events.next()).value as readonly WatchEvent[]), stop: () => abort.abort() }
}

const brief = (events: readonly WatchEvent[] | undefined) =>
  events?.map(({ type, item }) => `${type} ${item.object.metadata.name} @${item.revision}`)

test('a write between the answer and the first read is not lost', async () => {
  const storage = await openStorage(openMemoryStore())
  const watching = await start(storage, { resourceVersion: '0' })
  await storage.write(ConfigMap, object('one'), 'absent')
  assert.deepEqual(await watching.next(), ['ADDED one @1'])
  const waiting = watching.next()
  await storage.write(ConfigMap, object('two'), 'absent')
  assert.deepEqual(await waiting, ['ADDED two @2'])
  const ending = watching.next()
  watching.stop()
  assert.equal(await ending, undefined)
  await storage.close()
})

test('after a restart a watch goes on from the history of the store', async () => {
  const store = openMemoryStore()
  const before = await openStorage(store)
  const one = await before.write(ConfigMap, object('one', { in: 'yes' }), 'absent')
  const changed = await before.write(ConfigMap, object('one', { in: 'no' }), one.revision)
  await before.remove(ConfigMap, changed)
  await before.write(ConfigMap, object('two', { in: 'yes' }), 'absent')
  await before.close()
  const after = await openStorage(store)
  const all = await start(after, { resourceVersion: '1' })
  assert.deepEqual(await all.next(), ['MODIFIED one @2', 'DELETED one @3', 'ADDED two @4'])
  // With a selector, an object that stops matching is reported as deleted.
  const some = await start(after, { resourceVersion: '1', labelSelector: 'in=yes' })
  assert.deepEqual(await some.next(), ['DELETED one @2', 'ADDED two @4'])
  await after.write(ConfigMap, object('three', { in: 'yes' }), 'absent')
  assert.deepEqual(await all.next(), ['ADDED three @5'])
  assert.deepEqual(await some.next(), ['ADDED three @5'])
  all.stop()
  some.stop()
  await after.close()
})

test('what is written while a watch reads the history comes after it', async () => {
  const store = openMemoryStore()
  const before = await openStorage(store)
  await before.write(ConfigMap, object('one'), 'absent')
  await before.write(ConfigMap, object('two'), 'absent')
  await before.close()
  const after = await openStorage(store)
  // Reading the history takes so long that another object is written meanwhile.
  const read = store.changes.bind(store)
  store.changes = async (...asked) => {
    const changes = await read(...asked)
    await after.write(ConfigMap, object('three'), 'absent')
    return changes
  }
  const watching = await start(after, { resourceVersion: '1' })
  assert.deepEqual(await watching.next(), ['ADDED two @2'])
  assert.deepEqual(await watching.next(), ['ADDED three @3'])
  watching.stop()
  await after.close()
})

test('a watch from a compacted revision gets Expired', async () => {
  const store = openMemoryStore()
  const before = await openStorage(store)
  for (const name of ['one', 'two', 'three']) await before.write(ConfigMap, object(name), 'absent')
  await before.close()
  await store.compact(2)
  const after = await openStorage(store)
  await assert.rejects(start(after, { resourceVersion: '1' }), { reason: 'Expired', code: 410 })
  const watching = await start(after, { resourceVersion: '2' })
  assert.deepEqual(await watching.next(), ['ADDED three @3'])
  watching.stop()
  await after.close()
})

test('a watch that has fallen behind the log ends, and others go on', async () => {
  const storage = await openStorage(openMemoryStore())
  const slow = await start(storage, { resourceVersion: '0' })
  const quick = await start(storage, { resourceVersion: '0' })
  let seen = 0
  for (let i = 0; i < 12; i++) {
    await Promise.all(Array.from({ length: 500 }, (_, n) => storage.write(ConfigMap, object(`m-${i}-${n}`), 'absent')))
    while (seen < (i + 1) * 500) seen += (await quick.next())?.length ?? 0
  }
  assert.equal(await slow.next(), undefined)
  quick.stop()
  await storage.close()
})

test('a bookmark that is due while a slow client takes events does not pass the events that follow them', async () => {
  const clock = new VirtualClock()
  const storage = new Storage(openMemoryStore(), clock, silentLog)
  storage.add(ConfigMap)
  await storage.load()
  const watching = await start(storage, { resourceVersion: '0', allowWatchBookmarks: true })
  assert.deepEqual(await watching.next(), ['BOOKMARK undefined @0'])
  const first = watching.next()
  await storage.write(ConfigMap, object('one'), 'absent')
  assert.deepEqual(await first, ['ADDED one @1'])
  // The client is busy with the first event when the bookmark becomes due, and another one comes.
  await clock.forward(60_000)
  await storage.write(ConfigMap, object('two'), 'absent')
  assert.deepEqual(await watching.next(), ['ADDED two @2'])
  assert.deepEqual(await watching.next(), ['BOOKMARK undefined @2'])
  watching.stop()
  await storage.close()
})
