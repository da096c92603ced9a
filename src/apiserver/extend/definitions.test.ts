// Custom resources from the definition to the object, through the API server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { int64Of } from '../../api/int64.ts'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import type { SchemaProps } from '../../kinds/apiextensions/jsonschema.ts'
import { openMemoryStore } from '../../store/index.ts'
import { type Caller, openTestServer } from '../testing.ts'

const group = 'stable.example.com'
type SchemaProperties = Readonly<Record<string, SchemaProps>>

/** A definition of CronTab with one version, whose schema has these properties of its spec. */
const cronTabs = (properties: SchemaProperties, more: { spec?: JsonObject; version?: JsonObject } = {}) => ({
  metadata: { name: `crontabs.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'crontabs', kind: 'CronTab', shortNames: ['ct'] },
    versions: [version('v1', properties, { storage: true, ...more.version })],
    ...more.spec,
  },
})

const version = (name: string, properties: SchemaProperties, more: JsonObject = {}) => ({
  name,
  served: true,
  storage: false,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: { type: 'object', properties },
        status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
  ...more,
})

type Server = Awaited<ReturnType<typeof openTestServer>>

/** Resolves when a condition holds, which is looked at after each turn of the event loop. */
async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (await condition()) return
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.fail(`in vain: ${what}`)
}

const find = ({ core }: Server, name: string, plural = 'crontabs') =>
  core.catalog.find({ group, version: name, plural })

/** Creates a definition, and returns the kind of its version when it is served. */
async function define(server: Server, definition: object, name = 'v1', plural = 'crontabs'): Promise<AnyKind> {
  await server.admin.create(CustomResourceDefinition, definition)
  await until(`${plural} are served`, () => find(server, name, plural) !== undefined)
  return find(server, name, plural)!
}

const specOf = (object: KubeObject) => asJson(object).spec as JsonObject
const create = (admin: Caller, kind: AnyKind, spec: JsonObject, name = 'a') =>
  admin.create(kind, {
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { name },
    spec: spec,
  }) as Promise<KubeObject>

test('a definition is established at once, with its names and the version that it stores', async t => {
  const server = await openTestServer(t)
  await define(server, cronTabs({}))
  const { status } = await server.admin.get(CustomResourceDefinition, `crontabs.${group}`)
  assert.deepEqual(status.acceptedNames, {
    plural: 'crontabs',
    singular: 'crontab',
    shortNames: ['ct'],
    kind: 'CronTab',
    listKind: 'CronTabList',
  })
  assert.deepEqual(
    status.conditions?.map(({ type, status: value, reason, message }) => [type, value, reason, message]),
    [
      ['NamesAccepted', 'True', 'NoConflicts', 'no conflicts found'],
      ['Established', 'True', 'InitialNamesAccepted', 'the initial names have been accepted'],
    ],
  )
  assert.deepEqual(status.storedVersions, ['v1'])
})

test('objects are pruned and defaulted by their schema, and otherwise kept as they were sent', async t => {
  const server = await openTestServer(t)
  const kind = await define(
    server,
    cronTabs({
      count: { type: 'integer', default: 1 },
      name: { type: 'string', nullable: true },
      nested: { type: 'object', properties: { on: { type: 'boolean', default: true } } },
      deep: { type: 'object', default: {}, properties: { size: { type: 'string', default: 'small' } } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      list: { type: 'array', items: { type: 'object', properties: { port: { type: 'integer', default: 80 } } } },
      either: { 'x-kubernetes-int-or-string': true },
    }),
  )
  const big = int64Of(2n ** 53n + 1n)
  const table: [sent: JsonObject, stored: JsonObject][] = [
    [{}, { count: 1, deep: { size: 'small' } }],
    [
      { count: 0, unknown: 1 },
      { count: 0, deep: { size: 'small' } },
    ],
    [
      { count: null, name: null },
      { count: 1, deep: { size: 'small' }, name: null },
    ],
    [
      { nested: {}, deep: { size: '' } },
      { count: 1, deep: { size: '' }, nested: { on: true } },
    ],
    [
      { free: { b: null, a: [{ z: 1, y: 0 }] } },
      { count: 1, deep: { size: 'small' }, free: { a: [{ y: 0, z: 1 }], b: null } },
    ],
    [{ list: [{}, { port: 1, x: 2 }] }, { count: 1, deep: { size: 'small' }, list: [{ port: 80 }, { port: 1 }] }],
    [{ either: '50%' }, { count: 1, deep: { size: 'small' }, either: '50%' }],
    [{ count: big }, { count: big, deep: { size: 'small' } }],
  ]
  for (const [i, [sent, stored]] of table.entries()) {
    const made = await create(server.admin, kind, sent, `t${i}`)
    assert.deepEqual(specOf(made), stored)
    assert.deepEqual(specOf((await server.admin.get(kind, `t${i}`)) as KubeObject), stored)
  }
})

test('values that do not fit the schema are refused, in the words of Kubernetes', async t => {
  const server = await openTestServer(t)
  const kind = await define(
    server,
    cronTabs({
      count: { type: 'integer', minimum: 1, maximum: 5, multipleOf: 1 },
      name: { type: 'string', minLength: 2, maxLength: 4, pattern: '^a' },
      mode: { type: 'string', enum: ['On', 'Off'] },
      when: { type: 'string', format: 'date-time' },
      set: { type: 'array', maxItems: 2, items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
      keyed: {
        type: 'array',
        items: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      },
      map: { type: 'object', additionalProperties: { type: 'integer' }, minProperties: 1 },
      one: {
        type: 'object',
        properties: { a: { type: 'string' }, b: { type: 'string' } },
        oneOf: [{ required: ['a'] }, { required: ['b'] }],
      },
      any: {
        type: 'object',
        properties: { a: { type: 'string' }, b: { type: 'string' } },
        anyOf: [{ required: ['a'] }, { required: ['b'] }],
      },
      not: { type: 'string', not: { enum: ['x'] } },
      inner: {
        type: 'object',
        'x-kubernetes-embedded-resource': true,
        'x-kubernetes-preserve-unknown-fields': true,
      },
    }),
  )
  const table: [spec: JsonObject, ...problems: string[]][] = [
    [{ count: 'x' }, 'spec.count: Invalid value: "string": spec.count in body must be of type integer: "string"'],
    [
      { count: 1.5 },
      'spec.count: Invalid value: "number": spec.count in body must be of type integer: "number"',
      'spec.count: Invalid value: 1.5: spec.count in body should be a multiple of 1',
    ],
    [{ count: 0 }, 'spec.count: Invalid value: 0: spec.count in body should be greater than or equal to 1'],
    [{ count: 6 }, 'spec.count: Invalid value: 6: spec.count in body should be less than or equal to 5'],
    [{ name: 'a' }, 'spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long'],
    [{ name: 'abcde' }, 'spec.name: Too long: may not be more than 4 bytes'],
    [{ name: 'bcd' }, 'spec.name: Invalid value: "bcd": spec.name in body should match \'^a\''],
    [{ mode: 'Maybe' }, 'spec.mode: Unsupported value: "Maybe": supported values: "On", "Off"'],
    [{ when: 'now' }, 'spec.when: Invalid value: "now": spec.when in body must be of type date-time: "now"'],
    [{ set: ['a', 'a'] }, 'spec.set[1]: Duplicate value: "a"'],
    [{ set: ['a', 'b', 'c'] }, 'spec.set: Too many: 3: must have at most 2 items'],
    [{ set: [1] }, 'spec.set[0]: Invalid value: "integer": spec.set[0] in body must be of type string: "integer"'],
    [{ keyed: [{ name: 'a' }, { name: 'a' }] }, 'spec.keyed[1]: Duplicate value: {"name":"a"}'],
    [{ keyed: [{}] }, 'spec.keyed[0].name: Required value'],
    [{ map: { a: 'b' } }, 'spec.map.a: Invalid value: "string": spec.map.a in body must be of type integer: "string"'],
    [{ map: {} }, 'spec.map: Invalid value: 0: spec.map in body should have at least 1 properties'],
    [
      { one: { a: '', b: '' } },
      '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives',
    ],
    [
      { one: {} },
      '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid',
      'spec.one.a: Required value',
    ],
    [
      { any: {} },
      '<nil>: Invalid value: "": "spec.any" must validate at least one schema (anyOf)',
      'spec.any.a: Required value',
    ],
    [{ not: 'x' }, '<nil>: Invalid value: "": "spec.not" must not validate the schema (not)'],
    [
      { inner: {} },
      'spec.inner.apiVersion: Required value: must not be empty',
      'spec.inner.kind: Required value: must not be empty',
    ],
    [
      { inner: { apiVersion: 'v1', kind: 'A', metadata: { name: 'A_b' } } },
      "spec.inner.metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ]
  for (const [spec, ...problems] of table) {
    const text = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`
    await assert.rejects(create(server.admin, kind, spec), {
      reason: 'Invalid',
      message: `CronTab.${group} "a" is invalid: ${text}`,
    })
  }
  assert.deepEqual((await server.admin.list(kind)).items, [])
})

