import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { createWebSocketStream, type WebSocket } from 'ws'
import {
  bridgeWebSocketToSpdy,
  channelProtocols,
  tunnelProtocol,
  tunnelWebSocketToSpdy,
  type ChannelProtocol,
  type StreamOptions,
} from './remotecommand.ts'
import { acceptWebSocket, dialWebSocket, UpgradeRefused } from './websocket.ts'
import { SpdyConnection, type SpdyStream } from './spdy/index.ts'

const megabyte = Buffer.alloc(1 << 20, 'kutter ')
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port

/** A WebSocket client, the translating server in the middle, and a SPDY backend, over loopback. */
async function chain(
  protocols: string[],
  backend: (connection: SpdyConnection) => void,
  middle: (ws: WebSocket, socket: Duplex) => Promise<void>,
  use: (ws: WebSocket) => Promise<void>,
): Promise<void> {
  const sockets: Duplex[] = []
  const spdy = createTcpServer(socket => {
    sockets.push(socket)
    backend(new SpdyConnection(socket, { role: 'server' }))
  }).listen(0, '127.0.0.1')
  await once(spdy, 'listening')
  let bridged: Promise<void> | undefined
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    sockets.push(socket)
    bridged = acceptWebSocket(request, socket, head, [...channelProtocols, tunnelProtocol]).then(({ ws }) =>
      middle(ws, connect(portOf(spdy), '127.0.0.1')),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { ws, protocol } = await dialWebSocket(`ws://127.0.0.1:${portOf(server)}/`, protocols)
  assert.equal(protocol, protocols.at(-1))
  try {
    await use(ws)
    await bridged
  } finally {
    ws.terminate()
    for (const socket of sockets) socket.destroy()
    server.close()
    spdy.close()
  }
}

const exec = (
  options: StreamOptions,
  backend: (streams: Map<string, SpdyStream>, connection: SpdyConnection) => Promise<void>,
  use: (ws: WebSocket) => Promise<void>,
  protocol: ChannelProtocol = 'v5.channel.k8s.io',
) =>
  chain(
    [protocol],
    connection => {
      const streams = new Map<string, SpdyStream>()
      const { stdin, stdout, stderr, tty } = options
      const expected = 1 + [stdin, stdout, stderr && !tty, tty].filter(Boolean).length
      connection.on('stream', (stream, headers) => {
        streams.set(headers.streamtype!, stream)
        if (streams.size === expected) void backend(streams, connection)
      })
    },
    (ws, socket) => bridgeWebSocketToSpdy(ws, protocol, socket, options),
    use,
  )

/** Collects what the client receives, by channel, until the server closes. */
async function collect(ws: WebSocket): Promise<{ channels: string[]; first: string; code: number }> {
  const parts: Buffer[][] = [[], [], [], []]
  let first: string | undefined
  ws.on('message', (data: Buffer) => {
    first ??= data.toString('hex', 0, 8)
    parts[data[0]!]!.push(data.subarray(1))
  })
  const [code] = (await once(ws, 'close')) as [number]
  return { channels: parts.map(p => Buffer.concat(p).toString()), first: first ?? '', code }
}

test('exec passes input, its end, both outputs and the status', () =>
  exec(
    { stdin: true, stdout: true, stderr: true },
    async (streams, connection) => {
      assert.deepEqual([...streams.keys()], ['error', 'stdin', 'stdout', 'stderr'])
      const input = await buffer(streams.get('stdin')!)
      streams.get('stdout')!.end(input)
      streams.get('stderr')!.end('warning')
      streams.get('error')!.end('{"status":"Success"}')
      connection.close()
    },
    async ws => {
      const collected = collect(ws)
      for (let at = 0; at < megabyte.length; at += 40_000)
        ws.send(Buffer.concat([Buffer.from([0]), megabyte.subarray(at, at + 40_000)]))
      ws.send(Buffer.from([255, 0]))
      const { channels, first, code } = await collected
      assert.equal(first, '01')
      assert.ok(channels[1] === megabyte.toString())
      assert.deepEqual([channels[2], channels[3], code], ['warning', '{"status":"Success"}', 1000])
    },
  ))

test('exec with a terminal has a resize stream and no stderr, and v4 has no close message', () =>
  exec(
    { stdin: true, stdout: true, stderr: true, tty: true },
    async streams => {
      assert.deepEqual([...streams.keys()], ['error', 'stdin', 'stdout', 'resize'])
      const [size] = (await once(streams.get('resize')!, 'data')) as [Buffer]
      const [input] = (await once(streams.get('stdin')!, 'data')) as [Buffer]
      streams.get('stdout')!.end(`${size} ${input}`)
      // Go closes by resetting the streams that are left.
      streams.get('error')!.write('{"status":"Success"}', () => {
        for (const stream of streams.values()) stream.destroy()
      })
    },
    async ws => {
      const collected = collect(ws)
      ws.send(Buffer.from('\x04{"Width":80,"Height":24}'))
      ws.send(Buffer.from([255, 0]))
      ws.send(Buffer.from('\x00ls'))
      const { channels } = await collected
      assert.deepEqual(channels, ['', '{"Width":80,"Height":24} ls', '', '{"status":"Success"}'])
    },
    'v4.channel.k8s.io',
  ))

test('the client gets a Status when the backend breaks off', () =>
  exec(
    { stdout: true },
    async (streams, connection) => {
      streams.get('stdout')!.write('half', () => connection.close())
      for (const stream of streams.values()) stream.end()
    },
    async ws => {
      const { channels, code } = await collect(ws)
      assert.equal(channels[1], 'half')
      const status = JSON.parse(channels[3]!) as { status: string; reason: string; code: number }
      assert.deepEqual([status.status, status.reason, status.code, code], ['Failure', 'InternalError', 500, 1000])
    },
  ))

test('the connection to the backend ends when the client disconnects', async () => {
  let ended: Promise<unknown> | undefined
  await exec(
    { stdin: true, stdout: true },
    async (streams, connection) => {
      ended = once(connection, 'close')
      streams.get('stdout')!.write('ready')
    },
    async ws => {
      await new Promise<void>(resolve => ws.on('message', (data: Buffer) => data.length > 1 && resolve()))
      ws.terminate()
    },
  )
  await ended
})

test('port-forward passes SPDY inside the WebSocket to the backend unchanged', () =>
  chain(
    [tunnelProtocol],
    connection => connection.on('stream', stream => void stream.pipe(stream)),
    (ws, socket) => tunnelWebSocketToSpdy(ws, socket),
    async ws => {
      const client = new SpdyConnection(createWebSocketStream(ws), { role: 'client' })
      const one = async (port: string) => {
        const stream = client.openStream({ streamtype: 'data', port })
        stream.end(megabyte)
        assert.ok((await buffer(stream)).equals(megabyte))
      }
      await Promise.all(['80', '81', '82', '83'].map(one))
      client.close()
      await once(ws, 'close')
    },
  ))

test('an upgrade without a supported subprotocol is refused', async () => {
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    acceptWebSocket(request, socket, head, channelProtocols).catch((error: Error) =>
      socket.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n${error.message}`),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await assert.rejects(dialWebSocket(`ws://127.0.0.1:${portOf(server)}/`, ['other/1']), (error: unknown) => {
    assert.ok(error instanceof UpgradeRefused)
    assert.deepEqual(
      [error.status, error.body],
      [400, 'the subprotocol must be one of v5.channel.k8s.io, v4.channel.k8s.io'],
    )
    return true
  })
  server.close()
})

test('the tunnel closes when the backend does', async () => {
  const backends: Socket[] = []
  const plain: Server = createTcpServer(socket => void backends.push(socket)).listen(0, '127.0.0.1')
  await once(plain, 'listening')
  await chain(
    ['other', tunnelProtocol],
    () => {},
    ws => tunnelWebSocketToSpdy(ws, connect(portOf(plain), '127.0.0.1')),
    async ws => {
      ws.send(Buffer.from('hello'))
      while (backends.length === 0) await once(plain, 'connection')
      const [bytes] = (await once(backends[0]!, 'data')) as [Buffer]
      assert.equal(bytes.toString(), 'hello')
      backends[0]!.end('bye')
      const [message] = (await once(ws, 'message')) as [Buffer]
      assert.equal(message.toString(), 'bye')
      await once(ws, 'close')
    },
  )
  plain.close()
})
