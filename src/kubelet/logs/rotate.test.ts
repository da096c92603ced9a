// The rotation of logs: what is kept, what an interruption leaves, and that no line is lost when the runtime fails.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { rotate } from './rotate.ts'

async function logDir(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-rotate-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const path = join(dir, '0.log')
  return { dir, path, names: async () => (await readdir(dir)).sort() }
}
const second = (n: number) => Date.UTC(2026, 0, 2, 3, 4, n)

test('the newest old log is kept as it is, three older ones compressed, and the rest is removed', async t => {
  const { dir, path, names } = await logDir(t)
  await writeFile(path, 'log 0')
  for (let n = 1; n <= 7; n++) await rotate(path, second(n), () => writeFile(path, `log ${n}`))
  assert.deepEqual(await names(), [
    '0.log',
    '0.log.20260102-030404.gz',
    '0.log.20260102-030405.gz',
    '0.log.20260102-030406.gz',
    '0.log.20260102-030407',
  ])
  assert.equal(await readFile(path, 'utf8'), 'log 7')
  assert.equal(await readFile(`${path}.20260102-030407`, 'utf8'), 'log 6')
  assert.equal(gunzipSync(await readFile(join(dir, '0.log.20260102-030404.gz'))).toString(), 'log 3')
})

test('a runtime that begins no new log leaves the old one in its place', async t => {
  const { path, names } = await logDir(t)
  await writeFile(path, 'all')
  await assert.rejects(
    rotate(path, second(1), () => Promise.reject(new Error('the runtime is away'))),
    /the runtime is away/,
  )
  assert.deepEqual(await names(), ['0.log'])
  assert.equal(await readFile(path, 'utf8'), 'all')
})

test('a compression that was interrupted is done again, and the logs of other attempts stay', async t => {
  const { dir, path, names } = await logDir(t)
  await writeFile(path, 'new')
  await writeFile(join(dir, '0.log.20260102-030401'), 'old')
  await writeFile(join(dir, '0.log.20260102-030401.tmp'), 'half')
  await writeFile(join(dir, '1.log'), 'of the next container')
  await rotate(path, second(2), () => writeFile(path, 'newest'))
  assert.deepEqual(await names(), ['0.log', '0.log.20260102-030401.gz', '0.log.20260102-030402', '1.log'])
  assert.equal(gunzipSync(await readFile(join(dir, '0.log.20260102-030401.gz'))).toString(), 'old')
})

test('the log of a container that is gone cannot be rotated', async t => {
  const { path } = await logDir(t)
  await assert.rejects(
    rotate(path, second(1), async () => {}),
    { code: 'ENOENT' },
  )
})
