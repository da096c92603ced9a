// Sets of files that are replaced atomically.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeAtomically } from './atomic.ts'

const files = (entries: Record<string, string>, mode = 0o644) =>
  new Map(Object.entries(entries).map(([path, text]) => [path, { data: Buffer.from(text), mode }]))

test('files are replaced by one rename, and unchanged ones are not written', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-atomic-'))
  try {
    assert.equal(await writeAtomically(dir, files({ a: '1', 'deep/b': '2' }, 0o400), 1000), true)
    assert.equal(await readFile(join(dir, 'deep/b'), 'utf8'), '2')
    assert.equal((await stat(join(dir, 'a'))).mode & 0o777, 0o400)
    assert.equal(await readlink(join(dir, 'a')), '..data/a')
    const first = await readlink(join(dir, '..data'))
    assert.equal(await writeAtomically(dir, files({ a: '1', 'deep/b': '2' }), 1000), false)
    assert.equal(await writeAtomically(dir, files({ a: 'new', c: '3' }), 1000), true)
    assert.notEqual(await readlink(join(dir, '..data')), first)
    assert.deepEqual((await readdir(dir)).filter(n => !n.startsWith('..')).sort(), ['a', 'c'])
    assert.equal((await readdir(dir)).filter(n => n.startsWith('..')).length, 2)
    assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'new')
    for (const path of ['../x', '/x', 'a/../../x', '..x', ''])
      await assert.rejects(writeAtomically(dir, files({ [path]: '' }), 1000), /invalid path/, path)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
