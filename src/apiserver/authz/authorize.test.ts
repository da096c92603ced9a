// Authorization through the whole server: which attributes of an operation the authorizers see.
import { deepStrictEqual, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Role } from '../../kinds/rbac/role.ts'
import { RoleBinding } from '../../kinds/rbac/rolebinding.ts'
import type { PolicyRule } from '../../kinds/rbac/types.ts'
import { openTestServer } from '../testing.ts'

type Server = Awaited<ReturnType<typeof openTestServer>>

async function grant({ admin, as }: Server, rules: PolicyRule[]) {
  await admin.create(Role, { metadata: { name: 'r' }, rules })
  await admin.create(RoleBinding, {
    metadata: { name: 'r' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'u' }],
  })
  return as('u')
}

test('a user who may list one object lists it by a selector on its name, and nothing by a similar selector', async t => {
  const server = await openTestServer(t)
  for (const name of ['mine', 'other']) await server.admin.create(ConfigMap, { metadata: { name } })
  const user = await grant(server, [
    { verbs: ['list'], apiGroups: [''], resources: ['configmaps', 'pods'], resourceNames: ['mine'] },
  ])
  const list = async (fieldSelector: string, kind = ConfigMap as typeof ConfigMap | typeof Pod) => {
    const found = await user.list(kind, { namespace: 'default', options: { fieldSelector } })
    return found.items.map(item => item.object.metadata.name)
  }
  deepStrictEqual(await list('metadata.name=mine'), ['mine'])
  deepStrictEqual(await list('metadata.name==mine,metadata.namespace=default'), ['mine'])
  const table: [fieldSelector: string, kind?: typeof Pod][] = [
    [''],
    ['metadata.name=other'],
    ['metadata.name!=mine'],
    // A part of a value, and not a term.
    ['spec.nodeName!=x\\,metadata.name=mine', Pod],
    ['spec.nodeName!=x\\,metadata.name\\=mine', Pod],
    ['metadata.name=mine\\,', Pod],
  ]
  for (const [fieldSelector, kind] of table)
    await rejects(list(fieldSelector, kind), { reason: 'Forbidden' }, fieldSelector)
})

test('a refusal names the resource, its group and its namespace', async t => {
  const { as } = await openTestServer(t)
  const user = as('jane')
  const table: [ask: () => Promise<unknown>, message: string][] = [
    [
      () => user.get(ConfigMap, 'a'),
      'configmaps "a" is forbidden: User "jane" cannot get resource "configmaps" in API group "" in the namespace "default"',
    ],
    [
      () => user.list(Pod),
      'pods is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope',
    ],
    [
      () => user.patch(Pod, 'a', 'merge', {}, { subresource: 'status' }),
      'pods "a" is forbidden: User "jane" cannot patch resource "pods/status" in API group "" in the namespace "default"',
    ],
    [
      () => user.remove(Role, 'a'),
      'roles.rbac.authorization.k8s.io "a" is forbidden: User "jane" cannot delete resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "default"',
    ],
    // A namespace counts as inside itself.
    [
      () => user.get(Namespace, 'default'),
      'namespaces "default" is forbidden: User "jane" cannot get resource "namespaces" in API group "" in the namespace "default"',
    ],
  ]
  for (const [ask, message] of table) await rejects(ask, { reason: 'Forbidden', message })
})

test('a role in a namespace can grant rights to the namespace itself', async t => {
  const server = await openTestServer(t)
  const user = await grant(server, [{ verbs: ['get'], apiGroups: [''], resources: ['namespaces'] }])
  await server.admin.create(Namespace, { metadata: { name: 'other' } })
  deepStrictEqual((await user.get(Namespace, 'default')).metadata.name, 'default')
  await rejects(user.get(Namespace, 'other'), { reason: 'Forbidden' })
})
