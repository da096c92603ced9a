// What a delete does to an object: it is removed, marked as terminating, or left as it is.
import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/kind.ts'
import type { ServedResult } from '../api/operation.ts'
import type { JsonObject } from '../api/schema/node.ts'
import { ReplicaSet } from '../kinds/apps/replicaset.ts'
import { Job } from '../kinds/batch/job.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Pod } from '../kinds/core/pod.ts'
import { type Caller, namesOf, openTestServer } from './testing.ts'

const statusOf = (result: ServedResult): JsonObject => {
  if (result.type !== 'status') throw new Error(`a delete was answered with ${result.type}`)
  return result.status
}
const left = async (caller: Caller, kind: typeof ConfigMap | typeof Pod | typeof ReplicaSet) =>
  namesOf((await caller.list(kind)).items)

test('an object without finalizers is removed at once, and the Status names it', async t => {
  const { admin } = await openTestServer(t)
  const { metadata } = await admin.create(ConfigMap, { metadata: { name: 'a' } })
  deepStrictEqual(statusOf(await admin.remove(ConfigMap, 'a')), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: 'a', kind: 'configmaps', uid: metadata.uid },
  })
  await rejects(admin.remove(ConfigMap, 'a'), { reason: 'NotFound', message: 'configmaps "a" not found' })
})

test('the propagation policy becomes a finalizer that holds the object', async t => {
  const { admin, clock } = await openTestServer(t)
  const own = 'example.com/own'
  const table: [finalizers: string[], options: JsonObject, held: string[] | undefined][] = [
    [[], {}, undefined],
    [[], { propagationPolicy: 'Background' }, undefined],
    [[], { propagationPolicy: 'Foreground' }, ['foregroundDeletion']],
    [[], { propagationPolicy: 'Orphan' }, ['orphan']],
    [[], { orphanDependents: true }, ['orphan']],
    [[], { orphanDependents: false }, undefined],
    [[own], {}, [own]],
    [[own], { propagationPolicy: 'Orphan' }, [own, 'orphan']],
    [['orphan'], {}, ['orphan']],
    [['orphan'], { propagationPolicy: 'Background' }, undefined],
    [['foregroundDeletion', own], { propagationPolicy: 'Orphan' }, [own, 'orphan']],
  ]
  for (const [i, [finalizers, options, held]] of table.entries()) {
    const name = `a-${i}`
    await admin.create(ConfigMap, { metadata: { name, finalizers } })
    await admin.remove(ConfigMap, name, options)
    const now = (await left(admin, ConfigMap)).includes(name) ? await admin.get(ConfigMap, name) : undefined
    deepStrictEqual(now?.metadata.finalizers, held, JSON.stringify([finalizers, options]))
    if (!now) continue
    deepStrictEqual(
      [now.metadata.deletionTimestamp, now.metadata.deletionGracePeriodSeconds],
      [new Date(clock.now()).toISOString().replace('.000', ''), 0],
    )
    // Without its last finalizer it is removed.
    const last = await admin.patch(ConfigMap, name, 'merge', { metadata: { finalizers: null } })
    strictEqual(last.metadata.finalizers, undefined)
    strictEqual((await left(admin, ConfigMap)).includes(name), false)
  }
})

test('the propagation policy of a terminating object can change, and it is not marked twice', async t => {
  const { admin, clock } = await openTestServer(t)
  const { metadata } = await admin.create(ReplicaSet, {
    metadata: { name: 'rs', finalizers: ['example.com/own'] },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'app' }] } },
    },
  })
  await admin.remove(ReplicaSet, 'rs')
  const marked = await admin.get(ReplicaSet, 'rs')
  strictEqual(marked.metadata.generation, (metadata.generation ?? 0) + 1, 'a deletion counts as a generation')
  await clock.forward(5000)
  await admin.remove(ReplicaSet, 'rs')
  deepStrictEqual(await admin.get(ReplicaSet, 'rs'), marked)
  await admin.remove(ReplicaSet, 'rs', { propagationPolicy: 'Foreground' })
  const { deletionTimestamp, generation, finalizers } = (await admin.get(ReplicaSet, 'rs')).metadata
  deepStrictEqual(
    [deletionTimestamp, generation, finalizers],
    [marked.metadata.deletionTimestamp, marked.metadata.generation, ['example.com/own', 'foregroundDeletion']],
  )
})

