// API aggregation against a real extension server on the loopback: what it is sent, what comes back, and what happens
// to the rest of the API while it misbehaves.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import {
  type Answering,
  type Extension,
  makeFrontProxy,
  openExtension,
  registrationOf,
} from '../../src/apiserver/aggregation/testing.ts'
import { metricsGroup, metricsHandler, metricsKinds } from '../../src/cluster/metrics-api.ts'
import { APIService } from '../../src/kinds/apiregistration/apiservice.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { issue } from '../../src/wire/x509.ts'
import { type Sim, simulate } from './cluster.ts'
import { type Https, openHttps } from './https.ts'

const names = { name: 'weather', group: 'weather.example.com', version: 'v1' }
const root = '/apis/weather.example.com/v1'
const timeout = 60_000

interface Aggregated {
  sim: Sim
  https: Https
  extension: Extension
  frontProxy: Awaited<ReturnType<typeof makeFrontProxy>>
  /** Waits until the condition Available has this reason. The time limit is that of the test. */
  reason(wanted: string, name?: string): Promise<void>
}

/** Runs a test with an extension server that is available. */
async function aggregated(answer: Answering, run: (all: Aggregated) => Promise<void>): Promise<void> {
  const frontProxy = await makeFrontProxy()
  const extension = await openExtension(names.name, frontProxy.ca, answer)
  try {
    await simulate({ controllers: false, scheduler: false, frontProxy }, async sim => {
      const https = await openHttps(sim)
      try {
        const { service, apiService } = registrationOf(extension, names)
        await sim.client.create(Service, service as object)
        await sim.client.create(APIService, apiService)
        const mirror = sim.client.mirror(APIService)
        const reason = async (wanted: string, name = `${names.version}.${names.group}`) => {
          while (mirror.get(undefined, name)?.status.conditions?.[0]?.reason !== wanted) await turn()
        }
        await reason('Passed')
        await run({ sim, https, extension, frontProxy, reason })
      } finally {
        await https.close()
      }
    })
  } finally {
    await extension.close()
  }
}

/** An answer that says what was asked. */
const echo: Answering = (asked, response) => {
  void text(asked).then(body => {
    response.writeHead(201, { 'content-type': 'application/json', 'x-own': 'yes' })
    response.end(JSON.stringify({ method: asked.method, url: asked.url, headers: asked.headers, body }))
  })
}

test('a request is passed on with its user, and without what the client says of itself', { timeout }, () =>
  aggregated(echo, async ({ https: { send }, extension }) => {
    const lies = { 'x-remote-user': 'eve', 'x-remote-extra-a': 'b', 'x-remote-uid': '1', authorization: 'Bearer x' }
    const { code, headers, body } = await send('POST', `${root}/reports?dryRun=All&a=%2F`, { a: 'é' }, lies)
    deepStrictEqual([code, headers['x-own']], [201, 'yes'])
    deepStrictEqual([body.method, body.url, body.body], ['POST', `${root}/reports?dryRun=All&a=%2F`, '{"a":"é"}'])
    strictEqual(body.headers['x-remote-user'], 'admin')
    strictEqual(body.headers['x-remote-group'], 'system:masters, system:authenticated')
    match(body.headers['x-remote-extra-authentication.kubernetes.io%2fcredential-id'], /^X509SHA256=/)
    for (const gone of ['x-remote-uid', 'x-remote-extra-a', 'authorization']) strictEqual(body.headers[gone], undefined)
    strictEqual(body.headers.host, `127.0.0.1:${extension.port}`)
    const options = '{"propagationPolicy":"Orphan"}'
    const frames: Record<string, string>[] = [
      { 'content-length': String(options.length) },
      { 'transfer-encoding': 'chunked' },
    ]
    for (const framed of frames) {
      const removed = await send('DELETE', `${root}/reports/a`, options, framed)
      strictEqual(removed.body.body, options)
    }
  }),
)

