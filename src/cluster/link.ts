// The Unix socket of the supervisor, and what is sent over it: one JSON object on each line.
//
// A server or agent keeps one connection open, its life line, and sends a Hello at the beginning and after each change
// of its state. When a life line breaks the process at its other end has died, so nobody needs to poll. The kernel
// closes it however the process ends.
//
// A command of `kutter` opens a connection of its own, sends one Command and reads one SupervisorState. A `reload` is
// answered when it has been carried out; a `stop` is answered at once, with the processes that are about to be stopped.
//
// The socket is in a directory that only root may enter. Lines longer than `maxLineBytes` end their connection.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'

/** The report of a process over its life line. */
export interface Hello {
  role: 'server' | 'agent'
  pid: number
  node?: string
  ready: boolean
  /** What is wrong at present, for `kutter status`. */
  problem?: string
  /** Whether the report is repeated every `beatMs`. */
  beats?: boolean
}

/** How often a process reports even when nothing has changed. */
export const beatMs = 10_000

export type Command =
  | { command: 'status' }
  | { command: 'stop' }
  /** Read the configuration again, start processes that it has gained, stop those that it has lost, then answer. */
  | { command: 'reload' }

export interface ProcessState extends Omit<Hello, 'role'> {
  role: Hello['role'] | 'etcd'
  restarts: number
}

export interface SupervisorState {
  supervisor: number
  processes: ProcessState[]
  /** Processes that ended and will be started again, with the last line of their log. */
  failing: { process: string; restarts: number; lastLogLine: string }[]
}

const maxLineBytes = 64 * 1024

/** Calls `onMessage` with the parsed JSON of each line of a socket. A line that is no JSON ends the connection. */
export function readLines(socket: Socket, onMessage: (message: unknown) => void): void {
  const lines = createInterface({ input: socket })
  lines.on('line', line => {
    if (line.length > maxLineBytes) return void socket.destroy()
    let message: unknown
    try {
      message = JSON.parse(line)
    } catch {
      // No process of the cluster sends this, and it must not end the supervisor.
      return void socket.destroy()
    }
    onMessage(message)
  })
  lines.on('error', () => socket.destroy())
}

export const sendLine = (socket: Socket, message: unknown): boolean => socket.write(`${JSON.stringify(message)}\n`)

/** Connects to a socket. Resolves to undefined when nothing listens there. */
export function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

/**
 * Listens on a socket. Resolves to undefined when a living supervisor has it already; a socket that a dead one left
 * behind is replaced. Two supervisors cannot come here together, since each holds the supervisor's lock.
 */
export async function listenExclusive(path: string): Promise<Server | undefined> {
  for (let attempt = 0; attempt < 2; attempt++) {
    const server = createServer()
    const taken = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve(true) : reject(error),
      )
      server.listen(path, () => resolve(false))
    })
    if (!taken) return server
    const living = await tryConnect(path)
    if (living) {
      living.destroy()
      return undefined
    }
    await rm(path, { force: true })
  }
  return undefined
}

/** Whether a cluster has processes, by the socket of its supervisor. */
export const isUp = async (path: string): Promise<boolean> =>
  Boolean((await ask(path, { command: 'status' }))?.processes.length)

/** Sends one command to the supervisor and resolves to its answer, or to undefined when there is no supervisor. */
export async function ask(path: string, command: Command): Promise<SupervisorState | undefined> {
  const socket = await tryConnect(path)
  if (!socket) return undefined
  return new Promise(resolve => {
    readLines(socket, message => {
      resolve(message as SupervisorState)
      socket.end()
    })
    socket.once('close', () => resolve(undefined))
    socket.on('error', () => resolve(undefined))
    sendLine(socket, command)
  })
}
