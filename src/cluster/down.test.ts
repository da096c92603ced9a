// Purging one cluster removes nothing of the others in its data directory.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathsOf } from './config.ts'
import { down } from './down.ts'

const skip = process.platform !== 'linux' || process.getuid?.() !== 0 ? 'needs Linux and root' : false

test('purge removes one cluster, and the data directory with the last one', { skip }, async t => {
  const base = await mkdtemp(join(tmpdir(), 'kutter-down-'))
  const dataDir = join(base, 'data')
  const before = process.env.KUBECONFIG
  process.env.KUBECONFIG = join(base, 'kubeconfig')
  t.after(async () => {
    if (before === undefined) delete process.env.KUBECONFIG
    else process.env.KUBECONFIG = before
    await rm(base, { recursive: true, force: true })
  })
  for (const name of ['one', 'two']) {
    await mkdir(join(dataDir, name, 'store'), { recursive: true })
    // No machine has a slot of this number.
    await writeFile(join(dataDir, name, 'cluster.json'), JSON.stringify({ name, slot: 999 }))
  }
  const purge = async (name: string) => {
    let text = ''
    const code = await down({ paths: pathsOf(dataDir, name), name, purge: true, out: line => (text += line) })
    assert.equal(code, 0, text)
    return text
  }
  assert.match(await purge('one'), /Its data is gone/)
  assert.deepEqual(await readdir(dataDir), ['two'])
  assert.ok(existsSync(join(dataDir, 'two/store')))
  assert.match(await purge('one'), /There is no cluster one/)
  await purge('two')
  assert.equal(existsSync(dataDir), false)
})
