// What clients of a server that ends see: answers to what they have asked, watches that end in order, and then no more.
import { equal, match, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Stream, connect } from 'node:http2'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import type { PathHandler } from '../../src/apiserver/index.ts'
import { simulate } from './cluster.ts'
import { type Https, openHttps } from './https.ts'

const watch = '/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=0'

/** A server with a path that answers when `release` is called. */
const withSlow = (run: (https: Https, slow: { begun: Promise<unknown>; release(): void }) => Promise<void>) =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const [begun, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const slow: PathHandler = async ({ url, response }) => {
      if (url.pathname !== '/slow') return false
      begun.resolve()
      await released.promise
      response.end('done')
      return true
    }
    const https = await openHttps(sim, { paths: [slow] })
    try {
      await run(https, { begun: begun.promise, release: released.resolve })
    } finally {
      await https.close()
    }
  })

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

test('over HTTP/2 a server that ends answers what is under way, ends watches, and sends clients away', () =>
  withSlow(async (https, { begun, release }) => {
    const { host, port, ...tls } = https.tls
    const session = connect(`https://${host}:${port}`, tls)
    const ask = (path: string): ClientHttp2Stream => session.request({ ':path': path })
    const [slow, watching] = [ask('/slow'), ask(watch)]
    await Promise.all([begun, once(watching, 'response')])
    const goaway = once(session, 'goaway')
    const closed = https.close(5_000)
    equal((await goaway)[0], 0)
    // Events of what was there; the end is no error.
    await textOf(watching)
    const rest = textOf(slow)
    release()
    equal(await rest, 'done')
    await closed
    await rejects(https.send('GET', '/version'), /ECONNREFUSED/)
    session.destroy()
  }))

test('over HTTP/1.1 as well', () =>
  withSlow(async (https, { begun, release }) => {
    const answered = async (asked: ClientRequest) => ((await once(asked, 'response')) as [IncomingMessage])[0]
    const ask = (path: string) =>
      answered(get({ ...https.tls, path, agent: false, headers: { connection: 'keep-alive' } }))
    const slow = ask('/slow')
    const watching = await ask(watch)
    await begun
    const closed = https.close(5_000)
    await textOf(watching)
    release()
    const answer = await slow
    match(String(answer.headers.connection), /close/)
    equal(await textOf(answer), 'done')
    await closed
  }))

test('what takes longer than the server waits is cut off', () =>
  withSlow(async (https, { begun, release }) => {
    const cut = rejects(https.send('GET', '/slow'), /socket hang up|ECONNRESET/)
    await begun
    await https.close()
    await cut
    release()
  }))

test('a connection whose handshake goes on does not keep the server from its end', () =>
  withSlow(async https => {
    const socket = connectTcp(https.tls.port, https.tls.host)
    const ended = new Promise(resolve => socket.once('close', resolve))
    socket.on('error', () => {})
    await once(socket, 'connect')
    // The begin of a record of TLS, of which the rest does not come.
    socket.write(Buffer.from([0x16, 0x03, 0x01]))
    // An answer to a later connection shows that the server has read it.
    equal((await https.send('GET', '/version')).code, 200)
    const late = realClock.sleep(10_000).then(() => 'late')
    equal(await Promise.race([https.close().then(() => 'closed'), late]), 'closed')
    await ended
  }))
