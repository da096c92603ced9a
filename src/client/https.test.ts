// The transport over a network that loses connections without closing them.
import assert from 'node:assert/strict'
import { createServer, type ServerHttp2Session } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { httpsTransport } from './https.ts'

const listen = (server: { listen: Server['listen']; address: Server['address'] }) =>
  new Promise<number>(resolve => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))

/**
 * A server that answers all paths but `/never`, behind a proxy that can stop forwarding without closing connections.
 */
async function place(t: TestContext) {
  const server = createServer()
  const sessions = new Set<ServerHttp2Session>()
  let pings = 0
  server.on('session', session => sessions.add(session.on('ping', () => pings++)))
  let asked = () => {}
  const askedForNever = new Promise<void>(resolve => (asked = resolve))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    if (headers[':path'] === '/never') return asked()
    stream.respond({ ':status': 200 })
    stream.end('yes')
  })
  const port = await listen(server)
  const sockets = new Set<Socket>()
  const connections: Socket[] = []
  const way = createTcpServer(near => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    connections.push(near)
    near.pipe(far).pipe(near)
  })
  const wayPort = await listen(way)
  t.after(() => {
    for (const session of sessions) session.destroy()
    for (const socket of sockets) socket.destroy()
    way.close()
    server.close()
  })
  const cut = () => {
    for (const socket of sockets) socket.unpipe().pause()
  }
  return { url: `http://127.0.0.1:${wayPort}`, cut, connections, askedForNever, pings: () => pings }
}

const patience = { connectMs: 20_000, pingEveryMs: 20, pingAnswerMs: 1_000 }

test('a connection whose pings are not answered is replaced by a new one', { timeout: 30_000 }, async t => {
  const { url, cut, connections, askedForNever } = await place(t)
  const transport = httpsTransport(() => ({ server: url, ca: '' }), patience)
  t.after(() => transport.close())
  assert.equal(await transport.fetch('/a'), 'yes')
  const waiting = assert.rejects(transport.fetch('/never'), { reason: 'ServiceUnavailable' })
  await askedForNever
  cut()
  await waiting
  assert.equal(await transport.fetch('/b'), 'yes')
  assert.equal(connections.length, 2)
})

test('requests without answers do not keep a lost connection alive', { timeout: 30_000 }, async t => {
  const { url, cut } = await place(t)
  const transport = httpsTransport(() => ({ server: url, ca: '' }), patience)
  t.after(() => transport.close())
  assert.equal(await transport.fetch('/a'), 'yes')
  cut()
  // One request follows the other, and each is aborted by its caller long before the connection is given up.
  let answer = ''
  while (!answer) answer = await transport.fetch('/b', AbortSignal.timeout(100)).catch(() => '')
  assert.equal(answer, 'yes')
})

test('a connection that answers pings stays', { timeout: 30_000 }, async t => {
  const { url, connections, pings } = await place(t)
  const transport = httpsTransport(() => ({ server: url, ca: '' }), { ...patience, pingAnswerMs: 20_000 })
  t.after(() => transport.close())
  while (pings() < 5) assert.equal(await transport.fetch('/a'), 'yes')
  assert.equal(connections.length, 1)
})

test('a server that accepts connections and sends nothing is unavailable', { timeout: 30_000 }, async t => {
  const silent = createTcpServer(() => {})
  const port = await listen(silent)
  const transport = httpsTransport(() => ({ server: `https://127.0.0.1:${port}`, ca: '' }), {
    ...patience,
    connectMs: 50,
  })
  t.after(() => {
    transport.close()
    silent.close()
  })
  await assert.rejects(transport.fetch('/a'), { reason: 'ServiceUnavailable' })
})
