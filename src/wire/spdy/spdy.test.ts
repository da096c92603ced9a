import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { constants, createDeflate, createInflate } from 'node:zlib'
import { settle } from '../../base/clock.ts'
import { headerDictionary } from './dictionary.ts'
import { FrameReader, FrameWriter, type Frame } from './frames.ts'
import { HeaderPacker, HeaderUnpacker } from './headers.ts'
import { SpdyConnection, streamLimits, type Headers, type SpdyStream } from './index.ts'

/** Calls `use` with both ends of a connection over loopback, and closes everything afterwards. */
async function pair(use: (client: SpdyConnection, server: SpdyConnection) => Promise<void>): Promise<void> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const socket = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  const [peer] = await accepted
  const client = new SpdyConnection(socket, { role: 'client' })
  const server = new SpdyConnection(peer, { role: 'server' })
  try {
    await use(client, server)
  } finally {
    client.destroy()
    server.destroy()
    listener.close()
  }
}

const echo = (server: SpdyConnection) => server.on('stream', stream => void stream.pipe(stream))
const megabyte = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31 + (i >> 9)) & 0xff))

test('header blocks are one zlib stream, as the specification requires', async () => {
  const blocks: Headers[] = [
    { streamtype: 'error' },
    { streamtype: 'stdin', 'x-long': 'y'.repeat(20_000) },
    {},
    { streamtype: 'error', port: '80' },
  ]
  const packer = new HeaderPacker()
  const unpacker = new HeaderUnpacker()
  // Compared with the streams of zlib itself, in both directions, over more than a window of history.
  const inflate = createInflate({ dictionary: headerDictionary })
  const deflate = createDeflate({ dictionary: headerDictionary })
  const theirs = new HeaderUnpacker()
  for (let round = 0; round < 3; round++)
    for (const headers of blocks) {
      const packed = packer.pack(headers)
      assert.deepEqual({ ...unpacker.unpack(packed) }, headers)
      inflate.write(packed)
      await new Promise<void>(resolve => inflate.flush(constants.Z_SYNC_FLUSH, resolve))
      const plain = inflate.read() as Buffer
      assert.equal(plain.readUInt32BE(), Object.keys(headers).length)
      deflate.write(plain)
      await new Promise<void>(resolve => deflate.flush(constants.Z_SYNC_FLUSH, resolve))
      assert.deepEqual({ ...theirs.unpack(deflate.read() as Buffer) }, headers)
    }
  assert.throws(() => new HeaderUnpacker().unpack(Buffer.from('nonsense')), /not a zlib stream/)
})

test('frames are decoded however the bytes are cut', () => {
  const writer = new FrameWriter()
  const bytes = Buffer.concat([
    writer.settings(1000),
    writer.synStream(1, { a: 'b' }),
    writer.data(1, 5, true),
    Buffer.from('hello'),
    writer.synReply(1, { c: 'd' }),
    writer.ping(7),
    writer.data(3, 0, true),
    writer.rstStream(3, 5),
    writer.windowUpdate(0, 99),
    writer.goaway(1),
  ])
  for (const step of [1, 3, 7, 8, 1000]) {
    const reader = new FrameReader()
    const frames: Frame[] = []
    for (let at = 0; at < bytes.length; at += step) frames.push(...reader.read(bytes.subarray(at, at + step)))
    const data = frames.filter(f => f.type === 'data' && f.id === 1) as Extract<Frame, { type: 'data' }>[]
    assert.equal(Buffer.concat(data.map(d => d.bytes)).toString(), 'hello')
    assert.deepEqual(
      data.map(d => d.fin),
      [...data.slice(1).map(() => false), true],
    )
    const rest = frames.filter(f => f.type !== 'data').map(f => f.type)
    assert.deepEqual(rest, ['settings', 'syn-stream', 'syn-reply', 'ping', 'rst-stream', 'window-update', 'goaway'])
  }
  assert.throws(
    () => [...new FrameReader().read(Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(2)).fill(0x90, 0, 2))],
    /does not speak SPDY\/3/,
  )
})

test('a megabyte passes through one stream and back', () =>
  pair(async (client, server) => {
    echo(server)
    const stream = client.openStream({ streamtype: 'data' })
    const [back] = await Promise.all([
      buffer(stream),
      pipeline([megabyte], stream, { end: false }).then(() => stream.end()),
    ])
    assert.ok(back.equals(megabyte))
    assert.equal(stream.cut, false)
    await settle()
    assert.deepEqual([client.streams, server.streams], [0, 0])
  }))

test('many streams at the same time keep their headers and bytes apart', () =>
  pair(async (client, server) => {
    server.on('stream', (stream, headers) => {
      stream.write(`${headers.name}:`)
      stream.pipe(stream)
    })
    const one = async (i: number) => {
      const stream = client.openStream({ name: `n${i}` })
      stream.end(`${i} `.repeat(i * 20))
      assert.equal((await buffer(stream)).toString(), `n${i}:${`${i} `.repeat(i * 20)}`)
    }
    await Promise.all(Array.from({ length: 300 }, (_, i) => one(i)))
    const fromServer = once(client, 'stream') as Promise<[SpdyStream]>
    server.openStream({ from: 'server' }).end('hi')
    const [pushed] = await fromServer
    assert.deepEqual([pushed.id, pushed.headers.from, (await buffer(pushed)).toString()], [2, 'server', 'hi'])
  }))