test('a problem that an object had before does not stop the change of another field', async t => {
  const server = await openTestServer(t)
  const loose = cronTabs({
    name: { type: 'string' },
    size: { type: 'integer' },
    list: { type: 'array', items: { type: 'string' } },
  })
  const kind = await define(server, loose)
  await create(server.admin, kind, { name: 'bad', list: ['bad'], size: 1 })
  const strict = cronTabs({
    name: { type: 'string', pattern: '^good' },
    size: { type: 'integer' },
    list: { type: 'array', items: { type: 'string', pattern: '^good' } },
  })
  await server.admin.patch(CustomResourceDefinition, `crontabs.${group}`, 'merge', { spec: strict.spec })
  await until('the new schema is served', () => find(server, 'v1') !== kind)
  const now = find(server, 'v1')!
  const patch = (spec: JsonObject) => server.admin.patch(now, 'a', 'merge', { spec }) as Promise<KubeObject>
  assert.equal(specOf(await patch({ size: 2 })).size, 2)
  await assert.rejects(patch({ name: 'worse' }), { reason: 'Invalid' })
  // An element of a list without keys is a new one.
  await assert.rejects(patch({ list: ['bad', 'good'] }), { reason: 'Invalid' })
})

test('versions show the same objects, each by its own schema', async t => {
  const server = await openTestServer(t)
  const both = cronTabs({})
  both.spec.versions = [
    version('v1', { old: { type: 'string' }, same: { type: 'string' } }, { storage: true }),
    version('v2', { same: { type: 'string' }, size: { type: 'integer', default: 3 } }),
  ]
  const v1 = await define(server, both)
  const v2 = find(server, 'v2')!
  await create(server.admin, v1, { old: 'x', same: 'y' })
  assert.deepEqual(specOf((await server.admin.get(v2, 'a')) as KubeObject), { same: 'y' })
  const made = await create(server.admin, v2, { same: 'z' }, 'b')
  // It is stored as v1, which has neither the field nor its default.
  assert.deepEqual([made.apiVersion, specOf(made)], [v2.apiVersion, { same: 'z' }])
  const listed = (await server.admin.list(v1)).items.map(({ object }) => [object.apiVersion, specOf(object)])
  assert.deepEqual(listed, [
    [v1.apiVersion, { old: 'x', same: 'y' }],
    [v1.apiVersion, { same: 'z' }],
  ])
})

