// Creates, updates and patches: what the server sets, what a client may change, and which writes conflict.
import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { StatusError } from '../base/errors.ts'
import type { Draft } from '../api/kind.ts'
import type { Json } from '../api/schema/node.ts'
import { Deployment } from '../kinds/apps/deployment.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Node } from '../kinds/core/node.ts'
import { openTestServer } from './testing.ts'

const deployment = (name: string, replicas: number): Draft<Deployment> => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'app' }] } },
  },
})

test('the server sets its own fields of a new object, whatever the client sends', async t => {
  const { admin } = await openTestServer(t)
  const { metadata, status } = await admin.create(Deployment, {
    ...deployment('a', 1),
    metadata: {
      name: 'a',
      uid: 'mine',
      creationTimestamp: '2000-01-01T00:00:00Z',
      deletionTimestamp: '2000-01-01T00:00:00Z',
      deletionGracePeriodSeconds: 3,
      generation: 7,
      selfLink: '/x',
    },
    status: { replicas: 5 },
  })
  match(metadata.uid!, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  deepStrictEqual(
    [
      metadata.namespace,
      metadata.creationTimestamp,
      metadata.generation,
      metadata.deletionTimestamp,
      metadata.selfLink,
    ],
    ['default', '2026-01-01T00:00:00Z', 1, undefined, undefined],
  )
  strictEqual(metadata.deletionGracePeriodSeconds, undefined)
  deepStrictEqual(status, {})
})

test('an invalid create is refused', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(ConfigMap, { metadata: { name: 'a' } })
  const create = (body: unknown, namespace = 'default') =>
    admin.ask('create', ConfigMap, { namespace, body: body as Json })
  const table: [body: unknown, reason: string, message: RegExp][] = [
    [{ metadata: { name: 'a' } }, 'AlreadyExists', /^configmaps "a" already exists$/],
    [{ metadata: {} }, 'Invalid', /metadata.name: Required value: name or generateName is required/],
    [{ metadata: { name: 'A' } }, 'Invalid', /metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain/],
    [
      { metadata: { name: 'b', resourceVersion: '1' } },
      'BadRequest',
      /^resourceVersion should not be set on objects to be created$/,
    ],
    [
      { metadata: { name: 'b', namespace: 'other' } },
      'BadRequest',
      /^the namespace of the provided object does not match the namespace sent on the request$/,
    ],
    [{ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'b' } }, 'BadRequest', /Pod/],
    [
      { data: { a: 1 } },
      'BadRequest',
      /json: cannot unmarshal number into Go struct field ConfigMap.data of type string/,
    ],
    ['text', 'BadRequest', /./],
  ]
  for (const [body, reason, message] of table) await rejects(create(body), { reason, message }, JSON.stringify(body))
  await rejects(create({ metadata: { name: 'b' } }, ''), { reason: 'BadRequest', message: 'namespace is required' })
})

