// Logs over a WebSocket. Source: apimachinery pkg/util/httpstream/wsstream (Reader).
import { joined } from '../../base/waiters.ts'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { messageOf } from '../../base/errors.ts'
import { acceptFrames } from '../http/frames.ts'
import { throwRefusal } from './refusal.ts'
import { answerOf, awaitAnswer, type Destination, openUpstream } from './upstream.ts'

/**
 * Sends the log of a pod in the subprotocol that the client prefers, and resolves at its end. Throws a StatusError while
 * nothing has been sent to the client.
 */
export async function logsOverWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  destination: Destination,
  pod: string,
): Promise<void> {
  const ending = new AbortController()
  const early = awaitAnswer(socket, head)
  const { signal } = joined(ending.signal, early.signal)
  let answer: IncomingMessage
  try {
    const upstream = openUpstream(destination, { method: 'GET', headers: {}, signal })
    upstream.end()
    answer = await answerOf(upstream)
    await throwRefusal(answer, pod)
  } finally {
    head = early.stop()
  }
  const { ws, send } = await acceptFrames(request, socket, head, 'binary')
  ws.on('error', () => ending.abort())
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) await send(chunk)
    ws.close()
  } catch (error) {
    if (!signal.aborted) ws.close(1011, messageOf(error).slice(0, 100))
  }
}
