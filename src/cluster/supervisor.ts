// The supervisor: a small process that keeps the server and the agents of one cluster running. It starts what is not
// there, waits on life lines (link.ts), and restarts what dies, with a growing pause. When the supervisor itself
// dies, the server starts another, which finds everyone still alive.
//
//   missing ──start──► starting ──hello──► running ──life line breaks──► missing (again after a pause)
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Server, Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { unreachable } from '../base/errors.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
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

interface Charge {
  key: string
  args: string[]
  state: ProcessState | undefined
  child: ChildProcess | undefined
  pauseMs: number
  startedAt: number
  restarts: number
  /** The last line of its log when it ended by itself. */
  lastWords: string
}

export interface SupervisorOptions {
  config: ClusterConfig
  paths: ClusterPaths
  clock: Clock
  log: Log
  /** How to start this program again: node, and what comes before the command's words. */
  program: { command: string; args: string[] }
}

/** Runs until told to stop. Returns at once when another supervisor is at work. */
export async function supervise(options: SupervisorOptions): Promise<void> {
  const { paths, config } = options
  await mkdir(paths.run, { recursive: true, mode: 0o700 })
  await mkdir(paths.logs, { recursive: true, mode: 0o700 })
  const server = await listenExclusive(paths.socket)
  if (!server) return
  await writeFile(join(paths.run, 'supervisor.pid'), String(process.pid))
  const flags = ['--name', config.name, '--data-dir', paths.dataDir]
  const charges = [
    { key: 'server', args: ['server', ...flags] },
    { key: `agent/${config.nodeName}`, args: ['agent', '--node', config.nodeName, ...flags] },
  ]
  await new Supervisor(options, charges, server).run()
}

class Supervisor {
  readonly #options: SupervisorOptions
  readonly #charges: Charge[]
  readonly #server: Server
  #stopping = false
  #finish: () => void = () => {}

  constructor(options: SupervisorOptions, charges: { key: string; args: string[] }[], server: Server) {
    this.#options = options
    this.#server = server
    this.#charges = charges.map(c => ({
      ...c,
      state: undefined,
      child: undefined,
      pauseMs: firstPauseMs,
      startedAt: 0,
      restarts: 0,
      lastWords: '',
    }))
  }

  async run(): Promise<void> {
    const finished = new Promise<void>(resolve => (this.#finish = resolve))
    this.#server.on('connection', socket => this.#connected(socket))
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.#stop())
    const adopting = process.env.KUTTER_ADOPT === '1'
    this.#options.clock.after(adopting ? adoptMs : 0, () =>
      this.#charges.filter(c => !c.state).forEach(c => this.#start(c)),
    )
    await finished
    this.#server.close()
    await rm(this.#options.paths.socket, { force: true })
    await rm(join(this.#options.paths.run, 'supervisor.pid'), { force: true })
  }

  #connected(socket: Socket): void {
    let charge: Charge | undefined
    socket.on('error', error => this.#options.log.debug('life line failed', { error }))
    readLines(socket, message => {
      if ('command' in (message as object)) return this.#command(socket, message as Command)
      const hello = message as Hello
      charge = this.#charges.find(c => c.key === (hello.role === 'server' ? 'server' : `agent/${hello.node}`))
      if (charge) charge.state = { ...hello, restarts: charge.restarts }
    })
    socket.on('close', () => charge && this.#lost(charge))
  }

  #command(socket: Socket, command: Command): void {
    switch (command.command) {
      case 'status':
        return void sendLine(socket, this.#state())
      case 'stop':
        sendLine(socket, this.#state())
        return void this.#stop()
      default:
        return unreachable(command)
    }
  }

  #state(): SupervisorState {
    const failing = this.#charges.filter(c => !c.state && c.restarts > 0)
    return {
      supervisor: process.pid,
      processes: this.#charges.flatMap(c => c.state ?? []),
      failing: failing.map(c => ({ process: c.key, restarts: c.restarts, lastWords: c.lastWords })),
    }
  }

  #start(charge: Charge): void {
    if (this.#stopping || charge.state || charge.child) return
    const { program, paths, clock, log } = this.#options
    const file = openSync(logOf(paths, charge), 'a', 0o600)
    const child = spawn(program.command, [...program.args, ...charge.args], {
      detached: true,
      stdio: ['ignore', file, file],
    })
    closeSync(file)
    charge.child = child
    charge.startedAt = clock.now()
    child.on('error', error => log.error('cannot start a process', { process: charge.key, error }))
    child.on('exit', (code, signal) => {
      charge.child = undefined
      if (!this.#stopping) {
        charge.lastWords = lastLine(logOf(paths, charge))
        log.warn('a process ended', { process: charge.key, code, signal })
      }
      this.#lost(charge)
    })
  }

  #lost(charge: Charge): void {
    const { clock } = this.#options
    charge.state = undefined
    if (this.#stopping) return
    // Its life line may break before the process is reaped; then `exit` comes here again.
    if (charge.child) return
    if (clock.now() - charge.startedAt > steadyMs) charge.pauseMs = firstPauseMs
    charge.restarts++
    clock.after(charge.pauseMs, () => this.#start(charge))
    charge.pauseMs = Math.min(charge.pauseMs * 2, maxPauseMs)
  }

  async #stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    // Agents first, while there is a server to write their last words to.
    for (const role of ['agent', 'server']) {
      const pids = this.#charges.filter(c => c.key.startsWith(role)).flatMap(c => c.state?.pid ?? c.child?.pid ?? [])
      for (const pid of pids) kill(pid, 'SIGTERM')
      const deadline = this.#options.clock.now() + stopMs
      while (pids.some(isAlive) && this.#options.clock.now() < deadline) await this.#options.clock.sleep(20)
      for (const pid of pids.filter(isAlive)) kill(pid, 'SIGKILL')
    }
    this.#finish()
  }
}

const logOf = (paths: ClusterPaths, charge: Charge) => join(paths.logs, `${charge.key.replace('/', '-')}.log`)

const tailBytes = 4096

/** The last line a process wrote, without what only a machine wants to know. */
function lastLine(file: string): string {
  const text = readFileSync(file).subarray(-tailBytes).toString().trim()
  return text.slice(text.lastIndexOf('\n') + 1).replace(/^kutter: /, '')
}

function kill(pid: number, signal: NodeJS.Signals): void {
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

/** Starts a supervisor that outlives this process. `directory` is where this program's files are. */
export function spawnSupervisor(
  { paths, config, directory }: { paths: ClusterPaths; config: ClusterConfig; directory: string },
  adopt: boolean,
): void {
  const file = openSync(join(paths.logs, 'supervisor.log'), 'a', 0o600)
  const program = ['supervisor-main.js', 'supervisor-main.ts'].map(name => join(directory, name)).find(existsSync)!
  const child = spawn(process.execPath, [...process.execArgv, program, config.name, paths.dataDir], {
    detached: true,
    stdio: ['ignore', file, file],
    env: { ...process.env, KUTTER_ADOPT: adopt ? '1' : '0' },
  })
  closeSync(file)
  child.unref()
}
