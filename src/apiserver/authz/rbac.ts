// Role-based access control: a user may do what a role allows that is bound to the user or to one of the user's groups.
//
// - Rights add up. There are no rules that take a right away, so the authorizer never denies.
// - A binding whose role does not exist grants nothing. It is the reason of a refusal if nothing else grants the right.
// - A stored rule or subject that cannot be read grants nothing, and is counted. All others are in effect.
// - The rules of a user in a namespace are collected once, and cached until any role or binding changes. Two requests
//   with the same user, groups and namespace between two changes get the same answer.
//
// Source: plugin/pkg/auth/authorizer/rbac.
import { counter } from '../../base/metrics.ts'
import type { User } from '../../api/operation.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { Role } from '../../kinds/rbac/role.ts'
import { RoleBinding } from '../../kinds/rbac/rolebinding.ts'
import type { PolicyRule, RoleRef, Subject } from '../../kinds/rbac/types.ts'
import type { Storage } from '../storage.ts'
import type { AccessRequest, InstantAuthorizer } from './authorizer.ts'

/** Users and namespaces whose rules are cached. When there are more, the cache is cleared. */
const maxCachedUsers = 2000

/** The rules of one binding, or why they cannot be found. */
interface Granted {
  rules: readonly PolicyRule[] | string
  why: string
}

const unreadable = counter('kutter_rbac_unreadable_total', 'Stored rules and subjects that could not be read.')

/** Makes the authorizer. It lives as long as the storage. */
export function rbacAuthorizer(storage: Storage): InstantAuthorizer {
  const cache = new Map<string, readonly Granted[]>()
  for (const kind of [ClusterRole, ClusterRoleBinding, Role, RoleBinding])
    storage.mirror(kind as typeof ClusterRole).subscribe(() => cache.clear())
  const granted = (user: User, namespace: string) => {
    const key = JSON.stringify([user.name, namespace, user.groups])
    let found = cache.get(key)
    if (!found) {
      found = [...rulesOf(storage, user, namespace)]
      if (cache.size >= maxCachedUsers) cache.clear()
      cache.set(key, found)
    }
    return found
  }
  return {
    authorize(request) {
      let problem = ''
      for (const { rules, why } of granted(request.user, request.namespace)) {
        if (typeof rules === 'string') problem ||= rules
        else if (rules.some(rule => grants(() => allows(rule, request)))) return { allowed: true, reason: why }
      }
      return { allowed: false, reason: problem && `RBAC: ${problem}` }
    },
  }
}

/** The answer of one rule or subject, which is no if it cannot be read. */
function grants(answer: () => boolean): boolean {
  try {
    return answer()
  } catch {
    unreadable.add()
    return false
  }
}

/** All rules that apply to a user in a namespace ('' for cluster scope), binding by binding. */
export function* rulesOf(storage: Storage, user: User, namespace: string): Iterable<Granted> {
  for (const binding of storage.mirror(ClusterRoleBinding).items()) {
    const subject = binding.object.subjects?.find(s => grants(() => concerns(s, user, '')))
    if (subject)
      yield {
        rules: rulesOfRole(storage, binding.object.roleRef, ''),
        why: `RBAC: allowed by ClusterRoleBinding ${JSON.stringify(binding.object.metadata.name)} of ${binding.object.roleRef.kind} ${JSON.stringify(binding.object.roleRef.name)} to ${describe(subject)}`,
      }
  }
  if (!namespace) return
  for (const binding of storage.mirror(RoleBinding).items(namespace)) {
    const subject = binding.object.subjects?.find(s => grants(() => concerns(s, user, namespace)))
    if (subject)
      yield {
        rules: rulesOfRole(storage, binding.object.roleRef, namespace),
        why: `RBAC: allowed by RoleBinding ${JSON.stringify(`${binding.object.metadata.name}/${namespace}`)} of ${binding.object.roleRef.kind} ${JSON.stringify(binding.object.roleRef.name)} to ${describe(subject)}`,
      }
  }
}

const describe = (s: Subject) => `${s.kind} ${JSON.stringify(s.namespace ? `${s.name}/${s.namespace}` : s.name)}`

/** The rules of a role, or an error text if the role does not exist. */
export function rulesOfRole(storage: Storage, ref: RoleRef, namespace: string): readonly PolicyRule[] | string {
  const role =
    ref.kind === 'ClusterRole'
      ? storage.mirror(ClusterRole).get(undefined, ref.name)
      : storage.mirror(Role).get(namespace, ref.name)
  return role
    ? (role.rules ?? [])
    : `${ref.kind === 'ClusterRole' ? 'clusterrole' : 'role'}.rbac.authorization.k8s.io ${JSON.stringify(ref.name)} not found`
}

/** Whether a binding's subject is the user, one of the user's groups, or the service account that the user is. */
function concerns(subject: Subject, user: User, bindingNamespace: string): boolean {
  switch (subject.kind) {
    case 'User':
      return user.name === subject.name
    case 'Group':
      return user.groups.includes(subject.name)
    case 'ServiceAccount':
      return user.name === `system:serviceaccount:${subject.namespace || bindingNamespace}:${subject.name}`
    default:
      return false
  }
}

const has = (list: readonly string[] | null | undefined, value: string) =>
  list?.some(entry => entry === '*' || entry === value) ?? false

/** Whether one rule allows a request. */
export function allows(rule: PolicyRule, request: AccessRequest): boolean {
  if (!has(rule.verbs, request.verb)) return false
  if (request.path !== undefined) {
    return (
      rule.nonResourceURLs?.some(
        url => url === request.path || (url.endsWith('*') && request.path!.startsWith(url.slice(0, -1))),
      ) ?? false
    )
  }
  const resource = request.subresource ? `${request.resource}/${request.subresource}` : request.resource
  return (
    has(rule.apiGroups, request.group) &&
    (has(rule.resources, resource) ||
      (request.subresource !== '' && (rule.resources?.includes(`*/${request.subresource}`) ?? false))) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(request.name))
  )
}
