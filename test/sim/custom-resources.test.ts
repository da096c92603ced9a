// Custom resources among everything else: garbage collection, namespaces, quota, autoscaling and RBAC treat them like
// any kind, from the moment when they are defined.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReason } from '../../src/base/errors.ts'
import type { AnyKind, Kind, KubeObject } from '../../src/api/kind.ts'
import { asJson, type JsonObject } from '../../src/api/schema/node.ts'
import { CustomResourceDefinition } from '../../src/kinds/apiextensions/customresourcedefinition.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { ResourceQuota } from '../../src/kinds/core/resourcequota.ts'
import { Role } from '../../src/kinds/rbac/role.ts'
import { RoleBinding } from '../../src/kinds/rbac/rolebinding.ts'
import { openSim, type Sim } from './cluster.ts'

const definition = {
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
      },
    ],
  },
}

type WidgetKind = Kind<KubeObject>

async function withWidgets(t: { after(fn: () => Promise<void>): void }): Promise<{ sim: Sim; kind: WidgetKind }> {
  const sim = await openSim({ scheduler: false })
  t.after(() => sim.close())
  const { catalog } = sim.plane.core
  const find = (): AnyKind | undefined => catalog.find({ group: 'example.com', version: 'v1', plural: 'widgets' })
  await sim.client.create(CustomResourceDefinition, definition)
  await sim.until('widgets are served', () => find() !== undefined)
  await sim.client.create(Namespace, { metadata: { name: 'shop' } })
  return { sim, kind: find() as WidgetKind }
}

const widget = (name: string, more: JsonObject = {}) => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name, namespace: 'shop', ...more },
})

const exists = async (sim: Sim, kind: AnyKind, name: string) =>
  (await sim.client.find(kind as WidgetKind, { namespace: 'shop', name })) !== undefined

test('objects that a custom resource owns go with it, and custom resources go with their owners', async t => {
  const { sim, kind } = await withWidgets(t)
  const owner = await sim.client.create(kind, widget('owner'))
  const ownerReferences = [
    { apiVersion: 'example.com/v1', kind: 'Widget', name: 'owner', uid: owner.metadata.uid ?? '' },
  ]
  await sim.client.create(ConfigMap, { metadata: { name: 'owned', namespace: 'shop', ownerReferences } })
  await sim.client.create(kind, widget('child', { ownerReferences }))
  await sim.client.delete(kind, { namespace: 'shop', name: 'owner' })
  await sim.until(
    'dependents are gone',
    async () => !(await exists(sim, ConfigMap, 'owned')) && !(await exists(sim, kind, 'child')),
  )
})

test('a namespace is not gone before its custom resources are', async t => {
  const { sim, kind } = await withWidgets(t)
  await sim.client.create(kind, widget('free'))
  await sim.client.create(kind, widget('held', { finalizers: ['example.com/hold'] }))
  await sim.client.delete(Namespace, { name: 'shop' })
  await sim.until('the free one is gone', async () => !(await exists(sim, kind, 'free')))
  await sim.clock.forward(30_000)
  const { status } = await sim.client.get(Namespace, { name: 'shop' })
  assert.match(
    status.conditions?.find(({ type }) => type === 'NamespaceContentRemaining')?.message ?? '',
    /widgets\.example\.com has 1 resource instances/,
  )
  await sim.client.patch(kind, { namespace: 'shop', name: 'held' }, 'merge', { metadata: { finalizers: null } })
  await sim.until('the namespace is gone', async () => !(await sim.client.find(Namespace, { name: 'shop' })))
})

test('a quota counts custom resources, and stops more of them', async t => {
  const { sim, kind } = await withWidgets(t)
  await sim.client.create(ResourceQuota, {
    metadata: { name: 'few', namespace: 'shop' },
    spec: { hard: { 'count/widgets.example.com': '1' } },
  })
  const used = async () =>
    (await sim.client.get(ResourceQuota, { namespace: 'shop', name: 'few' })).status.used?.['count/widgets.example.com']
  await sim.until('the quota is computed', async () => (await used()) === '0')
  await sim.client.create(kind, widget('one'))
  await assert.rejects(sim.client.create(kind, widget('two')), {
    reason: 'Forbidden',
    message:
      'widgets.example.com "two" is forbidden: exceeded quota: few, requested: count/widgets.example.com=1, used: count/widgets.example.com=1, limited: count/widgets.example.com=1',
  })
  await sim.client.delete(kind, { namespace: 'shop', name: 'one' })
  await sim.until('the use is counted again', async () => (await used()) === '0')
})

test('roles allow custom resources by their group and plural', async t => {
  const { sim, kind } = await withWidgets(t)
  const reader = sim.plane.client('reader')
  await assert.rejects(reader.get(kind, { namespace: 'shop', name: 'a' }), {
    reason: 'Forbidden',
    message:
      'widgets.example.com "a" is forbidden: User "reader" cannot get resource "widgets" in API group "example.com" in the namespace "shop"',
  })
  await sim.client.create(Role, {
    metadata: { name: 'readers', namespace: 'shop' },
    rules: [{ apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get'] }],
  })
  await sim.client.create(RoleBinding, {
    metadata: { name: 'readers', namespace: 'shop' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'readers' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'reader' }],
  })
  await assert.rejects(reader.get(kind, { namespace: 'shop', name: 'a' }), error => isReason(error, 'NotFound'))
})

test('the subresource scale reads and writes the fields that the definition names', async t => {
  const { sim, kind } = await withWidgets(t)
  await sim.client.create(kind, { ...widget('one'), spec: { replicas: 2 } } as KubeObject)
  const ref = { namespace: 'shop', name: 'one' }
  const scale = await sim.client.get(kind, ref, { subresource: 'scale' })
  assert.deepEqual([asJson(scale).spec, asJson(scale).status], [{ replicas: 2 }, { replicas: 0 }])
  await sim.client.patch(kind, ref, 'merge', { spec: { replicas: 5 } }, { subresource: 'scale' })
  const { spec, metadata } = asJson(await sim.client.get(kind, ref)) as { spec: JsonObject; metadata: JsonObject }
  assert.deepEqual([spec, metadata.generation], [{ replicas: 5 }, 2])
})
