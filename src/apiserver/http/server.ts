// The HTTPS server: HTTP/1.1 and HTTP/2 on one port, in front of which is the Frontend.
import type { IncomingMessage } from 'node:http'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Request, Response } from './call.ts'
import { Frontend, type FrontendOptions } from './frontend.ts'

export interface HttpOptions extends FrontendOptions {
  key: string
  cert: string
  /** Signs the clients' certificates. */
  clientCa: string
}

/** Bytes of headers one request may have, as in Go's net/http. */
const maxHeaderBytes = 1 << 20
/** HTTP/2 streams one connection may have open, and resets it may cause a second. */
const maxConcurrentStreams = 250
const maxResetsPerSecond = 100

/** For connections of HTTP/1.1; the option is known to Node, not to its types. */
const http1 = { maxHeaderSize: maxHeaderBytes }

export interface RunningHttp {
  port: number
  close(): Promise<void>
}

export async function startHttp(options: HttpOptions, host: string, port: number): Promise<RunningHttp> {
  const server = createSecureServer({
    allowHTTP1: true,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    key: options.key,
    cert: options.cert,
    ca: options.clientCa,
    ...http1,
    settings: { maxConcurrentStreams, maxHeaderListSize: maxHeaderBytes },
    streamResetRate: maxResetsPerSecond,
    streamResetBurst: 1000,
  })
  const frontend = new Frontend(options)
  server.on(
    'request',
    (request, response) => void frontend.handle(request as unknown as Request, response as unknown as Response),
  )
  server.on(
    'upgrade',
    (request: IncomingMessage, socket: Duplex, head: Buffer) => void frontend.upgrade(request, socket, head),
  )
  server.on('sessionError', (error: Error) => options.core.log.debug('session failed', { error }))
  server.on('tlsClientError', (error: Error) => options.core.log.debug('TLS handshake failed', { error }))
  const sockets = new Set<Duplex>()
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.on('error', (error: Error) => options.core.log.debug('connection failed', { error }))
    socket.on('close', () => sockets.delete(socket))
  })
  await listen(server, host, port)
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
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
