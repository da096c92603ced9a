// Probes of servers in this process: which answers count as success, and the messages for the others.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { realClock } from '../../base/clock.ts'
import type { ReadContainer } from '../pod/spec.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { type ProbeRequest, runProbe } from './actions.ts'
import type { Pod } from '../../kinds/core/pod.ts'

async function probe(action: object, more: Partial<ProbeRequest> = {}): Promise<string> {
  const result = await runProbe({
    probe: { timeoutSeconds: 1, ...action } as ProbeRequest['probe'],
    pod: { metadata: { name: 'p' }, spec: { containers: [] } } as unknown as Pod,
    container: { name: 'c', ports: [{ name: 'web', containerPort: 1 }] } as unknown as ReadContainer,
    containerId: 'id',
    podIP: '127.0.0.1',
    nodeIP: '127.0.0.1',
    runtime: {} as Runtime,
    clock: realClock,
    signal: new AbortController().signal,
    ...more,
  })
  if (result.result === 'success') return result.warning === undefined ? 'success' : `warning: ${result.warning}`
  return `${result.result}: ${result.output}`
}

async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

test('an HTTP probe succeeds with 200 to 399, sends its headers, and follows redirects on the same host', async t => {
  const server = createServer((asked, answer) => {
    if (asked.url === '/moved') return answer.writeHead(302, { location: '/500' }).end()
    if (asked.url === '/away') return answer.writeHead(302, { location: 'http://elsewhere.invalid/' }).end()
    if (asked.url === '/hangs') return
    if (asked.url === '/agent')
      return answer.writeHead(asked.headers['user-agent']?.startsWith('kube-probe/') ? 200 : 400).end()
    if (asked.url === '/header') return answer.writeHead(asked.headers['x-a'] === '1' ? 204 : 400).end()
    answer.writeHead(Number(asked.url?.slice(1))).end('body')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.closeAllConnections())
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const get = (path: string, more: object = {}) => probe({ httpGet: { path, port, ...more } })
  for (const path of ['/200', '/204', '/299', '/agent']) assert.equal(await get(path), 'success', path)
  assert.equal(await get('/399'), 'warning: Probe terminated redirects, Response body: body')
  assert.equal(await get('/away'), 'warning: Probe terminated redirects, Response body: ')
  for (const code of [400, 404, 500])
    assert.equal(await get(`/${code}`), `failure: HTTP probe failed with statuscode: ${code}`)
  assert.equal(await get('/moved'), 'failure: HTTP probe failed with statuscode: 500')
  assert.equal(await get('/header', { httpHeaders: [{ name: 'X-A', value: '1' }] }), 'success')
  assert.match(await get('/hangs'), /^failure: Get "http:.*": context deadline exceeded/)
  assert.match(
    await get('/', { port: await freePort() }),
    /^failure: Get "http:\/\/127.0.0.1:(\d+)\/.*": dial tcp 127.0.0.1:\1: connect: connection refused$/,
  )
  // No server listens on this loopback address. The URL has its port even though it is the default one.
  assert.equal(
    await get('/', { host: '127.0.0.77', port: 80 }),
    'failure: Get "http://127.0.0.77:80/": dial tcp 127.0.0.77:80: connect: connection refused',
  )
  assert.match(await get('/', { port: 'none' }), /^unknown: couldn't find port: "none" in container c$/)
})

test('an HTTP probe whose connection fails has the message of Go', async t => {
  const talk: Record<string, (socket: Socket) => unknown> = {
    hangup: socket => socket.once('data', () => socket.end()),
    reset: socket => socket.once('data', () => socket.resetAndDestroy()),
    nonsense: socket => socket.once('data', () => socket.end('what?\r\nnever\r\n')),
    plain: socket => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  }
  const answers: Record<string, RegExp> = {
    hangup: /: EOF$/,
    reset: /: read tcp 127\.0\.0\.1:\d+->127\.0\.0\.1:\d+: read: connection reset by peer$/,
    nonsense: /: net\/http: HTTP\/1\.x transport connection broken: malformed HTTP response "what\?"$/,
    plain: /: http: server gave HTTP response to HTTPS client$/,
  }
  for (const [name, serve] of Object.entries(talk)) {
    const server = createTcpServer(serve)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const scheme = name === 'plain' ? 'https' : 'http'
    const said = await probe({ httpGet: { path: '/x?y=1', port, scheme: scheme.toUpperCase() } })
    assert.ok(said.startsWith(`failure: Get "${scheme}://127.0.0.1:${port}/x?y=1": `), said)
    assert.match(said, answers[name]!)
  }
  assert.match(await probe({ httpGet: { host: 'nowhere.invalid', port: 80 } }), /: dial tcp: lookup nowhere\.invalid/)
})

test('a TCP probe succeeds when it can connect', async t => {
  const server = createTcpServer(socket => socket.destroy())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  assert.equal(await probe({ tcpSocket: { port: (server.address() as AddressInfo).port } }), 'success')
  const port = await freePort()
  assert.equal(await probe({ tcpSocket: { port } }), `failure: dial tcp 127.0.0.1:${port}: connect: connection refused`)
})

test('an exec probe is decided by the exit code, and a failure has the output', async () => {
  const runtime = (exitCode: number) =>
    ({
      execSync: async () => ({ exitCode, stdout: Buffer.from('out'), stderr: Buffer.from('err') }),
    }) as unknown as Runtime
  assert.equal(await probe({ exec: { command: ['x'] } }, { runtime: runtime(0) }), 'success')
  assert.equal(await probe({ exec: { command: ['x'] } }, { runtime: runtime(2) }), 'failure: outerr')
})

test('a gRPC probe succeeds when the health service is SERVING', async t => {
  const { port } = await serveHealth(t)
  assert.equal(await probe({ grpc: { port } }), 'success')
  assert.equal(await probe({ grpc: { port, service: 'up' } }), 'success')
  assert.equal(
    await probe({ grpc: { port, service: 'down' } }),
    'failure: service unhealthy (responded with "NOT_SERVING")',
  )
  assert.equal(
    await probe({ grpc: { port, service: 'unknown' } }),
    'failure: error: health rpc probe failed: rpc error: code = NotFound desc = unknown service',
  )
  const closed = await freePort()
  assert.equal(
    await probe({ grpc: { port: closed } }),
    `failure: timeout: failed to connect service "127.0.0.1:${closed}" within 1s: context deadline exceeded`,
  )
  assert.equal(
    await probe({ grpc: { port, service: 'hangs' } }),
    'failure: timeout: health rpc did not complete within 1s',
  )
  const bare = await serve(t, new grpc.Server())
  assert.match(
    await probe({ grpc: { port: bare } }),
    /^failure: error: this server does not implement the grpc health protocol/,
  )
})

async function serveHealth(t: TestContext): Promise<{ port: number }> {
  const answers: Record<string, number> = { '': 1, up: 1, down: 2 }
  const server = new grpc.Server()
  // The messages are encoded by hand, as one string or enum in field 1, so that they do not depend on the code under
  // test.
  const check: grpc.MethodDefinition<{ service: string }, number> = {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: ({ service }) => Buffer.from([10, service.length, ...Buffer.from(service)]),
    requestDeserialize: bytes => ({ service: bytes.subarray(2).toString() }),
    responseSerialize: status => Buffer.from([8, status]),
    responseDeserialize: bytes => bytes[1]!,
  }
  const answer = (call: grpc.ServerUnaryCall<{ service: string }, number>, done: grpc.sendUnaryData<number>) => {
    if (call.request.service === 'hangs') return
    const status = answers[call.request.service]
    if (status === undefined) done({ code: grpc.status.NOT_FOUND, details: 'unknown service' })
    else done(null, status)
  }
  server.addService({ check }, { check: answer })
  return { port: await serve(t, server) }
}

function serve(t: TestContext, server: grpc.Server): Promise<number> {
  t.after(() => server.forceShutdown())
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  )
}
