// The supervisor ends a process that hangs, and starts it again.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { realClock, VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import type { ClusterConfig } from './config.ts'
import { pathsOf } from './config.ts'
import { ask, beatMs } from './link.ts'
import { supervise } from './supervisor.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-supervisor-'))
after(() => rmSync(scratch, { recursive: true }))

/** A process that reports once, and goes on doing so if it is an agent. */
const program = `
const [role] = process.argv.slice(1).filter(word => ['server', 'agent'].includes(word))
const at = name => process.argv[process.argv.indexOf('--' + name) + 1]
const socket = require('node:net').connect(at('data-dir') + '/' + at('name') + '/run/supervisor.sock')
const report = () =>
  socket.write(JSON.stringify({ role, node: 'one', pid: process.pid, ready: true, beats: true }) + '\\n')
report()
if (role === 'agent') setInterval(report, 20)
else setInterval(() => {}, 1000)
`

test('a process that is silent for a minute is ended and started again, and others are left alone', async () => {
  const paths = pathsOf(scratch, 'hung')
  const config = { name: 'hung', nodeName: 'one', nodes: [] } as unknown as ClusterConfig
  const clock = new VirtualClock()
  const running = supervise({
    config,
    readConfig: () => config,
    paths,
    clock,
    log: silentLog,
    program: { command: process.execPath, args: ['-e', program, '--'] },
  })
  const state = async (holds: (pids: Record<string, number>) => boolean): Promise<Record<string, number>> => {
    for (;;) {
      const { processes = [] } = (await ask(paths.socket, { command: 'status' })) ?? {}
      const pids = Object.fromEntries(processes.map(({ role, pid }) => [role, pid]))
      if (holds(pids)) return pids
      await clock.forward(100)
      await realClock.sleep(20)
    }
  }
  const first = await state(pids => Boolean(pids.server && pids.agent))
  for (let turn = 0; turn < 7; turn++) {
    assert.deepEqual(await state(pids => Boolean(pids.server && pids.agent)), first)
    await clock.forward(beatMs)
    // The agent reports in real time.
    await realClock.sleep(100)
  }
  const next = await state(pids => Boolean(pids.server && pids.server !== first.server))
  assert.equal(next.agent, first.agent)
  const stopped = ask(paths.socket, { command: 'stop' })
  for (let done = false; !done; ) {
    await clock.forward(100)
    done = await Promise.race([running.then(() => true), realClock.sleep(20).then(() => false)])
  }
  assert.ok(await stopped)
})
