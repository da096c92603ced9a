import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { realClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { type ClusterConfig, pathsOf } from './config.ts'
import { install, startWatchdog, uninstall, unitText } from './systemd.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-systemd-'))
after(() => rmSync(scratch, { recursive: true }))

const config = { name: 'default' } as ClusterConfig
const joined = {
  name: 'far',
  joined: { server: 'https://10.0.0.1:6443', nodeIPs: [] },
} as Partial<ClusterConfig> as ClusterConfig
const analyze = '/usr/bin/systemd-analyze'

const units: [string, ClusterConfig, string, RegExp[]][] = [
  [
    'default',
    config,
    '/var/lib/kutter',
    [
      /^ExecStart="\/bin\/echo" up --no-install --name default --data-dir "\/var\/lib\/kutter"$/m,
      /^PIDFile=\/var\/lib\/kutter\/default\/run\/supervisor\.pid$/m,
      /^WatchdogSec=60$/m,
      /^KillMode=process$/m,
    ],
  ],
  [
    'far',
    joined,
    '/srv/a b',
    [/^ExecStart="\/bin\/echo" agent --server "https:\/\/10\.0\.0\.1:6443" .*"\/srv\/a b"$/m],
  ],
  ['odd', config, '/srv/100%$x"', [/--data-dir "\/srv\/100%%\$\$x\\""$/m]],
]
for (const [name, one, dataDir, expected] of units)
  test(`the unit of the cluster ${name} is one that systemd takes`, t => {
    const text = unitText({ paths: pathsOf(dataDir, name), name, config: one, program: '/bin/echo' }, '/usr/bin')
    for (const line of expected) assert.match(text, line)
    if (!existsSync(analyze)) return t.skip('systemd-analyze is not installed')
    const file = join(scratch, `${name}.service`)
    writeFileSync(file, text)
    const said = execFileSync(analyze, ['verify', '--man=no', file], { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
    assert.equal(said, '')
  })

test('a unit is written and removed, and a cluster that is not there has none', async () => {
  const printed: string[] = []
  const context = {
    paths: pathsOf(scratch, 'two'),
    name: 'two',
    config,
    program: '/bin/echo',
    directory: scratch,
    out: (text: string) => void printed.push(text),
  }
  await assert.rejects(install({ ...context, config: undefined }), /there is no cluster two in .*kutter up --name two/)
  // systemd itself is left out of this where it runs: the directory is not one of its own.
  if (existsSync('/run/systemd/system')) return
  assert.equal(await install(context), 0)
  assert.match(readFileSync(join(scratch, 'kutter-two.service'), 'utf8'), /^Restart=always$/m)
  assert.equal(await uninstall(context), 0)
  assert.ok(!existsSync(join(scratch, 'kutter-two.service')))
  assert.equal(await uninstall(context), 0)
  assert.match(printed.at(-1)!, /There is no unit/)
})

test('the watchdog gets its messages where systemd has asked for them', async () => {
  const calls = join(scratch, 'calls')
  writeFileSync(join(scratch, 'systemd-notify'), `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> ${calls}\n`)
  chmodSync(join(scratch, 'systemd-notify'), 0o755)
  const before = { ...process.env }
  startWatchdog({ clock: realClock, log: silentLog }).stop()
  Object.assign(process.env, {
    PATH: `${scratch}:${process.env.PATH}`,
    NOTIFY_SOCKET: '/run/x',
    WATCHDOG_USEC: '100000',
  })
  const watchdog = startWatchdog({ clock: realClock, log: silentLog })
  try {
    while (!existsSync(calls) || readFileSync(calls, 'utf8').split('\n').length < 3) await realClock.sleep(20)
    assert.match(readFileSync(calls, 'utf8'), /^\/run\/x WATCHDOG=1$/m)
  } finally {
    watchdog.stop()
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC']) delete process.env[name]
    process.env.PATH = before.PATH
  }
})