test('one side of a stream can end while the other goes on', () =>
  pair(async (client, server) => {
    const opened = once(server, 'stream') as Promise<[SpdyStream]>
    const stream = client.openStream({})
    stream.end('12345')
    const [other] = await opened
    const got = await buffer(other)
    other.write(`got ${got.length}, `)
    await settle()
    other.end('bye')
    assert.equal((await buffer(stream)).toString(), 'got 5, bye')
  }))

test('a slow reader delays its own stream and no other', () =>
  pair(async (client, server) => {
    const slow = once(server, 'stream') as Promise<[SpdyStream]>
    const stream = client.openStream({ name: 'slow' })
    const [unread] = await slow
    let written = 0
    await client.ping()
    const writing = pipeline(
      async function* () {
        for (let i = 0; i < 64; i++) {
          yield megabyte.subarray(0, 64 << 10)
          written += 64 << 10
        }
      },
      stream,
      { end: false },
    )
    echo(server)
    for (let i = 0; i < 20; i++) await client.ping()
    const other = client.openStream({ name: 'quick' })
    other.end(megabyte)
    assert.ok((await buffer(other)).equals(megabyte))
    // A window, the buffers of both ends, and the piece that the generator holds.
    assert.ok(written <= streamLimits.windowBytes + 3 * (64 << 10) + (64 << 10), `${written}`)
    let read = 0
    unread.on('data', (bytes: Buffer) => (read += bytes.length))
    await writing
    stream.end()
    await once(unread, 'end')
    assert.equal(read, 4 << 20)
  }))

test('a peer without windows is delayed by the socket, and loses nothing', async () => {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const socket = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  const [peer] = await accepted
  const server = new SpdyConnection(peer, { role: 'server' })
  const opened = once(server, 'stream') as Promise<[SpdyStream]>
  const writer = new FrameWriter()
  const total = 40
  socket.write(writer.synStream(1, {}))
  for (let i = 0; i < total; i++) {
    socket.write(writer.data(1, megabyte.length, i === total - 1))
    socket.write(megabyte)
  }
  const [stream] = await opened
  while (!peer.isPaused()) await settle()
  assert.ok(stream.readableLength < streamLimits.bufferBytes + (256 << 10), `${stream.readableLength}`)
  let read = 0
  stream.on('data', (bytes: Buffer) => (read += bytes.length))
  await once(stream, 'end')
  assert.equal(read, total << 20)
  // It also gets more than the initial window, although it never grants more.
  const reader = new FrameReader()
  let got = 0
  const done = new Promise<void>(resolve =>
    socket.on('data', bytes => {
      for (const frame of reader.read(bytes)) {
        if (frame.type === 'window-update') assert.fail('a window update to a peer that knows none')
        if (frame.type === 'data') got += frame.bytes.length
        if (frame.type === 'data' && frame.fin) resolve()
      }
    }),
  )
  stream.end(megabyte)
  await done
  assert.equal(got, megabyte.length)
  socket.destroy()
  server.destroy()
  listener.close()
})

test('a stream ends when it is reset, refused or loses its connection', () =>
  pair(async (client, server) => {
    server.once('stream', stream => {
      stream.write('last words')
      stream.once('data', () => stream.destroy())
    })
    const reset = client.openStream({})
    reset.write('x')
    assert.equal((await buffer(reset)).toString(), 'last words')
    assert.equal(reset.cut, true)
    reset.on('error', () => assert.fail('a reset stream takes no error'))

    server.once('stream', stream => stream.destroy())
    const refused = client.openStream({})
    await assert.rejects(buffer(refused), /the peer refused the stream/)

    server.once('stream', stream => void stream.resume())
    const orphan = client.openStream({})
    await once(orphan, 'reply')
    const closed = once(client, 'close')
    server.destroy()
    assert.equal((await buffer(orphan)).length, 0)
    assert.equal(orphan.cut, true)
    await closed
    assert.throws(() => client.openStream({}), /closing/)
    await assert.rejects(client.ping(), /closed/)
  }))

test('close waits for open streams to end', () =>
  pair(async (client, server) => {
    echo(server)
    const stream = client.openStream({})
    await once(stream, 'reply')
    const closed = [once(client, 'close'), once(server, 'close')]
    server.close()
    await once(client, 'goaway')
    stream.end('still here')
    assert.equal((await buffer(stream)).toString(), 'still here')
    await Promise.all(closed)
  }))

test('bytes that are not SPDY end the connection', () =>
  pair(async (client, server) => {
    const closed = once(server, 'close')
    client.openStream({ a: 'b'.repeat(70_000) }).resume()
    const [error] = await closed
    assert.ok(error instanceof Error)
  }))
