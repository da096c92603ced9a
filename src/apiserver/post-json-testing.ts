// A server over HTTPS for tests, with a poster that trusts it.
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { realClock, settle, type VirtualClock } from '../base/clock.ts'
import { issue, makeAuthority } from '../wire/x509.ts'
import { JsonPoster } from './post-json.ts'

/** What a server answers; without a code 200. */
export interface JsonAnswer {
  code?: number
  body: unknown
  headers?: Record<string, string>
}

/** Answers each body by `answer` until the test ends. `asked` has all bodies in their order. */
export async function jsonServer<T>(
  t: TestContext,
  answer: (body: T) => JsonAnswer,
): Promise<{ poster: JsonPoster; asked: T[] }> {
  const valid = { now: realClock.now(), validMs: 3600_000 }
  const authority = await makeAuthority({ commonName: 'ca', ...valid })
  const pair = await issue(authority, { commonName: 's', ips: ['127.0.0.1'] }, { usages: ['server auth'], ...valid })
  const asked: T[] = []
  const server = createServer({ key: pair.keyPem, cert: pair.certPem }, (request, response) => {
    let text = ''
    request.on('data', chunk => (text += chunk))
    request.on('end', () => {
      const given = JSON.parse(text) as T
      asked.push(given)
      const { code = 200, body, headers } = answer(given)
      response.writeHead(code, headers).end(JSON.stringify(body))
    })
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const poster = new JsonPoster({ server: `https://127.0.0.1:${port}/review`, ca: authority.certPem })
  t.after(() => {
    poster.close()
    server.closeAllConnections()
    server.close()
  })
  return { poster, asked }
}

/** Moves the clock until a promise settles that also waits for a real server. */
export async function untilSettled<T>(clock: VirtualClock, promise: Promise<T> | T): Promise<T> {
  let isSettled = false
  const watched = Promise.resolve(promise).finally(() => (isSettled = true))
  watched.catch(() => {})
  while (!isSettled) {
    await clock.forward(100)
    await settle()
  }
  return watched
}
