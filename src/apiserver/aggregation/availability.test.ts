// When an APIService counts as available: by its Service, by its endpoints, and by a real server on the loopback.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { APIService } from '../../kinds/apiregistration/apiservice.ts'
import { Service } from '../../kinds/core/service.ts'
import { openTestServer } from '../testing.ts'
import { Availability, planAvailability } from './availability.ts'
import { type Answering, makeFrontProxy, openExtension, registrationOf } from './testing.ts'

const names = { name: 'metrics', group: 'stats.example.com', version: 'v1' }
const apiServiceName = 'v1.stats.example.com'

test('a Service and its endpoints are judged with the reasons and messages of Kubernetes', () => {
  const reference = { namespace: 'ns', name: 's', port: 443 }
  const service = (port: number, name?: string) => ({
    spec: { type: 'ClusterIP', ports: [{ port, ...(name && { name }) }] },
  })
  const slice = (ready: boolean | undefined, name = '') => ({
    endpoints: [{ conditions: { ...(ready !== undefined && { ready }) } }],
    ports: [{ name, port: 8443 }],
  })
  const missing = (port: string) => `endpointslices for service/s in "ns" have no addresses with port name "${port}"`
  const rows = [
    [undefined, [], 'ServiceNotFound', 'service/s in "ns" is not present'],
    [service(80), [], 'ServicePortError', 'service/s in "ns" is not listening on port 443'],
    [service(443), [], 'EndpointsNotFound', 'cannot find endpointslices for service/s in "ns"'],
    [service(443), [slice(false)], 'MissingEndpoints', missing('')],
    [service(443, 'https'), [slice(true)], 'MissingEndpoints', missing('https')],
  ] as const
  for (const [one, slices, reason, message] of rows)
    deepStrictEqual(planAvailability(reference, one, slices), { status: 'False', reason, message })
  for (const slices of [[slice(true)], [slice(undefined)], [slice(false), slice(true)]])
    strictEqual(planAvailability(reference, service(443), slices), undefined)
  strictEqual(planAvailability(reference, { spec: { type: 'ExternalName' } }, []), undefined)
})

async function opened(t: TestContext, answer: Answering) {
  const server = await openTestServer(t)
  const frontProxy = await makeFrontProxy()
  const extension = await openExtension(names.name, frontProxy.ca, answer)
  const availability = new Availability(server.core, server.serve, frontProxy.client)
  // The server ends after what uses it.
  t.after(() => extension.close())
  availability.start()
  const { service, apiService } = registrationOf(extension, names)
  await server.admin.create(Service, service as object)
  await server.admin.create(APIService, apiService)
  const mirror = server.core.storage.mirror(APIService)
  const condition = () => mirror.get(undefined, apiServiceName)?.status.conditions?.[0]
  /** Waits, without a limit of its own, until the condition has a reason. */
  const reason = async (wanted: string) => {
    while (condition()?.reason !== wanted) await turn()
  }
  return { ...server, extension, frontProxy, availability, condition, reason, mirror }
}

test('a server that answers is available, one that is away is not, and it is found again', {
  timeout: 20_000,
}, async t => {
  const asked: { url: string; headers: object; authorized: boolean }[] = []
  const { extension, frontProxy, availability, clock, condition, reason } = await opened(t, (request, response) => {
    const { authorized } = request.socket as TLSSocket
    asked.push({ url: request.url ?? '', headers: request.headers, authorized })
    response.end('{}')
  })
  t.after(() => availability.close())
  await reason('Passed')
  strictEqual(condition()?.message, 'all checks passed')
  const [first] = asked
  strictEqual(first?.url, '/apis/stats.example.com/v1')
  ok(first.authorized)
  const { 'x-remote-user': user, 'x-remote-group': group } = first.headers as Record<string, string>
  deepStrictEqual([user, group], ['system:kube-aggregator', 'system:masters'])
  extension.answer = (_request, response) => response.writeHead(404).end()
  await clock.forward(30_000)
  await reason('FailedDiscoveryCheck')
  const url = `https://127.0.0.1:${extension.port}/apis/stats.example.com/v1`
  strictEqual(condition()?.message, `failing or missing response from ${url}: bad status from ${url}: 404`)
  await extension.close()
  await clock.forward(30_000)
  while (!condition()?.message?.includes('refused')) await turn()
  match(condition()!.message!, /: Get "https:.*": dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/)
  const again = await openExtension(
    names.name,
    frontProxy.ca,
    (_request, response) => void response.end(),
    extension.port,
  )
  t.after(() => again.close())
  await clock.forward(30_000)
  await reason('Passed')
})

test('changes of the Service and of the APIService are noticed at once', { timeout: 20_000 }, async t => {
  const { admin, availability, condition, reason, mirror } = await opened(
    t,
    (_request, response) => void response.end(),
  )
  t.after(() => availability.close())
  await reason('Passed')
  await admin.remove(Service, names.name)
  await reason('ServiceNotFound')
  strictEqual(condition()?.status, 'False')
  await admin.create(Service, { metadata: { name: names.name }, spec: { ports: [{ port: 80 }] } } as object)
  await reason('ServicePortError')
  const { revision } = mirror
  await admin.patch(APIService, apiServiceName, 'merge', { spec: { service: null, caBundle: null } })
  await reason('Local')
  ok(mirror.revision > revision)
})

test('a server that takes connections and never answers fails its check in time, and delays no other', {
  timeout: 30_000,
}, async t => {
  const sockets = new Set<Socket>()
  const silent = createServer(socket => void sockets.add(socket.on('error', () => {})))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const { admin, availability, reason, mirror } = await opened(t, (_request, response) => void response.end())
  t.after(() => availability.close())
  const { port } = silent.address() as { port: number }
  const { apiService } = registrationOf({ port, caBundle: '' }, { ...names, version: 'v2' })
  await admin.create(APIService, apiService)
  await reason('Passed')
  const late = () => mirror.get(undefined, 'v2.stats.example.com')?.status.conditions?.[0]
  strictEqual(late(), undefined)
  while (!late()) await turn()
  match(late()!.message!, /context deadline exceeded/)
})
