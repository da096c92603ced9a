// Starts a process in a running container (exec), with input and outputs over FIFOs. containerd's streaming server
// could do it, but up to 1.7 it closes the input as soon as an output ends, and waits for ever to write input that the
// process does not read, so that half of a file piped into `cat` is lost. containerd's task service has neither fault.
// Sources: containerd api/services/tasks/v1, api/services/containers/v1; pkg/cri/server/container_execsync.go.
//
//   client ──stdin──► FIFO ──► shim ──► process ──► shim ──► FIFOs ──stdout, stderr──► client
//                          ▲
//             CloseIO once all of it is in the FIFO, which the shim itself keeps open
import { constants, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { messageOf } from '../../base/errors.ts'
import { realRandom } from '../../base/random.ts'
import { run } from '../../linux/index.ts'
import { callUnary, grpcOf, type Received, socketClient, type ServiceClient } from '../../wire/grpc.ts'
import { criNamespace } from '../cri-namespace.ts'
import type { ExecProcess, StreamOptions } from './runtime.ts'

const any = { typeUrl: 'string = 1', value: 'bytes = 2' } as const
const tasks = {
  package: 'containerd.services.tasks.v1',
  enums: {},
  messages: {
    Any: any,
    Empty: {},
    ExecProcessRequest: {
      containerId: 'string = 1',
      stdin: 'string = 2',
      stdout: 'string = 3',
      stderr: 'string = 4',
      terminal: 'bool = 5',
      spec: 'Any = 6',
      execId: 'string = 7',
    },
    ProcessRequest: { containerId: 'string = 1', execId: 'string = 2' },
    StartResponse: { pid: 'uint32 = 1' },
    WaitResponse: { exitStatus: 'uint32 = 1' },
    CloseIORequest: { containerId: 'string = 1', execId: 'string = 2', stdin: 'bool = 3' },
    ResizePtyRequest: { containerId: 'string = 1', execId: 'string = 2', width: 'uint32 = 3', height: 'uint32 = 4' },
  },
  services: {
    Tasks: {
      exec: 'ExecProcessRequest Empty',
      start: 'ProcessRequest StartResponse',
      wait: 'ProcessRequest WaitResponse',
      closeIO: 'CloseIORequest Empty',
      resizePty: 'ResizePtyRequest Empty',
      deleteProcess: 'ProcessRequest Empty',
    },
  },
} as const
const containers = {
  package: 'containerd.services.containers.v1',
  enums: {},
  messages: {
    Any: any,
    GetContainerRequest: { id: 'string = 1' },
    Container: { id: 'string = 1', spec: 'Any = 5' },
    GetContainerResponse: { container: 'Container = 1' },
  },
  services: { Containers: { get: 'GetContainerRequest GetContainerResponse' } },
} as const

const processType = 'types.containerd.io/opencontainers/runtime-spec/1/Process'

/** Starts processes in containers of one containerd. */
export class ContainerdExec {
  readonly #socket: string
  readonly #tasks: ServiceClient
  readonly #containers: ServiceClient

  constructor(socket: string) {
    this.#socket = socket
    this.#tasks = socketClient(tasks, 'Tasks', socket)
    this.#containers = socketClient(containers, 'Containers', socket)
  }

  close(): void {
    this.#tasks.close()
    this.#containers.close()
  }

  /** Starts a command. Throws with the message of CRI's own exec when it cannot be started. */
  async start(containerId: string, command: readonly string[], streamOptions: StreamOptions): Promise<ExecProcess> {
    const execId = realRandom.uuid().replaceAll('-', '')
    const ref = { containerId, execId }
    const spec = await this.#processOf(containerId, command, streamOptions.tty)
    const pipes = await Pipes.make(join(dirname(this.#socket), 'exec-'), streamOptions)
    try {
      await this.#task('exec', {
        ...ref,
        ...pipes.paths,
        terminal: streamOptions.tty,
        spec: { typeUrl: processType, value: Buffer.from(JSON.stringify(spec)) },
      })
      // The wait begins before the start, since the process may end at once.
      const exited = this.#task('wait', ref).then(reply => (reply as { exitStatus: number }).exitStatus)
      exited.catch(() => {})
      try {
        await this.#task('start', ref)
      } catch (error) {
        await this.#forget(ref)
        const words = grpcOf(error)?.desc ?? messageOf(error)
        throw new Error(`failed to exec in container: failed to start exec "${execId}": ${words}`, { cause: error })
      }
      return this.#running(ref, pipes, exited)
    } catch (error) {
      pipes.destroy()
      throw error
    } finally {
      // By now both ends are open, or never will be, so the names are not needed any more.
      await pipes.unlink()
    }
  }

  #running(ref: { containerId: string; execId: string }, pipes: Pipes, exited: Promise<number>): ExecProcess {
    let over = false
    exited.then(
      () => (over = true),
      () => (over = true),
    )
    return {
      ...pipes.streams,
      exited,
      closeStdin: async () => {
        pipes.streams.stdin?.destroy()
        if (!over) await this.#quietly(this.#task('closeIO', { ...ref, stdin: true }))
      },
      resize: size => this.#quietly(this.#task('resizePty', { ...ref, ...size })),
      close: async () => {
        const { stdin, stdout, stderr } = pipes.streams
        stdin?.destroy()
        // Outputs are read and dropped, so that the process is not blocked by them.
        for (const output of [stdout, stderr]) output?.resume()
        await exited.catch(() => {})
        pipes.destroy()
        await this.#forget(ref)
      },
    }
  }

  /** The configuration of the container's own process with another command. */
  async #processOf(containerId: string, command: readonly string[], tty: boolean): Promise<object> {
    const request = { id: containerId }
    const reply = (await callUnary(this.#containers, 'get', request, { metadata })) as Received<
      typeof containers.messages,
      typeof containers.enums,
      'GetContainerResponse'
    >
    const text = Buffer.from(reply.container?.spec?.value ?? []).toString()
    const { process } = JSON.parse(text) as { process: { env?: string[] } }
    const env = [...(process.env ?? []), ...(tty ? ['TERM=xterm'] : [])]
    return { ...process, env, args: command, terminal: tty }
  }

  #task(method: keyof typeof tasks.services.Tasks, request: object): Promise<object> {
    return callUnary(this.#tasks, method, request, { metadata })
  }

  #forget(ref: { containerId: string; execId: string }): Promise<void> {
    return this.#quietly(this.#task('deleteProcess', ref))
  }

  /** Ignores that the process or its container has ended. */
  async #quietly(work: Promise<object>): Promise<void> {
    try {
      await work
    } catch (error) {
      if (!['NotFound', 'FailedPrecondition', 'Unknown'].includes(grpcOf(error)?.code ?? '')) throw error
    }
  }
}

