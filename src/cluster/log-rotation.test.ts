import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathsOf } from './config.ts'
import { rotateLogs } from './log-rotation.ts'
import { nodeDirs } from './node-names.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-logs-'))
after(() => rmSync(scratch, { recursive: true }))

test('large logs are emptied under processes that write on, and some former parts are kept', async () => {
  const paths = pathsOf(scratch, 'one')
  const { containerd } = nodeDirs(paths.node('n'))
  for (const directory of [paths.logs, containerd]) mkdirSync(directory, { recursive: true })
  const logs = [join(paths.logs, 'server.log'), join(containerd, 'containerd.log')]
  const small = join(paths.logs, 'agent-n.log')
  const audit = join(paths.logs, 'audit.log')
  for (const file of [small, audit]) appendFileSync(file, 'x')
  appendFileSync(audit, 'y'.repeat(500))
  const open = logs.map(file => openSync(file, 'a'))
  for (let round = 1; round <= 5; round++) {
    for (const file of open) writeSync(file, `${round}`.repeat(200))
    assert.deepEqual((await rotateLogs(paths, { maxBytes: 100, kept: 3 })).sort(), [...logs].sort())
    // Nothing more to do.
    assert.deepEqual(await rotateLogs(paths, { maxBytes: 100, kept: 3 }), [])
  }
  for (const [i, file] of logs.entries()) {
    writeSync(open[i]!, 'now')
    assert.equal(readFileSync(file, 'utf8'), 'now')
    const kept = [1, 2, 3].map(number => readFileSync(`${file}.${number}`, 'utf8')[0])
    assert.deepEqual(kept, ['5', '4', '3'])
    assert.ok(!existsSync(`${file}.4`))
  }
  assert.equal(readFileSync(audit, 'utf8').length, 501)
})

test('a cluster without logs has nothing to do', async () => {
  assert.deepEqual(await rotateLogs(pathsOf(scratch, 'none')), [])
})
