// The supervisor: a small process that keeps the server and the agents of one cluster running. It starts those that are
// missing, follows their life lines (link.ts), and starts those that end again after a growing pause. When the
// supervisor itself dies the server starts another (lifeline.ts), which takes over the processes that are running.
//
//   missing ──start──► starting ──hello──► running ──life line breaks──► missing (started again after a pause)
//
// What always holds:
//
// - At most one process of a task does anything. Each is started by flock(1) under a lock of its task, which the kernel
//   holds until the process ends. A second one exits with `lockedCode` before its program begins.
// - A process is started only while the task has neither a child of this supervisor nor an open life line. A process
//   of an earlier supervisor that has not reported yet is found by its lock: the new child exits, which counts as no
//   failure, and the next try comes after a pause.
// - The pause is 0.1 s at first and doubles up to 10 s. It is short again after a process ran for 30 s, or when one of
//   an earlier supervisor reports.
// - A process that runs but has not reported for a minute hangs, and is killed and started again. The time is counted in
//   turns of the supervisor's own timer, so a machine that was suspended, or a clock that jumped, is no reason.
// - `stop` ends the agents before the server, so that they can still write their last status, each with SIGTERM and
//   after 10 s with SIGKILL. Containers are not touched. Nothing is started afterwards.
// - `reload` compares the tasks of the new configuration with the present ones by key. Tasks that are in both go on
//   undisturbed, with the arguments they were started with.
//
// Agents of further nodes run in the network namespaces of their nodes. They hold the machine's own namespace open as
// file 3, so that an agent that outlives all others can start a supervisor in it.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Server, Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { unreachable } from '../base/errors.ts'
import { isRunning, sendSignal } from '../linux/index.ts'
import { type ClusterConfig, type ClusterPaths, clusterTag } from './config.ts'
import { rotateLogs } from './log-rotation.ts'
import { namespaceOf } from './node-names.ts'
import {
  beatMs,
  type Command,
  type Hello,
  listenExclusive,
  type ProcessState,
  readLines,
  sendLine,
  type SupervisorState,
} from './link.ts'
import { startWatchdog } from './systemd.ts'

/** How long processes of an earlier supervisor have to report before they count as missing. */
const adoptMs = 400
const firstPauseMs = 100
const maxPauseMs = 10_000
/** After a process ran for this long, the next pause is short again. */
const steadyMs = 30_000
const stopMs = 10_000
/** How many turns of the timer may pass without a report. */
const silentTurns = 6
/** Between two looks at the size of the logs. */
const rotateEvery = 6

/** Most objects of an agent are short-lived and few, so a small young generation suffices. It saves 20 MiB an agent. */
const agentFlags = ['--max-semi-space-size=2']

interface Task {
  key: string
  args: string[]
  /** Options for Node.js itself. */
  nodeFlags?: readonly string[]
  /** The network namespace to run in; without it the machine's own. */
  namespace?: string
}

/** A task and the state of its process. It may be started only while `reports` is empty and `child` undefined. */
interface Charge extends Task {
  /** The last report on each open life line, by process id. */
  reports: Map<number, Hello>
  /** How many turns of the timer have passed since the last report, by process id. */
  silent: Map<number, number>
  /** The process that this supervisor started, from its start to its exit. */
  child: ChildProcess | undefined
  pauseMs: number
  startedAt: number
  /** The id of the process that this supervisor started last; other ids are of an earlier supervisor's processes. */
  startedPid: number
  restarts: number
  /** The last line of its log when it ended by itself. */
  lastLogLine: string
  /** Whether its node was removed. It is not started again then. */
  retired: boolean
}

interface SupervisorOptions {
  config: ClusterConfig
  /** Reads the present configuration. */
  readConfig(): ClusterConfig
  paths: ClusterPaths
  clock: Clock
  log: Log
  /** How to run `kutter`: Node.js, and the arguments before the words of the command. */
  program: { command: string; args: string[] }
}

/** Runs until it is stopped by a command or SIGTERM. Returns at once when another supervisor is at work. */
export async function supervise(options: SupervisorOptions): Promise<void> {
  const { paths } = options
  await mkdir(paths.run, { recursive: true, mode: 0o700 })
  await mkdir(paths.logs, { recursive: true, mode: 0o700 })
  const server = await listenExclusive(paths.socket)
  if (!server) return
  // Before anything is awaited: reports on a connection without a listener would be lost.
  const supervisor = new Supervisor(options, server)
  await writeFile(join(paths.run, 'supervisor.pid'), String(process.pid))
  await supervisor.run()
}

/** The tasks of a configuration: the server, and one agent for each node on this machine. */
function tasksOf({ paths }: SupervisorOptions, config: ClusterConfig): Task[] {
  const flags = ['--name', config.name, '--data-dir', paths.dataDir]
  const agent = (node: string) => ({
    key: `agent/${node}`,
    args: ['agent', '--node', node, ...flags],
    nodeFlags: agentFlags,
  })
  const tag = clusterTag(paths, config.name)
  return [
    { key: 'server', args: ['server', ...flags] },
    agent(config.nodeName),
    ...config.nodes.map(({ name }) => ({ ...agent(name), namespace: namespaceOf(tag, name) })),
  ]
}