test('a user without the right does not reach the server', { timeout }, () => {
  let asked = 0
  const counting: Answering = (request_, response) => {
    if (request_.headers['x-remote-user'] !== 'system:kube-aggregator') asked++
    response.end('{}')
  }
  return aggregated(counting, async ({ https: { send } }) => {
    const as = { 'impersonate-user': 'jane' }
    const { code, body } = await send('GET', `${root}/namespaces/default/reports`, undefined, as)
    strictEqual(code, 403)
    match(body.message, /^reports\.weather\.example\.com is forbidden: User "jane" cannot list resource "reports"/)
    strictEqual(asked, 0)
    // Discovery is for everybody who is authenticated.
    strictEqual((await send('GET', root, undefined, as)).code, 200)
    strictEqual(asked, 1)
  })
})

test('a watch is passed on event by event, and ends at the server when its client goes', { timeout }, () =>
  aggregated(
    (_asked, response) => void response.end('{}'),
    async ({ https: { tls }, extension }) => {
      const ended = Promise.withResolvers<void>()
      let write = (_text: string) => {}
      extension.answer = (_asked, response) => {
        response.on('close', () => ended.resolve())
        response.writeHead(200, { 'content-type': 'application/json' })
        response.flushHeaders()
        write = part => void response.write(part)
      }
      const asked = request({ ...tls, path: `${root}/reports?watch=true`, agent: false }).end()
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      for (const event of ['{"type":"ADDED"}\n', '{"type":"DELETED"}\n']) {
        write(event)
        const [chunk] = (await once(answer, 'data')) as [Buffer]
        strictEqual(chunk.toString(), event)
      }
      answer.on('error', () => {})
      asked.destroy()
      await ended.promise
    },
  ),
)

test('a WebSocket is passed on, with the user in its headers', { timeout }, () =>
  aggregated(
    (_asked, response) => void response.end('{}'),
    async ({ https: { tls }, extension }) => {
      const sockets = new WebSocketServer({ server: extension.server })
      sockets.on('connection', (socket, asked) => {
        socket.on('message', data => socket.send(`${String(asked.headers['x-remote-user'])}: ${String(data)}`))
      })
      const { host, port, ...credentials } = tls
      const client = new WebSocket(`wss://${host}:${port}${root}/namespaces/a/reports/b/attach`, credentials)
      await once(client, 'open')
      client.send('hello')
      const [data] = (await once(client, 'message')) as [Buffer]
      strictEqual(data.toString(), 'admin: hello')
      client.close()
      await once(client, 'close')
      sockets.close()
    },
  ),
)

test('what a server does wrong is reported as Kubernetes does, and the rest of the API goes on', { timeout }, () =>
  aggregated(echo, async ({ sim, https: { send }, extension, reason }) => {
    const path = `${root}/reports`
    const elsewhere = async () => strictEqual((await send('GET', '/api/v1/namespaces/default')).code, 200)
    extension.answer = (_asked, response) => response.writeHead(302, { location: 'https://elsewhere/' }).end()
    const redirected = await send('GET', path)
    deepStrictEqual(
      [redirected.code, redirected.text],
      [502, 'the backend attempted to redirect this request, which is not permitted'],
    )
    extension.answer = asked => asked.socket.destroy()
    const closed = await send('GET', path)
    deepStrictEqual([closed.code, closed.text], [503, 'error trying to reach service: EOF\n'])
    strictEqual(closed.headers['content-type'], 'text/plain; charset=utf-8')
    const hanging = Promise.withResolvers<void>()
    extension.answer = () => hanging.resolve()
    const late = send('GET', path)
    await hanging.promise
    await elsewhere()
    await sim.clock.forward(60_000)
    strictEqual((await late).code, 504)
    await reason('FailedDiscoveryCheck')
    deepStrictEqual(await send('GET', path).then(a => [a.code, a.text]), [503, 'service unavailable\n'])
    await elsewhere()
    extension.answer = echo
    await sim.clock.forward(30_000)
    await reason('Passed')
    strictEqual((await send('GET', path)).code, 201)
  }),
)

