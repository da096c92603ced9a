// A store without space: everything but deletions is refused, deletions go through, and a compaction makes room.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { realClock } from '../base/clock.ts'
import { openEmbeddedStore } from './embedded.ts'
import { StoreFull, type Store } from './store.ts'

const reserveBytes = 20 << 20
const valueBytes = 40_000
const value = new Uint8Array(valueBytes).fill(7)

/** Puts objects until one is refused. Returns the revisions of those that are stored. */
async function fill(store: Store): Promise<{ revisions: number[]; refused: unknown }> {
  const revisions: number[] = []
  for (;;) {
    try {
      revisions.push(await store.put(`/o/${revisions.length}`, value, { expect: 'absent' }))
    } catch (refused) {
      return { revisions, refused }
    }
  }
}

async function deletesAndRecovers(store: Store, what: RegExp): Promise<void> {
  const { keys } = store.stats()
  const { revisions, refused } = await fill(store)
  assert.ok(revisions.length > 50, `${revisions.length} objects`)
  assert.ok(refused instanceof StoreFull, String(refused))
  assert.match(refused.message, what)
  assert.match(store.stats().full ?? '', what)
  // A deletion that comes together with other writes is done, and the others are refused.
  const [first, put] = await Promise.allSettled([
    store.delete('/o/0', { expect: revisions[0]! }),
    store.put('/other', value, { expect: 'absent' }),
  ])
  assert.deepEqual([first.status, put.status], ['fulfilled', 'rejected'])
  for (let i = 1; i < revisions.length; i++) await store.delete(`/o/${i}`, { expect: revisions[i]! })
  assert.equal(store.stats().keys, keys)
  assert.match(store.stats().full ?? '', what)
  await store.compact(await store.revision())
  await store.put('/other', value, { expect: 'absent' })
  assert.equal(store.stats().full, undefined)
  for (let i = 1; i < 50; i++) await store.put(`/other/${i}`, value, { expect: 'absent' })
}

/** A directory, which is a file system of its own if it has a size. */
function fresh(t: TestContext, size?: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'kutter-full-'))
  if (size) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory])
  t.after(() => {
    if (size) execFileSync('umount', ['-l', directory])
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

test('a store at its quota', async t => {
  const store = await openEmbeddedStore(join(fresh(t), 'store'), { maxSizeBytes: 4 << 20 })
  t.after(() => store.close())
  await deletesAndRecovers(store, /database space exceeded; delete objects, or give it more than 4 MiB/)
})

const skip = process.getuid?.() === 0 ? false : 'only root may mount'

test('a store on a disk that is full, with a reserve that is filled again', { skip }, async t => {
  const directory = fresh(t, '128m')
  const store = await openEmbeddedStore(join(directory, 'store'))
  t.after(() => store.close())
  const reserve = () => statSync(join(directory, 'store', 'reserve'), { throwIfNoEntry: false })?.size
  await store.put('/first', value, { expect: 'absent' })
  // It is made a moment after the start.
  while (reserve() !== reserveBytes) await realClock.sleep(20)
  // Others fill the rest of the disk.
  writeFileSync(join(directory, 'others'), Buffer.alloc(60 << 20))
  await deletesAndRecovers(store, /there is no space left; free some on this file system/)
  rmSync(join(directory, 'others'))
  await store.put('/last', value, { expect: 'absent' })
  assert.equal(reserve(), reserveBytes)
})
