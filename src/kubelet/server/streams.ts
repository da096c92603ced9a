// exec, attach and port-forward, by the protocol of the client:
//
//   exec           SPDY v4, WebSocket v4 and v5   served here (exec.ts), with a process of the runtime
//   exec, attach   WebSocket v5                   translated to SPDY for the runtime's streaming server
//   port-forward   WebSocket tunnel               its SPDY content is passed to the streaming server
//   all            anything else                  the bytes are passed to the streaming server unchanged
//
// The runtime returns a URL of its streaming server for each request. Source: kubernetes pkg/kubelet/server (getExec
// …), KEP-4006.
import { type IncomingMessage, request as requestHttp } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { StatusError } from '../../base/errors.ts'
import { bridgeWebSocketToSpdy, tunnelProtocol, tunnelWebSocketToSpdy } from '../../wire/remotecommand.ts'
import { acceptWebSocket } from '../../wire/websocket.ts'
import { serveExec, isServedHere } from './exec.ts'
import { findPod, findRunning } from './find.ts'
import { endWhenIdle } from './idle.ts'
import type { NodeServerOptions } from './options.ts'

const newest = 'v5.channel.k8s.io'
const streamProtocol = 'v4.channel.k8s.io'
const forwardProtocol = 'portforward.k8s.io'

export async function serveStream(
  o: NodeServerOptions,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://node')
  const [, what = '', ...rest] = url.pathname.split('/').map(decodeURIComponent)
  if (what === 'exec' && o.context.runtime.exec && isServedHere(request)) {
    const { id, streamOptions } = findStreamed(o, rest, url.searchParams)
    const command = url.searchParams.getAll('command')
    const { clock, log, runtime } = o.context
    const start = () => runtime.exec!(id, command, streamOptions)
    return serveExec({
      request,
      socket,
      head,
      command,
      streamOptions,
      start,
      clock,
      log,
      idleMs: o.config.streamIdleMs,
    })
  }
  const there = await runtimeUrl(o, what, rest, url.searchParams)
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim())
  const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket'
  if (isWebSocket && what === 'portForward' && offered.includes(tunnelProtocol)) {
    const upstream = await dialSpdy(there, forwardProtocol)
    limitIdle(o, upstream.socket)
    const { ws } = await acceptWebSocket(request, socket, head, [tunnelProtocol])
    return tunnelWebSocketToSpdy(ws, upstream.socket, upstream.head)
  }
  if (isWebSocket && what !== 'portForward' && offered.includes(newest)) {
    const upstream = await dialSpdy(there, streamProtocol)
    limitIdle(o, upstream.socket)
    const { ws } = await acceptWebSocket(request, socket, head, [newest])
    return bridgeWebSocketToSpdy(ws, newest, upstream.socket, streamOptionsOf(url.searchParams), upstream.head)
  }
  await passThrough(o, request, socket, head, there)
}

function streamOptionsOf(query: URLSearchParams) {
  const has = (name: string) => ['1', 'true'].includes(query.get(name) ?? '')
  const tty = has('tty')
  return { stdin: has('input'), stdout: has('output'), stderr: has('error') && !tty, tty }
}

async function runtimeUrl(
  o: NodeServerOptions,
  what: string,
  [namespace = '', podName = '', ...more]: string[],
  query: URLSearchParams,
): Promise<URL> {
  const { runtime } = o.context
  if (what === 'portForward') {
    const worker = findPod(o.workers, namespace, podName, more[0])
    const sandbox = worker.seen.sandboxes.find(s => s.ready)
    if (!sandbox) throw new StatusError('NotFound', `not found ("${podName}_${namespace}")`)
    const ports = [...query.getAll('port'), ...query.getAll('ports')].flatMap(text => text.split(',')).map(Number)
    return new URL(await runtime.portForwardUrl(sandbox.id, ports))
  }
  const { id, streamOptions } = findStreamed(o, [namespace, podName, ...more], query)
  if (what === 'attach') return new URL(await runtime.attachUrl(id, streamOptions))
  if (what === 'exec') return new URL(await runtime.execUrl(id, query.getAll('command'), streamOptions))
  throw new StatusError('NotFound', '404 page not found')
}

/** The container of an exec or attach, and the requested streams. */
function findStreamed(o: NodeServerOptions, [namespace = '', podName = '', ...more]: string[], query: URLSearchParams) {
  const [uid, container] = more.length > 1 ? more : [undefined, more[0]]
  const worker = findPod(o.workers, namespace, podName, uid)
  const { id } = findRunning(worker, container ?? '')
  const streamOptions = streamOptionsOf(query)
  if (!streamOptions.stdin && !streamOptions.stdout && !streamOptions.stderr)
    throw new StatusError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr')
  return { id, streamOptions }
}

/** Ends a stream of the runtime that is idle, which ends that of the client. */
function limitIdle({ context: { clock }, config }: NodeServerOptions, socket: Socket): void {
  const bytes = () => socket.bytesRead + socket.bytesWritten
  const cancel = endWhenIdle({ clock, idleMs: config.streamIdleMs, bytes, end: () => socket.destroy() })
  socket.once('close', cancel)
}

interface Upstream {
  response: IncomingMessage
  socket: Socket
  head: Buffer
}

// The URL is one of the runtime on this machine, so a redirect is not followed.
function dial(url: URL, method: string, headers: IncomingMessage['headers']): Promise<Upstream> {
  return new Promise((resolve, reject) => {
    const outgoing = requestHttp(url, { method, headers, agent: false })
    outgoing.once('upgrade', (response, socket, head) => resolve({ response, socket: socket as Socket, head }))
    outgoing.once('response', response => {
      response.resume()
      reject(
        new StatusError('InternalError', `the container runtime answered ${response.statusCode} instead of a stream`),
      )
    })
    outgoing.once('error', cause =>
      reject(
        new StatusError('InternalError', `the container runtime's streams cannot be reached: ${cause.message}`, {
          cause,
        }),
      ),
    )
    outgoing.end()
  })
}

const dialSpdy = (url: URL, protocol: string) =>
  dial(url, 'POST', {
    connection: 'Upgrade',
    upgrade: 'SPDY/3.1',
    'x-stream-protocol-version': protocol,
    'content-length': '0',
  })

async function passThrough(
  o: NodeServerOptions,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  url: URL,
): Promise<void> {
  const headers = { ...request.headers, host: url.host }
  delete headers.authorization
  const upstream = await dial(url, request.method ?? 'POST', headers)
  limitIdle(o, upstream.socket)
  const { response } = upstream
  const lines = [`HTTP/1.1 ${response.statusCode} ${response.statusMessage}`]
  for (let i = 0; i < response.rawHeaders.length; i += 2)
    lines.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (head.length) upstream.socket.write(head)
  if (upstream.head.length) socket.write(upstream.head)
  socket.pipe(upstream.socket)
  upstream.socket.pipe(socket)
  upstream.socket.on('error', () => socket.destroy())
  upstream.socket.on('close', () => socket.destroy())
  socket.on('close', () => upstream.socket.destroy())
}
