// A connection with another protocol than HTTP, as exec, attach and port-forward need it. The request and its answer are
// passed on, and then all bytes in both directions.
//
// - Until the other side has answered, failures are thrown as a StatusError, and nothing has been sent to the client.
// - When either side closes, at any time, the other side is closed.
// - An answer that does not change the protocol is passed on as the last answer of the connection.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { awaitAnswer, type Destination, forwardedHeaders, openUpstream, unreachableError } from './upstream.ts'

/** Resolves when the client has the answer. `head` are the first bytes from the client after its request. */
export async function tunnel(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  destination: Destination,
): Promise<void> {
  const headers = {
    ...(destination.headers ?? forwardedHeaders(request.headers)),
    connection: 'Upgrade',
    upgrade: request.headers.upgrade ?? '',
  }
  const method = request.method ?? 'GET'
  const { signal, stop } = awaitAnswer(socket, head)
  let answer: { response: IncomingMessage; socket?: Duplex; head?: Buffer }
  try {
    const upstream = openUpstream(destination, { method, headers, signal })
    upstream.end()
    answer = await new Promise((resolve, reject) => {
      upstream.once('upgrade', (response, up, upHead) => resolve({ response, socket: up, head: upHead }))
      upstream.once('response', response => resolve({ response }))
      upstream.once('error', error => reject(unreachableError(error)))
    })
  } finally {
    head = stop()
  }
  const { response } = answer
  if (!answer.socket) return refuse(socket, response)
  socket.write(headText(response, pairsOf(response.rawHeaders)))
  join(socket, head, answer.socket, answer.head ?? Buffer.alloc(0))
}

/** Passes on an answer that does not change the protocol. Its body ends with the connection. */
async function refuse(socket: Duplex, response: IncomingMessage): Promise<void> {
  const headers = Object.entries(forwardedHeaders(response.headers)).flatMap(([name, value]) =>
    [value].flat().map(one => [name, one] as const),
  )
  socket.write(headText(response, [...headers, ['connection', 'close']]))
  socket.resume()
  // When either side fails, no other answer can be sent any more.
  await pipeline(response, socket).catch(() => {})
}

const pairsOf = (raw: readonly string[]): (readonly [string, string])[] =>
  raw.flatMap((name, i) => (i % 2 ? [] : [[name, raw[i + 1] ?? ''] as const]))

function headText({ statusCode, statusMessage }: IncomingMessage, headers: readonly (readonly [string, string])[]) {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join('')}\r\n`
}

/** Passes bytes between two connections until either ends, which closes the other. */
function join(a: Duplex, aHead: Buffer, b: Duplex, bHead: Buffer): void {
  if (aHead.length) b.write(aHead)
  if (bHead.length) a.write(bHead)
  a.pipe(b)
  b.pipe(a)
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    if (one.destroyed) other.destroy()
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
}
