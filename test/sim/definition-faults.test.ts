// What is wrong with definitions, over HTTP: they are refused or wait with the words of Kubernetes, and clients of other
// kinds go on meanwhile.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { CustomResourceDefinition } from '../../src/kinds/apiextensions/customresourcedefinition.ts'
import { openSim } from './cluster.ts'
import { openHttps } from './https.ts'

const timeout = 60_000
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const merge = { 'content-type': 'application/merge-patch+json' }

const sim = await openSim({ scheduler: false })
const https = await openHttps(sim)
const { send } = https
const witness = await watchConfigMaps()
test.after(async () => {
  witness.close()
  await https.close()
  await sim.close()
})

/** A client of another kind: `works` resolves when a ConfigMap that it creates has come through its watch. */
async function watchConfigMaps() {
  const asked = request({ ...https.tls, path: '/api/v1/namespaces/default/configmaps?watch=true', agent: false }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  let seen = ''
  let isOpen = true
  response.on('data', (chunk: Buffer) => (seen += chunk.toString()))
  response.on('close', () => (isOpen = false))
  response.on('error', () => {})
  let count = 0
  return {
    async works(): Promise<void> {
      const name = `witness-${++count}`
      strictEqual((await send('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name } })).code, 201)
      while (!seen.includes(`"${name}"`)) {
        ok(isOpen, 'the watch is open')
        await turn()
      }
    },
    close: () => asked.destroy(),
  }
}

const schemaOf = (spec: object) => ({ openAPIV3Schema: { type: 'object', properties: { spec } } })
const version = (name: string, more: object = {}) => ({
  name,
  served: true,
  storage: false,
  schema: schemaOf({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true }),
  ...more,
})
const definition = (plural: string, kind: string, more: { spec?: object; metadata?: object } = {}) => ({
  metadata: { name: `${plural}.faults.example.com`, ...more.metadata },
  spec: {
    group: 'faults.example.com',
    scope: 'Namespaced',
    names: { plural, kind },
    versions: [version('v1', { storage: true })],
    ...more.spec,
  },
})
const pathOf = (plural: string, of = 'v1') => `/apis/faults.example.com/${of}/namespaces/default/${plural}`
const isServed = async (path: string) => {
  while ((await send('GET', path)).code !== 200) await turn()
}
const conditionsOf = async (name: string) => {
  const { body } = await send('GET', `${crds}/${name}.faults.example.com`)
  return (body.status?.conditions ?? []) as { type: string; status: string; reason: string; message: string }[]
}

test('a schema that is not structural is refused with each place', { timeout }, async () => {
  const at = 'spec.validation.openAPIV3Schema.properties[spec]'
  const table: [schema: object, ...problems: string[]][] = [
    [
      { properties: { a: { type: 'string' } } },
      `${at}.type: Required value: must not be empty for specified object fields`,
    ],
    [{ type: 'array' }, `${at}.items: Required value: must be specified`],
    [
      { type: 'object', properties: { a: {} } },
      `${at}.properties[a].type: Required value: must not be empty for specified object fields`,
    ],
    [
      { type: 'object', anyOf: [{ properties: { a: { type: 'string' } } }] },
      `${at}.anyOf[0].properties[a].type: Forbidden: must be empty to be structural`,
    ],
    [{ $ref: '#/definitions/x' }, `${at}.$ref: Forbidden: $ref is not supported`],
    [
      { type: 'object', uniqueItems: true },
      `${at}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
    ],
    [
      { type: 'text' },
      `${at}.type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`,
    ],
    [
      { type: 'object', properties: { a: { type: 'integer', default: 'x' } } },
      `${at}.properties[a].default: Invalid value: "string":  in body must be of type integer: "string"`,
    ],
    [
      { type: 'object', 'x-kubernetes-validations': [{ rule: 'self.missing == 1' }] },
      `${at}.x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self.missing == 1","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:5: undefined field 'missing'`,
    ],
  ]
  for (const [spec, ...problems] of table) {
    const wrong = definition('shapeless', 'Shapeless', {
      spec: { versions: [version('v1', { storage: true, schema: schemaOf(spec) })] },
    })
    const { code, body } = await send('POST', crds, wrong)
    strictEqual(code, 422, JSON.stringify(body))
    for (const problem of problems) ok(body.message.includes(problem), `${body.message}\nhas not\n${problem}`)
  }
  await witness.works()
})

test('names that do not match, or belong to others, are refused or wait', { timeout }, async () => {
  const other = await send('POST', crds, definition('owls', 'Owl', { metadata: { name: 'birds.faults.example.com' } }))
  deepStrictEqual(
    [other.code, other.body.message],
    [
      422,
      'CustomResourceDefinition.apiextensions.k8s.io "birds.faults.example.com" is invalid: metadata.name: Invalid value: "birds.faults.example.com": must be spec.names.plural+"."+spec.group',
    ],
  )
  const own = { group: 'apps', names: { plural: 'deployments', kind: 'Deployment' } }
  const builtin = await send('POST', crds, definition('x', 'X', { metadata: { name: 'deployments.apps' }, spec: own }))
  match(builtin.body.message, /spec\.group: Invalid value: "apps": should be a domain with at least one dot/)
  const leases = { group: 'coordination.k8s.io', names: { plural: 'leases', kind: 'Lease' } }
  const unapproved = definition('x', 'X', { metadata: { name: 'leases.coordination.k8s.io' }, spec: leases })
  match(
    (await send('POST', crds, unapproved)).body.message,
    /metadata\.annotations\[api-approved\.kubernetes\.io\]: Required value: protected groups must have approval annotation "api-approved\.kubernetes\.io"/,
  )
  const annotations = { 'api-approved.kubernetes.io': 'unapproved, as a test' }
  const taken = { ...unapproved, metadata: { ...unapproved.metadata, annotations } }
  strictEqual((await send('POST', crds, taken)).code, 201)
  const lease = await send('POST', '/apis/coordination.k8s.io/v1/namespaces/default/leases', {
    metadata: { name: 'still' },
    spec: { leaseDurationSeconds: 'x' },
  })
  strictEqual(lease.code, 400, 'the built-in kind still answers')
  await send('DELETE', `${crds}/leases.coordination.k8s.io`)

  await send(
    'POST',
    crds,
    definition('hawks', 'Bird', { spec: { names: { plural: 'hawks', kind: 'Bird', shortNames: ['b'] } } }),
  )
  await isServed(pathOf('hawks'))
  await send(
    'POST',
    crds,
    definition('crows', 'Bird', { spec: { names: { plural: 'crows', kind: 'Bird', shortNames: ['b'] } } }),
  )
  while (!(await conditionsOf('crows')).length) await turn()
  deepStrictEqual(
    (await conditionsOf('crows')).map(({ type, status, reason, message }) => [type, status, reason, message]),
    [
      // Of several conflicts the last one counts.
      ['NamesAccepted', 'False', 'ListKindConflict', '"BirdList" is already in use'],
      ['Established', 'False', 'NotAccepted', 'not all names are accepted'],
    ],
  )
  strictEqual((await send('GET', pathOf('crows'))).code, 404)
  await send('DELETE', `${crds}/hawks.faults.example.com`)
  await isServed(pathOf('crows'))
  await witness.works()
})

test('what may not change is refused, and what is served stays as it was', { timeout }, async () => {
  const name = 'storks.faults.example.com'
  const versions = [version('v1', { storage: true }), version('v2')]
  await send('POST', crds, definition('storks', 'Stork', { spec: { versions } }))
  await isServed(pathOf('storks', 'v2'))
  strictEqual(
    (
      await send('POST', pathOf('storks'), {
        apiVersion: 'faults.example.com/v1',
        kind: 'Stork',
        metadata: { name: 'a' },
      })
    ).code,
    201,
  )
  const table: [change: object, problem: RegExp][] = [
    [{ scope: 'Cluster' }, /spec\.scope: Invalid value: "Cluster": field is immutable/],
    [{ group: 'other.example.com' }, /spec\.group: Invalid value: "other\.example\.com": field is immutable/],
    [{ names: { kind: 'Other' } }, /spec\.names\.kind: Invalid value: "Other": field is immutable/],
    [{ names: { plural: 'others' } }, /spec\.names\.plural: Invalid value: "others": field is immutable/],
    [{ versions: [] }, /spec\.versions: Invalid value: .*must have exactly one version marked as storage version/],
    [
      { versions: [version('v1', { storage: true }), version('v2', { storage: true })] },
      /must have exactly one version marked as storage version/,
    ],
    [
      { versions: [version('v1', { storage: true }), version('v1')] },
      /spec\.versions: Invalid value: .*must contain unique version names/,
    ],
    [
      { versions: [version('v2', { storage: true })] },
      /status\.storedVersions\[0\]: Invalid value: "v1": missing from spec\.versions; v1 was previously a storage version/,
    ],
    [
      { versions: [version('V1', { storage: true })] },
      /spec\.versions\[0\]\.name: Invalid value: "V1": a DNS-1035 label must consist of/,
    ],
    [
      { conversion: { strategy: 'Webhook' } },
      /spec\.conversion\.webhook.*Required value: required when strategy is set to Webhook/,
    ],
  ]
  for (const [spec, problem] of table) {
    const { code, body } = await send('PATCH', `${crds}/${name}`, { spec }, merge)
    strictEqual(code, 422, `${JSON.stringify(spec)}: ${JSON.stringify(body)}`)
    match(body.message, problem)
    strictEqual((await send('GET', `${pathOf('storks', 'v2')}/a`)).code, 200)
  }
  // A version that is not served any more is gone for clients, and its objects are shown in the other one.
  const unserved = [version('v1', { storage: true, served: false }), version('v2')]
  strictEqual((await send('PATCH', `${crds}/${name}`, { spec: { versions: unserved } }, merge)).code, 200)
  while ((await send('GET', `${pathOf('storks')}/a`)).code !== 404) await turn()
  strictEqual((await send('GET', `${pathOf('storks', 'v2')}/a`)).body.apiVersion, 'faults.example.com/v2')
  await witness.works()
})

test('a definition that is deleted waits for the finalizers of its objects', { timeout }, async () => {
  await send('POST', crds, definition('swans', 'Swan'))
  await isServed(pathOf('swans'))
  const swan = (name: string, finalizers: string[] = []) =>
    send('POST', pathOf('swans'), { apiVersion: 'faults.example.com/v1', kind: 'Swan', metadata: { name, finalizers } })
  await swan('free')
  await swan('held', ['faults.example.com/hold'])
  strictEqual((await send('DELETE', `${crds}/swans.faults.example.com`)).code, 200)
  while ((await send('GET', `${pathOf('swans')}/free`)).code !== 404) await turn()
  const terminating = async () => (await conditionsOf('swans')).find(({ type }) => type === 'Terminating')
  while ((await terminating())?.reason !== 'InstanceDeletionInProgress') {
    await sim.clock.forward(100)
    await turn()
  }
  const refused = await swan('new')
  deepStrictEqual(
    [refused.code, refused.body.message],
    [405, 'create not allowed while custom resource definition is terminating'],
  )
  strictEqual((await send('GET', pathOf('swans'))).body.items.length, 1)
  await witness.works()
  await send('PATCH', `${pathOf('swans')}/held`, { metadata: { finalizers: null } }, merge)
  for (;;) {
    if ((await send('GET', `${crds}/swans.faults.example.com`)).code === 404) break
    await sim.clock.forward(500)
    await turn()
  }
  while ((await send('GET', pathOf('swans'))).code !== 404) await turn()
  strictEqual((await send('POST', crds, definition('swans', 'Swan'))).code, 201)
  await isServed(pathOf('swans'))
  strictEqual((await send('GET', pathOf('swans'))).body.items.length, 0)
})

test('five hundred definitions at once are served, while others work', { timeout }, async () => {
  const plurals = Array.from({ length: 500 }, (_, i) => `many${i}s`)
  const { client, plane } = sim
  // Not over HTTP, since five hundred handshakes would take longer than everything else.
  const created = plurals.map(plural =>
    client.create(CustomResourceDefinition, definition(plural, plural.toUpperCase())),
  )
  for (let i = 0; i < 5; i++) await witness.works()
  await Promise.all(created)
  const kindOf = (plural: string) => plane.core.catalog.find({ group: 'faults.example.com', version: 'v1', plural })
  while (!plurals.every(kindOf)) await turn()
  await isServed(pathOf(plurals.at(-1)!))
  const { resources } = (await send('GET', '/apis/faults.example.com/v1')).body
  const names = new Set(resources.map(({ name }: { name: string }) => name))
  ok(plurals.every(plural => names.has(plural)))
  ok((await send('GET', '/openapi/v2')).text.includes('MANY499S'))
  const removed = plurals.map(plural =>
    client.delete(CustomResourceDefinition, { name: `${plural}.faults.example.com` }),
  )
  await witness.works()
  await Promise.all(removed)
  while (plurals.some(kindOf)) {
    await sim.clock.forward(500)
    await turn()
  }
  await witness.works()
})
