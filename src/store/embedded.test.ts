import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { bytes, has, text } from './contract.ts'
import { openEmbeddedStore, type EmbeddedOptions, type Store } from './index.ts'
import { hasHeads } from './sqlite-file.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-embedded-'))
let made = 0
const stores: Store[] = []
after(async () => {
  for (const store of stores) await store.close()
  rmSync(scratch, { recursive: true })
})
const fresh = () => join(scratch, `${made++}`)
/** Closes the store at the end of the test, so that a failed one leaves no thread behind. */
async function open(directory: string, options?: EmbeddedOptions): Promise<Store> {
  const store = await openEmbeddedStore(directory, options)
  stores.push(store)
  return store
}
const fails = (directory: string, message: RegExp) => assert.rejects(openEmbeddedStore(directory), { message })

test('a store that is opened again has everything, in files that only the owner can read', async () => {
  const directory = fresh()
  let store = await open(directory)
  await store.put('/a', bytes('1'), { expect: 'absent' })
  await store.put('/a', bytes('2'), { expect: 1 })
  await store.put('/b', bytes('b'), { expect: 'absent' })
  await store.delete('/b', { expect: 3 })
  for (const [name, mode] of [
    ['', 0o700],
    ['log.db', 0o600],
    ['log.db-wal', 0o600],
    ['log.db-shm', 0o600],
    ['lock', 0o600],
  ] as const)
    assert.equal(statSync(join(directory, name)).mode & 0o777, mode, name)
  await store.close()
  store = await open(directory)
  assert.equal(await store.revision(), 4)
  assert.equal(text((await store.get('/a'))?.value), '2')
  assert.equal(text((await store.get('/b', 3))?.value), 'b')
  // Even when the newest row has been compacted away, the counter must not go back.
  await store.compact(4)
  await store.close()
  store = await open(directory)
  assert.deepEqual([await store.revision(), store.stats().compacted, store.stats().keys], [4, 4, 1])
  await assert.rejects(store.get('/a', 3), has('Expired'))
  assert.equal(await store.put('/b', bytes('again'), { expect: 'absent' }), 5)
  await store.close()
})

test('the end of the thread that writes is reported, once, and not when the store is closed', async () => {
  const workers: Worker[] = []
  const noteWorker = (message: unknown) => void workers.push((message as { worker: Worker }).worker)
  subscribe('worker_threads', noteWorker)
  const failures: string[] = []
  const options = { onFailure: (error: Error) => void failures.push(error.message) }
  const closed = await open(fresh(), options)
  const broken = await open(fresh(), options)
  unsubscribe('worker_threads', noteWorker)
  await closed.close()
  assert.deepEqual(failures, [])
  await broken.put('/a', bytes('1'), { expect: 'absent' })
  await workers[1]!.terminate()
  await assert.rejects(broken.put('/a', bytes('2'), { expect: 1 }), /the thread that writes .* failed: it has ended/)
  assert.equal(failures.length, 1)
  assert.equal(text((await broken.get('/a'))?.value), '1')
})

test('a store cannot be opened a second time, in this process or another, before it is closed', async () => {
  const directory = fresh()
  const store = await open(directory)
  await fails(directory, /is open already; stop the other server/)
  const program = `import('${import.meta.dirname}/index.ts').then(s => s.openEmbeddedStore(process.argv[1])).then(() => process.exit(0), e => { console.log(e.message); process.exit(3) })`
  const other = spawnSync(process.execPath, ['-e', program, directory], { encoding: 'utf8' })
  assert.equal(other.status, 3, other.stderr)
  assert.match(other.stdout, /is open already/)
  await store.close()
  await (await open(directory)).close()
})

test('a directory that is not a store is refused with one sentence', async () => {
  const foreign = fresh()
  mkdirSync(foreign)
  writeFileSync(join(foreign, 'letter.txt'), 'hello')
  await fails(foreign, /holds other files \(letter\.txt\); choose an empty directory/)

  const text = fresh()
  mkdirSync(text)
  writeFileSync(join(text, 'log.db'), 'this is not a database at all, but a long enough text. '.repeat(100))
  await fails(text, /log\.db: it is not a store of Kutter; move it away/)

  const other = fresh()
  mkdirSync(other)
  const db = new DatabaseSync(join(other, 'log.db'))
  db.exec('CREATE TABLE songs (name)')
  db.close()
  await fails(other, /database of another program/)

  const file = fresh()
  writeFileSync(file, '')
  await fails(file, /cannot open the store .*(EEXIST|ENOTDIR)/)

  const later = fresh()
  await (await open(later)).close()
  const newer = new DatabaseSync(join(later, 'log.db'))
  newer.exec('PRAGMA user_version = 9')
  newer.close()
  await fails(later, /has format 9, and this Kutter reads format 1/)
})

