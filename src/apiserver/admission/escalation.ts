// Users can only grant rights that they have. To write a role, a user must have all rights that it grants, or the verb
// `escalate` on the role. To write a binding, a user must have all rights of the role, or the verb `bind` on the role.
//
// A change of finalizers and owner references alone is not checked, so that objects can be deleted (released.ts).
// Source: pkg/registry/rbac (policybased storage of roles and bindings, escalation_check.go).
import { StatusError } from '../../base/errors.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import type { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import type { PolicyRule } from '../../kinds/rbac/types.ts'
import type { AccessRequest, Authorizer } from '../authz/authorizer.ts'
import { everyRule, listText, missingRights, ruleText } from '../authz/covers.ts'
import { rulesOf, rulesOfRole } from '../authz/rbac.ts'
import { forbidden } from '../errors.ts'
import type { AdmissionRequest } from './request.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'
import { onlyReleased } from './released.ts'
import type { Mutable } from '../../api/schema/node.ts'

const group = ClusterRole.group
export function escalationCheck(storage: Storage, authorizer: Authorizer): AdmissionPlugin {
  const may = async (request: AdmissionRequest, more: Pick<AccessRequest, 'verb' | 'resource' | 'name'>) => {
    const { user, namespace } = request.operation
    return (await authorizer.authorize({ user, group, subresource: '', namespace, ...more })).allowed
  }
  return {
    name: 'RBACEscalation',
    async validate(request) {
      const { operation, type } = request
      const { kind, subresource, user, name } = operation
      if (kind.group !== group || subresource || (type !== 'CREATE' && type !== 'UPDATE')) return
      if (user.groups.includes('system:masters') || onlyReleased(request)) return
      if (kind.plural === 'roles' || kind.plural === 'clusterroles') {
        if (await may(request, { verb: 'escalate', resource: kind.plural, name: type === 'CREATE' ? '' : name })) return
        return checkRole(storage, request)
      }
      const { roleRef } = request.object as Mutable<ClusterRoleBinding>
      const resource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles'
      if (await may(request, { verb: 'bind', resource, name: roleRef.name })) return
      const rules = rulesOfRole(storage, roleRef, operation.namespace)
      if (typeof rules === 'string')
        throw new StatusError('NotFound', rules, {
          details: { group, kind: roleRef.kind.toLowerCase(), name: roleRef.name },
        })
      demand(storage, request, rules)
    },
  }
}

function checkRole(storage: Storage, request: AdmissionRequest): void {
  const role = request.object as Mutable<ClusterRole>
  demand(storage, request, role.rules ?? [])
  // What an aggregated role will grant later cannot be computed now, so the user must have all rights.
  if (!role.aggregationRule && !(request.old as ClusterRole | undefined)?.aggregationRule) return
  const { kind, name } = request.operation
  if (missingRights(heldBy(storage, request), everyRule).length)
    throw forbidden(kind, nameOf(request, name), 'must have cluster-admin privileges to use the aggregationRule')
}

/** Throws Forbidden unless the user has all rights that `rules` grant. */
function demand(storage: Storage, request: AdmissionRequest, rules: readonly PolicyRule[]): void {
  const { kind, user, name, namespace } = request.operation
  const missing = missingRights(heldBy(storage, request), rules)
  if (!missing.length) return
  const lines = [...new Set(missing.map(ruleText))].sort().join('\n')
  const unknown = [...rulesOf(storage, user, namespace)].flatMap(held =>
    typeof held.rules === 'string' ? [held.rules] : [],
  )
  const problems = unknown.length > 1 ? `[${unknown.join(', ')}]` : unknown[0]
  throw forbidden(
    kind,
    nameOf(request, name),
    `user ${JSON.stringify(user.name)} (groups=${listText(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${lines}${problems ? `; resolution errors: [${problems}]` : ''}`,
  )
}

const nameOf = (request: AdmissionRequest, name: string) => request.object?.metadata.name ?? name

/** All rules that apply to the user in the request's namespace. */
function heldBy(storage: Storage, { operation: { user, namespace } }: AdmissionRequest): PolicyRule[] {
  return [...rulesOf(storage, user, namespace)].flatMap(({ rules }) => (typeof rules === 'string' ? [] : rules))
}
