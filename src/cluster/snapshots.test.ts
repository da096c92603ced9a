import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { realClock, VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { openMemoryStore } from '../store/index.ts'
import { pathsOf } from './config.ts'
import { listSnapshots, Snapshots } from './snapshots.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-snapshots-'))
after(() => rmSync(scratch, { recursive: true }))
const hour = 3600_000

test('the schedule goes on where the server before left off, skips what has not changed, and keeps a number', async () => {
  const paths = pathsOf(scratch, 'web')
  mkdirSync(paths.pki, { recursive: true })
  writeFileSync(paths.config, '{}')
  writeFileSync(join(paths.pki, 'ca.key'), 'secret')
  const clock = new VirtualClock()
  // Files are read and written outside of the virtual clock, so the test waits until the schedule sleeps again.
  let sleeps = 0
  const sleep = clock.sleep.bind(clock)
  clock.sleep = (...args) => (sleeps++, sleep(...args))
  const asleep = async (times: number) => {
    while (sleeps < times) await realClock.sleep(5)
  }
  const store = openMemoryStore()
  let written = 0
  const write = () => store.put(`/${written++}`, new Uint8Array(1), { expect: 'absent' })
  const scheduled = async () => (await listSnapshots(paths.snapshots)).filter(({ origin }) => origin === 'scheduled')
  const run = async (work: () => Promise<void>) => {
    const stop = new AbortController()
    const options = { paths, name: 'web', store, clock, log: silentLog, keep: 2 }
    const before = sleeps
    const kept = new Snapshots(options).keep(6 * hour, stop.signal)
    await asleep(before + 1)
    await work()
    stop.abort()
    await kept
  }
  /** Lets time pass in which the schedule is due, or not. */
  const passes = async (ms: number, isDue: boolean) => {
    const before = sleeps
    await clock.forward(ms)
    if (isDue) await asleep(before + 1)
  }
  await write()
  await run(async () => {
    await passes(5 * hour, false)
    assert.equal((await scheduled()).length, 0)
    await passes(hour, true)
    assert.equal((await scheduled()).length, 1)
    await passes(4 * hour, false)
  })
  await write()
  await run(async () => {
    // Two of the six hours are left.
    await passes(2 * hour, true)
    assert.equal((await scheduled()).length, 2)
    await passes(6 * hour, true)
    assert.deepEqual(
      (await scheduled()).map(({ revision }) => revision),
      [1, 2],
    )
    await write()
    await passes(6 * hour, true)
    assert.deepEqual(
      (await scheduled()).map(({ revision }) => revision),
      [2, 3],
    )
  })
})
