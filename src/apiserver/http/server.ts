// The HTTPS server: HTTP/1.1 and HTTP/2 on one port, for the Frontend.
//
// - TLS is at least 1.2. A client certificate is optional, and counts only if the cluster's authority signed it, or that of
//   front proxies.
// - A connection must begin a TLS handshake within 120 s. One that sends plain HTTP gets an error in plain HTTP.
// - The headers of a request have at most 1 MiB. A connection has at most 250 concurrent requests with HTTP/2, and is
//   closed when its client resets more than 100 of them a second for long.
// - `leave` sends the clients of other machines elsewhere, see ending.ts. `close` refuses new connections, waits for what
//   is under way, and destroys the rest, whose operations abort.
import type { IncomingMessage } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../../base/log.ts'
import { counter } from '../../base/metrics.ts'
import { traceRequest } from '../../base/trace.ts'
import type { Request, Response } from './call.ts'
import { isLoopback } from './ending.ts'
import { Frontend, type FrontendOptions } from './frontend.ts'

interface HttpOptions extends FrontendOptions {
  key: string
  cert: string
  /** PEM of the authority that signs certificates of clients. */
  clientCa: string
}

/** Limit of the headers of a request. Source: Go's net/http (DefaultMaxHeaderBytes). */
const maxHeaderBytes = 1 << 20
/** Limits of open streams of an HTTP/2 connection, and of resets by its client in a second. */
const maxConcurrentStreams = 250
const maxResetsPerSecond = 100

const handshakeErrors = counter('apiserver_tls_handshake_errors_total', 'TLS handshakes that failed.')

/** Options for connections of HTTP/1.1, which the types of Node.js lack here. */
const http1 = { maxHeaderSize: maxHeaderBytes }

interface RunningHttp {
  port: number
  /** Makes new connections use another certificate. */
  renew(key: string, cert: string): void
  /** Sends the clients of other machines to another server, while new connections are still accepted. */
  leave(): void
  /** @param patienceMs how long to wait for the answers to requests under way */
  close(patienceMs?: number): Promise<void>
}

/** Listens on a port; with 0 on any free one, which the result names. */
export async function startHttp(options: HttpOptions, host: string, port: number): Promise<RunningHttp> {
  const ca = [options.clientCa, ...(options.core.frontProxyCa ? [String(options.core.frontProxyCa)] : [])]
  const minVersion = 'TLSv1.2' as const
  const server = createSecureServer({
    allowHTTP1: true,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion,
    key: options.key,
    cert: options.cert,
    ca,
    ...http1,
    settings: { maxConcurrentStreams, maxHeaderListSize: maxHeaderBytes },
    streamResetRate: maxResetsPerSecond,
    streamResetBurst: 1000,
  })
  const frontend = new Frontend(options)
  server.on('request', (request, response) =>
    handleTraced(frontend, request as unknown as Request, response as unknown as Response),
  )
  server.on(
    'upgrade',
    (request: IncomingMessage, socket: Duplex, head: Buffer) => void frontend.upgrade(request, socket, head),
  )
  server.on('sessionError', (error: Error) => options.core.log.debug('an HTTP/2 session failed', { error }))
  server.on('tlsClientError', () => handshakeErrors.add())
  server.on('tlsClientError', (error: Error) => options.core.log.debug('a TLS handshake failed', { error }))
  const sockets = new Set<Duplex>()
  refusePlainHttp(server, sockets, options.core.log)
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.on('error', (error: Error) => options.core.log.debug('a connection failed', { error }))
    socket.on('close', () => sockets.delete(socket))
  })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
  })
  await listen(server, host, port)
  return {
    port: (server.address() as AddressInfo).port,
    renew: (key, cert) => server.setSecureContext({ key, cert, ca, minVersion }),
    leave() {
      frontend.ending.leave()
      // A session ends after the answers that it owes.
      for (const session of sessions) if (!isLoopback(session.socket?.remoteAddress ?? '')) session.close()
    },
    async close(patienceMs = 0) {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      await frontend.ending.finish(patienceMs)
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Answers a request, in a span of its own if it is sampled. */
function handleTraced(frontend: Frontend, request: Request, response: Response): void {
  const { method = 'GET', url = '/', headers } = request
  const parent = headers.traceparent
  const ended = traceRequest('KubernetesAPI', typeof parent === 'string' ? parent : undefined, () => {
    void frontend.handle(request, response)
  })
  if (!ended) return
  response.once('close', () => {
    const { statusCode } = response
    const audit = String(response.getHeader('Audit-Id') ?? '')
    const attributes = { 'http.method': method, 'http.target': url.slice(0, maxTarget), 'audit-id': audit }
    ended({ ...attributes, 'http.status_code': statusCode }, statusCode >= serverErrors)
  })
}

const serverErrors = 500
/** How much of a URL a span has. */
const maxTarget = 1_024

/** The first byte of a TLS handshake, and the time within which it must arrive. */
const handshake = 0x16
const firstByteMs = 120_000

/**
 * Answers clients that send HTTP instead of TLS, rather than closing the connection. Source: Go's net/http
 * (Server.Serve).
 * @param open receives all connections for as long as they last, also those whose handshake goes on
 */
function refusePlainHttp(server: Http2SecureServer, open: Set<Duplex>, log: Log): void {
  const begin = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const failed = (error: Error) => log.debug('a connection failed', { error })
    const onFirst = () => {
      const first = socket.read(1) as Buffer | null
      if (!first) return void socket.once('readable', onFirst)
      socket.setTimeout(0)
      if (first[0] !== handshake) {
        socket.end('HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n')
        // The rest of the request is read and dropped. Otherwise the connection would be reset, and the answer lost.
        return void socket.resume()
      }
      socket.unshift(first)
      socket.off('error', failed)
      for (const listener of begin) listener.call(server, socket)
    }
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.on('error', failed)
    socket.once('end', () => socket.destroy())
    socket.setTimeout(firstByteMs, () => socket.destroy())
    socket.once('readable', onFirst)
  })
}

function listen(server: Http2SecureServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
