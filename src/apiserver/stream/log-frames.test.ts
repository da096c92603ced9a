// Logs over a WebSocket: from the first message to the end, and a client that leaves.
import { deepStrictEqual } from 'node:assert'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type TestContext, test } from 'node:test'
import WebSocket from 'ws'
import { logsOverWebSocket } from './log-frames.ts'

/** The address of a server that sends logs over a WebSocket, from a kubelet with the given handler. */
async function opened(t: TestContext, kubelet: RequestListener): Promise<string> {
  const [other, front] = [createServer(kubelet), createServer()]
  for (const server of [other, front]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
  }
  const { port } = other.address() as AddressInfo
  front.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const destination = { secure: false, options: { host: '127.0.0.1', port } }
    socket.on('error', () => {})
    void logsOverWebSocket(request, socket, head, destination, 'p').catch(() => socket.destroy())
  })
  return `ws://127.0.0.1:${(front.address() as AddressInfo).port}/`
}

test('each part of a log is a message, and the end of the log closes the connection', async t => {
  const url = await opened(t, (_request, response) => void response.end('a line'))
  const ws = new WebSocket(url)
  const messages: string[] = []
  ws.on('message', (data: Buffer) => messages.push(data.toString()))
  const [code] = (await once(ws, 'close')) as [number]
  deepStrictEqual([messages, code], [['a line'], 1005])
})

test('when the client closes, before or during a log, the connection to the kubelet is closed', async t => {
  for (const writes of [false, true]) {
    const asked = Promise.withResolvers<ServerResponse>()
    const url = await opened(t, (_request, response) => {
      if (writes) response.write('a line')
      asked.resolve(response)
    })
    const ws = new WebSocket(url)
    ws.on('error', () => {})
    const response = await asked.promise
    const closed = once(response, 'close')
    if (writes) {
      await once(ws, 'message')
      ws.close()
    } else ws.terminate()
    await closed
  }
})