test('a terminating object gets no new finalizers and stays terminating', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(ConfigMap, { metadata: { name: 'a', finalizers: ['example.com/a', 'example.com/b'] } })
  await admin.remove(ConfigMap, 'a')
  const patch = (metadata: object) => admin.patch(ConfigMap, 'a', 'merge', { metadata })
  await rejects(patch({ finalizers: ['example.com/a', 'example.com/b', 'example.com/c'] }), { reason: 'Invalid' })
  const kept = await patch({ deletionTimestamp: null, finalizers: ['example.com/b'], labels: { a: 'b' } })
  deepStrictEqual(
    [kept.metadata.deletionTimestamp, kept.metadata.finalizers, kept.metadata.labels],
    ['2026-01-01T00:00:00Z', ['example.com/b'], { a: 'b' }],
  )
})

test('a bound pod has a grace period, which can only become shorter; an unbound one is removed at once', async t => {
  const { admin, clock } = await openTestServer(t)
  const containers = [{ name: 'c', image: 'app' }]
  const create = (name: string, spec: object) =>
    admin.create(Pod, { metadata: { name }, spec: { containers, terminationGracePeriodSeconds: 20, ...spec } })
  const state = async (name: string) => {
    if (!(await left(admin, Pod)).includes(name)) return 'gone'
    const { deletionTimestamp = '', deletionGracePeriodSeconds } = (await admin.get(Pod, name)).metadata
    return deletionTimestamp && [deletionTimestamp.slice(11, 19), deletionGracePeriodSeconds]
  }
  const removed = async (name: string, options: JsonObject = {}) => {
    await admin.remove(Pod, name, options)
    return state(name)
  }
  await create('pending', {})
  strictEqual(await removed('pending'), 'gone')
  await create('ended', { nodeName: 'n' })
  await admin.patch(Pod, 'ended', 'merge', { status: { phase: 'Succeeded' } }, { subresource: 'status' })
  strictEqual(await removed('ended'), 'gone')
  await create('p', { nodeName: 'n' })
  deepStrictEqual(await removed('p'), ['00:00:20', 20])
  await clock.forward(4000)
  deepStrictEqual(await removed('p'), ['00:00:20', 20])
  deepStrictEqual(await removed('p', { gracePeriodSeconds: 30 }), ['00:00:20', 20])
  // The period counts from the first delete.
  deepStrictEqual(await removed('p', { gracePeriodSeconds: 10 }), ['00:00:10', 10])
  strictEqual(await removed('p', { gracePeriodSeconds: 0 }), 'gone')
  await create('q', { nodeName: 'n' })
  strictEqual(await removed('q', { gracePeriodSeconds: 0 }), 'gone')
  await create('r', { nodeName: 'n' })
  // A period may end after all times that can be written.
  for (const seconds of [1e12, Number.MAX_SAFE_INTEGER]) {
    await create('long', { nodeName: 'n', terminationGracePeriodSeconds: seconds })
    await admin.remove(Pod, 'long')
    strictEqual((await admin.get(Pod, 'long')).metadata.deletionTimestamp, '9999-12-31T23:59:59Z')
    deepStrictEqual(await removed('long', { gracePeriodSeconds: 10 }), ['00:00:14', 10])
    strictEqual(await removed('long', { gracePeriodSeconds: 0 }), 'gone')
  }
  // A negative period is one second.
  deepStrictEqual(await removed('r', { gracePeriodSeconds: -5 }), ['00:00:05', 1])
})

test('a pod with a finalizer stays after its grace period', async t => {
  const { admin } = await openTestServer(t)
  const containers = [{ name: 'c', image: 'app' }]
  await admin.create(Pod, {
    metadata: { name: 'p', finalizers: ['example.com/a'] },
    spec: { containers, nodeName: 'n' },
  })
  await admin.remove(Pod, 'p')
  await admin.remove(Pod, 'p', { gracePeriodSeconds: 0 })
  const { deletionGracePeriodSeconds, finalizers } = (await admin.get(Pod, 'p')).metadata
  deepStrictEqual([deletionGracePeriodSeconds, finalizers], [0, ['example.com/a']])
  await admin.patch(Pod, 'p', 'merge', { metadata: { finalizers: null } })
  deepStrictEqual(await left(admin, Pod), [])
})