test('a server with a certificate of another authority is not talked to', { timeout }, () =>
  aggregated(echo, async ({ sim, https: { send }, frontProxy }) => {
    const caBundle = Buffer.from(frontProxy.ca).toString('base64')
    const name = `${names.version}.${names.group}`
    await sim.client.patch(APIService, { name }, 'merge', { spec: { caBundle } })
    const { code, text: why } = await send('GET', `${root}/reports`)
    strictEqual(code, 503)
    match(why, /^error trying to reach service: tls: failed to verify certificate: x509: /)
    await sim.client.patch(APIService, { name }, 'merge', { spec: { caBundle: null, insecureSkipTLSVerify: true } })
    strictEqual((await send('GET', `${root}/reports`)).code, 201)
  }),
)

test('headers of a front proxy name the user, and only with the certificate of one', { timeout }, () =>
  aggregated(echo, async ({ https: { tls, send }, frontProxy }) => {
    const valid = { now: Date.UTC(2026, 0, 1), validMs: 20 * 365 * 24 * 3600_000 }
    const other = await issue(frontProxy.authority, { commonName: 'other' }, { usages: ['client auth'], ...valid })
    const headers = { 'x-remote-user': 'jane', 'x-remote-group': ['a', 'b'], 'x-remote-extra-k%2fl': 'v' }
    const review = async (pair?: { certPem: string; keyPem: string }) => {
      const as = pair ? { cert: pair.certPem, key: pair.keyPem } : {}
      const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
      const more = { ...headers, 'content-type': 'application/json' }
      const asked = request({ ...tls, ...as, method: 'POST', path, headers: more, agent: false }).end('{}')
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      return JSON.parse(await text(answer))
    }
    deepStrictEqual((await review(frontProxy.client)).status.userInfo, {
      username: 'jane',
      groups: ['a', 'b', 'system:authenticated'],
      extra: { 'k/l': ['v'] },
    })
    strictEqual((await review()).status.userInfo.username, 'admin')
    ok(['Forbidden', 'Unauthorized'].includes((await review(other)).reason))
    strictEqual((await send('GET', `${root}/reports`)).code, 201)
    const asked = request({
      ...tls,
      cert: frontProxy.client.certPem,
      key: frontProxy.client.keyPem,
      path: root,
      headers,
    })
    const [answer] = (await once(asked.end(), 'response')) as [IncomingMessage]
    strictEqual(answer.statusCode, 503)
    answer.resume()
  }),
)

test('metrics are answered here, or by the server of an APIService as long as there is one', { timeout }, async t => {
  const frontProxy = await makeFrontProxy()
  const extension = await openExtension('metrics', frontProxy.ca, echo)
  t.after(() => extension.close())
  const extensions = { kinds: metricsKinds, handlers: new Map([[metricsGroup, metricsHandler(() => undefined)]]) }
  await simulate({ controllers: false, scheduler: false, frontProxy, extensions }, async sim => {
    const https = await openHttps(sim)
    const path = '/apis/metrics.k8s.io/v1beta1/nodes'
    const ask = async () => (await https.send('GET', path)).body
    strictEqual((await ask()).message, 'metrics are not gathered yet')
    const names = { name: 'metrics', group: metricsGroup, version: 'v1beta1' }
    const { service, apiService } = registrationOf(extension, names)
    await sim.client.create(Service, service as object)
    await sim.client.create(APIService, apiService)
    while ((await https.send('GET', path)).code === 503) await turn()
    strictEqual((await ask()).url, path)
    await sim.client.delete(APIService, { name: 'v1beta1.metrics.k8s.io' })
    strictEqual((await ask()).message, 'metrics are not gathered yet')
    await https.close()
  })
})

