// How the processes of a cluster hear of each other: a Unix socket held by the supervisor. A connection is a life
// line: when it breaks, whoever is at the other end has died, and no one has to poll.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'

/** What a process says when it connects, and again when its state changes. */
export interface Hello {
  role: 'server' | 'agent'
  pid: number
  node?: string
  ready: boolean
  /** The last thing that went wrong, for `status`. */
  problem?: string
}

export type Command =
  | { command: 'status' }
  | { command: 'stop' }
  /** The configuration has changed: start the nodes that are new, stop those that are gone, then answer. */
  | { command: 'reload' }

export interface ProcessState extends Hello {
  restarts: number
}

export interface SupervisorState {
  supervisor: number
  processes: ProcessState[]
  /** Processes that ended and will be started again. */
  failing: { process: string; restarts: number; lastWords: string }[]
}

const maxLineBytes = 64 * 1024

/** Calls `onMessage` for every JSON line of a socket. */
export function readLines(socket: Socket, onMessage: (message: unknown) => void): void {
  const lines = createInterface({ input: socket })
  lines.on('line', line => {
    if (line.length > maxLineBytes) return void socket.destroy()
    onMessage(JSON.parse(line))
  })
  lines.on('error', () => socket.destroy())
}

export const sendLine = (socket: Socket, message: unknown): boolean => socket.write(`${JSON.stringify(message)}\n`)

/** Connects, or undefined when nobody listens. */
export function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

/** Takes the socket; undefined when a living supervisor has it. A socket left by a dead one is replaced. */
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

/** Asks the supervisor one thing; undefined when there is none. */
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
