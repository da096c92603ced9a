// Serves one exec: connects the streams of a client's SPDY connection, or the channels of its WebSocket, to a process
// in a container. Source: k8s.io/kubelet pkg/cri/streaming/remotecommand (httpstream.go, exec.go), KEP-4006.
import type { IncomingMessage } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { bridgeWebSocketToSpdy, type ChannelProtocol, channelProtocols } from '../../wire/remotecommand.ts'
import { SpdyConnection, type SpdyStream } from '../../wire/spdy/index.ts'
import { acceptWebSocket } from '../../wire/websocket.ts'
import type { ExecProcess, StreamOptions } from '../runtime/runtime.ts'
import { endWhenIdle } from './idle.ts'

interface ExecRequest {
  request: IncomingMessage
  socket: Duplex
  head: Buffer
  command: readonly string[]
  streamOptions: StreamOptions
  start(): Promise<ExecProcess>
  clock: Clock
  log: Log
  /** After how long without input and output it is ended; 0 for never. */
  idleMs: number
}

const spdyProtocol = 'v4.channel.k8s.io'
/** How long a client may take to open its streams. */
const streamsMs = 30_000
const maxShownCommand = 100

const listOf = (header: string | string[] | undefined): string[] =>
  (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map(name => name.trim())

/** Whether the client uses a protocol that is served here. Older ones are left to the runtime. */
export function isServedHere({ headers }: IncomingMessage): boolean {
  if (headers.upgrade?.toLowerCase() === 'websocket')
    return listOf(headers['sec-websocket-protocol']).some(name => channelProtocols.includes(name as ChannelProtocol))
  return listOf(headers['x-stream-protocol-version']).includes(spdyProtocol)
}

/** Resolves when the connection has ended. */
export async function serveExec(o: ExecRequest): Promise<void> {
  const { request, socket, head, streamOptions } = o
  if (request.headers.upgrade?.toLowerCase() === 'websocket') {
    const { ws, protocol } = await acceptWebSocket(request, socket, head, channelProtocols)
    const [near, far] = duplexPair()
    const bridge = bridgeWebSocketToSpdy(ws, protocol as ChannelProtocol, near, streamOptions)
    await Promise.all([bridge, serveSpdy(new SpdyConnection(far, { role: 'server' }), o)])
    return
  }
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      `X-Stream-Protocol-Version: ${spdyProtocol}`,
      '\r\n',
    ].join('\r\n'),
  )
  await serveSpdy(new SpdyConnection(socket, { role: 'server', head }), o)
}

type Streams = Partial<Record<'error' | 'stdin' | 'stdout' | 'stderr' | 'resize', SpdyStream>>

async function serveSpdy(connection: SpdyConnection, o: ExecRequest): Promise<void> {
  const closed = new Promise<void>(resolve => connection.once('close', () => resolve()))
  let process: ExecProcess | undefined
  try {
    const streams = await takeStreams(connection, o)
    const status = await runIn(connection, streams, closed, o, started => (process = started))
    if (status) {
      for (const output of [streams.stdout, streams.stderr]) output?.end()
      for (const input of [streams.stdin, streams.resize]) input?.destroy()
      streams.error?.end(JSON.stringify(status))
    }
    connection.close()
    await closed
  } catch (error) {
    o.log.warn('exec ended', { why: messageOf(error) })
    connection.destroy()
  } finally {
    // This is not awaited, since the process may go on without a limit.
    process?.close().catch((error: unknown) => o.log.warn('process of exec not cleaned up', { why: messageOf(error) }))
  }
}

/** Resolves when the client has opened all the streams that its request announced. */
function takeStreams(connection: SpdyConnection, { streamOptions, clock }: ExecRequest): Promise<Streams> {
  const { stdin, stdout, stderr, tty } = streamOptions
  const expected = 1 + [stdin, stdout, stderr, tty].filter(Boolean).length
  return new Promise((resolve, reject) => {
    const streams: Streams = {}
    const cancel = clock.after(streamsMs, () => reject(new Error('timed out waiting for client to create streams')))
    connection.once('close', () => (cancel(), reject(new Error('the client is gone'))))
    connection.on('stream', (stream, { streamtype = '' }) => {
      // The failure of a stream ends the connection, whose end is handled.
      stream.on('error', () => connection.destroy())
      streams[streamtype as keyof Streams] = stream
      if (streamtype !== 'stdin' && streamtype !== 'resize') stream.resume()
      if (Object.keys(streams).length < expected) return
      cancel()
      // The reply to the stream must be sent before anything is written to it.
      setImmediate(() => resolve(streams))
    })
  })
}

