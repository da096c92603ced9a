// What a node has of claims, written and read again, and the answers of drivers.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { checkAnswers, type NodeClaim, readDevices } from './prepared.ts'

function fileOf(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-dra-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return join(dir, 'dra_manager_state')
}

const device = { pool: 'p', device: 'd', shareId: '', requests: ['r'], cdiIds: ['a.io/c=d'] }
const claim: NodeClaim = {
  uid: 'cu',
  name: 'c',
  namespace: 'n',
  pods: new Set(['u1', 'u2']),
  drivers: new Map([
    ['a.io', [device, { ...device, shareId: 's' }]],
    ['b.io', []],
  ]),
  isPrepared: true,
}

test('claims are read again as they were, and count as not prepared by this kubelet', async t => {
  const file = fileOf(t)
  assert.deepEqual(await readCheckpoint(file), { claims: [] })
  await writeCheckpoint(file, [claim])
  assert.deepEqual(await readCheckpoint(file), { claims: [{ ...claim, isPrepared: false }] })
  const { Data: data } = JSON.parse(readFileSync(file, 'utf8')) as { Data: string }
  const { kind, Entries: entries } = JSON.parse(data) as {
    kind: string
    Entries: { PodUIDs: object; DriverState: Record<string, object> }[]
  }
  assert.equal(kind, 'DRACheckpoint')
  assert.deepEqual(entries[0]?.PodUIDs, { u1: {}, u2: {} })
  const { 'b.io': state } = entries[0]?.DriverState ?? {}
  assert.deepEqual(state, { Devices: [] })
})

test('a file that is damaged counts as none', async t => {
  const file = fileOf(t)
  await writeCheckpoint(file, [claim])
  const text = readFileSync(file, 'utf8')
  for (const damaged of ['', '{', '[]', text.replace('a.io/c=d', 'a.io/c=e'), text.slice(0, -20)]) {
    writeFileSync(file, damaged)
    const { claims, problem } = await readCheckpoint(file)
    assert.deepEqual(claims, [], damaged)
    assert.ok(problem, damaged)
  }
})

test('a driver must answer for the claims that it was asked for, and no others', () => {
  const claims = [claim, { ...claim, uid: 'du', name: 'd' }]
  const check = (answers: Record<string, { error: string } | null>) => checkAnswers('Call', claims, answers)
  const fine = { error: '' }
  check({ cu: fine, du: null })
  assert.throws(() => check({ cu: fine }), /^Error: Call skipped 1 ResourceClaims$/)
  assert.throws(() => check({}), /^Error: Call skipped 2 ResourceClaims$/)
  assert.throws(() => check({ cu: fine, du: fine, x: fine }), /^Error: Call returned result for unknown claim UID x$/)
  assert.throws(
    () => check({ cu: fine, du: { error: 'on fire' } }),
    /^Error: Call failed for ResourceClaim d: on fire$/,
  )
  assert.throws(
    () => check({ ['x'.repeat(5000)]: fine }),
    ({ message }: Error) => message.length < 200,
  )
  assert.throws(
    () => check({ cu: { error: 'x'.repeat(5000) } }),
    ({ message }: Error) => message.length < 1000,
  )
})

test('what a driver prepares is read with a limit', () => {
  const sent = { poolName: 'p', deviceName: 'd', shareId: '', requestNames: ['r'], cdiDeviceIds: ['a.io/c=d'] }
  assert.deepEqual(readDevices({ devices: [sent], error: '' }), [device])
  assert.throws(
    () => readDevices({ devices: Array.from({ length: 10_000 }, () => sent), error: '' }),
    /the answer has \d+ characters, and may have 262144/,
  )
})