test('a generated name begins with the requested prefix, and another one is made if it is taken', async t => {
  const { admin } = await openTestServer(t)
  const names = new Set<string>()
  for (let i = 0; i < 50; i++)
    names.add((await admin.create(ConfigMap, { metadata: { generateName: 'web-' } })).metadata.name!)
  strictEqual(names.size, 50)
  for (const name of names) match(name, /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  const long = await admin.create(ConfigMap, { metadata: { generateName: 'x'.repeat(80) } })
  strictEqual(long.metadata.name!.length, 63)
  const named = await admin.create(ConfigMap, { metadata: { name: 'own', generateName: 'web-' } })
  strictEqual(named.metadata.name, 'own')
})

test('unknown fields are dropped, reported in a warning, or refused, as requested', async t => {
  const { admin } = await openTestServer(t)
  const ask = (fieldValidation: 'Strict' | 'Warn' | 'Ignore' | undefined) =>
    admin.ask('create', ConfigMap, {
      namespace: 'default',
      body: { metadata: { generateName: 'a-', colour: 'red' }, dat: {} },
      options: fieldValidation ? { fieldValidation } : {},
    })
  const warnings = ['unknown field "metadata.colour"', 'unknown field "dat"']
  deepStrictEqual((await ask(undefined)).warnings, warnings)
  deepStrictEqual((await ask('Warn')).warnings, warnings)
  strictEqual((await ask('Ignore')).warnings, undefined)
  await rejects(ask('Strict'), {
    reason: 'BadRequest',
    message: `ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ${warnings.join(', ')}`,
  })
})

test('an update that names a version or UID is refused if the object has another', async t => {
  const { admin } = await openTestServer(t)
  const first = await admin.create(ConfigMap, { metadata: { name: 'a' }, data: { x: '1' } })
  const second = await admin.update(ConfigMap, { ...first, data: { x: '2' } })
  const fails = 'Operation cannot be fulfilled on configmaps "a": '
  await rejects(admin.update(ConfigMap, { ...first, data: { x: '3' } }), {
    reason: 'Conflict',
    message: `${fails}the object has been modified; please apply your changes to the latest version and try again`,
  })
  // Without a version, the last write wins.
  await admin.update(ConfigMap, { metadata: { name: 'a' }, data: { x: '4' } })
  await rejects(admin.update(ConfigMap, { metadata: { name: 'a', uid: 'other' }, data: {} }), {
    reason: 'Conflict',
    message: `${fails}StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: ${first.metadata.uid}`,
  })
  await rejects(admin.update(ConfigMap, { metadata: { name: 'b' } }), {
    reason: 'NotFound',
    message: 'configmaps "b" not found',
  })
  const update = (body: object) =>
    admin.ask('update', ConfigMap, { namespace: 'default', name: 'a', body: body as Json })
  await rejects(update({ metadata: { name: 'b' } }), {
    message: 'the name of the object (b) does not match the name on the URL (a)',
  })
  await rejects(update({ metadata: {} }), {
    message: 'the name of the object (a based on URL) was undeterminable: name must be provided',
  })
  ok(Number(second.metadata.resourceVersion) > Number(first.metadata.resourceVersion))
})

test('the server’s own fields stay as they were, whatever a client sets or leaves out', async t => {
  const { admin } = await openTestServer(t)
  const made = await admin.create(Deployment, deployment('a', 1))
  const { metadata } = await admin.update(Deployment, {
    ...deployment('a', 1),
    metadata: { name: 'a', creationTimestamp: '2000-01-01T00:00:00Z', generation: 9, labels: { a: 'b' } },
  })
  deepStrictEqual(
    [metadata.uid, metadata.creationTimestamp, metadata.generation, metadata.labels],
    [made.metadata.uid, made.metadata.creationTimestamp, 1, { a: 'b' }],
  )
})

test('a write that changes nothing is not stored', async t => {
  const { admin, core, clock } = await openTestServer(t)
  const made = await admin.create(Deployment, deployment('a', 1))
  const before = core.storage.revision
  await clock.forward(60_000)
  const writes = [
    () => admin.update(Deployment, made),
    () => admin.update(Deployment, deployment('a', 1)),
    () => admin.patch(Deployment, 'a', 'merge', { spec: { replicas: 1 } }),
    () => admin.patch(Deployment, 'a', 'strategic', { spec: { template: { spec: { containers: [{ name: 'c' }] } } } }),
    () => admin.patch(Deployment, 'a', 'json', [{ op: 'replace', path: '/spec/replicas', value: 1 }]),
    () => admin.patch(Deployment, 'a', 'merge', { status: { replicas: 3 } }),
    () => admin.patch(Deployment, 'a', 'merge', {}, { subresource: 'status' }),
  ]
  for (const write of writes) deepStrictEqual(await write(), made)
  strictEqual(core.storage.revision, before)
})

test('spec and status are written separately, and only a change of the spec counts as a generation', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(Deployment, deployment('a', 1))
  const state = ({ metadata, spec, status }: Deployment) => [
    metadata.generation,
    spec.replicas,
    status.replicas,
    metadata.labels?.l,
  ]
  const both = { spec: { replicas: 2 }, status: { replicas: 2 }, metadata: { labels: { l: 'x' } } }
  deepStrictEqual(state(await admin.patch(Deployment, 'a', 'merge', both)), [2, 2, undefined, 'x'])
  const more = { spec: { replicas: 3 }, status: { replicas: 3 }, metadata: { labels: { l: 'y' } } }
  const written = await admin.patch(Deployment, 'a', 'merge', more, { subresource: 'status' })
  deepStrictEqual(state(written).slice(0, 3), [2, 2, 3])
  deepStrictEqual(state(await admin.patch(Deployment, 'a', 'merge', { metadata: { annotations: { a: 'b' } } })), [
    2,
    2,
    3,
    state(written)[3],
  ])
  deepStrictEqual(state(await admin.patch(Deployment, 'a', 'merge', { spec: { paused: true } })).slice(0, 1), [3])
  await rejects(admin.get(ConfigMap, 'a', { subresource: 'status' }), { reason: 'NotFound' })
})