test('an object is deleted only with the UID and the version that the client expects', async t => {
  const { admin } = await openTestServer(t)
  const { uid, resourceVersion } = (await admin.create(ConfigMap, { metadata: { name: 'a' } })).metadata
  const remove = (preconditions: JsonObject) => admin.remove(ConfigMap, 'a', { preconditions })
  const fails = 'Operation cannot be fulfilled on'
  await rejects(remove({ uid: 'other' }), {
    reason: 'Conflict',
    message: `${fails} ConfigMap "a": the UID in the precondition (other) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
  })
  await rejects(remove({ resourceVersion: '1' }), {
    reason: 'Conflict',
    message: `${fails} configmaps "a": Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object meta: ${resourceVersion}`,
  })
  strictEqual((await left(admin, ConfigMap)).length, 1)
  await remove({ uid: uid!, resourceVersion: resourceVersion! })
  strictEqual((await left(admin, ConfigMap)).length, 0)
})

test('invalid options are refused', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(ConfigMap, { metadata: { name: 'a' } })
  const table: [options: JsonObject, reason: string, message: RegExp][] = [
    [{ propagationPolicy: 'Maybe' }, 'Invalid', /propagationPolicy: Unsupported value: "Maybe": supported values: /],
    [
      { propagationPolicy: 'Orphan', orphanDependents: true },
      'Invalid',
      /orphanDependents and deletionPropagation cannot be both set/,
    ],
    [{ dryRun: ['Some'] }, 'Invalid', /dryRun: Unsupported value: \["Some"\]: supported values: "All"/],
    [{ gracePeriodSeconds: 'soon' }, 'BadRequest', /cannot unmarshal string/],
    [{ kind: 'Pod', apiVersion: 'v1' }, 'BadRequest', /./],
  ]
  for (const [options, reason, message] of table)
    await rejects(admin.remove(ConfigMap, 'a', options), { reason, message }, JSON.stringify(options))
  strictEqual((await left(admin, ConfigMap)).length, 1)
})

test('a dry run of a delete returns the same answer, and deletes nothing', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(ConfigMap, { metadata: { name: 'a' } })
  await admin.create(Pod, {
    metadata: { name: 'p' },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'app' }] },
  })
  strictEqual(statusOf(await admin.remove(ConfigMap, 'a', { dryRun: ['All'] })).status, 'Success')
  strictEqual(statusOf(await admin.remove(ConfigMap, 'a', {}, { options: { dryRun: true } })).status, 'Success')
  const pod = await admin.remove(Pod, 'p', { dryRun: ['All'] })
  strictEqual(pod.type === 'object' && (pod.item.object as KubeObject).metadata.deletionGracePeriodSeconds, 30)
  const stored = await admin.get(Pod, 'p')
  deepStrictEqual([await left(admin, ConfigMap), stored.metadata.deletionTimestamp], [['a'], undefined])
})

test('a collection is deleted as it is listed, and objects with finalizers stay as terminating', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(Namespace, { metadata: { name: 'other' } })
  const create = (name: string, app: string, more: object = {}) =>
    admin.create(ConfigMap, { metadata: { name, labels: { app }, ...more } })
  for (const [name, app] of [
    ['a', 'x'],
    ['b', 'y'],
    ['c', 'x'],
  ] as const)
    await create(name, app)
  await create('held', 'x', { finalizers: ['example.com/a'] })
  await create('elsewhere', 'x', { namespace: 'other' })
  const result = await admin.ask('deletecollection', ConfigMap, {
    namespace: 'default',
    options: { labelSelector: 'app=x' },
  })
  deepStrictEqual(result.type === 'list' && namesOf(result.items), ['a', 'c', 'held'])
  deepStrictEqual(await left(admin, ConfigMap), ['b', 'held', 'elsewhere'])
  await rejects(admin.ask('deletecollection', Namespace), { reason: 'MethodNotAllowed' })
})

test('a Job that is deleted without a propagation policy leaves its pods, and a warning', async t => {
  const { admin } = await openTestServer(t)
  const template = { spec: { restartPolicy: 'Never' as const, containers: [{ name: 'c', image: 'app' }] } }
  const removed = async (options: JsonObject) => {
    await admin.create(Job, { metadata: { generateName: 'j-' }, spec: { template } })
    const [item] = (await admin.list(Job)).items
    const name = item!.object.metadata.name!
    const { warnings } = await admin.remove(Job, name, options)
    const finalizers = (await admin.list(Job)).items.map(({ object }) => object.metadata.finalizers)
    if (finalizers.length) await admin.patch(Job, name, 'merge', { metadata: { finalizers: null } })
    return [finalizers, warnings]
  }
  deepStrictEqual(await removed({}), [
    [['orphan']],
    [
      'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
    ],
  ])
  deepStrictEqual(await removed({ propagationPolicy: 'Background' }), [[], undefined])
  deepStrictEqual(await removed({ propagationPolicy: 'Orphan' }), [[['orphan']], undefined])
})

test('a namespace is marked as terminating and stays until its own finalizers are gone', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(Namespace, { metadata: { name: 'n' } })
  await admin.remove(Namespace, 'n')
  const marked = await admin.get(Namespace, 'n')
  deepStrictEqual([marked.status.phase, marked.spec.finalizers], ['Terminating', ['kubernetes']])
  await admin.update(Namespace, { ...marked, spec: { finalizers: [] } }, { subresource: 'finalize' })
  await rejects(admin.get(Namespace, 'n'), { reason: 'NotFound' })
})
