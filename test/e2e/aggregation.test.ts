// API aggregation with real kubectl: an extension server on the machine behind a Service with endpoints of its own.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { after, test } from 'node:test'
import { type Extension, openExtension } from '../../src/apiserver/aggregation/testing.ts'
import { ExtensionObjects, group, version } from '../sim/extension-objects.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('aggregation')
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)
/** An address of the machine's loopback, since endpoints in 127.0.0.0/8 are not allowed. It is for documentation. */
const address = '192.0.2.53'

const server = new ExtensionObjects()
server.put({ metadata: { name: 'sunny', namespace: 'default' } })
const gvk = { group, version: 'v1', kind: 'Report' }
const report = {
  type: 'object',
  description: 'Report says what the sky is like.',
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    sky: { type: 'string', description: 'The sky above the place.' },
  },
  'x-kubernetes-group-version-kind': [gvk],
}
/** The path by which kubectl finds the kind of a resource, with what it returns. */
const paths = (returned: object) => ({
  [`/apis/${version}/namespaces/{namespace}/reports`]: {
    post: {
      'x-kubernetes-action': 'post',
      'x-kubernetes-group-version-kind': gvk,
      responses: { 200: { description: 'OK', ...returned } },
    },
  },
})
const v3 = {
  openapi: '3.0.0',
  info: { title: 'Weather', version: 'v1' },
  paths: paths({ content: { 'application/json': { schema: { $ref: '#/components/schemas/com.example.Report' } } } }),
  components: { schemas: { 'com.example.Report': report } },
}
/** kubectl keeps documents by their hash, from one cluster to the next. */
const hash = createHash('sha256').update(JSON.stringify(v3)).digest('hex')
server.documents = {
  '/openapi/v2': {
    swagger: '2.0',
    paths: paths({ schema: { $ref: '#/definitions/com.example.Report' } }),
    definitions: { 'com.example.Report': report },
  },
  '/openapi/v3': { paths: { [`apis/${version}`]: { serverRelativeURL: `/openapi/v3/apis/${version}?hash=${hash}` } } },
  [`/openapi/v3/apis/${version}`]: v3,
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.url !== `/apis/${version}/whoami`) return server.answer(request, response)
  const isTrusted = (request.socket as TLSSocket).authorized
  const who = { user: request.headers['x-remote-user'], groups: request.headers['x-remote-group'], isTrusted }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(who))
}

let extension: Extension | undefined

/** Starts the extension server, which recognizes the API server by what the cluster says of it. */
async function start(): Promise<void> {
  await run('ip', ['address', 'replace', `${address}/32`, 'dev', 'lo'])
  const map = JSON.parse(await k('get configmap extension-apiserver-authentication -n kube-system -o json'))
  extension = await openExtension('weather', map.data['requestheader-client-ca-file'], answer, 0, address)
}
after(async () => {
  if (!extension) return
  await extension.close()
  await run('ip', ['address', 'delete', `${address}/32`, 'dev', 'lo'])
})

/** What leads to the extension server: a Service, its endpoints, and the APIService. */
function registration(): string {
  const metadata = { name: 'weather', namespace: 'default' }
  const labels = { 'kubernetes.io/service-name': 'weather' }
  const { port, caBundle } = extension!
  const items = [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 443, targetPort: port }] } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address] }],
      ports: [{ name: '', port }],
    },
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: `v1.${group}` },
      spec: {
        group,
        version: 'v1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        caBundle,
        service: { namespace: 'default', name: 'weather' },
      },
    },
  ]
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
}

const available = (wanted: string) =>
  eventually(`the APIService is ${wanted}`, async () => {
    const line = await k(`get apiservice v1.${group} --no-headers`)
    return line.includes(wanted) && line
  })

test('every group has an APIService, and those of this server are Local', options, async () => {
  const lines = (await k('get apiservices --no-headers')).trim().split('\n')
  for (const name of ['v1.', 'v1.apps', 'v2.autoscaling'])
    assert.ok(
      lines.some(line => new RegExp(`^${name.replaceAll('.', '\\.')} +Local +True `).test(line)),
      name,
    )
})

test('kubectl finds and reads the resources of an extension server', options, async () => {
  await start()
  await k('apply -f -', registration())
  assert.match(await available('True'), /default\/weather +True/)
  await eventually('kubectl finds it', async () =>
    /reports +rp +weather\.example\.com\/v1 +true +Report/.test(await k(`api-resources --api-group=${group}`)),
  )
  assert.match(await k('get reports'), /^NAME +AGE\nsunny/)
  assert.equal(await k('get rp sunny -o name'), `report.${group}/sunny\n`)
  const who = JSON.parse(await k(`get --raw /apis/${version}/whoami`))
  assert.equal(who.isTrusted, true)
  assert.match(who.groups, /system:authenticated/)
  const as = JSON.parse(await k(`get --raw /apis/${version}/whoami --as=jane --as-group=system:masters`))
  assert.equal(as.user, 'jane')
})

test('what it has is explained, by the documents of both versions', options, async () => {
  await eventually('version 2 has it', async () => (await k('get --raw /openapi/v2')).includes(report.description))
  assert.match(await k('explain reports.sky'), /The sky above the place\./)
})

test('its objects are collected, and deleted with their namespace', options, async () => {
  await k('create namespace shop')
  await k('create configmap place -n shop')
  const uid = await k("get configmap place -n shop -o jsonpath='{.metadata.uid}'")
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'place', uid }]
  const create = (name: string, more: object = {}) =>
    k(
      'create -f -',
      JSON.stringify({ apiVersion: version, kind: 'Report', metadata: { name, namespace: 'shop', ...more } }),
    )
  await create('owned', { ownerReferences })
  await create('free')
  await k('delete configmap place -n shop')
  await eventually(
    'the owned one is gone',
    async () => (await k('get reports -n shop -o name')) === `report.${group}/free\n`,
  )
  await k('delete namespace shop')
  assert.deepEqual([...server.objects.keys()], ['default/sunny'])
})

test('a server that is away costs its own group and no other', options, async () => {
  await k('create namespace left')
  await k('create configmap content -n left')
  await extension!.close()
  await available('False (FailedDiscoveryCheck)')
  const refused = await cluster.tryKubectl(`get --raw /apis/${version}/namespaces/default/reports`)
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /ServiceUnavailable|unable to handle the request|service unavailable/)
  await k('delete namespace left --wait=false')
  await eventually('the condition says why the namespace stays', async () =>
    /Discovery failed for some groups, 1 failing: .* weather\.example\.com\/v1: stale GroupVersion discovery/.test(
      await k("get namespace left -o jsonpath='{.status.conditions[*].message}'"),
    ),
  )
  assert.doesNotMatch(await k('get configmaps -n left -o name'), /content/)
  assert.match(await k('get namespaces -o name'), /namespace\/default/)
  await k(`delete apiservice v1.${group}`)
  await eventually('the group is gone', async () => !(await k('api-versions')).includes(version))
  await k('wait namespace/left --for=delete --timeout=60s')
})
