// What extending the API costs, in one process on the memory store:
//
// - creates of a custom resource with a schema of 200 fields and three rules, beside creates of ConfigMaps;
// - 500 definitions of 50 KB each, created at once: until all are in discovery and OpenAPI, and the memory they take;
// - what the call of a webhook in another process adds to a create, over a kept connection;
// - what the documents of one group cost afterwards, for an operator that starts.
//
// One line of JSON for each figure. Run it with --expose-gc, or the memory is not measured.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { discovery, openapi } from '../src/apiserver/index.ts'
import type { Kind, KubeObject } from '../src/api/kind.ts'
import { ValidatingWebhookConfiguration } from '../src/kinds/admissionregistration/validatingwebhookconfiguration.ts'
import { CustomResourceDefinition } from '../src/kinds/apiextensions/customresourcedefinition.ts'
import type { SchemaProps } from '../src/kinds/apiextensions/jsonschema.ts'
import { ConfigMap } from '../src/kinds/core/configmap.ts'
import { issue, type KeyPair, makeAuthority } from '../src/wire/x509.ts'
import { openPlane } from './plane.ts'

const creates = 5_000
const width = 32
const sequential = 1_000
const definitions = 500
const group = 'bench.example.com'

const print = (bench: string, value: number, unit: string, more: object = {}) =>
  console.log(JSON.stringify({ bench, value: Math.round(value * 100) / 100, unit, ...more }))

const plane = await openPlane()
const admin = plane.client('bench', ['system:masters'])
const kinds = () => plane.core.catalog.all
const handlers = [discovery(kinds), openapi(kinds)]
const user = { name: 'bench', groups: ['system:masters'] }
const front = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const call = { request, response, url, user, signal: new AbortController().signal }
  void (async () => {
    for (const handler of handlers) if (await handler(call)) return
    response.writeHead(404).end()
  })()
})
await new Promise<void>(resolve => front.listen(0, '127.0.0.1', resolve))
const address = front.address() as { port: number }

async function get(path: string, accept = 'application/json'): Promise<{ text: string; ms: number }> {
  const began = performance.now()
  const answer = await fetch(`http://127.0.0.1:${address.port}${path}`, { headers: { accept } })
  return { text: await answer.text(), ms: performance.now() - began }
}

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const description = 'What this field is for, in as many words as such descriptions usually have. '.repeat(2)

/** A definition whose spec has `count` fields in objects of ten. */
function definitionOf(name: string, of: string, count: number, rules: object[] = []): object {
  const field = (i: number): SchemaProps =>
    i % 3 === 0
      ? { type: 'integer', description, minimum: 0 }
      : i % 3 === 1
        ? { type: 'string', description, maxLength: 64 }
        : { type: 'array', description, maxItems: 8, items: { type: 'string', maxLength: 32 } }
  const properties = Object.fromEntries(
    Array.from({ length: Math.ceil(count / 10) }, (_, part) => [
      `part${part}`,
      {
        type: 'object',
        properties: Object.fromEntries(Array.from({ length: 10 }, (__, i) => [`field${part * 10 + i}`, field(i)])),
      },
    ]),
  )
  const spec = { type: 'object', properties, ...(rules.length && { 'x-kubernetes-validations': rules }) }
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } }
  return {
    metadata: { name: `${name}.${of}` },
    spec: {
      group: of,
      scope: 'Namespaced',
      names: { plural: name, kind: name.charAt(0).toUpperCase() + name.slice(1) },
      versions: [{ name: 'v1', served: true, storage: true, subresources: { status: {} }, schema }],
    },
  }
}

async function measure(bench: string, work: (i: number) => Promise<unknown>): Promise<void> {
  const began = performance.now()
  let next = 0
  const worker = async () => {
    while (next < creates) await work(next++)
  }
  await Promise.all(Array.from({ length: width }, worker))
  print(bench, (creates / (performance.now() - began)) * 1000, '1/s', { width, store: 'memory' })
}

async function served(plural: string, of: string): Promise<Kind<KubeObject>> {
  for (;;) {
    const kind = plane.core.catalog.find({ group: of, version: 'v1', plural })
    if (kind) return kind as Kind<KubeObject>
    await sleep(1)
  }
}

