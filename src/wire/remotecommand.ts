// Translates exec, attach and port-forward between a WebSocket client and a SPDY backend, as kube-apiserver does for
// kubelets (KEP-4006). For exec and attach, each channel of the WebSocket becomes a SPDY stream:
//
//   message = channel (1 byte) + bytes        0 stdin   1 stdout   2 stderr   3 error   4 resize
//                                             255 close: the next byte names the channel (v5 only)
//
// For port-forward, the WebSocket is a tunnel for SPDY, whose bytes are not changed.
//
// Both directions keep pace with their readers: nothing is read from a side while the other does not take it. When one
// side ends or fails, so does the other, and both are closed when the returned promise resolves.
import type { Duplex } from 'node:stream'
import { WebSocket, type RawData } from 'ws'
import { realClock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { SpdyConnection, type SpdyStream } from './spdy/index.ts'

export const channelProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const
export type ChannelProtocol = (typeof channelProtocols)[number]

const pausedPingMs = 5_000

/** The WebSocket subprotocol of port-forward. */
export const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io'

export interface StreamOptions {
  stdin?: boolean
  stdout?: boolean
  stderr?: boolean
  tty?: boolean
}

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const

/**
 * Connects a WebSocket with the subprotocol `protocol` to a SPDY socket on which a kubelet or a CRI runtime expects the
 * streams of one exec or attach. Resolves when both are closed. Errors are sent to the client as a Status on the error
 * channel.
 */
export async function bridgeWebSocketToSpdy(
  ws: WebSocket,
  protocol: ChannelProtocol,
  socket: Duplex,
  options: StreamOptions,
  head?: Buffer,
): Promise<void> {
  const connection = new SpdyConnection(socket, { role: 'client', ...(head ? { head } : {}) })
  const gone = new Promise<void>(resolve => {
    connection.once('close', () => resolve())
    if (connection.closed) resolve()
  })
  ws.once('close', () => connection.destroy())
  // The event 'close' follows and ends the bridge. The client can no longer get the reason.
  ws.on('error', error => connection.destroy(error))
  if (ws.readyState !== WebSocket.OPEN) connection.destroy()
  // The outcome of the command is sent once: by the container, or else by this bridge.
  let statusBytes = 0
  try {
    const streams = openStreams(connection, options)
    receive(ws, protocol, streams)
    // For kubectl an empty first message is the sign that the connection is established.
    await send(ws, options.stdout ? channel.stdout : options.stderr ? channel.stderr : channel.error, Buffer.alloc(0))
    await Promise.all([
      pump(streams.error, channel.error, ws, bytes => (statusBytes += bytes)),
      pump(streams.stdout, channel.stdout, ws),
      pump(streams.stderr, channel.stderr, ws),
    ])
    if (statusBytes === 0) throw new Error('the connection to the container ended without the outcome of the command')
  } catch (error) {
    if (statusBytes === 0 && ws.readyState === WebSocket.OPEN)
      // It is not awaited: the client may have disconnected, and the bridge ends anyway.
      ws.send(Buffer.concat([Buffer.from([channel.error]), Buffer.from(JSON.stringify(failure(messageOf(error))))]))
  } finally {
    ws.close(1000)
    connection.close()
    // Streams that the backend has not ended, such as a stdin without a reader, must not keep the connection open.
    connection.destroy()
    await gone
  }
}

/**
 * Connects a WebSocket with a SPDY socket, byte for byte. The client sends SPDY in binary messages, as kubectl does to
 * forward ports. Resolves when both are closed.
 */
export async function tunnelWebSocketToSpdy(ws: WebSocket, socket: Duplex, head?: Buffer): Promise<void> {
  const closed = [
    new Promise(resolve => ws.once('close', resolve)),
    new Promise(resolve => socket.once('close', resolve)),
  ]
  ws.on('message', (data: RawData) => {
    if (!socket.writable || socket.write(bytesOf(data))) return
    ws.pause()
    socket.once('drain', () => ws.resume())
  })
  ws.once('close', () => {
    // A paused WebSocket is not resumed once its socket has closed, and what it held is dropped.
    if (socket.writable) socket.end(() => socket.destroy())
    else socket.destroy()
  })
  ws.on('error', () => socket.destroy())
  // 1011 is the code for a failure of the server, here of its backend (RFC 6455, section 7.4.1).
  socket.on('error', () => ws.close(1011))
  socket.once('close', () => ws.close(1000))
  if (ws.readyState !== WebSocket.OPEN) socket.destroy()
  try {
    if (head && head.length > 0) await sendBytes(ws, head)
    for await (const bytes of socket) await sendBytes(ws, bytes as Buffer)
    ws.close(1000)
  } catch {
    // The listeners above have closed the other side already.
    socket.destroy()
  }
  await Promise.all(closed)
}

interface Streams {
  error: SpdyStream
  stdin?: SpdyStream
  stdout?: SpdyStream
  stderr?: SpdyStream
  resize?: SpdyStream
}

/** Opens the streams in the order of client-go, the error stream first. The server waits for all of them. */
function openStreams(connection: SpdyConnection, { stdin, stdout, stderr, tty }: StreamOptions): Streams {
  const open = (streamtype: string) => connection.openStream({ streamtype })
  const streams: Streams = { error: open('error') }
  if (stdin) streams.stdin = open('stdin')
  if (stdout) streams.stdout = open('stdout')
  // A terminal has only one output.
  if (stderr && !tty) streams.stderr = open('stderr')
  if (tty) streams.resize = open('resize')
  for (const stream of [streams.stdin, streams.resize]) {
    // Nothing is expected from these streams, but their end must be noticed. A broken one breaks the connection, too.
    stream?.resume()
    stream?.on('error', error => connection.destroy(error))
  }
  // Nothing is written to these streams.
  for (const stream of [streams.error, streams.stdout, streams.stderr]) stream?.end()
  return streams
}

/** Passes messages of the client to the streams. */
function receive(ws: WebSocket, protocol: ChannelProtocol, streams: Streams): void {
  const writable = (id: number | undefined) =>
    id === channel.stdin ? streams.stdin : id === channel.resize ? streams.resize : undefined
  ws.on('message', (data: RawData) => {
    const bytes = bytesOf(data)
    if (bytes[0] === channel.close && protocol === 'v5.channel.k8s.io') return void writable(bytes[1])?.end()
    const stream = writable(bytes[0])
    if (bytes.length < 2 || !stream || stream.writableEnded) return
    if (stream.write(bytes.subarray(1))) return
    ws.pause()
    // While nothing is read from a client its end is not noticed, except by the failure of something sent to it.
    let cancel = realClock.after(pausedPingMs, function ping() {
      if (ws.readyState === WebSocket.OPEN) ws.ping()
      cancel = realClock.after(pausedPingMs, ping)
    })
    const resume = () => {
      cancel()
      stream.off('drain', resume)
      stream.off('close', resume)
      ws.resume()
    }
    stream.on('drain', resume)
    stream.on('close', resume)
  })
}

/** Passes a stream to its channel, as fast as the client reads. */
async function pump(
  stream: SpdyStream | undefined,
  to: number,
  ws: WebSocket,
  sent?: (bytes: number) => void,
): Promise<void> {
  if (!stream) return
  for await (const bytes of stream as AsyncIterable<Buffer>) {
    await send(ws, to, bytes)
    sent?.(bytes.length)
  }
}

function send(ws: WebSocket, to: number, bytes: Buffer): Promise<void> {
  return sendBytes(ws, Buffer.concat([Buffer.from([to]), bytes]))
}

/** Sends bytes, and resolves when the kernel has them. */
function sendBytes(ws: WebSocket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) =>
    ws.send(bytes, { binary: true }, error => (error ? reject(error) : resolve())),
  )
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return Buffer.isBuffer(data) ? data : Buffer.from(data)
}

const failure = (message: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason: 'InternalError',
  code: 500,
})
