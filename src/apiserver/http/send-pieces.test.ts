// Responses in pieces: one piece has a length, more are chunked or compressed, and a client that stops reading costs two
// pieces at most, until it is cut off.
import { deepEqual, equal, ok } from 'node:assert/strict'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { realClock } from '../../base/clock.ts'
import { pieceBytes } from './list-pieces.ts'
import { type Patience, sendParts } from './send-pieces.ts'

interface Served {
  response: IncomingMessage
  /** What of the parts has been taken to be sent, in bytes. */
  taken(): number
  /** What Node.js holds of the response. */
  held(): number
  /** Resolves when the server is done with the response. */
  done: Promise<void>
}

async function served(
  { parts, headers = {}, patience = {} }: { parts: readonly Buffer[]; headers?: object; patience?: Partial<Patience> },
  look: (served: Served) => Promise<void>,
): Promise<void> {
  let taken = 0
  let held = () => 0
  const counted = function* () {
    for (const part of parts) {
      taken += part.length
      yield part
    }
  }
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    const abort = new AbortController()
    response.on('close', () => abort.abort())
    held = () => response.writableLength
    const call = { request, response, signal: abort.signal }
    const sending = sendParts(call, { code: 200, type: 'application/json' }, counted(), {
      clock: realClock,
      ...patience,
    })
    void Promise.resolve(sending).then(resolve)
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    const response = await new Promise<IncomingMessage>(resolve => {
      const asked = get({ port, host: '127.0.0.1', agent: false, headers: { ...headers } }, resolve)
      asked.on('error', () => {})
    })
    response.on('error', () => {})
    await look({ response, taken: () => taken, held: () => held(), done })
  } finally {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const parts = (count: number) => Array.from({ length: count }, (_, i) => Buffer.alloc(1000, 65 + (i % 26)))
const gzip = { 'accept-encoding': 'deflate, gzip' }

test('a response of one piece has its length, and is not compressed', async () => {
  const small = parts(100)
  await served({ parts: small, headers: gzip }, async ({ response }) => {
    equal(response.headers['content-length'], '100000')
    equal(response.headers['content-encoding'], undefined)
    deepEqual(await bodyOf(response), Buffer.concat(small))
  })
})

test('a larger one is chunked, and compressed for who accepts it', async () => {
  const large = parts(1000)
  await served({ parts: large }, async ({ response }) => {
    deepEqual([response.headers['content-length'], response.headers['transfer-encoding']], [undefined, 'chunked'])
    deepEqual(await bodyOf(response), Buffer.concat(large))
  })
  await served({ parts: large, headers: gzip }, async ({ response }) => {
    deepEqual([response.headers['content-encoding'], response.headers.vary], ['gzip', 'Accept-Encoding'])
    deepEqual(gunzipSync(await bodyOf(response)), Buffer.concat(large))
  })
})

test('pretty JSON is indented piece by piece', async () => {
  const elements = Array.from({ length: 3000 }, (_, i) => ({ name: `${i}{"`, list: [], of: { a: ['x', i, {}] } }))
  const pieces = elements.map((element, i) => Buffer.from(`${i ? ',' : ''}${JSON.stringify(element)}`))
  const text = [Buffer.from('{"items":['), ...pieces, Buffer.from(']}')]
  await served({ parts: text, headers: { 'user-agent': 'curl/8' } }, async ({ response }) => {
    equal((await bodyOf(response)).toString(), JSON.stringify({ items: elements }, undefined, 2))
  })
})

test('a client that reads nothing holds at most two pieces, and is cut off', async () => {
  const cutOff: (() => void)[] = []
  const clock = { ...realClock, after: (_ms: number, fn: () => void) => (cutOff.push(fn), () => cutOff.pop()) }
  const part = Buffer.alloc(10_000)
  const endless = Array.from({ length: 20_000 }, () => part)
  await served({ parts: endless, patience: { clock, stalledMs: 1000 } }, async ({ taken, held, done }) => {
    // What the kernel takes comes first, until it takes no more.
    for (let before = -1; before !== taken(); ) {
      before = taken()
      await realClock.sleep(100)
    }
    ok(taken() < 50_000_000, `${taken()} bytes were taken`)
    ok(held() > 0 && held() <= 2 * pieceBytes, `${held()} bytes are held`)
    equal(cutOff.length, 1)
    cutOff[0]!()
    await done
    ok(taken() < 50_000_000, `${taken()} bytes were taken`)
  })
})