const rules = [
  { rule: 'self.part0.field0 <= self.part0.field3' },
  { rule: "self.part0.field1.startsWith('a')" },
  { rule: 'self.part0.field2.all(x, x.size() > 0)' },
]
await admin.create(CustomResourceDefinition, definitionOf('widgets', group, 200, rules))
const widgets = await served('widgets', group)
const part = { field0: 1, field1: 'abc', field2: ['x', 'y'], field3: 3, field4: 'text', field6: 7 }
const spec = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`part${i}`, part]))
const data = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`key${i}`, 'value of it']))
const named = (name: string) => ({ name, namespace: 'default' })
for (const round of [1, 2]) {
  await measure(`configmap creates, round ${round}`, i =>
    admin.create(ConfigMap, { metadata: named(`c-${round}-${i}`), data }),
  )
  await measure(`custom resource creates, round ${round}`, i => {
    const object = { apiVersion: widgets.apiVersion, kind: widgets.kind, metadata: named(`w-${round}-${i}`), spec }
    return admin.create(widgets, object)
  })
}

/** The median time of creates one after the other, in ms. */
async function createMs(prefix: string): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < sequential; i++) {
    const began = performance.now()
    await admin.create(ConfigMap, { metadata: named(`${prefix}-${i}`), data })
    times.push(performance.now() - began)
  }
  return times.sort((a, b) => a - b)[Math.floor(sequential / 2)]!
}

/** Starts a webhook in a process of its own, and returns its URL. */
async function startWebhook(pair: KeyPair): Promise<{ url: string; stop: () => void }> {
  const child = fork(new URL('webhook.ts', import.meta.url))
  child.send(pair)
  const [port] = (await once(child, 'message')) as [number]
  return { url: `https://127.0.0.1:${port}/`, stop: () => child.kill() }
}

const valid = { now: Date.now(), validMs: 3_600_000 }
const authority = await makeAuthority({ commonName: 'hooks', ...valid })
const webhook = await startWebhook(
  await issue(authority, { commonName: 'hook', ips: ['127.0.0.1'] }, { usages: ['server auth'], ...valid }),
)
await createMs('warm')
const without = await createMs('without')
await admin.create(ValidatingWebhookConfiguration, {
  metadata: { name: 'hooks' },
  webhooks: [
    {
      name: 'check.example.com',
      clientConfig: { url: webhook.url, caBundle: Buffer.from(authority.certPem).toString('base64') },
      rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    },
  ],
})
await createMs('kept')
const called = await createMs('with')
print('a webhook call adds to a create', called - without, 'ms', { without, store: 'memory', transport: 'kept TLS' })
await admin.delete(ValidatingWebhookConfiguration, { name: 'hooks' })
webhook.stop()

const heap = () => {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
const start = await get('/openapi/v3/apis/apps/v1')
const drafts = Array.from({ length: definitions }, (_, i) => definitionOf(`things${i}`, `g${i}.example.com`, 230))
print('size of a definition', JSON.stringify(drafts[0]).length / 1024, 'KiB')
const before = heap()
const began = performance.now()
await Promise.all(drafts.splice(0).map(draft => admin.create(CustomResourceDefinition, draft)))
print('definitions stored', performance.now() - began, 'ms', { definitions })
for (;;) {
  const { text } = await get('/apis', aggregated)
  const index = await get('/openapi/v3')
  const last = Array.from({ length: definitions }, (_, i) => `g${i}.example.com`)
  if (last.every(of => text.includes(`"${of}"`) && index.text.includes(`apis/${of}/v1`))) break
  await sleep(5)
}
print('definitions in discovery and OpenAPI', performance.now() - began, 'ms', { definitions })
if (globalThis.gc) print('memory of a definition', (heap() - before) / definitions / 1024, 'KiB')
const again = await get('/apis', aggregated)
print('aggregated discovery, again', again.ms, 'ms', { bytes: again.text.length })
const built = await get('/openapi/v3/apis/apps/v1')
print('OpenAPI of apps/v1', built.ms, 'ms', { before: Math.round(start.ms * 100) / 100 })
const own = await get('/openapi/v3/apis/g7.example.com/v1')
print('OpenAPI of a custom group, first', own.ms, 'ms', { bytes: own.text.length })
const v2 = await get('/openapi/v2')
print('OpenAPI v2, first', v2.ms, 'ms', { bytes: v2.text.length })
process.exit()
