// Which requests a rule allows, and to which users a binding applies.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Role } from '../../kinds/rbac/role.ts'
import { RoleBinding } from '../../kinds/rbac/rolebinding.ts'
import type { PolicyRule } from '../../kinds/rbac/types.ts'
import { atOnce, openTestServer } from '../testing.ts'
import type { AccessRequest } from './authorizer.ts'
import { allows } from './rbac.ts'

const none = { group: '', resource: '', subresource: '', namespace: '', name: '' }
const nobody = { name: 'nobody', groups: [] }

test('a rule allows requests with its verbs, groups, resources and names', () => {
  const get = (resource: string, more: Partial<AccessRequest> = {}): AccessRequest => {
    const [name = '', subresource = ''] = resource.split('/')
    return { ...none, user: nobody, verb: 'get', resource: name, subresource, ...more }
  }
  const pods: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] }
  const table: [rule: PolicyRule, request: AccessRequest, expected: boolean][] = [
    [pods, get('pods'), true],
    [pods, get('pods', { name: 'a', namespace: 'b' }), true],
    [pods, get('pods', { verb: 'list' }), false],
    [pods, get('pods', { group: 'apps' }), false],
    [pods, get('pods/log'), false],
    [{ ...pods, resources: ['pods/log'] }, get('pods/log'), true],
    [{ ...pods, resources: ['pods/log'] }, get('pods'), false],
    [{ ...pods, resources: ['*/log'] }, get('pods/log'), true],
    [{ ...pods, resources: ['*/log'] }, get('pods'), false],
    [{ ...pods, resources: ['*'] }, get('pods/log'), true],
    [{ ...pods, resources: ['pods/*'] }, get('pods/log'), false],
    [{ ...pods, verbs: ['*'], apiGroups: ['*'] }, get('pods', { verb: 'patch', group: 'apps' }), true],
    [{ ...pods, resourceNames: ['a'] }, get('pods', { name: 'a' }), true],
    [{ ...pods, resourceNames: ['a'] }, get('pods', { name: 'b' }), false],
    // A list would show objects of other names.
    [{ ...pods, resourceNames: ['a'] }, get('pods', { verb: 'get' }), false],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }, get('', { path: '/healthz' }), true],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }, get('', { path: '/healthz/etcd' }), false],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz/*'] }, get('', { path: '/healthz/etcd' }), true],
    [{ verbs: ['get'], nonResourceURLs: ['*'] }, get('', { path: '/metrics' }), true],
    // A rule about resources allows no path, and a rule about paths no resource.
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, get('', { path: '/metrics' }), false],
    [{ verbs: ['*'], nonResourceURLs: ['*'] }, get('pods'), false],
  ]
  for (const [rule, request, expected] of table)
    strictEqual(allows(rule, request), expected, JSON.stringify([rule, request]))
})

const apiGroup = 'rbac.authorization.k8s.io'
const rules = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]
const user = (name: string) => ({ kind: 'User', apiGroup, name })
const group = (name: string) => ({ kind: 'Group', apiGroup, name })
const account = (name: string, namespace: string) => ({ kind: 'ServiceAccount', name, namespace })

async function openWithRoles(t: Parameters<typeof openTestServer>[0]) {
  const { admin, core } = await openTestServer(t)
  await admin.create(Namespace, { metadata: { name: 'other' } })
  await admin.create(ClusterRole, { metadata: { name: 'reader' }, rules })
  await admin.create(Role, { metadata: { name: 'reader' }, rules })
  const decide = (name: string, groups: string[], namespace: string) =>
    atOnce(core.authorizer.authorize({ ...none, user: { name, groups }, verb: 'get', resource: 'pods', namespace }))
  const may = (name: string, groups: string[] = []) =>
    ['default', 'other', ''].filter(namespace => decide(name, groups, namespace).allowed)
  return { admin, decide, may }
}

test('a binding applies to users, groups and accounts, in its namespace or everywhere', async t => {
  const { admin, may, decide } = await openWithRoles(t)
  const everywhere = ['default', 'other', '']
  const subjects = [user('jane'), group('readers'), account('bot', 'other')]
  await admin.create(RoleBinding, {
    metadata: { name: 'b' },
    subjects,
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'reader' },
  })
  deepStrictEqual(may('jane'), ['default'])
  deepStrictEqual(may('john'), [])
  deepStrictEqual(may('john', ['readers']), ['default'])
  deepStrictEqual(may('system:serviceaccount:other:bot'), ['default'])
  deepStrictEqual(may('system:serviceaccount:default:bot'), [])
  strictEqual(
    decide('jane', [], 'default').reason,
    'RBAC: allowed by RoleBinding "b/default" of ClusterRole "reader" to User "jane"',
  )
  await admin.create(ClusterRoleBinding, {
    metadata: { name: 'c' },
    subjects,
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'reader' },
  })
  deepStrictEqual(may('jane'), everywhere)
  deepStrictEqual(may('john', ['readers']), everywhere)
  deepStrictEqual(may('system:serviceaccount:other:bot'), everywhere)
  strictEqual(
    decide('john', ['readers'], '').reason,
    'RBAC: allowed by ClusterRoleBinding "c" of ClusterRole "reader" to Group "readers"',
  )
})

test('a change of a role or binding has effect at once', async t => {
  const { admin, may } = await openWithRoles(t)
  const roleRef = { apiGroup, kind: 'Role', name: 'reader' }
  deepStrictEqual(may('jane'), [])
  await admin.create(RoleBinding, { metadata: { name: 'b' }, subjects: [user('jane')], roleRef })
  deepStrictEqual(may('jane'), ['default'])
  await admin.patch(Role, 'reader', 'merge', { rules: [{ ...rules[0], verbs: ['list'] }] })
  deepStrictEqual(may('jane'), [])
  await admin.patch(Role, 'reader', 'merge', { rules })
  deepStrictEqual(may('jane'), ['default'])
  await admin.patch(RoleBinding, 'b', 'merge', { subjects: [user('john')] })
  deepStrictEqual([may('jane'), may('john')], [[], ['default']])
  await admin.remove(RoleBinding, 'b')
  deepStrictEqual(may('john'), [])
})

test('a binding whose role is missing grants nothing, and is the reason of a refusal', async t => {
  const { admin, decide } = await openWithRoles(t)
  const bind = (name: string, role: string) =>
    admin.create(RoleBinding, {
      metadata: { name },
      subjects: [user('jane')],
      roleRef: { apiGroup, kind: 'Role', name: role },
    })
  await bind('a', 'missing')
  deepStrictEqual(decide('jane', [], 'default'), {
    allowed: false,
    reason: 'RBAC: role.rbac.authorization.k8s.io "missing" not found',
  })
  await bind('b', 'reader')
  strictEqual(decide('jane', [], 'default').allowed, true)
})
