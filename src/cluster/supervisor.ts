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
// - `stop` ends the agents before the server, so that they can still write their last status, and members of etcd last,
//   each with SIGTERM and after 10 s with SIGKILL. Containers are not touched. Nothing is started afterwards.
// - `reload` compares the tasks of the new configuration with the present ones by key. Tasks that are in both go on
//   undisturbed, with the arguments they were started with.
//
// A member of etcd is no program of Kutter and has no life line. It is started before the servers; one that an earlier
// supervisor started is found by its lock and its command line. One that was removed from its cluster is not started
// again, and neither is its server.
//
// Agents and servers of further nodes run in the network namespaces of their nodes. They hold the machine's own namespace open as
// file 3, so that an agent that outlives all others can start a supervisor in it.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readlinkSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Server, Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { unreachable } from '../base/errors.ts'
import { isRunning, sendSignal } from '../linux/index.ts'
import { type ClusterConfig, type ClusterPaths, clusterTag } from './config.ts'
import { rotateLogs } from './log-rotation.ts'
import { etcdLogText, isRemovedMember, membersHere } from './etcd-member.ts'
import { etcdKey, etcdProcesses, spawnEtcd } from './etcd-process.ts'
import { namespaceOf } from './node-names.ts'
import { lastLine, lockedCode, lockOf, logOf, logTail } from './process-files.ts'
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
/** How often it is looked whether a process without a life line is still running. */
const lookMs = 500

/** Most objects of an agent are short-lived and few, so a small young generation suffices. It saves 20 MiB an agent. */
const agentFlags = ['--max-semi-space-size=2']

