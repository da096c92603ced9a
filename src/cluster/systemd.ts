// `kutter install | uninstall`: a unit of systemd for a cluster, so that it starts with the machine, and the messages that
// systemd's watchdog expects.
//
// `kutter up` starts the processes and ends; the supervisor is the main process of the unit. When it ends, systemd runs
// `kutter up` again, which adopts the processes that run. Stopping the unit ends the cluster's processes as the supervisor
// does it, and leaves the containers alone.
//
// Sources: systemd.service(5), systemd.exec(5), sd_notify(3).
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { replaceFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { run } from '../linux/index.ts'
import { UsageError } from './args.ts'
import { type ClusterConfig, type ClusterPaths, defaultName } from './config.ts'
import { commandLine } from './hint.ts'

interface Context {
  paths: ClusterPaths
  name: string
  config: ClusterConfig | undefined
  /** How the user calls this program, with its full path. */
  program: string
  /** Where units are; another one in tests. */
  directory?: string
  out: (text: string) => void
}

const unitDirectory = '/etc/systemd/system'
/** systemd ends a supervisor that is silent for so long. */
const watchdogSeconds = 60

const unitOf = (name: string): string => (name === defaultName ? 'kutter.service' : `kutter-${name}.service`)

/** The text of the unit. Pure. */
export function unitText(
  { paths, name, config, program }: Pick<Context, 'paths' | 'name' | 'config' | 'program'>,
  path: string,
): string {
  const place = [`--name ${name}`, `--data-dir ${quoted(paths.dataDir)}`].join(' ')
  const { server } = config?.joined ?? {}
  const start = server
    ? `${quoted(program)} agent --server ${quoted(server)} ${place}`
    : `${quoted(program)} up --no-install ${place}`
  // An agent of a machine that joined runs in the foreground, without a supervisor.
  const type = server
    ? ['Type=exec']
    : [
        'Type=forking',
        `PIDFile=${join(paths.run, 'supervisor.pid')}`,
        `WatchdogSec=${watchdogSeconds}`,
        'NotifyAccess=all',
      ]
  return `[Unit]
Description=Kutter cluster ${name}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
${type.join('\n')}
ExecStart=${start}
Environment=PATH=${path}
Environment=HOME=/root
Restart=always
RestartSec=2
TimeoutStartSec=300
TimeoutStopSec=60
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=0
TasksMax=infinity
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
`
}

/** A word of a command line of a unit. Source: systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers". */
const quoted = (word: string): string =>
  `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`

/** Writes the unit and starts it, where systemd runs. Returns the exit code. */
export async function install(context: Context): Promise<number> {
  const { paths, name, config, directory = unitDirectory, out } = context
  if (!config)
    throw new UsageError(
      `there is no cluster ${name} in ${paths.dataDir}; create it with: ${commandLine('kutter', 'up', paths)}`,
    )
  const runs = systemdRuns()
  if (!runs && directory === unitDirectory)
    throw new UsageError('systemd does not run on this machine, so there is nothing to install into')
  const file = join(directory, unitOf(name))
  await replaceFile(file, unitText(context, process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin'), { mode: 0o644 })
  if (runs) {
    await run('systemctl', ['daemon-reload'])
    await run('systemctl', ['enable', '--now', unitOf(name)], { timeoutMs: 310_000 })
  }
  out(
    `${file} is in place${runs ? ', and the cluster runs under it' : ''}. Take it away with: ${commandLine('kutter', 'uninstall', paths)}\n`,
  )
  return 0
}

/** Stops the unit, and removes it. The cluster and its data stay. Returns the exit code. */
export async function uninstall({ paths, name, directory = unitDirectory, out }: Context): Promise<number> {
  const file = join(directory, unitOf(name))
  if (!existsSync(file)) {
    out(`There is no unit ${file}.\n`)
    return 0
  }
  const runs = systemdRuns()
  if (runs) await run('systemctl', ['disable', '--now', unitOf(name)], { timeoutMs: 90_000 })
  await rm(file)
  if (runs) await run('systemctl', ['daemon-reload'])
  out(
    `${file} is gone. The data of the cluster is in ${paths.root}; its containers end with: ${commandLine('kutter', 'down', paths)}\n`,
  )
  return 0
}

/** Whether systemd is the init of this machine. Source: sd_booted(3). */
const systemdRuns = (): boolean => existsSync('/run/systemd/system')

/** Reports to systemd's watchdog at half of the time that it allows, where it has asked for that. */
export function startWatchdog({ clock, log }: { clock: Clock; log: Log }): { stop(): void } {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: limit } = process.env
  const everyMs = Number(limit) / 2_000
  if (!socket || !Number.isFinite(everyMs) || everyMs <= 0) return { stop() {} }
  let cancel = () => {}
  const report = () => {
    // Node.js has no datagram sockets of Unix, so systemd's own program sends the message.
    execFile('systemd-notify', ['WATCHDOG=1'], error => {
      if (error) log.error("systemd's watchdog cannot be reached", { error })
    })
    cancel = clock.after(everyMs, report)
  }
  report()
  return { stop: () => cancel() }
}
