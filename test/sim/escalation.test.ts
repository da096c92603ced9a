// Users cannot grant rights that they do not have, unless they may `escalate` or `bind`.
import { deepStrictEqual, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../../src/client/index.ts'
import { missingRights, ruleText } from '../../src/apiserver/authz/covers.ts'
import { ClusterRole } from '../../src/kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../src/kinds/rbac/clusterrolebinding.ts'
import { Role } from '../../src/kinds/rbac/role.ts'
import { RoleBinding } from '../../src/kinds/rbac/rolebinding.ts'
import { type Sim, simulate } from './cluster.ts'

const apiGroup = 'rbac.authorization.k8s.io'
const namespace = 'default'
const alone = { controllers: false, scheduler: false }
const pods = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }
const roles = { apiGroups: [apiGroup], resources: ['*'], verbs: ['create', 'update', 'patch', 'get'] }
const subjects = [{ kind: 'User', apiGroup, name: 'alice' }]
const refTo = (name: string, kind = 'ClusterRole') => ({ apiGroup, kind, name })

/** Returns a client of alice, who may write roles, and has the rights `more` in all namespaces. */
async function asAlice({ client, plane }: Sim, ...more: object[]): Promise<Client> {
  await client.create(ClusterRole, { metadata: { name: 'alice' }, rules: [roles, ...more] })
  await client.create(ClusterRoleBinding, { metadata: { name: 'alice' }, subjects, roleRef: refTo('alice') })
  return plane.client('alice')
}

const groups = '(groups=["system:authenticated"])'

test('a user can write a role only with rights that the user has', () =>
  simulate(alone, async sim => {
    const alice = await asAlice(sim, { ...pods, verbs: ['get'] })
    await alice.create(Role, { metadata: { name: 'reader', namespace }, rules: [{ ...pods, verbs: ['get'] }] })
    await rejects(
      alice.create(Role, {
        metadata: { name: 'more', namespace },
        rules: [{ apiGroups: ['', 'apps'], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
      }),
      {
        reason: 'Forbidden',
        code: 403,
        message: `roles.rbac.authorization.k8s.io "more" is forbidden: user "alice" ${groups} is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}\n{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list" "watch"]}`,
      },
    )
    await rejects(alice.patch(Role, { name: 'reader', namespace }, 'merge', { rules: [pods] }), {
      reason: 'Forbidden',
    })
    await rejects(
      alice.patch(
        Role,
        { name: 'reader', namespace },
        'apply',
        {
          apiVersion: `${apiGroup}/v1`,
          kind: 'Role',
          metadata: { name: 'reader' },
          rules: [pods],
        },
        { fieldManager: 'a', force: true },
      ),
      { reason: 'Forbidden' },
    )
    await alice.patch(Role, { name: 'reader', namespace }, 'merge', { metadata: { labels: { a: 'b' } } })
  }))

test('a user without the rights of a role can still remove its finalizers', () =>
  simulate(alone, async sim => {
    const alice = await asAlice(sim)
    const metadata = { name: 'big', namespace, finalizers: ['example.org/hold'] }
    await sim.client.create(Role, { metadata, rules: [pods] })
    await rejects(alice.patch(Role, { name: 'big', namespace }, 'merge', { metadata: { labels: { a: 'b' } } }), {
      reason: 'Forbidden',
    })
    await alice.patch(Role, { name: 'big', namespace }, 'merge', { metadata: { finalizers: null } })
  }))

test('a user who may escalate can write any role, and writing an aggregated role needs all rights', () =>
  simulate(alone, async sim => {
    const alice = await asAlice(sim, { apiGroups: [apiGroup], resources: ['roles'], verbs: ['escalate'] })
    await alice.create(Role, { metadata: { name: 'any', namespace }, rules: [pods] })
    await rejects(alice.create(ClusterRole, { metadata: { name: 'any' }, rules: [pods] }), { reason: 'Forbidden' })
    const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] }
    await rejects(alice.create(ClusterRole, { metadata: { name: 'sum' }, rules: [], aggregationRule }), {
      message:
        'clusterroles.rbac.authorization.k8s.io "sum" is forbidden: must have cluster-admin privileges to use the aggregationRule',
    })
  }))

test('a user can bind a role only with its rights, or with the verb bind', () =>
  simulate(alone, async sim => {
    const { client } = sim
    const alice = await asAlice(
      sim,
      { ...pods, verbs: ['get'] },
      {
        apiGroups: [apiGroup],
        resources: ['clusterroles'],
        resourceNames: ['view'],
        verbs: ['bind'],
      },
    )
    for (const [name, verbs] of [
      ['small', ['get']],
      ['big', ['get', 'delete']],
    ] as const)
      await client.create(ClusterRole, { metadata: { name }, rules: [{ ...pods, verbs: [...verbs] }] })
    const bind = (name: string, kind?: string) =>
      alice.create(RoleBinding, { metadata: { name: `b-${name}`, namespace }, subjects, roleRef: refTo(name, kind) })
    await bind('small')
    await bind('view')
    await rejects(bind('big'), {
      message: `rolebindings.rbac.authorization.k8s.io "b-big" is forbidden: user "alice" ${groups} is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}`,
    })
    await rejects(bind('nobody', 'Role'), {
      reason: 'NotFound',
      message: 'role.rbac.authorization.k8s.io "nobody" not found',
    })
    await rejects(
      alice.create(ClusterRoleBinding, { metadata: { name: 'b' }, subjects, roleRef: refTo('cluster-admin') }),
      { reason: 'Forbidden' },
    )
    await client.create(RoleBinding, { metadata: { name: 'theirs', namespace }, roleRef: refTo('big') })
    await rejects(alice.patch(RoleBinding, { name: 'theirs', namespace }, 'merge', { subjects }), {
      reason: 'Forbidden',
    })
  }))

test('a refusal lists exactly the missing rights', () => {
  const table: [held: object, wanted: object, missing: string[]][] = [
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, pods, []],
    [
      { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
      { verbs: ['get'], nonResourceURLs: ['/x'] },
      ['{NonResourceURLs:["/x"], Verbs:["get"]}'],
    ],
    [{ verbs: ['get'], nonResourceURLs: ['/x*'] }, { verbs: ['get'], nonResourceURLs: ['/x/*'] }, []],
    [{ ...pods, resources: ['*/log'] }, { ...pods, resources: ['pods/log'] }, []],
    [
      { ...pods, resources: ['pods'] },
      { ...pods, resources: ['pods/log'], verbs: ['get'] },
      ['{APIGroups:[""], Resources:["pods/log"], Verbs:["get"]}'],
    ],
    [
      { ...pods, resourceNames: ['a'] },
      { ...pods, resourceNames: ['a', 'b'], verbs: ['get'] },
      ['{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]}'],
    ],
    [
      { ...pods, resourceNames: ['a'] },
      { ...pods, verbs: ['get'] },
      ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'],
    ],
    [pods, { ...pods, resources: ['*'], verbs: ['get'] }, ['{APIGroups:[""], Resources:["*"], Verbs:["get"]}']],
  ]
  for (const [held, wanted, missing] of table)
    deepStrictEqual(missingRights([held as typeof pods], [wanted as typeof pods]).map(ruleText), missing)
})
