// The API server through a client in the same process, on the memory store and a virtual clock.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle, VirtualClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Operation, WatchEvent } from '../../src/api/operation.ts'
import { openControlPlane } from '../../src/cluster/control-plane.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'

const tokenKeys = { key: makeSigningKey() }

async function plane() {
  const clock = new VirtualClock()
  const opened = await openControlPlane({
    store: openMemoryStore(),
    clock,
    random: seededRandom(1),
    log: silentLog,
    tokenKeys,
    serviceCidrs: ['10.96.0.0/16'],
    nodePorts: [30000, 32767],
    advertise: { address: '192.0.2.1', port: 6443 },
  })
  return { ...opened, clock, admin: opened.client('admin', ['system:masters']) }
}

const config = (name: string, data: Record<string, string> = {}) => ({ metadata: { name, namespace: 'default' }, data })
const operation = (more: Partial<Operation>): Operation => ({
  verb: 'list',
  kind: ConfigMap,
  subresource: '',
  namespace: 'default',
  name: '',
  user: { name: 'admin', groups: ['system:masters'] },
  options: {},
  ...more,
})

test('a create sets the server’s own fields, and makes a name from generateName', async () => {
  const { admin, close } = await plane()
  const made = await admin.create(ConfigMap, config('a', { x: '1' }))
  assert.match(made.metadata.uid!, /^[0-9a-f-]{36}$/)
  assert.equal(made.metadata.creationTimestamp, '2026-01-01T00:00:00Z')
  const generated = await admin.create(ConfigMap, { metadata: { generateName: 'g-', namespace: 'default' } })
  assert.match(generated.metadata.name!, /^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  await assert.rejects(admin.create(ConfigMap, config('a')), {
    reason: 'AlreadyExists',
    message: 'configmaps "a" already exists',
  })
  await close()
})

test('a write with an old resourceVersion is a conflict, and a write without one succeeds', async () => {
  const { admin, close } = await plane()
  const first = await admin.create(ConfigMap, config('a', { x: '1' }))
  await admin.update(ConfigMap, config('a', { x: '2' }))
  await assert.rejects(admin.update(ConfigMap, { ...first, data: { x: '3' } }), { reason: 'Conflict' })
  assert.deepEqual((await admin.get(ConfigMap, { namespace: 'default', name: 'a' })).data, { x: '2' })
  await close()
})

test('a write that changes nothing leaves the resourceVersion as it is', async () => {
  const { admin, close } = await plane()
  const first = await admin.create(ConfigMap, config('a', { x: '1' }))
  const again = await admin.update(ConfigMap, config('a', { x: '1' }))
  assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion)
  await close()
})

test('a dry run checks everything and stores nothing', async () => {
  const { admin, close } = await plane()
  await admin.create(ConfigMap, config('a'), { dryRun: true })
  assert.equal(await admin.find(ConfigMap, { namespace: 'default', name: 'a' }), undefined)
  await admin.create(ConfigMap, config('a', { x: '1' }))
  await admin.update(ConfigMap, config('a', { x: '2' }), { dryRun: true })
  assert.deepEqual((await admin.get(ConfigMap, { namespace: 'default', name: 'a' })).data, { x: '1' })
  await close()
})

test('all pages of a list show one state, whatever is written in between', async () => {
  const { admin, serve, close } = await plane()
  for (let i = 0; i < 25; i++) await admin.create(ConfigMap, config(`c-${String(i).padStart(2, '0')}`))
  const names: string[] = []
  let token: string | undefined
  let revision: number | undefined
  do {
    const page = await serve(operation({ options: { limit: 10, ...(token && { continue: token }) } }))
    assert.ok(page.type === 'list')
    revision ??= page.revision
    assert.equal(page.revision, revision)
    names.push(...page.items.map(i => i.object.metadata.name!))
    if (names.length === 10) {
      assert.equal(page.remaining, 15)
      await admin.create(ConfigMap, config('c-99'))
      await admin.delete(ConfigMap, { namespace: 'default', name: 'c-15' })
    }
    token = page.continue
  } while (token)
  assert.deepEqual(
    names,
    Array.from({ length: 25 }, (_, i) => `c-${String(i).padStart(2, '0')}`),
  )
  await assert.rejects(serve(operation({ options: { continue: 'rubbish' } })), { reason: 'BadRequest' })
  await close()
})

test('a watch from a revision gets every later change once', async () => {
  const { admin, serve, close } = await plane()
  const start = await admin.create(ConfigMap, config('a', { x: '0' }))
  for (let i = 1; i <= 5; i++) await admin.update(ConfigMap, config('a', { x: String(i) }))
  const abort = new AbortController()
  const watch = await serve(
    operation({ verb: 'watch', options: { resourceVersion: start.metadata.resourceVersion! }, signal: abort.signal }),
  )
  assert.ok(watch.type === 'watch')
  const seen: string[] = []
  const reading = (async () => {
    for await (const events of watch.events as AsyncIterable<readonly WatchEvent[]>)
      for (const e of events) seen.push(`${e.type} ${(e.item.object as unknown as { data?: { x: string } }).data?.x}`)
  })()
  await settle()
  await admin.update(ConfigMap, config('a', { x: '6' }))
  await admin.delete(ConfigMap, { namespace: 'default', name: 'a' })
  await settle()
  abort.abort()
  await reading
  assert.deepEqual(seen, [
    'MODIFIED 1',
    'MODIFIED 2',
    'MODIFIED 3',
    'MODIFIED 4',
    'MODIFIED 5',
    'MODIFIED 6',
    'DELETED 6',
  ])
  await close()
})

