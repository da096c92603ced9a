// The rules of aggregated roles, as tables of roles.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterRole } from '../kinds/rbac/clusterrole.ts'
import { aggregate } from './role-aggregation.ts'

const rule = (resource: string) => ({ apiGroups: [''], resources: [resource], verbs: ['get'] })

function role(name: string, labels: Record<string, string>, more: { select?: string; rules?: string[] }) {
  return {
    kind: 'ClusterRole',
    apiVersion: 'rbac.authorization.k8s.io/v1',
    metadata: { name, labels },
    ...(more.select && { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: more.select } }] } }),
    rules: (more.rules ?? []).map(rule),
  } as ClusterRole
}

const resources = (of: string, roles: ClusterRole[]) =>
  aggregate(roles.find(r => r.metadata.name === of)!, roles).flatMap(r => r.resources)

test('an aggregated role has the rules of the roles that it selects, in the order of names, none twice', () => {
  const roles = [
    role('all', {}, { select: 'all' }),
    role('b', { to: 'all' }, { rules: ['pods', 'services'] }),
    role('a', { to: 'all' }, { rules: ['nodes', 'pods'] }),
    role('c', { to: 'other' }, { rules: ['secrets'] }),
  ]
  deepStrictEqual(resources('all', roles), ['nodes', 'pods', 'services'])
})

test('a selected role that is aggregated itself is replaced by the roles that it selects', () => {
  const roles = [
    role('admin', {}, { select: 'admin' }),
    role('edit', { to: 'admin' }, { select: 'edit', rules: ['stale'] }),
    role('view', { to: 'edit' }, { rules: ['pods'] }),
  ]
  deepStrictEqual(resources('admin', roles), ['pods'])
})

test('roles that select each other have the same rules, whatever rules they had before', () => {
  const roles = [
    role('a', { to: 'x' }, { select: 'x', rules: ['one'] }),
    role('b', { to: 'x' }, { select: 'x', rules: ['two'] }),
    role('c', { to: 'x' }, { rules: ['pods'] }),
  ]
  deepStrictEqual(resources('a', roles), ['pods'])
  deepStrictEqual(resources('b', roles), ['pods'])
})