test('metadata.generation counts changes of everything but metadata and, with a subresource, the status', async t => {
  for (const hasStatus of [true, false]) {
    const server = await openTestServer(t)
    const kind = await define(
      server,
      cronTabs(
        { size: { type: 'integer' } },
        { version: { storage: true, ...(hasStatus && { subresources: { status: {} } }) } },
      ),
    )
    await create(server.admin, kind, { size: 1 })
    const patch = (body: JsonObject, subresource = '') =>
      server.admin.patch(kind, 'a', 'merge', body, { subresource }) as Promise<KubeObject>
    const steps: [body: JsonObject, subresource: string, generation: number][] = [
      [{ metadata: { labels: { a: 'b' } } }, '', 1],
      [{ spec: { size: 2 } }, '', 2],
      [{ status: { done: true } }, '', hasStatus ? 2 : 3],
      ...(hasStatus
        ? ([[{ status: { done: true }, spec: { size: 9 } }, 'status', 2]] as [JsonObject, string, number][])
        : []),
    ]
    for (const [body, subresource, generation] of steps)
      assert.equal((await patch(body, subresource)).metadata.generation, generation, JSON.stringify(body))
    const { spec, status } = asJson((await server.admin.get(kind, 'a')) as KubeObject)
    assert.deepEqual([spec, status], [{ size: 2 }, { done: true }])
  }
})

test('server-side apply owns fields of custom resources, also those without a schema', async t => {
  const server = await openTestServer(t)
  const kind = await define(
    server,
    cronTabs({
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      keyed: {
        type: 'array',
        items: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string' }, port: { type: 'integer' } },
        },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      },
      whole: { type: 'array', items: { type: 'string' } },
    }),
  )
  const apply = (spec: JsonObject, manager: string) =>
    server.admin.apply(kind, 'a', { spec }, manager) as Promise<KubeObject>
  await apply({ free: { a: { x: 1 } }, keyed: [{ name: 'one', port: 1 }], whole: ['a'] }, 'first')
  const both = await apply({ free: { a: { y: 2 }, b: 3 }, keyed: [{ name: 'two', port: 2 }] }, 'second')
  assert.deepEqual(specOf(both), {
    free: { a: { x: 1, y: 2 }, b: 3 },
    keyed: [
      { name: 'one', port: 1 },
      { name: 'two', port: 2 },
    ],
    whole: ['a'],
  })
  await assert.rejects(apply({ free: { a: { x: 2 } } }, 'second'), {
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "first": .spec.free.a.x',
  })
  await assert.rejects(apply({ whole: ['b'] }, 'second'), { reason: 'Conflict' })
  assert.deepEqual(specOf(await apply({}, 'first')), { free: { a: { y: 2 }, b: 3 }, keyed: [{ name: 'two', port: 2 }] })
})

