// How much a directory uses: what counts, and where the walk ends.
import assert from 'node:assert/strict'
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { realClock, VirtualClock } from '../../base/clock.ts'
import { treeSize } from './walk.ts'

const kib = 1024
const limits = { entries: 1000, ms: 60_000 }
const signal = new AbortController().signal

async function directory(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'walk-'))
  t.after(() => rm(dir, { recursive: true }))
  return dir
}
const sizeOf = (dir: string, o = limits) => treeSize(dir, o, realClock, signal)

test('files of all directories count, a file with two names once, and links are not followed', async t => {
  const dir = await directory(t)
  await mkdir(join(dir, 'a/b'), { recursive: true })
  const empty = await sizeOf(dir)
  await writeFile(join(dir, 'a/b/file'), Buffer.alloc(100 * kib, 1))
  await link(join(dir, 'a/b/file'), join(dir, 'again'))
  await symlink('/', join(dir, 'root'))
  const { bytes, inodes } = await sizeOf(dir)
  assert.ok(bytes - empty.bytes >= 100 * kib && bytes - empty.bytes < 200 * kib, `${bytes - empty.bytes} bytes`)
  assert.equal(inodes - empty.inodes, 2)
})

test('a hole in a file uses nothing', async t => {
  const dir = await directory(t)
  const empty = await sizeOf(dir)
  const { open } = await import('node:fs/promises')
  const file = await open(join(dir, 'hole'), 'w')
  await file.truncate(100 * 2 ** 20)
  await file.close()
  assert.ok((await sizeOf(dir)).bytes - empty.bytes < 2 ** 20)
})

test('the walk ends after so many entries, with what it has found', async t => {
  const dir = await directory(t)
  for (let i = 0; i < 30; i++) await writeFile(join(dir, String(i)), 'x')
  assert.equal((await sizeOf(dir, { ...limits, entries: 10 })).inodes, 10)
})

test('the walk ends when its time is over', async t => {
  const dir = await directory(t)
  await writeFile(join(dir, 'x'), 'x')
  const clock = new VirtualClock()
  assert.equal((await treeSize(dir, { entries: 1000, ms: 0 }, clock, signal)).inodes, 1)
})

test('what does not exist uses nothing, and an abort ends the walk', async t => {
  const dir = await directory(t)
  assert.deepEqual(await sizeOf(join(dir, 'missing')), { bytes: 0, inodes: 0 })
  await writeFile(join(dir, 'x'), 'x')
  await assert.rejects(treeSize(dir, limits, realClock, AbortSignal.abort(new Error('over'))), /over/)
})
