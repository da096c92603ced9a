// Which objects a deletion removes with an object, and which it leaves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../src/api/kind.ts'
import { storageKey } from '../../src/apiserver/kind-storage.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { ReplicaSet } from '../../src/kinds/apps/replicaset.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { deployment, ref, rolledOut, type Sim, simulate } from './cluster.ts'

const web = { namespace: 'default', name: 'web' }

async function running(sim: Sim): Promise<void> {
  await sim.client.create(Deployment, deployment('web', 3))
  await sim.until('the rollout', () => rolledOut(sim.client, 'web'))
}

for (const policy of ['Background', 'Foreground'] as const) {
  test(`${policy} deletion takes replica sets and pods along`, async () => {
    await simulate({ nodes: 2 }, async sim => {
      await running(sim)
      await sim.client.delete(Deployment, web, { propagationPolicy: policy })
      await sim.until('everything gone', () => !sim.pods('default').length && !replicaSets(sim).length)
      await sim.until('the deployment gone', () => !sim.client.mirror(Deployment).get('default', 'web'))
    })
  })
}

test('orphan deletion leaves the dependents without an owner', async () => {
  await simulate({ nodes: 2 }, async sim => {
    await running(sim)
    await sim.client.delete(Deployment, web, { propagationPolicy: 'Orphan' })
    await sim.until('the deployment gone', () => !sim.client.mirror(Deployment).get('default', 'web'))
    await sim.clock.forward(60_000)
    assert.equal(sim.pods('default').length, 3)
    assert.equal(replicaSets(sim)[0]!.metadata.ownerReferences, undefined)
    // A new deployment of the same name adopts them and creates no others.
    const before = sim.pods('default').map(pod => pod.metadata.uid)
    await sim.client.create(Deployment, deployment('web', 3))
    await sim.until('adoption', () => rolledOut(sim.client, 'web'))
    assert.deepEqual(
      sim.pods('default').map(pod => pod.metadata.uid),
      before,
    )
  })
})

test('an owner in foreground deletion is removed last, and a dependent with another owner stays', async () => {
  await simulate({ nodes: 0, scheduler: false }, async ({ client, until, clock }) => {
    const make = (name: string, owners: readonly KubeObject[], finalizers?: string[]) =>
      client.create(ConfigMap, {
        metadata: {
          name,
          namespace: 'default',
          ...(finalizers && { finalizers }),
          ownerReferences: owners.map(o => ({
            apiVersion: o.apiVersion,
            kind: o.kind,
            name: o.metadata.name ?? '',
            uid: o.metadata.uid ?? '',
            blockOwnerDeletion: true,
          })),
        },
      })
    const maps = client.mirror(ConfigMap)
    const [a, b] = [await make('a', []), await make('b', [])]
    await make('of-a', [a], ['test/wait'])
    await make('of-both', [a, b])
    await client.delete(ConfigMap, ref(a), { propagationPolicy: 'Foreground' })
    await until(
      'the shared one keeps only b',
      () => maps.get('default', 'of-both')?.metadata.ownerReferences?.length === 1,
    )
    await clock.forward(60_000)
    assert.ok(maps.get('default', 'a'), 'a waits for what it owns')
    await client.patch(ConfigMap, { namespace: 'default', name: 'of-a' }, 'merge', { metadata: { finalizers: null } })
    await until('a gone', () => !maps.get('default', 'a') && !maps.get('default', 'of-a'))
    assert.ok(maps.get('default', 'of-both'))
  })
})