const newCharge = (task: Task): Charge => ({
  ...task,
  reports: new Map(),
  silent: new Map(),
  child: undefined,
  pauseMs: firstPauseMs,
  startedAt: 0,
  startedPid: 0,
  restarts: 0,
  lastLogLine: '',
  retired: false,
})

class Supervisor {
  readonly #options: SupervisorOptions
  #charges: Charge[]
  readonly #server: Server
  #stopping = false
  #finish: () => void = () => {}

  constructor(options: SupervisorOptions, server: Server) {
    this.#options = options
    this.#server = server
    this.#charges = tasksOf(options, options.config).map(newCharge)
    server.on('connection', socket => this.#connected(socket))
  }

  async run(): Promise<void> {
    const finished = new Promise<void>(resolve => (this.#finish = resolve))
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.#stop())
    const adopting = process.env.KUTTER_ADOPT === '1'
    this.#options.clock.after(adopting ? adoptMs : 0, () => this.#charges.forEach(c => this.#start(c)))
    this.#options.clock.after(beatMs, () => this.#turn(1))
    const watchdog = startWatchdog(this.#options)
    await finished
    watchdog.stop()
    this.#server.close()
    await rm(this.#options.paths.socket, { force: true })
    await rm(join(this.#options.paths.run, 'supervisor.pid'), { force: true })
  }

  /** What is done every 10 s: to end processes that hang, and every minute to make room in the logs. */
  #turn(count: number): void {
    const { clock, log, paths } = this.#options
    if (this.#stopping) return
    for (const { key, reports, silent } of this.#charges)
      for (const [pid, { beats }] of reports) {
        const turns = (silent.get(pid) ?? 0) + 1
        silent.set(pid, turns)
        if (!beats || turns <= silentTurns) continue
        log.error('a process hangs and is ended', { process: key, pid })
        sendSignal(pid, 'SIGKILL')
      }
    if (count % rotateEvery === 0)
      rotateLogs(paths).catch((error: unknown) => log.error('logs cannot be rotated', { error }))
    clock.after(beatMs, () => this.#turn(count + 1))
  }

  #connected(socket: Socket): void {
    let charge: Charge | undefined
    let pid = 0
    socket.on('error', error => this.#options.log.debug('life line failed', { error }))
    readLines(socket, message => {
      if ('command' in (message as object)) return this.#command(socket, message as Command)
      const hello = message as Hello
      charge = this.#charges.find(c => c.key === (hello.role === 'server' ? 'server' : `agent/${hello.node}`))
      pid = hello.pid
      if (!charge) return
      charge.reports.set(pid, hello)
      charge.silent.set(pid, 0)
      // An earlier supervisor's process has been running all along. Children that ended meanwhile, because it holds
      // the lock, are no reason for a long pause.
      if (pid !== charge.startedPid) charge.pauseMs = firstPauseMs
    })
    socket.on('close', () => {
      if (!charge) return
      charge.reports.delete(pid)
      charge.silent.delete(pid)
      // For a child of this supervisor, the event `exit` counts the restart.
      if (pid !== charge.startedPid) charge.restarts++
      this.#lost(charge)
    })
  }

  #command(socket: Socket, command: Command): void {
    switch (command.command) {
      case 'status':
        return void sendLine(socket, this.#state())
      case 'stop':
        sendLine(socket, this.#state())
        return void this.#stop()
      case 'reload':
        return void this.#reload().then(() => sendLine(socket, this.#state()))
      default:
        return unreachable(command)
    }
  }

  #state(): SupervisorState {
    const failing = this.#charges.filter(c => !stateOf(c) && c.restarts > 0)
    return {
      supervisor: process.pid,
      processes: this.#charges.flatMap(c => stateOf(c) ?? []),
      failing: failing.map(c => ({ process: c.key, restarts: c.restarts, lastLogLine: c.lastLogLine })),
    }
  }

  #start(charge: Charge): void {
    if (this.#stopping || charge.retired || charge.reports.size || charge.child) return
    const { program, paths, clock, log } = this.#options
    const file = openSync(logOf(paths, charge.key), 'a', 0o600)
    const words = [
      ...lockOf(paths, charge.key),
      program.command,
      ...(charge.nodeFlags ?? []),
      ...program.args,
      ...charge.args,
    ]
    const own = charge.namespace && openSync('/proc/self/ns/net', 'r')
    const child = charge.namespace
      ? spawn('nsenter', [`--net=/run/netns/${charge.namespace}`, '--', ...words], {
          detached: true,
          stdio: ['ignore', file, file, own as number],
        })
      : spawn(words[0]!, words.slice(1), { detached: true, stdio: ['ignore', file, file] })
    closeSync(file)
    if (own) closeSync(own)
    charge.child = child
    charge.startedAt = clock.now()
    charge.startedPid = child.pid ?? 0
    child.on('error', error => log.error('cannot start a process', { process: charge.key, error }))
    child.on('exit', (code, signal) => {
      charge.child = undefined
      if (!this.#stopping && code !== lockedCode) {
        charge.restarts++
        charge.lastLogLine = lastLine(logOf(paths, charge.key))
        log.warn('a process ended', { process: charge.key, code, signal })
      }
      this.#lost(charge)
    })
  }

  #lost(charge: Charge): void {
    const { clock } = this.#options
    if (this.#stopping || charge.retired) return
    // A life line may break before the process is reaped. Then the event `exit` calls this again.
    if (charge.child || charge.reports.size) return
    if (clock.now() - charge.startedAt > steadyMs) charge.pauseMs = firstPauseMs
    clock.after(charge.pauseMs, () => this.#start(charge))
    charge.pauseMs = Math.min(charge.pauseMs * 2, maxPauseMs)
  }

  async #stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    // Agents first, while there is a server to which they can write their last status.
    for (const role of ['agent', 'server']) await this.#end(this.#charges.filter(c => c.key.startsWith(role)))
    this.#finish()
  }

  /** Starts the tasks that the configuration has gained, and ends those that it has lost. */
  async #reload(): Promise<void> {
    const tasks = tasksOf(this.#options, this.#options.readConfig())
    const removed = this.#charges.filter(c => !tasks.some(t => t.key === c.key))
    const added = tasks.filter(t => !this.#charges.some(c => c.key === t.key)).map(newCharge)
    this.#charges = [...this.#charges.filter(c => !removed.includes(c)), ...added]
    for (const charge of removed) charge.retired = true
    for (const charge of added) this.#start(charge)
    await this.#end(removed)
  }

  async #end(charges: readonly Charge[]): Promise<void> {
    const { clock } = this.#options
    const pids = charges.flatMap(c => [...c.reports.keys(), c.child?.pid ?? []].flat())
    for (const pid of pids) sendSignal(pid, 'SIGTERM')
    const deadline = clock.now() + stopMs
    while (pids.some(isRunning) && clock.now() < deadline) await clock.sleep(20)
    for (const pid of pids.filter(isRunning)) sendSignal(pid, 'SIGKILL')
  }
}

/** The log file of a process, by the key of its task: `server` or `agent/NODE`. */
export const logOf = (paths: ClusterPaths, key: string): string => join(paths.logs, `${key.replace('/', '-')}.log`)

/** The exit code of a process whose task is being run by another. */
const lockedCode = 75

/** The words before a command that let it run only while no other process holds the same lock. Source: flock(1). */
const lockOf = (paths: ClusterPaths, key: string): string[] => [
  'flock',
  '--no-fork',
  '--nonblock',
  '--conflict-exit-code',
  String(lockedCode),
  join(paths.run, `${key.replace('/', '-')}.lock`),
]

/** The state of a task's process; undefined when none has reported. */
function stateOf({ reports, restarts }: Charge): ProcessState | undefined {
  const all = [...reports.values()]
  const hello = all.find(h => h.ready) ?? all.at(-1)
  return hello && { ...hello, restarts }
}

const tailBytes = 4096

/** The last line of a log, without the prefix of the program's error messages. */
function lastLine(file: string): string {
  const text = readFileSync(file).subarray(-tailBytes).toString().trim()
  return text.slice(text.lastIndexOf('\n') + 1).replace(/^kutter: /, '')
}

/** The machine's network namespace, which the supervisor left open for this process; undefined when it runs in it. */
function machineNamespace(): string | undefined {
  const file = `/proc/${process.pid}/fd/3`
  try {
    return readlinkSync(file).startsWith('net:') ? file : undefined
  } catch {
    // Nothing is open as file 3.
    return undefined
  }
}

/**
 * Starts a supervisor that outlives this process.
 *
 * @param config names the cluster; `directory` holds this program's files
 * @param adopt whether processes of an earlier supervisor may be running, and get time to report
 */
export function spawnSupervisor(
  { paths, config, directory }: { paths: ClusterPaths; config: ClusterConfig; directory: string },
  adopt: boolean,
): void {
  const file = openSync(join(paths.logs, 'supervisor.log'), 'a', 0o600)
  const program = ['supervisor-main.js', 'supervisor-main.ts'].map(name => join(directory, name)).find(existsSync)!
  // Several processes may notice the end of the old one at the same moment. Only one new supervisor gets the lock.
  const words = [
    ...lockOf(paths, 'supervisor'),
    process.execPath,
    // When an agent starts the supervisor, options for Node.js that are meant for agents must not be passed on.
    ...process.execArgv.filter(flag => !agentFlags.includes(flag)),
    program,
    config.name,
    paths.dataDir,
  ]
  const elsewhere = machineNamespace()
  const [first = '', ...rest] = elsewhere ? ['nsenter', `--net=${elsewhere}`, '--', ...words] : words
  const child = spawn(first, rest, {
    detached: true,
    stdio: ['ignore', file, file],
    env: { ...process.env, KUTTER_ADOPT: adopt ? '1' : '0' },
  })
  closeSync(file)
  child.unref()
}
