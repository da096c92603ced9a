// Bytes that are lost or changed on the disk. Whatever a torn write or a flipped bit leaves, an open store gives the
// values that were written, or says that they are damaged; it never gives others.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { seededRandom } from '../base/random.ts'
import { bytes, text } from './contract.ts'
import { openEmbeddedStore, type Store } from './index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-damage-'))
after(() => rmSync(scratch, { recursive: true }))
let made = 0
const seed = Number(process.env.KUTTER_SEED ?? 1)

const keys = ['/a', '/b', '/c']
const batches = 8
/** The value that a batch writes under all keys, large enough that a batch is several pages. */
const valueOf = (batch: number) => `${batch} `.repeat(400)

/** A store whose batches are all in the log that SQLite writes ahead, copied while it is open. */
async function writtenAhead(): Promise<{ db: Buffer; wal: Buffer }> {
  const directory = join(scratch, `${made++}`)
  const store = await openEmbeddedStore(directory)
  try {
    let expect: number[] = []
    for (let batch = 1; batch <= batches; batch++)
      expect = await Promise.all(
        keys.map((key, i) => store.put(key, bytes(valueOf(batch)), { expect: expect[i] ?? 'absent' })),
      )
    return { db: readFileSync(join(directory, 'log.db')), wal: readFileSync(join(directory, 'log.db-wal')) }
  } finally {
    await store.close()
  }
}

/** Opens a store that finds these files, as a server does that starts after a crash. */
async function opened<T>(db: Buffer, wal: Buffer | undefined, body: (store: Store) => Promise<T>): Promise<T> {
  const directory = join(scratch, `${made++}`)
  mkdirSync(directory)
  writeFileSync(join(directory, 'log.db'), db)
  if (wal) writeFileSync(join(directory, 'log.db-wal'), wal)
  const store = await openEmbeddedStore(directory)
  try {
    return await body(store)
  } finally {
    await store.close()
    rmSync(directory, { recursive: true })
  }
}

/** The number of whole batches that a store has. Fails where it has anything but the first ones, whole. */
async function wholeBatches(store: Store, what: string): Promise<number> {
  const revision = await store.revision()
  assert.equal(revision % keys.length, 0, `${what}: half a batch, ${revision}`)
  const batch = revision / keys.length
  for (const key of keys) {
    const entry = await store.get(key)
    assert.equal(text(entry?.value), batch ? valueOf(batch) : undefined, `${what}: ${key} of batch ${batch}`)
  }
  // The history is whole as well: every older batch can be read at its own position.
  for (let b = 1; b <= batch; b++)
    assert.equal(text((await store.get('/b', b * keys.length))?.value), valueOf(b), `${what}: batch ${b} of ${batch}`)
  return batch
}

test('wherever the tail of the log is torn off, the store opens with the whole batches before it', async () => {
  const { db, wal } = await writtenAhead()
  // A frame is a page with a header of 24 bytes, after one header of 32. Source: sqlite.org/walformat.html.
  const frame = 4096 + 24
  const cuts = new Set<number>([0, 1, 31, 32])
  for (let at = 32; at <= wal.length; at += frame)
    for (const cut of [at - 1, at, at + 24]) if (cut >= 0 && cut <= wal.length) cuts.add(cut)
  let before = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    const found = await opened(db, wal.subarray(0, cut), store => wholeBatches(store, `cut at ${cut}`))
    assert.ok(found >= before, `cut at ${cut}: ${found} batches, and ${before} with less of the log`)
    before = found
  }
  assert.equal(before, batches)
})

test('a changed byte of the log ends it before the batch that it is in', async () => {
  const { db, wal } = await writtenAhead()
  const random = seededRandom(seed)
  for (let i = 0; i < 25; i++) {
    const at = 32 + Math.floor(random.float() * (wal.length - 32))
    const changed = Buffer.from(wal)
    changed[at]! ^= 1 << Math.floor(random.float() * 8)
    const what = `seed ${seed}, byte ${at}`
    const found = await opened(db, changed, store => wholeBatches(store, what))
    assert.ok(found < batches, `${what}: the change went unnoticed`)
  }
})

test('writing goes on after a torn tail, and what was written then survives', async () => {
  const { db, wal } = await writtenAhead()
  const directory = join(scratch, `${made++}`)
  mkdirSync(directory)
  writeFileSync(join(directory, 'log.db'), db)
  writeFileSync(join(directory, 'log.db-wal'), wal.subarray(0, wal.length - 100))
  let store = await openEmbeddedStore(directory)
  const revision = await store.revision()
  assert.equal(revision, (batches - 1) * keys.length)
  const now = await store.get('/a')
  assert.equal(await store.put('/a', bytes('later'), { expect: now!.revision }), revision + 1)
  await store.close()
  store = await openEmbeddedStore(directory)
  assert.equal(text((await store.get('/a'))?.value), 'later')
  assert.equal(await store.revision(), revision + 1)
  await store.close()
})