interface Task {
  key: string
  /** Of `kutter`; empty for a member of etcd, which is a program of its own. */
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
  /** A member of etcd of an earlier supervisor, which has no life line: it is looked for again and again. */
  found: number | undefined
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

/** The tasks of a configuration: members of etcd, servers, and one agent for each node on this machine. */
function tasksOf({ paths }: SupervisorOptions, config: ClusterConfig): Task[] {
  const flags = ['--name', config.name, '--data-dir', paths.dataDir]
  const server = (node: string) => ({ key: `server/${node}`, args: ['server', '--node', node, ...flags] })
  const agent = (node: string) => ({
    key: `agent/${node}`,
    args: ['agent', '--node', node, ...flags],
    nodeFlags: agentFlags,
  })
  const tag = clusterTag(paths, config.name)
  const inNamespace = (task: Task, name: string) => ({ ...task, namespace: namespaceOf(tag, name) })
  return [
    ...membersHere(config).map(({ name }) => ({ key: etcdKey(name), args: [] })),
    { key: 'server', args: ['server', ...flags] },
    ...config.nodes.flatMap(({ name, isServer }) => (isServer ? [inNamespace(server(name), name)] : [])),
    agent(config.nodeName),
    ...config.nodes.map(({ name }) => inNamespace(agent(name), name)),
  ]
}

/** The key of the task of a process that reports. */
const keyOf = ({ role, node }: Hello) => (node === undefined ? role : `${role}/${node}`)

const newCharge = (task: Task): Charge => ({
  ...task,
  reports: new Map(),
  silent: new Map(),
  child: undefined,
  found: undefined,
  pauseMs: firstPauseMs,
  startedAt: Number.NEGATIVE_INFINITY,
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
      // The first server may name its node, too.
      charge = this.#charges.find(c => c.key === keyOf(hello)) ?? this.#charges.find(c => c.key === hello.role)
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
    if (this.#stopping || charge.retired || charge.reports.size || charge.child || charge.found) return
    const { clock, log, paths } = this.#options
    const child = isEtcd(charge) ? this.#spawnMember(charge) : this.#spawn(charge)
    if (!child) return
    charge.child = child
    charge.startedAt = clock.steady()
    charge.startedPid = child.pid ?? 0
    child.on('error', error => log.error('cannot start a process', { process: charge.key, error }))
    child.on('exit', (code, signal) => {
      charge.child = undefined
      if (code === lockedCode && isEtcd(charge)) return void this.#adopt(charge)
      if (!this.#stopping && code !== lockedCode) {
        charge.restarts++
        this.#readEnd(charge, logOf(paths, charge.key))
        log.warn('a process ended', { process: charge.key, code, signal })
      }
      this.#lost(charge)
    })
  }

  #spawnMember(charge: Charge): ChildProcess | undefined {
    const { readConfig, paths, log, clock } = this.#options
    try {
      return spawnEtcd(readConfig(), paths, charge.key.slice('etcd/'.length))
    } catch (error) {
      log.error('cannot start a process', { process: charge.key, error })
      clock.after(maxPauseMs, () => this.#start(charge))
      return undefined
    }
  }

  /** Takes over a member that was running before, and looks from then on whether it still does. */
  async #adopt(charge: Charge): Promise<void> {
    const { paths, clock } = this.#options
    ;[charge.found] = await etcdProcesses(paths, charge.key.slice('etcd/'.length))
    if (charge.found === undefined) return this.#lost(charge)
    charge.pauseMs = firstPauseMs
    const look = () => {
      if (this.#stopping || charge.retired) return
      if (isRunning(charge.found!)) return void clock.after(lookMs, look)
      charge.found = undefined
      charge.restarts++
      this.#readEnd(charge, logOf(paths, charge.key))
      this.#lost(charge)
    }
    look()
  }

  /** A member that was removed from its cluster never runs again; its server would go on with the other members. */
  #readEnd(charge: Charge, file: string): void {
    charge.lastLogLine = lastLine(file)
    if (!isEtcd(charge)) return
    // Other lines may come after the one that says so.
    const isRemoved = isRemovedMember(logTail(file))
    charge.lastLogLine = isRemoved ? removedText : etcdLogText(charge.lastLogLine)
    if (!isRemoved) return
    const name = charge.key.slice('etcd/'.length)
    const isFirst = name === this.#options.readConfig().nodeName
    const both = [charge, ...this.#charges.filter(c => c.key === (isFirst ? 'server' : `server/${name}`))]
    for (const one of both) {
      one.retired = true
      one.lastLogLine = removedText
      one.restarts = Math.max(1, one.restarts)
    }
    void this.#end(both)
  }

  #spawn(charge: Charge): ChildProcess {
    const { program, paths } = this.#options
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
    return child
  }

  #lost(charge: Charge): void {
    const { clock } = this.#options
    if (this.#stopping || charge.retired) return
    // A life line may break before the process is reaped. Then the event `exit` calls this again.
    if (charge.child || charge.found || charge.reports.size) return
    if (clock.steady() - charge.startedAt > steadyMs) charge.pauseMs = firstPauseMs
    clock.after(charge.pauseMs, () => this.#start(charge))
    charge.pauseMs = Math.min(charge.pauseMs * 2, maxPauseMs)
  }

  async #stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    // Agents first, while there is a server to which they can write their last status; etcd last.
    for (const role of ['agent', 'server', 'etcd']) await this.#end(this.#charges.filter(c => c.key.startsWith(role)))
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
    const pids = charges.flatMap(c => [...c.reports.keys(), c.child?.pid ?? [], c.found ?? []].flat())
    for (const pid of pids) sendSignal(pid, 'SIGTERM')
    const deadline = clock.steady() + stopMs
    while (pids.some(isRunning) && clock.steady() < deadline) await clock.sleep(20)
    for (const pid of pids.filter(isRunning)) sendSignal(pid, 'SIGKILL')
  }
}

const isEtcd = ({ key }: Task) => key.startsWith('etcd/')
const removedText = 'this server was removed from the cluster; remove its data with: kutter down --purge'

/** The state of a task's process; undefined when none has reported. A member of etcd reports nothing: it runs or not. */
function stateOf(charge: Charge): ProcessState | undefined {
  const { reports, restarts, key } = charge
  if (isEtcd(charge)) {
    const pid = charge.child?.pid ?? charge.found
    return pid === undefined ? undefined : { role: 'etcd', node: key.slice('etcd/'.length), pid, ready: true, restarts }
  }
  const all = [...reports.values()]
  const hello = all.find(h => h.ready) ?? all.at(-1)
  return hello && { ...hello, restarts }
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
