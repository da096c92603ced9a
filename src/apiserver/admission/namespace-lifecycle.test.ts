// In which namespaces nothing can be created, which namespaces cannot be deleted, and who may create by an update.
import { deepStrictEqual, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import type { StatusError } from '../../base/errors.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Lease } from '../../kinds/coordination/lease.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { openMemoryStore } from '../../store/index.ts'
import { openTestServer } from '../testing.ts'

test('nothing is created in a namespace that is missing or terminating, but its objects can change', async t => {
  const { admin } = await openTestServer(t)
  const config = (namespace: string, name: string) => ({ metadata: { namespace, name } })
  await rejects(admin.create(ConfigMap, config('none', 'a')), {
    reason: 'NotFound',
    message: 'namespaces "none" not found',
  })
  await admin.create(Namespace, { metadata: { name: 'ending' } })
  await admin.create(ConfigMap, config('ending', 'a'))
  await admin.remove(Namespace, 'ending')
  await rejects(admin.create(ConfigMap, config('ending', 'b')), (error: StatusError) => {
    deepStrictEqual(
      [error.reason, error.message, error.details?.causes],
      [
        'Forbidden',
        'configmaps "b" is forbidden: unable to create new content in namespace ending because it is being terminated',
        [
          {
            reason: 'NamespaceTerminating',
            message: 'namespace ending is being terminated',
            field: 'metadata.namespace',
          },
        ],
      ],
    )
    return true
  })
  await admin.patch(ConfigMap, 'ending/a', 'merge', { data: { a: 'b' } })
  await admin.remove(ConfigMap, 'ending/a')
  // Objects without a namespace are not affected.
  await admin.create(ClusterRole, { metadata: { name: 'r' } })
})

test('nothing is stored in a namespace that went or began to end since admission; other changes of it do not matter', async t => {
  const store = openMemoryStore()
  const written = store.put.bind(store)
  let before: (() => Promise<unknown>) | undefined
  // The write is held up between admission and the store.
  store.put = async (key, value, options) => {
    const held = key.startsWith('/registry/core/configmaps/') ? before : undefined
    before = undefined
    await held?.()
    return written(key, value, options)
  }
  const { admin } = await openTestServer(t, store)
  const create = (namespace: string) => admin.create(ConfigMap, { metadata: { namespace, name: 'late' } })
  const table: [namespace: string, change: () => Promise<unknown>, reason?: string][] = [
    ['labelled', () => admin.patch(Namespace, 'labelled', 'merge', { metadata: { labels: { a: 'b' } } })],
    ['ending', () => admin.remove(Namespace, 'ending'), 'Forbidden'],
    [
      'gone',
      async () => {
        await admin.remove(Namespace, 'gone')
        await admin.ask('update', Namespace, {
          name: 'gone',
          subresource: 'finalize',
          body: { metadata: { name: 'gone' }, spec: { finalizers: [] } },
        })
      },
      'NotFound',
    ],
  ]
  for (const [namespace, change, reason] of table) {
    await admin.create(Namespace, { metadata: { name: namespace } })
    before = change
    if (reason) await rejects(create(namespace), { reason }, namespace)
    else await create(namespace)
    const { items } = await admin.list(ConfigMap, { namespace })
    deepStrictEqual(items.length, reason ? 0 : 1, namespace)
  }
  await rejects(admin.get(Namespace, 'gone'), { reason: 'NotFound' })
})

test('the namespaces of the cluster itself are not deleted, alone or with others', async t => {
  const { admin } = await openTestServer(t)
  for (const name of ['kube-system', 'kube-public', 'other']) await admin.create(Namespace, { metadata: { name } })
  for (const name of ['default', 'kube-system', 'kube-public'])
    await rejects(admin.remove(Namespace, name), {
      reason: 'Forbidden',
      message: `namespaces "${name}" is forbidden: this namespace may not be deleted`,
    })
  await admin.remove(Namespace, 'other')
})

test('an update or apply that creates an object needs the right to create it', async t => {
  const { admin, as } = await openTestServer(t)
  const rule = (verbs: string[]) => ({ verbs, apiGroups: ['*'], resources: ['*'] })
  const grant = async (name: string, verbs: string[]) => {
    await admin.create(ClusterRole, { metadata: { name }, rules: [rule(verbs)] })
    await admin.create(ClusterRoleBinding, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name }],
    })
    return as(name)
  }
  const changer = await grant('changer', ['get', 'update', 'patch'])
  const maker = await grant('maker', ['get', 'update', 'patch', 'create'])
  const lease = { metadata: { name: 'l' }, spec: { holderIdentity: 'a' } }
  const refused = (resource: string, name: string, user: string) => ({
    reason: 'Forbidden',
    message: new RegExp(`^${resource} "${name}" is forbidden: User "${user}" cannot create resource`),
  })
  await rejects(changer.update(Lease, lease), refused('leases.coordination.k8s.io', 'l', 'changer'))
  await rejects(changer.apply(ConfigMap, 'c', { data: { a: 'b' } }, 'm'), refused('configmaps', 'c', 'changer'))
  await maker.update(Lease, lease)
  await maker.apply(ConfigMap, 'c', { data: { a: 'b' } }, 'm')
  // Both users may change an object that exists.
  await changer.update(Lease, { ...(await changer.get(Lease, 'l')), spec: { holderIdentity: 'b' } })
  await changer.apply(ConfigMap, 'c', { data: { a: 'c' } }, 'm')
})
