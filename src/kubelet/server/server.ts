// The kubelet's HTTPS server: logs, exec, attach, port-forward, statistics and metrics, for the API server and for
// monitoring. Callers need a client certificate of the cluster's authority or a token, and the API server decides what
// they may do. Source: kubernetes pkg/kubelet/server/server.go.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { debugPage } from '../../base/debug-pages.ts'
import { messageOf, StatusError } from '../../base/errors.ts'
import type { NodeContext } from '../pod/context.ts'
import { makeGuard } from './auth.ts'
import { serveLogs } from './logs.ts'
import { serveNodeLogs } from './node-logs.ts'
import type { NodeServerOptions } from './options.ts'
import { countRequest } from './request-metrics.ts'
import { NodeStats } from './stats.ts'
import { serveStream } from './streams.ts'

const defaultPort = 10250
const limits = { headerBytes: 1 << 20, headersMs: 10_000, connections: 2000 }

interface NodeServer {
  port: number
  /** Uses another certificate for new connections. */
  renew(cert: string, key: string): void
  close(): Promise<void>
}

export async function startServer(o: NodeServerOptions): Promise<NodeServer> {
  const { log } = o.context
  const guard = makeGuard(o.context.client, o.nodeName)
  const stats = new NodeStats(o)
  const tls = {
    cert: o.cert,
    key: o.key,
    ca: o.clientCA,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2' as const,
  }
  const server = createServer({ ...tls, maxHeaderSize: limits.headerBytes, headersTimeout: limits.headersMs })
  const sockets = new Set<Duplex>()
  server.maxConnections = limits.connections
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => {
    countRequest(request, response, o.context.clock)
    answer(o, guard, stats, request, response).catch(error => refuse(response, error, log))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // The client may disconnect at any time, which needs no report.
    socket.on('error', () => socket.destroy())
    countRequest(request, socket, o.context.clock)
    guard(request)
      .then(() => serveStream(o, request, socket, head))
      .catch(error => refuseUpgrade(socket, error))
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(o.port ?? defaultPort, o.host, () => resolve())
  })
  return {
    port: (server.address() as AddressInfo).port,
    renew: (cert, key) => server.setSecureContext({ ...tls, cert, key }),
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function answer(
  o: NodeServerOptions,
  guard: ReturnType<typeof makeGuard>,
  stats: NodeStats,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  await guard(request)
  const url = new URL(request.url ?? '/', 'https://node')
  const [, first = '', ...rest] = url.pathname.split('/')
  switch (first) {
    case 'healthz':
      return text(response, 'ok')
    case 'pods':
      return json(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: o.pods.list() })
    case 'runningpods': {
      const running = Array.from(o.workers.values()).filter(w => w.seen.containers.some(c => c.state === 'running'))
      return json(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: running.map(w => w.pod) })
    }
    case 'containerLogs':
      return serveLogs(o, rest.map(decodeURIComponent), url.searchParams, request, response)
    case 'configz':
      return json(response, { kubeletconfig: o.configz })
    case 'flagz':
    case 'statusz':
    case 'debug':
      return servePage(o, url, request, response)
    case 'logs':
      return serveNodeLogs('/var/log', rest.map(decodeURIComponent).join('/'), url.searchParams, response)
    case 'stats':
      return json(response, await stats.summary())
    case 'metrics':
      return text(response, await stats.metrics(rest.join('/')), 'text/plain; version=0.0.4')
    case 'directories':
      return serveDirectory(o, request.method ?? '', rest.join('/'), url.searchParams, response)
    case 'exec':
    case 'attach':
    case 'portForward':
      throw new StatusError('BadRequest', 'you must request an upgrade of the connection (SPDY or WebSocket)')
    default:
      throw new StatusError('NotFound', '404 page not found')
  }
}

async function servePage(
  o: NodeServerOptions,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { clock } = o.context
  const abort = new AbortController()
  response.once('close', () => abort.abort(new Error('the client has disconnected')))
  const flags = Object.fromEntries(
    Object.entries(o.configz).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  )
  const pages = { component: 'kubelet', clock, flags, paths, profiling: o.profiling ?? true }
  const asked = { path: url.pathname, query: url.searchParams, accept: request.headers.accept, signal: abort.signal }
  const page = await debugPage(pages, asked)
  if (!page) throw new StatusError('NotFound', '404 page not found')
  return text(response, page.body, page.type)
}

const paths = ['/configz', '/containerLogs', '/debug', '/flagz', '/healthz', '/logs', '/metrics', '/pods', '/statusz']

async function serveDirectory(
  o: NodeServerOptions,
  method: string,
  name: string,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const directories = query.get('shared') === 'true' ? o.sharedDirectories : o.directories
  if (!directories) throw new StatusError('NotFound', 'this node has no directories for volumes')
  const bytes = Number(query.get('bytes') ?? 0)
  if (method === 'PUT' && query.get('existing') === 'true') return json(response, await directories.grow(name, bytes))
  if (method === 'PUT') return json(response, await directories.make(name, bytes))
  if (method !== 'DELETE') throw new StatusError('MethodNotAllowed', `${method} is not supported`)
  await directories.remove(name)
  return json(response, {})
}

function text(response: ServerResponse, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(200, { 'content-type': type, 'x-content-type-options': 'nosniff' })
  response.end(body)
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

const codeOf = (error: unknown) => (error instanceof StatusError ? error.code : 500)

function refuse(response: ServerResponse, error: unknown, log: NodeContext['log']): void {
  if (codeOf(error) >= 500) log.warn('a request to the node failed', { error })
  if (response.headersSent) return void response.destroy()
  response.writeHead(codeOf(error), { 'content-type': 'text/plain; charset=utf-8' })
  response.end(messageOf(error))
}

function refuseUpgrade(socket: Duplex, error: unknown): void {
  if (socket.destroyed) return
  const body = messageOf(error)
  const head = [
    `HTTP/1.1 ${codeOf(error)} Refused`,
    'content-type: text/plain; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
