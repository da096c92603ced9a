// Tunnels over real connections: bytes in both directions, refusals, and what happens when one side closes early.
import { match, rejects, strictEqual } from 'node:assert'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { tunnel } from './tunnel.ts'

/** A client whose request is tunnelled to another server, which answers with the given handlers. */
async function opened(t: TestContext, onUpgrade?: (socket: Duplex, head: Buffer) => void, onRequest?: RequestListener) {
  const other = createServer(onRequest)
  if (onUpgrade)
    other.on('upgrade', (_request: IncomingMessage, socket: Duplex, head: Buffer) => onUpgrade(socket, head))
  const front = createServer()
  for (const server of [other, front]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
  }
  const { port } = other.address() as AddressInfo
  const done = new Promise<{ result: Promise<void> }>(resolve => {
    front.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => {})
      resolve({ result: tunnel(request, socket, head, { secure: false, options: { host: '127.0.0.1', port } }) })
    })
  })
  const client = connect((front.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => client.destroy())
  client.write('GET /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ')
  return { client, done }
}

const accept = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'

async function readUntil(socket: Socket, end: string): Promise<string> {
  let read = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    read += chunk.toString()
    if (read.endsWith(end)) break
  }
  return read
}

test('bytes pass in both directions, from the first on, until one side closes', async t => {
  for (const first of ['client', 'other'] as const) {
    const accepted = Promise.withResolvers<Duplex>()
    const { client, done } = await opened(t, (socket, head) => {
      socket.write(`${accept}hello `)
      if (head.length) socket.write(head)
      socket.on('error', () => {})
      socket.pipe(socket)
      accepted.resolve(socket)
    })
    match(await readUntil(client, 'early '), /^HTTP\/1\.1 101 [^]*\r\n\r\nhello early $/)
    await (await done).result
    client.write('more')
    strictEqual(await readUntil(client, 'more'), 'more')
    const other = await accepted.promise
    const closed = once(first === 'client' ? other : client, 'close')
    if (first === 'client') client.destroy()
    else other.destroy()
    await closed
  }
})

test('when the client closes before the other side answers, the other side is closed', async t => {
  const asked = Promise.withResolvers<Duplex>()
  const { client, done } = await opened(t, socket => asked.resolve(socket))
  const other = await asked.promise
  const ended = once(other.resume(), 'end')
  client.destroy()
  await rejects((await done).result, { reason: 'ServiceUnavailable' })
  await ended
  other.destroy()
})

test('an answer that does not change the protocol is passed on whole, and ends the connection', async t => {
  const { client, done } = await opened(t, undefined, (_request, response) => {
    response.writeHead(403, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] })
    response.write('not ')
    response.end('allowed')
  })
  const answer = await text(client)
  await (await done).result
  match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/)
  match(answer, /set-cookie: a=1\r\nset-cookie: b=2\r\n/)
  match(answer, /connection: close\r\n\r\nnot allowed$/)
  strictEqual(/transfer-encoding/i.test(answer), false)
})
