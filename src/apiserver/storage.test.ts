// Objects that are read from the store at the start: all at once if they are few, otherwise when they are asked for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realClock } from '../base/clock.ts'
import { isReason } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import type { KubeObject } from '../api/kind.ts'
import type { Mutable } from '../api/schema/node.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { openMemoryStore } from '../store/index.ts'
import { storageKey } from './kind-storage.ts'
import { Storage } from './storage.ts'

const few = 50
const many = 2500

async function loaded(count: number, more: Readonly<Record<string, string>> = {}) {
  const store = openMemoryStore()
  const put = (name: string, text: string) =>
    store.put(storageKey(ConfigMap, 'default', name), Buffer.from(text), { expect: 'absent' })
  const whole = (name: string) => {
    const metadata = { name, namespace: 'default', resourceVersion: '0', labels: { of: name } }
    return JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { a: name } })
  }
  await Promise.all(Array.from({ length: count }, (_, i) => put(`m-${i}`, whole(`m-${i}`))))
  for (const [name, text] of Object.entries(more)) await put(name, text)
  const storage = new Storage(store, realClock, silentLog)
  const of = storage.add(ConfigMap)
  await storage.load()
  const close = async () => {
    await storage.close()
    await store.close()
  }
  return { storage, of, close }
}

/** What only looks like an object, and what does not even do that. */
const damaged = { cut: '{"kind":}', bare: '{"data":{"a":"x"}}', empty: '', nul: '\0' }

for (const count of [few, many])
  test(`of ${count} objects each is served as it was stored, and what cannot be read is left out`, async () => {
    const { storage, of, close } = await loaded(count, damaged)
    const first = of.mirror.itemByKey('default/m-7')!
    assert.equal(first.object.metadata.name, 'm-7')
    assert.equal(first.object.metadata.resourceVersion, String(first.revision))
    for (const name of Object.keys(damaged)) {
      const item = of.mirror.itemByKey(`default/${name}`)
      if (item)
        assert.throws(
          () => item.object,
          (error: unknown) => isReason(error, 'InternalError'),
        )
      assert.equal(of.mirror.itemByKey(`default/${name}`), undefined)
      assert.throws(() => storage.checkReadable(ConfigMap, 'default', name), /Internal error occurred/)
    }
    const listed = of.sorted('default')
    assert.equal(listed.length, count)
    assert.deepEqual(
      listed.map(({ object }) => object.metadata.name),
      Array.from({ length: count }, (_, i) => `m-${i}`).sort(),
    )
    for (const item of listed) assert.deepEqual(JSON.parse(item.bytes.toString()), item.object)
    const indexed = of.mirror.byIndex('label', object => [object.metadata.labels?.of ?? ''], 'm-9')
    assert.deepEqual(
      indexed.map(({ metadata }) => metadata.name),
      ['m-9'],
    )
    await close()
  })

test('what nobody asks for is read in the background, and what cannot be read is left out then', async () => {
  const { storage, of, close } = await loaded(many, damaged)
  assert.equal(of.sorted().length, many + Object.keys(damaged).length)
  while (of.mirror.size > many) await realClock.sleep(5)
  assert.equal(of.sorted().length, many)
  assert.throws(() => storage.checkReadable(ConfigMap, 'default', 'cut'))
  await close()
})

test('a list has the bytes of all objects together, and leaves out what is none', async () => {
  const { storage, of, close } = await loaded(many, damaged)
  const all = of.sorted()
  const calls: number[] = []
  const { values } = storage.store
  storage.store.values = revisions => {
    calls.push(revisions.length)
    return values.call(storage.store, revisions)
  }
  const found = await storage.loaded(ConfigMap, all)
  assert.deepEqual(calls, [all.length])
  // Whether the other two are objects is not clear until they are read.
  assert.equal(found.length, many + 2)
  for (const item of found)
    if (item.key.startsWith('default/m-')) assert.equal(JSON.parse(item.bytes.toString()).data.a, item.key.slice(8))
  assert.equal(of.sorted().length, many + 2)
  assert.equal(await storage.loaded(ConfigMap, found), found)
  await close()
})

test('what was there before a change can be read when the store is compacted', async () => {
  const { storage, of, close } = await loaded(many)
  const before = of.mirror.itemByKey('default/m-3')!
  assert.ok(before.isUnloaded)
  const next = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'm-3', namespace: 'default' } }
  const changed = await storage.write(ConfigMap, next as Mutable<KubeObject>, before.revision)
  await storage.store.compact(changed.revision)
  assert.equal(before.object.metadata.labels?.of, 'm-3')
  await close()
})

test('a readable object in the place of one that cannot be read stays', async () => {
  const { storage, of, close } = await loaded(many, damaged)
  for (const name of Object.keys(damaged)) {
    const before = of.mirror.itemByKey(`default/${name}`)!
    const next = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name, namespace: 'default' } }
    await storage.write(ConfigMap, next as Mutable<KubeObject>, before.revision)
    assert.throws(() => before.object, { message: /Internal error occurred/ })
    assert.equal(of.mirror.itemByKey(`default/${name}`)?.object.metadata.name, name)
    storage.checkReadable(ConfigMap, 'default', name)
  }
  await close()
})

test('objects are changed and removed whether they have been read or not', async () => {
  const { storage, of, close } = await loaded(many)
  const before = of.mirror.itemByKey('default/m-3')!
  const next = structuredClone(before.object) as Mutable<KubeObject>
  next.metadata.labels = { of: 'new' }
  const changed = await storage.write(ConfigMap, next, before.revision)
  assert.ok(changed.revision > before.revision)
  const gone = await storage.remove(ConfigMap, of.mirror.itemByKey('default/m-4')!)
  assert.equal(gone.object.metadata.name, 'm-4')
  const changes = of.log.from(0)!
  assert.deepEqual(
    changes.map(({ type, item, before: old }) => [type, item.key, old?.object.metadata.name]),
    [
      ['MODIFIED', 'default/m-3', 'm-3'],
      ['DELETED', 'default/m-4', 'm-4'],
    ],
  )
  assert.equal(of.sorted('default').length, many - 1)
  assert.equal(of.sorted('other').length, 0)
  await close()
})