const resource = { name: 'reports', singularName: 'report', namespaced: true, kind: 'Report', verbs: ['get', 'list'] }
const resourceList = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: 'weather.example.com/v1',
  resources: [resource, { name: 'reports/status', kind: 'Report', verbs: ['get'] }, { name: 7 }, null],
}
const openapiPath = 'openapi/v3/apis/weather.example.com/v1'
const reportRef = { $ref: '#/definitions/com.example.Report' }
const documents: Readonly<Record<string, object>> = {
  [root]: resourceList,
  '/openapi/v3': {
    paths: { 'apis/weather.example.com/v1': { serverRelativeURL: `/${openapiPath}?hash=AB` } },
  },
  [`/${openapiPath}`]: { openapi: '3.0.0', info: { title: 'Weather' } },
  '/openapi/v2': {
    swagger: '2.0',
    info: { title: 'Weather' },
    paths: { [`${root}/reports`]: { get: { responses: { 200: { description: 'OK', schema: reportRef } } } } },
    definitions: { 'com.example.Report': { type: 'object', description: 'What the sky is like.' } },
  },
}
const documented: Answering = (asked, response) => {
  const found = documents[asked.url ?? '']
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' })
  response.end(JSON.stringify(found ?? {}))
}
const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

test('discovery and OpenAPI list what another server has, and what it had while it is away', { timeout }, () =>
  aggregated(documented, async ({ sim, https: { send }, extension }) => {
    const group = async () => {
      const { body } = await send('GET', '/apis', undefined, { accept: aggregatedType })
      return body.items.find((one: { metadata: { name: string } }) => one.metadata.name === names.group)
    }
    const version = async () => (await group()).versions[0]
    while ((await version()).freshness !== 'Current') await turn()
    const weather = {
      resources: [
        {
          resource: 'reports',
          responseKind: { group: '', version: '', kind: 'Report' },
          scope: 'Namespaced',
          singularResource: 'report',
          verbs: ['get', 'list'],
          subresources: [
            { subresource: 'status', responseKind: { group: '', version: '', kind: 'Report' }, verbs: ['get'] },
          ],
        },
      ],
    }
    deepStrictEqual(await version(), { version: 'v1', ...weather, freshness: 'Current' })
    const { groups } = (await send('GET', '/apis')).body
    strictEqual(groups[0].name, 'apiregistration.k8s.io')
    // Its priority is the lowest of all.
    const { kind, apiVersion, ...own } = (await send('GET', '/apis/weather.example.com')).body
    deepStrictEqual([kind, apiVersion, own], ['APIGroup', 'v1', groups.at(-1)])
    strictEqual(own.preferredVersion.groupVersion, 'weather.example.com/v1')
    const { paths } = (await send('GET', '/openapi/v3')).body
    deepStrictEqual(paths['apis/weather.example.com/v1'], { serverRelativeURL: `/${openapiPath}?hash=AB` })
    ok(paths['apis/apps/v1'])
    strictEqual((await send('GET', `/${openapiPath}?hash=AB`)).body.info.title, 'Weather')
    const v2 = async () => (await send('GET', '/openapi/v2')).body
    const whole = await v2()
    strictEqual(whole.info.title, 'Kubernetes')
    deepStrictEqual(whole.paths[`${root}/reports`].get.responses['200'].schema, reportRef)
    strictEqual(whole.definitions['com.example.Report'].description, 'What the sky is like.')
    ok(whole.definitions['io.k8s.api.core.v1.Pod'])
    const protobuf = { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' }
    match((await send('GET', '/openapi/v2', undefined, protobuf)).text, /What the sky is like\./)
    extension.answer = (_asked, response) => void response.end('no JSON')
    await sim.clock.forward(30_000)
    while ((await version()).freshness !== 'Stale') await turn()
    deepStrictEqual(await version(), { version: 'v1', ...weather, freshness: 'Stale' })
    ok((await v2()).definitions['com.example.Report'])
    await sim.client.delete(APIService, { name: 'v1.weather.example.com' })
    strictEqual((await v2()).definitions['com.example.Report'], undefined)
    strictEqual(await group(), undefined)
    strictEqual((await send('GET', '/apis/weather.example.com')).code, 404)
  }),
)
