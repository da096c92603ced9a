// ClusterRole aggregation: a role with an aggregationRule has the rules of every role that the rule selects.
// Source: pkg/controller/clusterroleaggregation.
import { matches } from '../api/labels.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
import { ClusterRole } from '../kinds/rbac/clusterrole.ts'
import type { PolicyRule } from '../kinds/rbac/types.ts'
import { defineController, watch } from './harness.ts'

export const roleAggregationController = defineController({
  name: 'clusterrole-aggregation-controller',
  reconciles: ClusterRole,
  when: role => role.aggregationRule !== undefined,
  watches: [
    // Any role may be part of any other.
    watch(ClusterRole, function* (_role, caches) {
      for (const { object } of caches(ClusterRole).items()) if (object.aggregationRule) yield object.metadata.name ?? ''
    }),
  ],
  async reconcile(role, ctx) {
    if (!role.aggregationRule || role.metadata.deletionTimestamp) return
    const rules = aggregate(role, ctx.cache(ClusterRole).list())
    if (JSON.stringify(rules) === JSON.stringify(role.rules ?? [])) return
    await ctx.update(ClusterRole, { ...role, rules: rules as PolicyRule[] })
  },
})

/** The rules of the selected roles, in the order of the roles' names, none twice. */
export function aggregate(
  role: DeepReadonly<ClusterRole>,
  roles: readonly DeepReadonly<ClusterRole>[],
): DeepReadonly<PolicyRule>[] {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? []
  const parts = roles
    .filter(part => part.metadata.name !== role.metadata.name)
    .filter(part => selectors.some(selector => matches(selector, part.metadata.labels)))
    .sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
  const rules = new Map<string, DeepReadonly<PolicyRule>>()
  for (const rule of parts.flatMap(part => part.rules ?? [])) {
    const text = JSON.stringify(rule)
    if (!rules.has(text)) rules.set(text, rule)
  }
  return [...rules.values()]
}
