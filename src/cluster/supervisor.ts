// The supervisor: a small process that keeps the server and the agents of one cluster running. It starts what is not
// there, waits on life lines (link.ts), and restarts what dies, with a growing pause. When the supervisor itself
// dies, the server starts another, which finds everyone still alive.
//
//   missing ──start──► starting ──hello──► running ──life line breaks──► missing (again after a pause)
//
// A process may be there before it is heard of: one of an earlier supervisor's on a machine that is busy. Each holds a
// lock, so that a second of its kind ends at once and touches nothing; then the first is waited for.
//
// Agents of further nodes run in their network namespace. They hold the machine's own namespace open as file 3, so
// that the last one left can start a supervisor where it belongs.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Server, Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { unreachable } from '../base/errors.ts'
import { type ClusterConfig, type ClusterPaths, clusterTag } from './config.ts'
import { namespaceOf } from './node-names.ts'
import {
  type Command,
  type Hello,
  listenExclusive,
  type ProcessState,
  readLines,
  sendLine,
  type SupervisorState,
} from './link.ts'

/** Processes of an earlier supervisor get this long to report before they are started anew. */
const adoptMs = 400
const firstPauseMs = 100
const maxPauseMs = 10_000
/** Running this long makes the next pause short again. */
const steadyMs = 30_000
const stopMs = 10_000

/** New objects of a node's processes die young and are few: a small place for them saves 20 MiB an agent. */
const agentFlags = ['--max-semi-space-size=2']

interface Task {
  key: string
  args: string[]
  /** Options of Node.js. */
  nodeFlags?: readonly string[]
  /** The network namespace it runs in, if not the machine's. */
  namespace?: string
}

interface Charge extends Task {
  /** What was said on each life line that is open, by process id. */
  heard: Map<number, Hello>
  child: ChildProcess | undefined
  pauseMs: number
  startedAt: number
  /** The process started last. */
  startedPid: number
  restarts: number
  /** The last line of its log when it ended by itself. */
  lastWords: string
  /** Its node was removed: it is not started again. */
  retired: boolean
}

interface SupervisorOptions {
  config: ClusterConfig
  /** The configuration as it is now. */
  readConfig(): ClusterConfig
  paths: ClusterPaths
  clock: Clock
  log: Log
  /** How to start this program again: node, and what comes before the command's words. */
  program: { command: string; args: string[] }
}

/** Runs until told to stop. Returns at once when another supervisor is at work. */
export async function supervise(options: SupervisorOptions): Promise<void> {
  const { paths } = options
  await mkdir(paths.run, { recursive: true, mode: 0o700 })
  await mkdir(paths.logs, { recursive: true, mode: 0o700 })
  const server = await listenExclusive(paths.socket)
  if (!server) return
  // From here on someone may connect: whoever did before there is anybody to listen would never be heard.
  const supervisor = new Supervisor(options, server)
  await writeFile(join(paths.run, 'supervisor.pid'), String(process.pid))
  await supervisor.run()
}

/** What is to run for a configuration. */
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