test('of two definitions with the same names, the second waits until the first is gone', async t => {
  const server = await openTestServer(t)
  await define(server, cronTabs({}))
  const second = {
    metadata: { name: `others.${group}` },
    spec: { ...cronTabs({}).spec, names: { plural: 'others', kind: 'CronTab', shortNames: ['ct'] } },
  }
  await server.admin.create(CustomResourceDefinition, second)
  const conditions = async () =>
    ((await server.admin.get(CustomResourceDefinition, `others.${group}`)).status.conditions ?? []).map(
      ({ type, status, reason, message }) => [type, status, reason, message],
    )
  await until('the conflict is reported', async () => (await conditions()).length > 0)
  assert.deepEqual(await conditions(), [
    ['NamesAccepted', 'False', 'ListKindConflict', '"CronTabList" is already in use'],
    ['Established', 'False', 'NotAccepted', 'not all names are accepted'],
  ])
  assert.equal(find(server, 'v1', 'others'), undefined)
  await server.admin.remove(CustomResourceDefinition, `crontabs.${group}`)
  await until('the second is served', () => find(server, 'v1', 'others') !== undefined)
})

test('a definition that is deleted takes its objects with it, and waits for their finalizers', async t => {
  const server = await openTestServer(t)
  const kind = await define(server, cronTabs({}))
  await create(server.admin, kind, {}, 'free')
  await server.admin.create(kind, {
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { name: 'held', finalizers: ['example.com/hold'] },
  })
  await server.admin.remove(CustomResourceDefinition, `crontabs.${group}`)
  const definition = () => server.admin.get(CustomResourceDefinition, `crontabs.${group}`)
  await until('the free one is gone', async () => (await server.admin.list(find(server, 'v1')!)).items.length === 1)
  const { metadata, status } = await definition()
  assert.deepEqual(metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io'])
  assert.equal(status.conditions?.find(({ type }) => type === 'Terminating')?.reason, 'InstanceDeletionInProgress')
  await assert.rejects(create(server.admin, find(server, 'v1')!, {}, 'late'), { reason: 'MethodNotAllowed' })
  await server.admin.patch(find(server, 'v1')!, 'held', 'merge', { metadata: { finalizers: null } })
  await until('the definition is gone', () => find(server, 'v1') === undefined)
  await assert.rejects(definition(), { reason: 'NotFound' })
})

test('a watch goes on when the definition changes, and ends when it is gone', async t => {
  const server = await openTestServer(t)
  const kind = await define(server, cronTabs({ a: { type: 'string' } }))
  const result = await server.admin.ask('watch', kind, { namespace: 'default' })
  assert.ok(result.type === 'watch')
  const events = result.events[Symbol.asyncIterator]()
  await create(server.admin, kind, { a: '1' }, 'one')
  assert.equal((await events.next()).value?.[0]?.item.object.metadata.name, 'one')
  await server.admin.patch(CustomResourceDefinition, `crontabs.${group}`, 'merge', {
    spec: cronTabs({ a: { type: 'string' }, b: { type: 'string' } }).spec,
  })
  await until('the new schema is served', () => find(server, 'v1') !== kind)
  await create(server.admin, find(server, 'v1')!, { b: '2' }, 'two')
  assert.equal((await events.next()).value?.[0]?.item.object.metadata.name, 'two')
  await server.admin.remove(CustomResourceDefinition, `crontabs.${group}`)
  const types: string[] = []
  for (let next = await events.next(); !next.done; next = await events.next())
    types.push(...next.value.map(({ type }) => type))
  assert.deepEqual(types, ['DELETED', 'DELETED'])
})

test('definitions and their objects are there after a restart', async t => {
  const store = openMemoryStore()
  const first = await openTestServer(t, store)
  const kind = await define(first, cronTabs({ a: { type: 'string' } }))
  await create(first.admin, kind, { a: '1' })
  const second = await openTestServer(t, store, { isNew: false })
  const again = find(second, 'v1')!
  assert.deepEqual(specOf((await second.admin.get(again, 'a')) as KubeObject), { a: '1' })
})