test('after any flipped bit of the file, what is read is what was written, or an error', async () => {
  const directory = join(scratch, `${made++}`)
  const store = await openEmbeddedStore(directory)
  const written = new Map<string, string>()
  for (let i = 0; i < 40; i++) {
    const value = `value ${i} `.repeat(5 + ((i * 7) % 90))
    await store.put(`/key/${i}`, bytes(value), { expect: 'absent' })
    written.set(`/key/${i}`, value)
  }
  for (let i = 0; i < 40; i += 5) {
    await store.delete(`/key/${i}`, { expect: i + 1 })
    written.delete(`/key/${i}`)
  }
  await store.close()
  const file = join(directory, 'log.db')
  const whole = join(scratch, 'whole.db')
  copyFileSync(file, whole)
  const random = seededRandom(seed)
  const outcomes = { damaged: 0, same: 0 }
  for (let i = 0; i < 100; i++) {
    const bytes = readFileSync(whole)
    const at = Math.floor(random.float() * bytes.length)
    bytes[at]! ^= 1 << Math.floor(random.float() * 8)
    const what = `seed ${seed}, byte ${at}`
    try {
      await opened(bytes, undefined, async reopened => {
        const read = await readAll(reopened)
        const different = [...new Set([...written.keys(), ...read.keys()])].filter(k => read.get(k) !== written.get(k))
        assert.deepEqual(different, [], what)
      })
      outcomes.same++
    } catch (error) {
      if ((error as Error).name === 'AssertionError') throw error
      // Both errors name the file, and end with what to do.
      assert.match((error as Error).message, /log\.db.*(damaged|cannot open|cannot read)/, what)
      outcomes.damaged++
    }
  }
  assert.ok(outcomes.same > 0 && outcomes.damaged > 5, JSON.stringify(outcomes))
})

test('a key that is changed in one of its places is found when its value is read', async () => {
  const directory = join(scratch, `${made++}`)
  const store = await openEmbeddedStore(directory)
  for (let i = 0; i < 40; i++) await store.put(`/key/${i}`, bytes(`value ${i}`), { expect: 'absent' })
  await store.close()
  const whole = readFileSync(join(directory, 'log.db'))
  const places: number[] = []
  for (let at = whole.indexOf('/key/17'); at >= 0; at = whole.indexOf('/key/17', at + 1)) places.push(at)
  // In the log, and in the copy that a start reads.
  assert.equal(places.length, 2)
  for (const place of places) {
    const changed = Buffer.from(whole)
    changed[place + 6] = 'x'.charCodeAt(0)
    const error = /the value of \/key\/1[7x] at revision 18 in .* is damaged/
    await opened(changed, undefined, async reopened => {
      await assert.rejects(readAll(reopened), error)
      const { heads } = await reopened.heads('/key/1')
      assert.throws(() => reopened.values(heads), error)
    })
  }
})

test('rows that are missing, out of place or no longer what they were are found when the store is opened', async () => {
  const directory = join(scratch, `${made++}`)
  const file = join(directory, 'log.db')
  const store = await openEmbeddedStore(directory)
  for (let i = 1; i <= 9; i++) await store.put(`/${i}`, bytes(`${i}`), { expect: 'absent' })
  await store.put('/2', bytes('again'), { expect: 2 })
  await store.delete('/3', { expect: 3 })
  await store.compact(5)
  await store.close()
  const whole = readFileSync(file)
  const table: [sql: string, error: RegExp | undefined][] = [
    // A row that a compaction has removed is no loss, and neither is one that it has left behind.
    ['DELETE FROM log WHERE rev = 2', undefined],
    ['DELETE FROM log WHERE rev = 7', /is damaged \(revision 8 follows 6\); restore it from a backup/],
    ['UPDATE log SET rev = 99 WHERE rev = 11', /is damaged \(revision 99 follows 10\)/],
    ['DELETE FROM log WHERE rev = 6', /is damaged \(revision 7 follows 5\)/],
    ["UPDATE log SET k = '/4' WHERE rev = 11", /the deletion of \/4 at revision 11 does not match its checksum/],
    ['UPDATE log SET deleted = 1 WHERE rev = 9', /the deletion of \/9 at revision 9 does not match its checksum/],
    // As an older Kutter wrote it: the checksum of the deletion as if it were an empty value.
    [`UPDATE log SET crc = ${crc32('11 /3')} WHERE rev = 11`, undefined],
    ["UPDATE log SET v = x'00' WHERE rev = 11", /the deletion of \/3 at revision 11 does not match/],
    ['UPDATE log SET deleted = 0 WHERE rev = 11', /is damaged \(\/3 at revision 11 does not match its checksum\)/],
  ]
  for (const [sql, error] of table) {
    writeFileSync(file, whole)
    const db = new DatabaseSync(file)
    try {
      db.exec(sql)
    } finally {
      db.close()
    }
    const opening = openEmbeddedStore(directory)
    if (error) await assert.rejects(opening, error, sql)
    else await (await opening).close()
  }
})

async function readAll(store: Store): Promise<Map<string, string>> {
  const { entries } = await store.list('')
  return new Map(entries.map(entry => [entry.key, text(entry.value)!]))
}