test('each type of patch follows its own rules', async t => {
  const { admin } = await openTestServer(t)
  const names = async (type: 'merge' | 'strategic' | 'json', body: unknown) => {
    await admin.create(Deployment, deployment('a', 1))
    const { spec } = await admin.patch(Deployment, 'a', type, body)
    await admin.remove(Deployment, 'a')
    return spec.template.spec.containers.map(c => c.name)
  }
  const containers = (...list: object[]) => ({ spec: { template: { spec: { containers: list } } } })
  const path = '/spec/template/spec/containers'
  deepStrictEqual(await names('strategic', containers({ name: 'd', image: 'x' })), ['d', 'c'])
  deepStrictEqual(await names('merge', containers({ name: 'd', image: 'x' })), ['d'])
  deepStrictEqual(await names('json', [{ op: 'add', path: `${path}/-`, value: { name: 'd', image: 'x' } }]), ['c', 'd'])
})

test('a patch that names a version expects it, and one that names none is applied to the newest', async t => {
  const { admin } = await openTestServer(t)
  const { metadata } = await admin.create(ConfigMap, { metadata: { name: 'a' } })
  const { resourceVersion } = metadata
  // All at once: each begins again until it succeeds.
  await Promise.all(
    Array.from({ length: 10 }, (_, i) => admin.patch(ConfigMap, 'a', 'merge', { data: { [`k${i}`]: 'v' } })),
  )
  strictEqual(Object.keys((await admin.get(ConfigMap, 'a')).data ?? {}).length, 10)
  await rejects(admin.patch(ConfigMap, 'a', 'merge', { metadata: { resourceVersion }, data: { x: 'y' } }), {
    reason: 'Conflict',
  })
  await rejects(
    admin.patch(ConfigMap, 'a', 'json', [{ op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion }]),
    { reason: 'Conflict' },
  )
  await rejects(admin.patch(ConfigMap, 'a', 'merge', { metadata: { uid: 'other' } }), { reason: 'Invalid' })
  await rejects(admin.patch(ConfigMap, 'a', 'merge', { metadata: { name: 'b' } }), { reason: 'BadRequest' })
  await rejects(admin.patch(ConfigMap, 'none', 'merge', {}), { reason: 'NotFound' })
  await rejects(admin.patch(ConfigMap, 'a', 'merge', {}, { options: { force: true } }), {
    reason: 'Invalid',
    message: /force: Forbidden: may not be specified for non-apply patch/,
  })
})

test('of two writers of one version, one succeeds and the other gets a conflict', async t => {
  const { admin } = await openTestServer(t)
  const made = await admin.create(ConfigMap, { metadata: { name: 'a' } })
  const results = await Promise.allSettled(
    ['x', 'y', 'z'].map(value => admin.update(ConfigMap, { ...made, data: { value } })),
  )
  deepStrictEqual(results.map(r => (r.status === 'rejected' ? (r.reason as StatusError).reason : 'ok')).sort(), [
    'Conflict',
    'Conflict',
    'ok',
  ])
})

