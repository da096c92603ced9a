// The audit log: what is written is in the file, which is renamed when it is full, and old files are removed.
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { AuditLogFile } from './log-file.ts'

function fileIn(t: TestContext, more: Partial<ConstructorParameters<typeof AuditLogFile>[0]> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'audit-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const clock = new VirtualClock()
  const path = join(directory, 'logs', 'audit.log')
  const limits = { maxBytes: 100, maxBackups: 0, maxAgeMs: 0 }
  return { path, clock, file: new AuditLogFile({ path, ...limits, clock, log: silentLog, ...more }) }
}

const old = (path: string) => readdirSync(join(path, '..')).filter(name => name !== 'audit.log')

test('lines are in order, and only their owner can read them', async t => {
  const { path, file } = fileIn(t, { maxBytes: 1000 })
  for (const line of ['one', 'two', 'three']) file.write(line)
  await file.close()
  strictEqual(readFileSync(path, 'utf8'), 'one\ntwo\nthree\n')
  strictEqual(statSync(path).mode & 0o777, 0o600)
  strictEqual(statSync(join(path, '..')).mode & 0o777, 0o700)
})

test('a log that exists goes on, and a full one is renamed', async t => {
  const { path, file, clock } = fileIn(t)
  file.write('x'.repeat(80))
  await file.close()
  const next = new AuditLogFile({ path, maxBytes: 100, maxBackups: 0, maxAgeMs: 0, clock, log: silentLog })
  next.write('y'.repeat(10))
  await next.close()
  strictEqual(old(path).length, 0)
  next.write('z'.repeat(80))
  await next.close()
  strictEqual(readFileSync(path, 'utf8'), `${'z'.repeat(80)}\n`)
  match(old(path)[0]!, /^audit-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$/)
})

test('old logs are removed by number and by age, and other files are left alone', async t => {
  const { path, file, clock } = fileIn(t, { maxBackups: 2, maxAgeMs: 3600_000 })
  const fill = async () => {
    file.write('x'.repeat(99))
    await file.close()
    await clock.forward(1000)
  }
  await fill()
  writeFileSync(join(path, '..', 'audit-notes.log'), '')
  for (let i = 0; i < 4; i++) await fill()
  strictEqual(old(path).length, 3)
  await clock.forward(3600_000)
  await fill()
  const names = old(path)
  strictEqual(names.length, 2)
  deepStrictEqual(names.includes('audit-notes.log'), true)
})

test('a file that cannot be written loses its lines, and later ones are written', async t => {
  const { path, file } = fileIn(t, { maxBytes: 1000 })
  // A file is where the directory should be.
  writeFileSync(join(path, '..'), '')
  file.write('lost')
  await file.close()
  rmSync(join(path, '..'))
  file.write('kept')
  await file.close()
  strictEqual(readFileSync(path, 'utf8'), 'kept\n')
})
