// Which container has which devices, written and read again.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readAnswer } from './answer.ts'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'

function fileOf(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-devices-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return join(dir, 'checkpoint')
}

test('what is given out is read again, and what no plugin has answered is not', async t => {
  const file = fileOf(t)
  assert.deepEqual(await readCheckpoint(file), { resources: [], allotments: [] })
  const allotment = { uid: 'u', container: 'c', resource: 'r', ids: ['1'], answer: readAnswer({ envs: { A: 'a' } }) }
  await writeCheckpoint(file, {
    resources: ['r'],
    allotments: [allotment, { ...allotment, ids: ['2'], answer: undefined }],
  })
  assert.deepEqual(await readCheckpoint(file), { resources: ['r'], allotments: [allotment] })
})

test('a file that makes no sense counts as none', async t => {
  const file = fileOf(t)
  for (const text of ['', '{', '{"allotments":[{}]}', '{"allotments":[{"uid":"u","container":"c","resource":"r"}]}']) {
    writeFileSync(file, text)
    const { problem, ...rest } = await readCheckpoint(file)
    assert.deepEqual(rest, { resources: [], allotments: [] }, text)
    assert.ok(problem, text)
  }
})