test('a damaged tree is found when the store is opened, a damaged value when it is read', async () => {
  const directory = fresh()
  const file = join(directory, 'log.db')
  const store = await open(directory)
  for (let i = 0; i < 200; i++) await store.put(`/${i}`, bytes(`value-${i} `.repeat(50)), { expect: 'absent' })
  await store.close()
  const whole = readFileSync(file)

  const changed = Buffer.from(whole)
  changed.write('VALUE', changed.indexOf('value-77 '))
  writeFileSync(file, changed)
  const reopened = await open(directory)
  await assert.rejects(reopened.get('/77'), (error: unknown) => {
    assert.ok(has('InternalError')(error))
    assert.match((error as Error).message, /the value of \/77 at revision 78 .* is damaged/)
    return true
  })
  assert.ok(await reopened.get('/78'))
  // A damaged value can be replaced.
  assert.equal(await reopened.put('/77', bytes('new'), { expect: 78 }), 201)
  await reopened.close()

  const torn = Buffer.from(whole)
  for (let at = 8192; at < torn.length; at += 4096) torn.fill(0xee, at, at + 512)
  writeFileSync(file, torn)
  await fails(directory, /is damaged .*restore it from a backup/)
})

test('a list of most of the store, which is read as it lies on the disk, is that of its single values', async () => {
  const directory = fresh()
  const store = await open(directory)
  const key = (i: number) => `/many/${(i * 7919) % 3000}`
  const at = await Promise.all(
    Array.from({ length: 3000 }, (_, i) => store.put(key(i), bytes(`first ${i}`), { expect: 'absent' })),
  )
  for (let i = 0; i < 3000; i += 5) {
    const expect = at[i]!
    if (i % 2) await store.delete(key(i), { expect })
    else await store.put(key(i), bytes(`second ${i}`), { expect })
  }
  for (const past of [undefined, 3000]) {
    const { entries } = await store.list('/many/', past === undefined ? {} : { at: past })
    assert.equal(entries.length, past === undefined ? 2700 : 3000)
    const keys = entries.map(entry => entry.key)
    assert.deepEqual(keys, [...keys].sort())
    for (const entry of entries) assert.deepEqual(entry, await store.get(entry.key, past))
  }
  await store.close()
  const db = new DatabaseSync(join(directory, 'log.db'))
  db.exec("UPDATE log SET v = x'00' WHERE rev = 1702")
  db.close()
  const damaged = await open(directory)
  await assert.rejects(damaged.list('/many/'), {
    message: /the value of \/many\/\d+ at revision 1702 in .* is damaged/,
  })
  await damaged.close()
})

test('heads are those of present entries, and a present value that is damaged ends all writing', async () => {
  const directory = fresh()
  const store = await open(directory)
  for (let i = 0; i < 20; i++) await store.put(`/a/${i % 7}`, bytes(`value ${i}`), { expect: i < 7 ? 'absent' : i - 6 })
  await store.delete('/a/3', { expect: 18 })
  const { heads, revision } = await store.heads('/a/')
  const { entries } = await store.list('/a/')
  assert.equal(revision, 21)
  assert.deepEqual(
    heads,
    entries.map(({ key, value, revision: at }) => ({ key, revision: at, sizeBytes: value.byteLength })),
  )
  assert.deepEqual(
    store.values(heads),
    entries.map(({ value }) => value),
  )
  assert.deepEqual(store.values([]), [])
  await store.close()
  const db = new DatabaseSync(join(directory, 'log.db'))
  db.exec("UPDATE log SET v = x'00' WHERE rev = 17")
  db.close()
  const failures: unknown[] = []
  const again = await open(directory, { onFailure: error => failures.push(error) })
  const message = /the value of \/a\/2 at revision 17 in .* is damaged/
  // A value of before is nobody's present state.
  await assert.rejects(again.get('/a/2', 17), { message })
  assert.deepEqual(failures, [])
  for (let i = 0; i < 2; i++) assert.throws(() => again.values(heads), { message })
  assert.equal(failures.length, 1)
  await assert.rejects(again.put('/b', bytes('b'), { expect: 'absent' }), { message })
  assert.equal(again.values([{ key: '/a/5', revision: 20 }]).length, 1)
  await again.close()
})