test('an object that leaves the selection of a watch is deleted for it', async () => {
  const { admin, serve, close } = await plane()
  const abort = new AbortController()
  const watch = await serve(operation({ verb: 'watch', options: { labelSelector: 'on=yes' }, signal: abort.signal }))
  assert.ok(watch.type === 'watch')
  const types: string[] = []
  const reading = (async () => {
    for await (const events of watch.events as AsyncIterable<readonly WatchEvent[]>)
      types.push(...events.map(e => e.type))
  })()
  const labelled = (on: string) => ({ metadata: { name: 'a', namespace: 'default', labels: { on } } })
  await admin.create(ConfigMap, labelled('no'))
  for (const on of ['yes', 'yes2', 'yes']) await admin.update(ConfigMap, labelled(on))
  await settle()
  abort.abort()
  await reading
  assert.deepEqual(types, ['ADDED', 'DELETED', 'ADDED'])
  await close()
})

test('a watch from a text that is not a revision is refused', async () => {
  const { admin, serve, close } = await plane()
  await admin.create(ConfigMap, config('a'))
  await assert.rejects(serve(operation({ verb: 'watch', options: { resourceVersion: '-1' } })), { code: 500 })
  await close()
})

test('an object with finalizers stays until they are removed', async () => {
  const { admin, close } = await plane()
  await admin.create(ConfigMap, { metadata: { name: 'a', namespace: 'default', finalizers: ['example.org/hold'] } })
  await admin.delete(ConfigMap, { namespace: 'default', name: 'a' })
  const held = await admin.get(ConfigMap, { namespace: 'default', name: 'a' })
  assert.ok(held.metadata.deletionTimestamp)
  await assert.rejects(
    admin.patch(ConfigMap, { namespace: 'default', name: 'a' }, 'merge', {
      metadata: { finalizers: ['example.org/hold', 'example.org/more'] },
    }),
    { reason: 'Invalid' },
  )
  await admin.patch(ConfigMap, { namespace: 'default', name: 'a' }, 'merge', { metadata: { finalizers: null } })
  assert.equal(await admin.find(ConfigMap, { namespace: 'default', name: 'a' }), undefined)
  await close()
})

test('the generation counts changes of the spec, not of status or metadata', async () => {
  const { admin, close } = await plane()
  const ref = { namespace: 'default', name: 'd' }
  await admin.create(Deployment, {
    metadata: ref,
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } },
    },
  })
  const generation = async () => (await admin.get(Deployment, ref)).metadata.generation
  assert.equal(await generation(), 1)
  await admin.patch(Deployment, ref, 'merge', { metadata: { labels: { x: 'y' } } })
  await admin.patch(Deployment, ref, 'merge', { status: { replicas: 3 } }, { subresource: 'status' })
  assert.equal(await generation(), 1)
  await admin.patch(Deployment, ref, 'merge', { spec: { replicas: 3 } })
  assert.equal(await generation(), 2)
  assert.equal((await admin.get(Deployment, ref)).status.replicas, 3)
  // A write of the object does not change its status, and a write of the status changes nothing else.
  await admin.patch(Deployment, ref, 'merge', { status: { replicas: 9 } })
  await admin.patch(Deployment, ref, 'merge', { spec: { replicas: 9 } }, { subresource: 'status' })
  const after = await admin.get(Deployment, ref)
  assert.deepEqual([after.spec.replicas, after.status.replicas], [3, 3])
  await close()
})

test('a user without rights gets the Forbidden message of Kubernetes', async () => {
  const { client, close } = await plane()
  const nobody = client('nobody')
  await assert.rejects(nobody.list(Pod, { namespace: 'default' }), {
    reason: 'Forbidden',
    message: 'pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "default"',
  })
  await assert.rejects(nobody.delete(Deployment, { namespace: 'default', name: 'd' }), {
    message:
      'deployments.apps "d" is forbidden: User "nobody" cannot delete resource "deployments" in API group "apps" in the namespace "default"',
  })
  await close()
})

test('a node reads only the secrets of its own pods and writes only its own node', async () => {
  const { admin, client, close } = await plane()
  const { Secret } = await import('../../src/kinds/core/secret.ts')
  const { Node } = await import('../../src/kinds/core/node.ts')
  await admin.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
  for (const name of ['used', 'other']) await admin.create(Secret, { metadata: { name, namespace: 'default' } })
  await admin.create(Pod, {
    metadata: { name: 'p', namespace: 'default' },
    spec: { nodeName: 'one', containers: [{ name: 'a', image: 'x', envFrom: [{ secretRef: { name: 'used' } }] }] },
  })
  const node = client('system:node:one', ['system:nodes'])
  assert.ok(await node.get(Secret, { namespace: 'default', name: 'used' }))
  await assert.rejects(node.get(Secret, { namespace: 'default', name: 'other' }), { reason: 'Forbidden' })
  await node.create(Node, { metadata: { name: 'one' } })
  await assert.rejects(node.create(Node, { metadata: { name: 'two' } }), { reason: 'Forbidden' })
  await assert.rejects(
    node.patch(Node, { name: 'one' }, 'merge', {
      metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } },
    }),
    { reason: 'Forbidden' },
  )
  await close()
})
