// What a real HAProxy does with requests: each row is a request and what comes back, for Ingresses of all sorts in front
// of small servers on this machine. A process is also changed while it runs, and replaced by another.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, type IncomingHttpHeaders, request, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { realClock } from '../../base/clock.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { objectOf } from '../../kinds/testing.ts'
import { changeServers, planServers, refreshCookies } from './changes.ts'
import { placeholderPem } from './certificates.ts'
import { ask, serversAt } from './cli.ts'
import { filesOf, placeholderFile } from './config.ts'
import { planIngress } from './plan.ts'
import { type Generation, Haproxy } from './process.ts'
import { around, ingressOf, noHaproxy, worldOf } from './testing.ts'

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  /** The server that answered, and the path and headers that it got. */
  server?: string
  path?: string
  got: IncomingHttpHeaders
}

/** Answers with its name and what it got. */
async function echo(name: string): Promise<{ server: HttpServer; address: string }> {
  const server = createServer((got, answer) => {
    got.resume().on('end', () => answer.end(JSON.stringify({ server: name, path: got.url, got: got.headers })))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

interface Ask {
  host?: string
  method?: string
  headers?: Record<string, string>
  body?: string
  agent?: Agent
}

function send(
  port: number,
  path: string,
  { host = 'a.test', method = 'GET', headers = {}, body, agent }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: { host, ...headers },
      ...(agent && { agent }),
    })
    // A server may close a connection that it holds open just when a request comes, which is then sent again.
    // Source: RFC 9112, 9.3.1.
    sent.on('error', error =>
      sent.reusedSocket ? resolve(send(port, path, { host, method, headers })) : reject(error),
    )
    sent.on('response', answer => {
      let text = ''
      answer.on('data', chunk => (text += String(chunk)))
      answer.on('end', () => {
        const said = text.startsWith('{') ? (JSON.parse(text) as Omit<Answer, 'status' | 'headers'>) : { got: {} }
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, ...said })
      })
    })
    sent.end(body)
  })
}

async function freePort(): Promise<number> {
  const { server } = await echo('')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

// The password is `open`, hashed by `openssl passwd -5`.
const users = objectOf(Secret, {
  metadata: { name: 'users' },
  data: { auth: Buffer.from('ann:$5$salt$MAzCb8agVQohO4.bXCH321t9vubIqkDr7Rk.2wkYqw1\n').toString('base64') },
})
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })

const ingresses = [
  ingressOf({
    name: 'paths',
    rules: [
      { host: 'a.test', paths: ['Prefix / root', 'Prefix /foo foo', 'Prefix /foo/bar bar', 'Exact /foo/only only'] },
      { host: '*.wild.test', paths: ['Prefix / wild'] },
      { host: 'b.wild.test', paths: ['Prefix /b foo'] },
      { paths: ['Prefix /any any'] },
    ],
  }),
  ingressOf({
    name: 'expressions',
    annotations: { 'use-regex': 'true', 'rewrite-target': '/new/$2' },
    rules: [
      {
        host: 'r.test',
        paths: ['ImplementationSpecific /app(/|$)(.*) root', 'ImplementationSpecific /app/deep(/)(.*) foo'],
      },
    ],
  }),
  ingressOf({
    name: 'rewrite',
    annotations: { 'rewrite-target': '/100%' },
    rules: [{ host: 'w.test', paths: ['Prefix /x root'] }],
  }),
  ingressOf({ name: 'tls', tls: [{ hosts: ['t.test'] }], rules: [{ host: 't.test', paths: ['Prefix / root'] }] }),
  ingressOf({
    name: 'away',
    annotations: { 'permanent-redirect': 'https://x.test/%20?a=b', 'permanent-redirect-code': '302' },
    rules: [{ host: 'm.test', paths: ['Prefix / root'] }],
  }),
  ingressOf({
    name: 'login',
    annotations: { 'auth-type': 'basic', 'auth-secret': 'users', 'auth-realm': 'Staff only' },
    rules: [{ host: 'l.test', paths: ['Prefix / root'] }],
  }),
  ingressOf({
    name: 'nobody',
    annotations: { 'auth-type': 'basic', 'auth-secret': 'none' },
    rules: [{ host: 'n.test', paths: ['Prefix / root'] }],
  }),
  ingressOf({
    name: 'far',
    annotations: { 'whitelist-source-range': '10.0.0.0/8' },
    rules: [{ host: 'f.test', paths: ['Prefix / root'] }],
  }),
  ingressOf({
    name: 'denied',
    annotations: { 'denylist-source-range': '127.0.0.0/8' },
    rules: [{ host: 'd.test', paths: ['Prefix / root'] }],
  }),
  ingressOf({
    name: 'small',
    annotations: { 'proxy-body-size': '4' },
    rules: [{ host: 's.test', paths: ['Prefix / root'] }],
  }),
  ingressOf({
    name: 'cors',
    annotations: { 'enable-cors': 'true', 'cors-allow-origin': 'https://*.ok.test' },
    rules: [{ host: 'c.test', paths: ['Prefix / root'] }],
  }),
  ingressOf({
    name: 'sticky',
    annotations: { affinity: 'cookie', 'session-cookie-name': 'S' },
    rules: [{ host: 'k.test', paths: ['Prefix / pair'] }],
  }),
  ingressOf({
    name: 'refused',
    annotations: { 'server-snippet': 'x' },
    rules: [{ host: 'z.test', paths: ['Prefix / root'] }],
  }),
  ingressOf({ name: 'missing', rules: [{ host: 'y.test', paths: ['Prefix / missing'] }] }),
  ingressOf({ name: 'stable', rules: [{ host: 'v.test', paths: ['Prefix / root', 'Prefix /w root'] }] }),
  ingressOf({
    name: 'canary',
    annotations: { canary: 'true', 'canary-by-header': 'X-Try', 'canary-by-cookie': 'try' },
    rules: [{ host: 'v.test', paths: ['Prefix / foo'] }],
  }),
  ingressOf({
    name: 'third',
    annotations: { canary: 'true', 'canary-weight': '30' },
    rules: [{ host: 'v.test', paths: ['Prefix /w foo'] }],
  }),
  ingressOf({ name: 'rest', defaultService: 'rest' }),
]

