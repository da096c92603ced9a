// The plain port: HTTP/1.1 on a loopback address, where every request is one of a superuser and no credentials count.
// It is off unless an administrator wants it. Programs on this machine can use it; web pages that a browser on this
// machine shows must not, so that a request has to name a loopback host, and may not come from another page.
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { StatusError } from '../../base/errors.ts'
import { trustConnection } from './authenticate.ts'
import { Frontend, type FrontendOptions } from './frontend.ts'

const maxHeaderBytes = 1 << 20
const headersMs = 120_000

/** Listens on a loopback address; with port 0 on any free one, which the result names. */
export async function startPlain(
  options: FrontendOptions,
  host: string,
  port: number,
): Promise<{ port: number; close(): Promise<void> }> {
  if (!isLoopback(host)) throw new StatusError('BadRequest', `${host} is no loopback address`)
  const frontend = new Frontend(options)
  // A watch or a stream has no end, so that only the headers have a time.
  const server = createServer({ maxHeaderSize: maxHeaderBytes, headersTimeout: headersMs, requestTimeout: 0 })
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    trustConnection(socket)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => {
    if (isForeign(request)) response.writeHead(403).end('this port is for programs on this machine\n')
    else void frontend.handle(request, response)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isForeign(request)) socket.destroy()
    else void frontend.upgrade(request, socket, head)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

const isLoopback = (host: string): boolean => /^(127(\.\d{1,3}){3}|::1|\[::1\]|localhost)$/.test(host)

/** Whether a request names another host than this machine, or a page of another one has made it. */
function isForeign({ headers: { host = '', origin } }: IncomingMessage): boolean {
  const from = origin === undefined ? undefined : URL.parse(origin)
  return !isLoopback(host.replace(/:\d+$/, '')) || (origin !== undefined && !isLoopback(from?.hostname ?? ''))
}
