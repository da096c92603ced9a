// WebSockets with the subprotocols of Kubernetes, for both ends. The library `ws` implements the protocol. It accepts
// only tokens of RFC 7230 as subprotocols, and `SPDY/3.1+portforward.k8s.io` has a slash. So the subprotocol is
// negotiated here instead.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { StatusError } from '../base/errors.ts'

const webSocketLimits = {
  /** Limit of one message. */
  messageBytes: 8 << 20,
} as const

interface NegotiatedWebSocket {
  ws: WebSocket
  /** The negotiated subprotocol; '' when the client asked for none. */
  protocol: string
}

const header = 'sec-websocket-protocol'
const offeredIn = (value: string | undefined) => (value ?? '').split(',').map(name => name.trim())

/**
 * Accepts a WebSocket upgrade with the first of the client's subprotocols that is in `supported`. Throws BadRequest
 * when there is none, before anything has been written to the socket. Messages arrive from the next turn of the event
 * loop on, so listeners must be added before that.
 */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  supported: readonly string[],
): Promise<NegotiatedWebSocket> {
  const offered = offeredIn(request.headers[header])
  const protocol = offered.find(name => supported.includes(name))
  if (protocol === undefined && supported.length > 0)
    return Promise.reject(new StatusError('BadRequest', `the subprotocol must be one of ${supported.join(', ')}`))
  delete request.headers[header]
  // Compression would cost memory for each connection, and gain nothing for a terminal.
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: webSocketLimits.messageBytes,
  })
  if (protocol !== undefined) server.on('headers', headers => headers.push(`Sec-WebSocket-Protocol: ${protocol}`))
  return new Promise((resolve, reject) => {
    // The library has answered with 400 and closes the socket.
    server.once('wsClientError', reject)
    server.handleUpgrade(request, socket, head, ws => resolve(ready(ws, protocol ?? '')))
  })
}

/** Thrown when the peer answers an upgrade with an ordinary response. */
export class UpgradeRefused extends Error {
  readonly status: number
  readonly body: string

  constructor(status: number, body: string) {
    super(`the server refused the WebSocket with status ${status}: ${body.slice(0, 300)}`)
    this.name = 'UpgradeRefused'
    this.status = status
    this.body = body
  }
}

/**
 * Opens a WebSocket and offers `protocols`. Rejects with UpgradeRefused when the server does not accept it. Messages
 * arrive from the next turn of the event loop on, so listeners must be added before that.
 */
export function dialWebSocket(
  url: string | URL,
  protocols: readonly string[],
  options: ClientOptions = {},
): Promise<NegotiatedWebSocket> {
  const offer: Record<string, string> = protocols.length > 0 ? { 'Sec-WebSocket-Protocol': protocols.join(', ') } : {}
  const ws = new WebSocket(url, [], {
    perMessageDeflate: false,
    maxPayload: webSocketLimits.messageBytes,
    followRedirects: false,
    ...options,
    headers: { ...(options.headers as Record<string, string> | undefined), ...offer },
  })
  return new Promise((resolve, reject) => {
    let protocol = ''
    ws.once('upgrade', response => {
      protocol = response.headers[header] ?? ''
      delete response.headers[header]
      if (protocol === '' ? protocols.length > 0 : !protocols.includes(protocol))
        ws.emit('error', new Error(`the server chose the subprotocol '${protocol}' of ${protocols.join(', ')}`))
    })
    ws.once('unexpected-response', (_request, response) => {
      const parts: Buffer[] = []
      let left = 64 << 10
      response.on('data', (part: Buffer) => {
        if ((left -= part.length) >= 0) parts.push(part)
      })
      response.on('end', () => reject(new UpgradeRefused(response.statusCode ?? 0, Buffer.concat(parts).toString())))
      response.on('error', reject)
    })
    const failed = (error: Error) => {
      ws.terminate()
      reject(error)
    }
    ws.once('error', failed)
    ws.once('open', () => {
      ws.off('error', failed)
      resolve(ready(ws, protocol))
    })
  })
}

/**
 * Pauses the WebSocket until its caller has added listeners, so that a message that came with the upgrade is not lost.
 */
function ready(ws: WebSocket, protocol: string): NegotiatedWebSocket {
  ws.pause()
  setImmediate(() => ws.resume())
  return { ws, protocol }
}