describe('requests', { skip: noHaproxy, concurrency: false }, () => {
  let dir = ''
  let [http, https] = [0, 0]
  let haproxy: Haproxy
  let running: Generation
  const servers = new Map<string, { server: HttpServer; address: string }>()
  const { signal } = new AbortController()
  const worldWith = (pair: readonly string[]) => {
    const addresses = Object.fromEntries([...servers].map(([name, { address }]) => [name, [address]]))
    return worldOf({ ...addresses, pair }, [users], https)
  }
  const addressOf = (name: string) => servers.get(name)!.address

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ingress-'))
    for (const name of ['root', 'foo', 'bar', 'only', 'wild', 'any', 'rest']) servers.set(name, await echo(name))
    ;[http, https] = [await freePort(), await freePort()]
    haproxy = new Haproxy(dir, realClock)
    await haproxy.prepare()
    await haproxy.writeCertificate(placeholderFile, await placeholderPem(realClock.now()))
    const plan = planIngress(ingresses, worldWith([addressOf('root'), addressOf('foo')]))
    running = await haproxy.start(filesOf(plan, around(dir, http, https)), undefined, signal)
  })
  after(async () => {
    await haproxy.stop()
    for (const { server } of servers.values()) server.close()
    await rm(dir, { recursive: true, force: true })
  })

  test('each goes to the backend of its host and path', async () => {
    for (const [host, path, wanted] of [
      ['a.test', '/', 'root'],
      ['A.Test:8080', '/', 'root'],
      ['a.test.', '/', 'root'],
      ['a.test', '/foo', 'foo'],
      ['a.test', '/foo/', 'foo'],
      ['a.test', '/foo/x?q=/foo/bar', 'foo'],
      ['a.test', '/foobar', 'root'],
      ['a.test', '/foo/bar', 'bar'],
      ['a.test', '/foo/barbar', 'foo'],
      ['a.test', '/foo/only', 'only'],
      ['a.test', '/foo/only/', 'foo'],
      ['a.test', '//foo///bar/', 'bar'],
      ['a.test', '/%66oo/b%61r', 'bar'],
      ['x.wild.test', '/', 'wild'],
      ['x.y.wild.test', '/', 'rest'],
      ['wild.test', '/', 'rest'],
      ['b.wild.test', '/b/c', 'foo'],
      ['b.wild.test', '/', 'rest'],
      ['unknown.test', '/any', 'any'],
      ['unknown.test', '/', 'rest'],
      ['[::1]:80', '/', 'rest'],
      ['a.test', '/foo/../', 400],
      ['a.test', '/foo/%2e%2E/x', 400],
      ['a.test', '/foo/..', 400],
      ['a.test', '/foo%2f..%2fx', 400],
      ['a.test', '/foo%00', 400],
      ['a.test', '/foo/..x', 'foo'],
      ['a"b.wild.test', '/', 400],
      ['r.test', '/app', 'root /new/'],
      ['r.test', '/app/a/b?c=d', 'root /new/a/b?c=d'],
      ['r.test', '/apple', 'rest'],
      ['r.test', '/app/deep/x', 'foo /new/x'],
      ['w.test', '/x/y', 'root /100%'],
      ['y.test', '/', 503],
      ['z.test', '/', 503],
    ] as const) {
      const { status, server, path: seen } = await send(http, path, { host })
      const found = status === 200 ? (String(wanted).includes(' ') ? `${server} ${seen}` : server) : status
      assert.equal(found, wanted, `${host}${path}`)
    }
  })

  test('what the client says of itself is not passed on', async () => {
    const { got } = await send(http, '/', {
      headers: {
        'X-Forwarded-For': '6.6.6.6',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-Host': 'evil',
        X_Forwarded_For: '6.6.6.6',
        Forwarded: 'for=6.6.6.6',
        Proxy: 'evil',
      },
    })
    assert.deepEqual(
      [
        'x-forwarded-for',
        'x-real-ip',
        'x-forwarded-proto',
        'x-forwarded-host',
        'x-forwarded-port',
        'x_forwarded_for',
        'forwarded',
        'proxy',
      ].map(name => got[name]),
      ['127.0.0.1', '127.0.0.1', 'http', 'a.test', String(http), undefined, undefined, undefined],
    )
  })

  test('redirects', async () => {
    const tls = await send(http, '/a?b=c', { host: 't.test:80' })
    assert.deepEqual([tls.status, tls.headers.location], [308, `https://t.test:${https}/a?b=c`])
    const away = await send(http, '/', { host: 'm.test' })
    assert.deepEqual([away.status, away.headers.location], [302, 'https://x.test/%20?a=b'])
  })

  test('who may get in', async () => {
    const status = async (host: string, headers: Record<string, string> = {}) =>
      (await send(http, '/', { host, headers })).status
    assert.equal(await status('l.test'), 401)
    assert.equal(await status('l.test', basic('ann:wrong')), 401)
    assert.equal(await status('l.test', basic('eve:open')), 401)
    assert.equal(await status('l.test', basic('ann:open')), 200)
    assert.match((await send(http, '/', { host: 'l.test' })).headers['www-authenticate'] ?? '', /realm="Staff only"/)
    assert.equal(await status('n.test', basic('ann:open')), 503)
    assert.equal(await status('f.test'), 403)
    assert.equal(await status('d.test'), 403)
  })

  test('bodies have a largest size', async () => {
    const status = async (ask: Ask) => (await send(http, '/', { host: 's.test', method: 'POST', ...ask })).status
    assert.equal(await status({ body: 'four', headers: { 'content-length': '4' } }), 200)
    assert.equal(await status({ body: 'fives', headers: { 'content-length': '5' } }), 413)
    assert.equal(await status({ body: 'x', headers: { 'transfer-encoding': 'chunked' } }), 411)
  })

  test('CORS names the origins that are allowed', async () => {
    const asked = { 'access-control-request-method': 'PUT' }
    const pre = async (origin: string) =>
      send(http, '/', { host: 'c.test', method: 'OPTIONS', headers: { origin, ...asked } })
    const fine = await pre('https://a.ok.test')
    assert.deepEqual(
      [fine.status, fine.headers['access-control-allow-origin'], fine.server],
      [204, 'https://a.ok.test', undefined],
    )
    for (const origin of ['https://ok.test.evil', 'https://aXokXtest', 'http://a.ok.test']) {
      const other = await pre(origin)
      assert.deepEqual([other.headers['access-control-allow-origin'], other.server], [undefined, 'root'], origin)
    }
    const plain = await send(http, '/', { host: 'c.test', headers: { origin: 'https://b.ok.test' } })
    assert.equal(plain.headers['access-control-allow-origin'], 'https://b.ok.test')
  })

  test('canaries get the requests that ask for them, or a part of all', async () => {
    const server = async (path: string, headers: Record<string, string> = {}) =>
      (await send(http, path, { host: 'v.test', headers })).server
    assert.equal(await server('/'), 'root')
    assert.equal(await server('/', { 'x-try': 'always' }), 'foo')
    assert.equal(await server('/', { cookie: 'try=always' }), 'foo')
    assert.equal(await server('/', { cookie: 'try=always', 'x-try': 'never' }), 'root')
    const all = await Promise.all(Array.from({ length: 400 }, () => server('/w')))
    const share = all.filter(name => name === 'foo').length / all.length
    assert.ok(share > 0.18 && share < 0.42, `${share} of 0.3`)
  })

  test('a client comes back to its server by a cookie, also to one that came later', async () => {
    const pair = (names: readonly string[]) => planIngress(ingresses, worldWith(names.map(addressOf)))
    const backends = pair(['root', 'foo', 'bar']).backends
    const has = await serversAt(running.socket)
    const askIt = (command: string) => ask(running.socket, command)
    const changes = planServers(has, backends)
    assert.deepEqual(
      changes.map(({ do: what }) => what),
      ['add'],
    )
    await changeServers(askIt, has, changes)
    await refreshCookies(askIt, backends, changes)
    const seen = new Set<string>()
    for (let i = 0; i < 12; i++) {
      const first = await send(http, '/', { host: 'k.test' })
      const cookie = /^S=[^;]+/.exec(first.headers['set-cookie']?.[0] ?? '')?.[0] ?? ''
      seen.add(first.server ?? '')
      for (let n = 0; n < 3; n++)
        assert.equal((await send(http, '/', { host: 'k.test', headers: { cookie } })).server, first.server)
    }
    assert.deepEqual([...seen].sort(), ['bar', 'foo', 'root'])
  })

  test('servers leave without a failure, and another process takes over in the middle of requests', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    const found = { ok: 0, failed: [] as string[] }
    let isOver = false
    const clients = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const result = await send(http, '/', { host: 'k.test', agent }).then(({ status }) => String(status), String)
        if (result === '200') found.ok++
        else found.failed.push(result)
      }
    })
    const planFor = (names: readonly string[]) => planIngress(ingresses, worldWith(names.map(addressOf)))
    for (const names of [['root'], ['foo', 'bar'], ['root', 'bar'], ['bar']]) {
      const has = await serversAt(running.socket)
      const askIt = (command: string) => ask(running.socket, command)
      await changeServers(askIt, has, planServers(has, planFor(names).backends))
      await realClock.sleep(100)
      running = await haproxy.start(filesOf(planFor(names), around(dir, http, https)), running, signal)
      await realClock.sleep(100)
    }
    isOver = true
    await Promise.all(clients)
    agent.destroy()
    assert.deepEqual(found.failed.slice(0, 5), [])
    assert.ok(found.ok > 500, `${found.ok} requests`)
  })
})
