// WebSockets with one stream of bytes, in the subprotocols of Kubernetes: as plain messages, or as base64 text.
// Source: apimachinery pkg/util/httpstream/wsstream (Reader, DefaultReaderProtocols); endpoints/handlers/watch.go.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { acceptWebSocket } from '../../wire/websocket.ts'

const protocols = ['binary.k8s.io', 'base64.binary.k8s.io', 'v4.base64.binary.k8s.io']

interface Frames {
  ws: WebSocket
  /** Sends one message, and resolves when it has left this process. */
  send(bytes: Buffer): Promise<void>
}

/** Accepts the upgrade. Without a subprotocol, messages are of the type `plain`, text or binary. */
export async function acceptFrames(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  plain: 'text' | 'binary',
): Promise<Frames> {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim())
  const supported = protocols.filter(name => offered.includes(name))
  if (!supported.length) delete request.headers['sec-websocket-protocol']
  const { ws, protocol } = await acceptWebSocket(request, socket, head, supported)
  const encode = (bytes: Buffer): string | Buffer => {
    if (protocol.includes('base64')) return bytes.toString('base64')
    return protocol === '' && plain === 'text' ? bytes.toString() : bytes
  }
  return {
    ws,
    send: bytes =>
      new Promise((resolve, reject) => ws.send(encode(bytes), error => (error ? reject(error) : resolve()))),
  }
}