const freshCharge = (task: Task): Charge => ({
  ...task,
  heard: new Map(),
  child: undefined,
  pauseMs: firstPauseMs,
  startedAt: 0,
  startedPid: 0,
  restarts: 0,
  lastWords: '',
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
    this.#charges = tasksOf(options, options.config).map(freshCharge)
    server.on('connection', socket => this.#connected(socket))
  }

  async run(): Promise<void> {
    const finished = new Promise<void>(resolve => (this.#finish = resolve))
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.#stop())
    const adopting = process.env.KUTTER_ADOPT === '1'
    this.#options.clock.after(adopting ? adoptMs : 0, () => this.#charges.forEach(c => this.#start(c)))
    await finished
    this.#server.close()
    await rm(this.#options.paths.socket, { force: true })
    await rm(join(this.#options.paths.run, 'supervisor.pid'), { force: true })
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
      charge.heard.set(pid, hello)
      // It was there before: that those started meanwhile ended says nothing about it.
      if (pid !== charge.startedPid) charge.pauseMs = firstPauseMs
    })
    socket.on('close', () => {
      if (!charge) return
      charge.heard.delete(pid)
      // Of our own children `exit` tells.
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
      failing: failing.map(c => ({ process: c.key, restarts: c.restarts, lastWords: c.lastWords })),
    }
  }

  #start(charge: Charge): void {
    if (this.#stopping || charge.retired || charge.heard.size || charge.child) return
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
        charge.lastWords = lastLine(logOf(paths, charge.key))
        log.warn('a process ended', { process: charge.key, code, signal })
      }
      this.#lost(charge)
    })
  }

  #lost(charge: Charge): void {
    const { clock } = this.#options
    if (this.#stopping || charge.retired) return
    // Its life line may break before the process is reaped; then `exit` comes here again.
    if (charge.child || charge.heard.size) return
    if (clock.now() - charge.startedAt > steadyMs) charge.pauseMs = firstPauseMs
    clock.after(charge.pauseMs, () => this.#start(charge))
    charge.pauseMs = Math.min(charge.pauseMs * 2, maxPauseMs)
  }

  async #stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    // Agents first, while there is a server to write their last words to.
    for (const role of ['agent', 'server']) await this.#end(this.#charges.filter(c => c.key.startsWith(role)))
    this.#finish()
  }

  /** Starts what the configuration has and we do not, stops what we have and it does not. */
  async #reload(): Promise<void> {
    const tasks = tasksOf(this.#options, this.#options.readConfig())
    const gone = this.#charges.filter(c => !tasks.some(t => t.key === c.key))
    const fresh = tasks.filter(t => !this.#charges.some(c => c.key === t.key)).map(freshCharge)
    this.#charges = [...this.#charges.filter(c => !gone.includes(c)), ...fresh]
    for (const charge of gone) charge.retired = true
    for (const charge of fresh) this.#start(charge)
    await this.#end(gone)
  }

  async #end(charges: readonly Charge[]): Promise<void> {
    const { clock } = this.#options
    const pids = charges.flatMap(c => [...c.heard.keys(), c.child?.pid ?? []].flat())
    for (const pid of pids) kill(pid, 'SIGTERM')
    const deadline = clock.now() + stopMs
    while (pids.some(isAlive) && clock.now() < deadline) await clock.sleep(20)
    for (const pid of pids.filter(isAlive)) kill(pid, 'SIGKILL')
  }
}

/** The log of a process, by its key: `server`, `agent/NODE`. */
export const logOf = (paths: ClusterPaths, key: string): string => join(paths.logs, `${key.replace('/', '-')}.log`)

/** The exit code of a process that found another of its kind at work. */
const lockedCode = 75

/** Words before a command that let it run only while no other holds the same lock: see flock(1). */
const lockOf = (paths: ClusterPaths, key: string): string[] => [
  'flock',
  '--no-fork',
  '--nonblock',
  '--conflict-exit-code',
  String(lockedCode),
  join(paths.run, `${key.replace('/', '-')}.lock`),
]

/** How the process of a charge is, if one has been heard of. */
function stateOf({ heard, restarts }: Charge): ProcessState | undefined {
  const all = [...heard.values()]
  const hello = all.find(h => h.ready) ?? all.at(-1)
  return hello && { ...hello, restarts }
}

const tailBytes = 4096

/** The last line a process wrote, without what only a machine wants to know. */
function lastLine(file: string): string {
  const text = readFileSync(file).subarray(-tailBytes).toString().trim()
  return text.slice(text.lastIndexOf('\n') + 1).replace(/^kutter: /, '')
}

/** Sends a signal; a process that is gone is no error. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Whether a process is there (and not a zombie of ours). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Where the supervisor left the machine's network namespace for this process; undefined when we are in it. */
function machineNamespace(): string | undefined {
  const file = `/proc/${process.pid}/fd/3`
  try {
    return readlinkSync(file).startsWith('net:') ? file : undefined
  } catch {
    // Nothing is open as file 3.
    return undefined
  }
}

/** Starts a supervisor that outlives this process. `directory` is where this program's files are. */
export function spawnSupervisor(
  { paths, config, directory }: { paths: ClusterPaths; config: ClusterConfig; directory: string },
  adopt: boolean,
): void {
  const file = openSync(join(paths.logs, 'supervisor.log'), 'a', 0o600)
  const program = ['supervisor-main.js', 'supervisor-main.ts'].map(name => join(directory, name)).find(existsSync)!
  // Several agents may find the old one dead at the same moment: only one supervisor gets the lock, which the kernel
  // takes back when that ends, however it ends.
  const words = [
    ...lockOf(paths, 'supervisor'),
    process.execPath,
    // An agent may be who starts it: its own options are not for the others.
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