test('a full store refuses writes, stays consistent, and accepts writes again after a compaction', async () => {
  const store = await open(fresh(), { maxSizeBytes: 2 << 20 })
  const value = (i: number) => new Uint8Array(50_000).fill(i)
  let last = 0
  let refused: unknown
  for (let i = 0; !refused; i++) {
    // Two keys are written together: a batch is stored as a whole or not at all.
    const both = [
      store.put('/a', value(i), { expect: last ? last - 1 : 'absent' }),
      store.put('/b', value(i), { expect: last || 'absent' }),
    ]
    const [a, b] = await Promise.allSettled(both)
    assert.equal(a!.status, b!.status)
    if (b!.status === 'fulfilled') last = b!.value
    else refused = b!.reason
  }
  assert.ok(has('ServiceUnavailable')(refused), String(refused))
  assert.match((refused as Error).message, /cannot write to the store .*database space exceeded/)
  assert.equal(await store.revision(), last)
  assert.equal((await store.get('/b'))?.revision, last)
  await store.compact(last)
  assert.equal(await store.put('/a', value(1), { expect: last - 1 }), last + 1)
  await store.close()
})

test('compaction frees space', async () => {
  const store = await open(fresh())
  const big = await overwrite(store, 1500, 40_000)
  await store.compact(await store.revision())
  const { sizeBytes, keys } = store.stats()
  assert.equal(keys, 1)
  assert.ok(big > 50 << 20 && sizeBytes < 20 << 20, `${big} then ${sizeBytes}`)
  await store.close()
})

test('defragmenting gives the rest of the free space back, while reads and writes go on', async () => {
  const store = await open(fresh())
  const value = new Uint8Array(50_000)
  let revision = 0
  for (let i = 0; i < 100; i++) revision = await store.put('/a', value, { expect: revision || 'absent' })
  await store.compact(revision)
  const before = store.stats().sizeBytes
  const [, written] = await Promise.all([store.defragment(), store.put('/b', bytes('b'), { expect: 'absent' })])
  const after = store.stats().sizeBytes
  assert.ok(after < before && after < 1 << 20, `${before} -> ${after}`)
  assert.equal((await store.get('/b'))?.revision, written)
  assert.equal((await store.get('/a'))?.revision, revision)
  await store.close()
})

test('the history is bounded even without compactions', async () => {
  const errors: unknown[] = []
  const store = await open(fresh(), { historyRows: 100, onError: error => errors.push(error) })
  await overwrite(store, 1000, 100)
  assert.ok(store.stats().compacted > 800, `${store.stats().compacted}`)
  await store.close()
  assert.deepEqual(errors, [])
})

async function overwrite(store: Store, times: number, sizeBytes: number): Promise<number> {
  let expect: number | 'absent' = 'absent'
  for (let i = 0; i < times; i++) expect = await store.put('/key', new Uint8Array(sizeBytes), { expect })
  return store.stats().sizeBytes
}

test('a file of before has the same content, and starts without reading all of it from then on', async () => {
  const directory = fresh()
  const file = join(directory, 'log.db')
  let store = await open(directory)
  for (let i = 0; i < 50; i++) await store.put(`/a/${i}`, new Uint8Array(40_000).fill(i), { expect: 'absent' })
  const heads = await store.heads('')
  await store.close()
  const has = () => {
    const db = new DatabaseSync(file)
    try {
      return hasHeads(db, file)
    } finally {
      db.close()
    }
  }
  const db = new DatabaseSync(file)
  db.exec('DROP INDEX heads; VACUUM')
  db.close()
  // Without space for more, it is used as it is.
  store = await open(directory, { maxSizeBytes: 1 << 20 })
  assert.deepEqual(await store.heads(''), heads)
  await store.close()
  assert.equal(has(), false)
  store = await open(directory)
  assert.deepEqual(await store.heads(''), heads)
  await store.close()
  assert.equal(has(), true)
})