const metadata = { 'containerd-namespace': criNamespace }

/** The FIFOs of one process, open at this end. */
class Pipes {
  readonly paths: { stdin: string; stdout: string; stderr: string }
  readonly streams: { stdin: Socket | undefined; stdout: Socket | undefined; stderr: Socket | undefined }
  readonly #dir: string

  private constructor(dir: string, paths: Pipes['paths'], streams: Pipes['streams']) {
    this.#dir = dir
    this.paths = paths
    this.streams = streams
  }

  static async make(prefix: string, { stdin, tty }: StreamOptions): Promise<Pipes> {
    const dir = await mkdtemp(prefix)
    // The shim needs both outputs even if no client reads them; a terminal has only one.
    const wanted = { stdin, stdout: true, stderr: !tty }
    const path = (name: keyof typeof wanted) => (wanted[name] ? join(dir, name) : '')
    const paths = { stdin: path('stdin'), stdout: path('stdout'), stderr: path('stderr') }
    await run('mkfifo', ['-m', '0600', ...Object.values(paths).filter(Boolean)])
    const end = (file: string, writes: boolean) => (file ? openEnd(file, writes) : undefined)
    const streams = {
      stdin: end(paths.stdin, true),
      stdout: end(paths.stdout, false),
      stderr: end(paths.stderr, false),
    }
    return new Pipes(dir, paths, streams)
  }

  unlink(): Promise<void> {
    return rm(this.#dir, { recursive: true, force: true })
  }

  destroy(): void {
    for (const stream of Object.values(this.streams)) stream?.destroy()
  }
}

/** Opens this end of a FIFO without waiting for the other. For writing this is possible only together with reading. */
function openEnd(file: string, writes: boolean): Socket {
  const fd = openSync(file, constants.O_NONBLOCK | (writes ? constants.O_RDWR : constants.O_RDONLY))
  const socket = new Socket({ fd, readable: !writes, writable: writes })
  // An error of the socket needs no report, since the exit of the process is reported.
  socket.on('error', () => socket.destroy())
  return socket
}