/** Runs the process and connects its streams. Returns the status for the client, or undefined if the client left. */
async function runIn(
  connection: SpdyConnection,
  streams: Streams,
  closed: Promise<void>,
  o: ExecRequest,
  started: (process: ExecProcess) => void,
): Promise<object | undefined> {
  let process: ExecProcess
  try {
    process = await o.start()
  } catch (error) {
    return internalError(`error executing command in container: ${messageOf(error)}`)
  }
  started(process)
  if (streams.stdin && process.stdin)
    pipeline(streams.stdin, process.stdin)
      .then(() => process.closeStdin())
      // The process or the client has ended before its input.
      .catch((error: unknown) => o.log.debug('input of exec ended', { why: messageOf(error) }))
  if (streams.resize) void followSizes(streams.resize, process, o.log)
  const outputs = [
    copy(process.stdout, streams.stdout),
    ...(process.stderr ? [copy(process.stderr, streams.stderr)] : []),
  ]
  limitIdle(connection, streams, process, o)
  const left = closed.then(() => 'left' as const)
  const code = await Promise.race([process.exited, left])
  if (code === 'left') return undefined
  if ((await Promise.race([Promise.all(outputs), left])) === 'left' || connection.closed) return undefined
  return code === 0 ? { metadata: {}, status: 'Success' } : failure(o.command, code)
}

/** Ends the connection when nothing is put in and nothing comes out. */
function limitIdle(connection: SpdyConnection, { stdin }: Streams, process: ExecProcess, o: ExecRequest): void {
  let count = 0
  // All of them flow already, so that a listener takes nothing away.
  for (const stream of [stdin, process.stdout, process.stderr])
    stream?.on('data', (chunk: Buffer) => (count += chunk.length))
  const end = () => {
    o.log.info('an idle exec is ended', { command: o.command.join(' ').slice(0, maxShownCommand) })
    connection.destroy()
  }
  connection.once('close', endWhenIdle({ ...o, bytes: () => count, end }))
}

/** Copies an output to its stream. Output without a stream is read and dropped. Resolves at the end of the output. */
async function copy(from: ExecProcess['stdout'], to: SpdyStream | undefined): Promise<void> {
  // The output of a short process may have ended before this call.
  if (!from || from.readableEnded || from.destroyed) return void to?.end()
  if (to) {
    from.pipe(to)
    to.once('close', () => {
      from.unpipe(to)
      from.resume()
    })
  } else from.resume()
  await new Promise<void>(resolve => {
    from.once('end', () => resolve())
    from.once('close', () => resolve())
  })
}

async function followSizes(stream: SpdyStream, process: ExecProcess, log: Log): Promise<void> {
  try {
    for await (const bytes of stream as AsyncIterable<Buffer>)
      for (const [text] of bytes.toString().matchAll(/\{[^}]*\}/g)) {
        const { Width: width = 0, Height: height = 0 } = JSON.parse(text) as { Width?: number; Height?: number }
        if (width > 0 && height > 0) await process.resize({ width, height })
      }
  } catch (error) {
    log.debug('terminal not resized any more', { why: messageOf(error) })
  }
}

const failure = (command: readonly string[], code: number) => ({
  metadata: {},
  status: 'Failure',
  message: `command terminated with non-zero exit code: error executing command [${command.join(' ')}], exit code ${code}`,
  reason: 'NonZeroExitCode',
  details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
})

const internalError = (message: string) => ({
  metadata: {},
  status: 'Failure',
  message: `Internal error occurred: ${message}`,
  reason: 'InternalError',
  details: { causes: [{ message }] },
  code: 500,
})
