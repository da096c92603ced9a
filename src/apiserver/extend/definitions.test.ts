// Definitions of custom resources: their names and versions, and what happens to their objects.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../api/kind.ts'
import { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import { openMemoryStore } from '../../store/index.ts'
import { openTestServer } from '../testing.ts'

import { create, cronTabs, define, find, group, specOf, until, version } from './testing.ts'

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

test('the storage version can move, and what was stored before stays a stored version', async t => {
  const server = await openTestServer(t)
  const { admin } = server
  const both = (stored: string) => {
    const definition = cronTabs({})
    definition.spec.versions = ['v1', 'v2'].map(name => version(name, {}, { storage: name === stored }))
    return definition
  }
  const v1 = await define(server, both('v1'))
  await create(admin, v1, {})
  const name = `crontabs.${group}`
  const before = await admin.get(CustomResourceDefinition, name)
  const { status } = await admin.patch(CustomResourceDefinition, name, 'merge', { spec: both('v2').spec })
  assert.deepEqual(status.storedVersions, ['v1', 'v2'])
  assert.deepEqual(before.status.storedVersions, ['v1'], 'what was read before is as it was')
  await until('v2 is stored', () => find(server, 'v2') !== undefined)
  assert.equal(((await admin.get(find(server, 'v2')!, 'a')) as KubeObject).apiVersion, `${group}/v2`)
  const only = both('v2').spec.versions.filter(one => one.name === 'v2')
  await assert.rejects(admin.patch(CustomResourceDefinition, name, 'merge', { spec: { versions: only } }), {
    message: `CustomResourceDefinition.apiextensions.k8s.io "${name}" is invalid: status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions`,
  })
})

test('an update that changes nothing is not written, in any version, unless the storage version is another', async t => {
  const server = await openTestServer(t)
  const { admin } = server
  const both = (stored: string) => {
    const definition = cronTabs({})
    definition.spec.versions = ['v1', 'v2'].map(name =>
      version(name, { a: { type: 'string' } }, { storage: name === stored }),
    )
    return definition
  }
  const v1 = await define(server, both('v1'))
  const made = await create(admin, v1, { a: 'b' })
  const again = async (name: string) => {
    const kind = find(server, name)!
    return ((await admin.update(kind, (await admin.get(kind, 'a')) as KubeObject)) as KubeObject).metadata
  }
  assert.equal((await again('v1')).resourceVersion, made.metadata.resourceVersion)
  assert.equal((await again('v2')).resourceVersion, made.metadata.resourceVersion)
  await admin.patch(CustomResourceDefinition, `crontabs.${group}`, 'merge', { spec: both('v2').spec })
  await until('v2 is stored', () => find(server, 'v1') !== v1)
  const moved = await again('v1')
  assert.notEqual(moved.resourceVersion, made.metadata.resourceVersion, 'it moves to the new storage version')
  assert.equal((await again('v1')).resourceVersion, moved.resourceVersion)
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