test('circles of owners are deleted, as are objects whose owner is absent or in another namespace', async () => {
  await simulate({ nodes: 0, scheduler: false }, async ({ client, until }) => {
    const metadata = (name: string, owner?: KubeObject) => ({
      name,
      namespace: 'default',
      ...(owner && {
        ownerReferences: [
          {
            apiVersion: 'v1',
            kind: 'ConfigMap',
            name: owner.metadata.name!,
            uid: owner.metadata.uid!,
            blockOwnerDeletion: true,
          },
        ],
      }),
    })
    const maps = client.mirror(ConfigMap)
    const a = await client.create(ConfigMap, { metadata: metadata('a') })
    const b = await client.create(ConfigMap, { metadata: metadata('b', a) })
    const c = await client.create(ConfigMap, { metadata: metadata('c', b) })
    await client.patch(ConfigMap, ref(a), 'merge', { metadata: metadata('a', c) })
    await client.delete(ConfigMap, ref(a), { propagationPolicy: 'Foreground' })
    await until('the circle gone', () => ['a', 'b', 'c'].every(name => !maps.get('default', name)))
    await client.create(ConfigMap, {
      metadata: metadata('lost', { ...a, metadata: { ...a.metadata, uid: 'no-such-uid' } }),
    })
    await until('the lost one gone', () => !maps.get('default', 'lost'))
    const elsewhere = await client.create(ConfigMap, { metadata: { name: 'far', namespace: 'kube-public' } })
    await client.create(ConfigMap, { metadata: metadata('crossing', elsewhere) })
    await until('the crossing one gone', () => !maps.get('default', 'crossing'))
  })
})

test('a deleted namespace is emptied, pods first, and removed once no finalizer keeps its objects', async () => {
  await simulate({ nodes: 2 }, async ({ client, until, pods, clock }) => {
    const namespace = 'doomed'
    await client.create(Namespace, { metadata: { name: namespace } })
    await until('the root CA', () => client.mirror(ConfigMap).get(namespace, 'kube-root-ca.crt') !== undefined)
    await client.create(Deployment, { ...deployment('web', 3), metadata: { name: 'web', namespace } })
    await client.create(ConfigMap, { metadata: { name: 'held', namespace, finalizers: ['test/hold'] } })
    await until('pods', () => pods(namespace).length === 3)
    await client.delete(Namespace, { name: namespace })
    await until(
      'all but one gone',
      () => !pods(namespace).length && client.mirror(ConfigMap).list(namespace).length === 1,
    )
    await clock.forward(60_000)
    const remaining = client.mirror(Namespace).get(undefined, namespace)!
    const condition = remaining.status.conditions?.find(c => c.type === 'NamespaceFinalizersRemaining')
    assert.equal(
      condition?.message,
      'Some content in the namespace has finalizers remaining: test/hold in 1 resource instances',
    )
    assert.equal(client.mirror(Deployment).list(namespace).length, 0)
    await client.patch(ConfigMap, { namespace, name: 'held' }, 'merge', { metadata: { finalizers: null } })
    await until('the namespace gone', () => !client.mirror(Namespace).get(undefined, namespace))
    assert.equal(client.mirror(Pod).list(namespace).length, 0)
  })
})

test('objects that are created while their namespace is being deleted are deleted too', async () => {
  await simulate({ nodes: 1 }, async ({ client, until, clock, plane }) => {
    const namespace = 'doomed'
    await client.create(Namespace, { metadata: { name: namespace } })
    await client.create(ConfigMap, { metadata: { name: 'held', namespace, finalizers: ['test/hold'] } })
    await client.delete(Namespace, { name: namespace })
    await until('all but one gone', () => client.mirror(ConfigMap).list(namespace).length === 1)
    await clock.forward(10_000)
    // This write passed admission before the namespace was marked as terminating.
    const late = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'late', namespace, uid: 'late' } }
    const { store } = plane.core.storage
    await store.put(storageKey(ConfigMap, namespace, 'late'), Buffer.from(JSON.stringify(late)), { expect: 'absent' })
    const there = () => client.mirror(ConfigMap).get(namespace, 'late') !== undefined
    await until('it is seen', there)
    await until('it goes', () => !there(), 60_000)
  })
})

const replicaSets = (sim: Sim) => sim.client.mirror(ReplicaSet).list('default')
