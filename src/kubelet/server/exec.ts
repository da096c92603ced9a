// Serves one exec: the streams that a client opens on a SPDY connection, or the channels of its WebSocket, joined to a
// process in a container. Source: k8s.io/kubelet pkg/cri/streaming/remotecommand (httpstream.go, exec.go), KEP-4006.
import type { IncomingMessage } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { bridgeWebSocketToSpdy, type ChannelProtocol, channelProtocols } from '../../wire/remotecommand.ts'
import { SpdyConnection, type SpdyStream } from '../../wire/spdy/index.ts'
import { acceptWebSocket } from '../../wire/websocket.ts'
import type { ExecProcess, StreamWishes } from '../runtime/runtime.ts'

interface ExecRequest {
  request: IncomingMessage
  socket: Duplex
  head: Buffer
  command: readonly string[]
  wishes: StreamWishes
  start(): Promise<ExecProcess>
  clock: Clock
  log: Log
}

const spdyProtocol = 'v4.channel.k8s.io'
/** Clients open their streams at once. */
const streamsMs = 30_000

const listOf = (header: string | string[] | undefined): string[] =>
  (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map(name => name.trim())

/** Whether the client speaks what is served here; older protocols are left to the runtime. */
export function speaksOurs({ headers }: IncomingMessage): boolean {
  if (headers.upgrade?.toLowerCase() === 'websocket')
    return listOf(headers['sec-websocket-protocol']).some(name => channelProtocols.includes(name as ChannelProtocol))
  return listOf(headers['x-stream-protocol-version']).includes(spdyProtocol)
}

/** Resolves when the process and the connection are over. */
export async function serveExec(o: ExecRequest): Promise<void> {
  const { request, socket, head, wishes } = o
  if (request.headers.upgrade?.toLowerCase() === 'websocket') {
    const { ws, protocol } = await acceptWebSocket(request, socket, head, channelProtocols)
    const [near, far] = duplexPair()
    const bridge = bridgeWebSocketToSpdy(ws, protocol as ChannelProtocol, near, wishes)
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
  const gone = new Promise<void>(resolve => connection.once('close', () => resolve()))
  let process: ExecProcess | undefined
  try {
    const streams = await takeStreams(connection, o)
    const status = await runIn(connection, streams, gone, o, started => (process = started))
    if (status) {
      for (const output of [streams.stdout, streams.stderr]) output?.end()
      for (const input of [streams.stdin, streams.resize]) input?.destroy()
      streams.error?.end(JSON.stringify(status))
    }
    connection.close()
    await gone
  } catch (error) {
    o.log.warn('exec ended', { why: messageOf(error) })
    connection.destroy()
  } finally {
    // Not waited for: the process may go on for as long as it likes.
    process?.close().catch((error: unknown) => o.log.warn('process of exec not cleaned up', { why: messageOf(error) }))
  }
}

/** Waits until all streams are there that the client said it would open. */
function takeStreams(connection: SpdyConnection, { wishes, clock }: ExecRequest): Promise<Streams> {
  const { stdin, stdout, stderr, tty } = wishes
  const expected = 1 + [stdin, stdout, stderr, tty].filter(Boolean).length
  return new Promise((resolve, reject) => {
    const streams: Streams = {}
    const cancel = clock.after(streamsMs, () => reject(new Error('timed out waiting for client to create streams')))
    connection.once('close', () => (cancel(), reject(new Error('the client is gone'))))
    connection.on('stream', (stream, { streamtype = '' }) => {
      // A broken stream breaks the connection, which is what is looked at.
      stream.on('error', () => connection.destroy())
      streams[streamtype as keyof Streams] = stream
      if (streamtype !== 'stdin' && streamtype !== 'resize') stream.resume()
      if (Object.keys(streams).length < expected) return
      cancel()
      // Answered first, written to after.
      setImmediate(() => resolve(streams))
    })
  })
}

/** Runs the process between the streams; what its end was, or undefined when the client left before. */
async function runIn(
  connection: SpdyConnection,
  streams: Streams,
  gone: Promise<void>,
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
      // The process ended first, or the client did.
      .catch((error: unknown) => o.log.debug('input of exec ended', { why: messageOf(error) }))
  if (streams.resize) void followSizes(streams.resize, process, o.log)
  const outputs = [
    copy(process.stdout, streams.stdout),
    ...(process.stderr ? [copy(process.stderr, streams.stderr)] : []),
  ]
  const left = gone.then(() => 'gone' as const)
  const code = await Promise.race([process.exited, left])
  if (code === 'gone') return undefined
  if ((await Promise.race([Promise.all(outputs), left])) === 'gone' || connection.closed) return undefined
  return code === 0 ? { metadata: {}, status: 'Success' } : failure(o.command, code)
}

/** An output to its stream, which ends with it; what nobody takes is read and dropped. Resolves at the output's end. */
async function copy(from: ExecProcess['stdout'], to: SpdyStream | undefined): Promise<void> {
  // A short process may have ended its output before anybody listened.
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
