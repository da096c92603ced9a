// Runs a program to its end and returns its output. All uses of mount, ip, nft, ctr and other programs go through here,
// so each has a limit of time and of output, and an error that names the program.
import { spawn } from 'node:child_process'
import { type Clock, realClock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'

export interface RunOptions {
  /** The text of standard input. Without it, standard input is empty. */
  stdin?: string
  /** After this long the program is killed with SIGKILL. Default 60 s. */
  timeoutMs?: number
  signal?: AbortSignal
  /** The program is killed when standard output or standard error grows past this. Default 16 MiB. */
  maxOutputBytes?: number
  /** Variables added to the environment of this process. */
  env?: Record<string, string>
  cwd?: string
  /** The name of the program in errors, for a `program` that is only a wrapper. */
  label?: string
  /** Exit codes that are results rather than errors. Default `[0]`. */
  accept?: readonly number[] | 'any'
  clock?: Clock
}

export interface RunResult {
  code: number
  stdout: string
  stderr: string
}

const defaultTimeoutMs = 60_000
const defaultMaxOutputBytes = 16 * 1024 * 1024

/**
 * Runs `program` with `args`, without a shell. Throws a StatusError with the reason InternalError and the first line of
 * standard error when the program cannot start, is killed, or ends with a code that is not in `accept`; with the reason
 * Timeout when it took too long. When the signal aborts, kills the program and throws the signal's reason.
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  options.signal?.throwIfAborted()
  const label = options.label ?? [program, ...args.slice(0, 1)].join(' ')
  const ended = await ending(program, args, options)
  options.signal?.throwIfAborted()
  if (ended.why) throw new StatusError(ended.late ? 'Timeout' : 'InternalError', `${label}: ${ended.why}`)
  const { code, stdout, stderr } = ended
  const accept = options.accept ?? [0]
  if (accept !== 'any' && !accept.includes(code)) {
    const said = firstLine(stderr) || firstLine(stdout) || 'no message'
    throw new StatusError('InternalError', `${label}: exit code ${code}: ${said}`, { cause: stderr })
  }
  return { code, stdout, stderr }
}

type Ending = RunResult & { why: string; late: boolean }

function ending(program: string, args: readonly string[], options: RunOptions): Promise<Ending> {
  const { timeoutMs = defaultTimeoutMs, maxOutputBytes = defaultMaxOutputBytes, clock = realClock } = options
  return new Promise(resolve => {
    const env = options.env ? { ...process.env, ...options.env } : process.env
    const child = spawn(program, args, { cwd: options.cwd, env, stdio: ['pipe', 'pipe', 'pipe'] })
    let why = ''
    let late = false
    const kill = (reason: string) => {
      why ||= reason
      child.kill('SIGKILL')
    }
    const cancel = clock.after(timeoutMs, () => {
      late = true
      kill(`took longer than ${timeoutMs} ms and was killed`)
    })
    const onAbort = () => kill('aborted')
    options.signal?.addEventListener('abort', onAbort, { once: true })

    const stdout = collect(child.stdout, maxOutputBytes, () => kill(`wrote more than ${maxOutputBytes} bytes`))
    const stderr = collect(child.stderr, maxOutputBytes, () => kill(`wrote more than ${maxOutputBytes} bytes`))
    const finish = (code: number) => {
      cancel()
      options.signal?.removeEventListener('abort', onAbort)
      resolve({ code, stdout: stdout(), stderr: stderr(), why, late })
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      why ||= error.code === 'ENOENT' ? 'program not found (or its working directory is missing)' : error.message
      finish(127)
    })
    child.on('close', (code, signal) => {
      if (signal) why ||= `ended by ${signal}: ${firstLine(stderr()) || 'no message'}`
      finish(code ?? 128)
    })
    // A program that does not read its input may close the pipe. Whether that is an error, its exit code decides.
    child.stdin.on('error', () => {})
    child.stdin.end(options.stdin ?? '')
  })
}

function collect(stream: NodeJS.ReadableStream, limit: number, tooMuch: () => void): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > limit) tooMuch()
    else chunks.push(chunk)
  })
  return () => Buffer.concat(chunks).toString('utf8')
}

function firstLine(text: string): string {
  return (
    text
      .split('\n')
      .find(line => line.trim() !== '')
      ?.trim() ?? ''
  )
}