test('a dry run checks like the write, returns the result, and stores nothing', async t => {
  const { admin, core } = await openTestServer(t)
  await admin.create(ConfigMap, { metadata: { name: 'a' }, data: { x: '1' } })
  const before = core.storage.revision
  const options = { dryRun: true }
  const made = await admin.create(ConfigMap, { metadata: { name: 'b' } }, { options })
  deepStrictEqual([made.metadata.name, made.metadata.resourceVersion], ['b', undefined])
  const changed = await admin.patch(ConfigMap, 'a', 'merge', { data: { x: '2' } }, { options })
  deepStrictEqual(changed.data, { x: '2' })
  await rejects(admin.create(ConfigMap, { metadata: { name: 'a' } }, { options }), { reason: 'AlreadyExists' })
  await rejects(admin.create(ConfigMap, { metadata: { name: 'A' } }, { options }), { reason: 'Invalid' })
  deepStrictEqual([core.storage.revision, (await admin.get(ConfigMap, 'a')).data], [before, { x: '1' }])
})

test('an apply creates, changes and removes the fields that its manager owns', async t => {
  const { admin } = await openTestServer(t)
  const apply = (manager: string, data: Record<string, string> | undefined, force = false) =>
    admin.apply(ConfigMap, 'a', data ? { data } : {}, manager, force)
  strictEqual((await apply('one', { x: '1', y: '1' })).data?.x, '1')
  await rejects(apply('two', { x: '2' }), {
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "one": .data.x',
  })
  deepStrictEqual((await apply('two', { x: '2', z: '2' }, true)).data, { x: '2', y: '1', z: '2' })
  deepStrictEqual((await apply('one', undefined)).data, { x: '2', z: '2' })
  // A write that is not an apply takes over the fields that it changes.
  await admin.patch(ConfigMap, 'a', 'merge', { data: { z: '3' } }, { options: { fieldManager: 'editor' } })
  await rejects(apply('two', { x: '2', z: '2' }), { message: /conflict with "editor" using v1: .data.z/ })
  const managers = (await admin.get(ConfigMap, 'a')).metadata.managedFields?.map(m => [m.manager, m.operation])
  deepStrictEqual(managers, [
    ['two', 'Apply'],
    ['editor', 'Update'],
  ])
  await rejects(
    admin.patch(ConfigMap, 'a', 'apply', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }),
    {
      reason: 'Invalid',
      message: /fieldManager: Required value: is required for apply patch/,
    },
  )
})

test('an apply needs a kind, and may not contain fields that a manager cannot own', async t => {
  const { admin } = await openTestServer(t)
  const apply = (body: unknown) => admin.patch(ConfigMap, 'a', 'apply', body, { options: { fieldManager: 'one' } })
  const head = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }
  const table: [body: unknown, message: RegExp][] = [
    [{ ...head, kind: 'Secret' }, /^invalid object type: \/v1, Kind=Secret$/],
    [{ ...head, metadata: { name: 'a', managedFields: [] } }, /^metadata.managedFields must be nil$/],
    [{ ...head, metadata: { name: 'b' } }, /does not match the name on the URL/],
    [
      { ...head, metadata: { name: 'a', uid: 'x' } },
      /uid mismatch: the provided object specified uid x, and no existing object was found/,
    ],
    [{ ...head, colour: 'red' }, /\.colour: field not declared in schema/],
    [{ ...head, data: { a: 1 } }, /\.data\.a: expected string, got &value.valueUnstructured\{Value:1\}/],
    [[], /cannot unmarshal array into Go value of type map\[string\]interface \{\}/],
  ]
  for (const [body, message] of table) await rejects(apply(body), { message }, JSON.stringify(body))
})

test('an object of a kind without namespaces has none, whatever the client sends', async t => {
  const { admin } = await openTestServer(t)
  const node = await admin.create(Node, { metadata: { name: 'n' } })
  strictEqual(node.metadata.namespace, undefined)
  await rejects(
    admin.ask('create', Namespace, { body: { metadata: { name: 'x', namespace: 'y' } } }),
    (error: StatusError) => ['BadRequest', 'Invalid'].includes(error.reason),
  )
})
