// Directories of a node that are volumes, in a directory of this machine.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { NodeDirectories, sharedDirectories } from './directories.ts'

const name = 'pvc-01234567-89ab-cdef-0123-456789abcdef'

async function open(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'kutter-directories-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  return { root, directories: new NodeDirectories(join(root, 'volumes')) }
}

test('a directory is made once, open to every user, and keeps what is in it', async t => {
  const { directories } = await open(t)
  const { path, unlimited } = await directories.make(name, 1 << 20)
  assert.equal((await stat(path)).mode & 0o777, 0o777)
  // Whether there are quotas depends on the file system of this machine.
  if (unlimited !== undefined) assert.match(unlimited, /project quota/)
  await writeFile(join(path, 'file'), 'text')
  assert.equal((await directories.make(name, 2 << 20)).path, path)
  assert.equal(await readFile(join(path, 'file'), 'utf8'), 'text')
})

test('a directory that is gone does not grow, so that an empty one does not stand for lost data', async t => {
  const { root, directories } = await open(t)
  await assert.rejects(directories.grow(name, 1), { reason: 'NotFound', message: /^path ".*" does not exist$/ })
  assert.deepEqual(await readdir(root), [])
  const { path } = await directories.make(name, 1)
  assert.equal((await directories.grow(name, 2)).path, path)
})

test('a removed directory is gone with all that was in it, and its removal may be repeated', async t => {
  const { root, directories } = await open(t)
  const { path } = await directories.make(name, 1)
  await mkdir(join(path, 'a', 'b'), { recursive: true })
  await writeFile(join(path, 'a', 'b', 'file'), 'text')
  await directories.remove(name)
  await directories.remove(name)
  assert.deepEqual(await readdir(join(root, 'volumes')), [])
})

test('a removal that was broken off is completed, and is in no way of a later one', async t => {
  const { root, directories } = await open(t)
  const aside = join(root, 'volumes', `.removed-${name}`)
  await mkdir(join(aside, 'left'), { recursive: true })
  const { path } = await directories.make(name, 1)
  await writeFile(join(path, 'file'), 'text')
  await directories.remove(name)
  assert.deepEqual(await readdir(join(root, 'volumes')), [])
  await mkdir(join(aside, 'left'), { recursive: true })
  await directories.tidy()
  assert.deepEqual(await readdir(join(root, 'volumes')), [])
})

test('only the name of a volume is accepted', async t => {
  const { directories } = await open(t)
  for (const bad of ['', '..', 'pvc-1', `../${name}`, `${name}/x`, name.toUpperCase(), `.removed-${name}`]) {
    await assert.rejects(directories.make(bad, 1), { reason: 'BadRequest' }, bad)
    await assert.rejects(directories.remove(bad), { reason: 'BadRequest' }, bad)
  }
})

test('nodes that share a directory have one name for their machine, also when they start at the same time', async t => {
  const { root } = await open(t)
  const dir = join(root, 'shared')
  const several = await Promise.all(Array.from({ length: 10 }, () => sharedDirectories(dir)))
  assert.match(several[0]!.machine, /^[0-9a-f]{16}$/)
  assert.deepEqual([...new Set(several.map(({ machine }) => machine))], [several[0]!.machine])
  assert.equal((await sharedDirectories(dir)).machine, several[0]!.machine)
  assert.notEqual((await sharedDirectories(join(root, 'other'))).machine, several[0]!.machine)
  const { path } = await several[0]!.directories.make(name, 1)
  await several[1]!.directories.remove(name)
  await assert.rejects(stat(path), { code: 'ENOENT' })
  assert.deepEqual((await readdir(dir)).sort(), ['machine', 'volumes'])
})
