import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { gunzipSync, gzipSync } from 'node:zlib'
import { silentLog } from '../../base/log.ts'
import { bytes, has, text } from '../contract.ts'
import { openEmbeddedStore } from '../embedded.ts'
import { copyToEtcd, openEtcdStore } from '../etcd/index.ts'
import { noEtcd, startEtcd } from '../etcd/testing.ts'
import { openMemoryStore } from '../memory.ts'
import type { Entry, Store } from '../store.ts'
import { fillEmbedded, salvage } from './fill.ts'
import { checkSnapshot, saveSnapshot, SnapshotError, snapshotHead, snapshotParts } from './snapshot.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-snapshot-'))
after(() => rmSync(scratch, { recursive: true }))
let files = 0
const newPath = () => join(scratch, String(files++))
const head = { name: 'web', createdAt: '2026-01-02T03:04:05Z' }
const key = { path: 'pki/ca.key', mode: 0o600, bytes: Buffer.from('secret\n{"end":true}\n') }

/** Some keys, with values that look like lines of the format, changed and deleted ones too. */
async function fill(store: Store, count = 1200): Promise<void> {
  const value = (i: number) => bytes(i % 7 ? `{"n":${i}}\n{"end":true}\n` : '')
  await Promise.all(
    Array.from({ length: count }, (_, i) => store.put(`/registry/ü/${i}`, value(i), { expect: 'absent' })),
  )
  await store.put('/registry/ü/5', bytes('changed'), { expect: 6 })
  await store.delete('/registry/ü/6', { expect: 7 })
}

async function entriesOf(file: string): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const part of snapshotParts(file)) if (part.type === 'entry') entries.push(part.entry)
  return entries
}

const plain = (entries: readonly Entry[]) => entries.map(entry => ({ ...entry, value: text(entry.value) }))

test('a snapshot has all keys of one revision, and what goes with them', async () => {
  const store = openMemoryStore()
  await fill(store)
  const file = newPath()
  const info = await saveSnapshot(store, file, { ...head, files: [key] })
  assert.deepEqual([info.revision, info.keys, info.name], [1202, 1199, 'web'])
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(await checkSnapshot(file), info)
  assert.deepEqual(await snapshotHead(file), { ...head, revision: 1202 })
  assert.deepEqual(plain(await entriesOf(file)), plain((await store.list('')).entries))
  const parts = snapshotParts(file)
  assert.deepEqual((await parts.next()).value, { type: 'file', file: key })
  await parts.return(undefined)
})

test('what was changed, cut off or is something else is refused', async () => {
  const store = openMemoryStore()
  await fill(store, 20)
  const file = newPath()
  await saveSnapshot(store, file, head)
  const whole = gunzipSync(readFileSync(file))
  const other = newPath()
  for (let at = 0; at < whole.length; at += 3) {
    const changed = Buffer.from(whole)
    changed[at]! ^= 1
    writeFileSync(other, gzipSync(changed))
    await assert.rejects(checkSnapshot(other), SnapshotError, `byte ${at} changed`)
  }
  for (const length of [0, 10, 500, whole.length - 1]) {
    writeFileSync(other, gzipSync(whole.subarray(0, length)))
    await assert.rejects(checkSnapshot(other), SnapshotError, `cut off at ${length}`)
  }
  for (const content of ['', 'text', gzipSync('{"format":"other"}\n'), gzipSync('x'.repeat(200_000))]) {
    writeFileSync(other, content)
    await assert.rejects(checkSnapshot(other), SnapshotError)
  }
  await assert.rejects(checkSnapshot(newPath()), /ENOENT/)
})

test('a save that fails leaves no file', async () => {
  const store = openMemoryStore()
  await fill(store, 20)
  const file = newPath()
  store.list = () => Promise.reject(new Error('no disk'))
  await assert.rejects(saveSnapshot(store, file, head), /no disk/)
  assert.throws(() => statSync(file))
  assert.throws(() => statSync(`${file}.partial`))
})

test('a store that is filled goes on from its revision, and older ones have expired', async () => {
  const store = openMemoryStore()
  await fill(store)
  const { entries } = await store.list('')
  const directory = newPath()
  assert.equal(await fillEmbedded(directory, entries, 5000), 1199)
  await assert.rejects(fillEmbedded(directory, entries, 5000), /exists already/)
  const filled = await openEmbeddedStore(directory)
  assert.deepEqual(plain((await filled.list('')).entries), plain(entries))
  assert.equal(await filled.revision(), 5000)
  await assert.rejects(filled.get('/registry/ü/1', 4999), has('Expired'))
  assert.equal(await filled.put('/registry/ü/5', bytes('more'), { expect: 1201 }), 5001)
  await filled.close()
  const again = await openEmbeddedStore(directory)
  assert.equal(text((await again.get('/registry/ü/5'))?.value), 'more')
  await again.close()
})

test('what is whole of a damaged store is kept, and what is lost is listed', async () => {
  const directory = newPath()
  const store = await openEmbeddedStore(directory)
  await fill(store, 50)
  await store.close()
  const db = new DatabaseSync(join(directory, 'log.db'))
  db.prepare('UPDATE log SET v = ? WHERE rev IN (9, 51)').run(bytes('damage'))
  db.close()
  const { revision, entries, lost } = salvage(directory)
  assert.equal(revision, 52)
  assert.deepEqual(lost, [
    { key: '/registry/ü/8', revision: 9 },
    { key: '/registry/ü/5', revision: 51 },
  ])
  // The older value of a key whose newest is damaged.
  assert.equal(text(entries.find(entry => entry.key === '/registry/ü/5')?.value), '{"n":5}\n{"end":true}\n')
  assert.equal(entries.length, 48)
})

describe('into etcd', { skip: noEtcd }, () => {
  test('a store is copied with its revisions, in place of another one, and goes on from there', async () => {
    const etcd = await startEtcd()
    const at = { endpoints: etcd.endpoints, prefix: '/kutter' }
    const old = await openEtcdStore({ ...at, log: silentLog })
    await old.put('/registry/old', bytes('old'), { expect: 'absent' })
    await old.close()
    const store = openMemoryStore()
    await fill(store)
    const file = newPath()
    await saveSnapshot(store, file, head)
    const entries = async function* () {
      for await (const part of snapshotParts(file)) if (part.type === 'entry') yield part.entry
    }
    assert.equal(await copyToEtcd(at, entries(), 9000), 1199)
    const opened = await openEtcdStore({ ...at, log: silentLog })
    assert.deepEqual(plain((await opened.list('')).entries), plain((await store.list('')).entries))
    assert.equal(await opened.revision(), 9000)
    await assert.rejects(opened.get('/registry/ü/1', 1), has('Expired'))
    assert.equal(await opened.put('/registry/ü/5', bytes('more'), { expect: 1201 }), 9001)
    await opened.close()
    // One that was interrupted is not served.
    const failing = async function* () {
      yield* (await store.list('', { limit: 3 })).entries
      throw new Error('interrupted')
    }
    await assert.rejects(copyToEtcd(at, failing(), 10_000), /interrupted/)
    await assert.rejects(openEtcdStore({ ...at, log: silentLog }), /another store is being copied here/)
    await copyToEtcd(at, entries(), 10_000)
    const third = await openEtcdStore({ ...at, log: silentLog })
    assert.equal(await third.revision(), 10_000)
    await third.close()
    etcd.stop()
  })
})
