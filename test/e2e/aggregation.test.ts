// API aggregation with real kubectl: an extension server on the machine behind a Service with endpoints of its own.
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { after, test } from 'node:test'
import { type Extension, openExtension } from '../../src/apiserver/aggregation/testing.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('aggregation')
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)
const group = 'weather.example.com'
const version = `${group}/v1`
/** An address of the machine's loopback, since endpoints in 127.0.0.0/8 are not allowed. It is for documentation. */
const address = '192.0.2.53'

const reports = [{ apiVersion: version, kind: 'Report', metadata: { name: 'sunny', namespace: 'default' } }]
const resource = { name: 'reports', singularName: 'report', namespaced: true, kind: 'Report', shortNames: ['rp'] }
const documents: Readonly<Record<string, object>> = {
  [`/apis/${version}`]: {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: version,
    resources: [{ ...resource, verbs: ['get', 'list'] }],
  },
  [`/apis/${version}/namespaces/default/reports`]: {
    kind: 'ReportList',
    apiVersion: version,
    metadata: {},
    items: reports,
  },
  [`/apis/${version}/namespaces/default/reports/sunny`]: reports[0]!,
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '').split('?')[0]!
  const isTrusted = (request.socket as TLSSocket).authorized
  const who = { user: request.headers['x-remote-user'], groups: request.headers['x-remote-group'], isTrusted }
  const found = path === `/apis/${version}/whoami` ? who : documents[path]
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' })
  response.end(JSON.stringify(found ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }))
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

test('a server that is away costs its own group and no other', options, async () => {
  await extension!.close()
  await available('False (FailedDiscoveryCheck)')
  const refused = await cluster.tryKubectl(`get --raw /apis/${version}/namespaces/default/reports`)
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /ServiceUnavailable|unable to handle the request|service unavailable/)
  assert.match(await k('get namespaces -o name'), /namespace\/default/)
  await k(`delete apiservice v1.${group}`)
  await eventually('the group is gone', async () => !(await k('api-versions')).includes(version))
})
