// ClusterRole aggregation: a role with an aggregationRule has the rules of every role that the rule selects.
// Source: pkg/controller/clusterroleaggregation.
import { sameJson } from '../api/equal.ts'
import { matches } from '../api/labels.ts'
import { ClusterRole } from '../kinds/rbac/clusterrole.ts'
import type { PolicyRule } from '../kinds/rbac/types.ts'
import { defineController, watch } from './harness.ts'

export const roleAggregationController = defineController({
  name: 'clusterrole-aggregation-controller',
  reconciles: ClusterRole,
  when: role => role.aggregationRule !== undefined,
  watches: [
    // A selector may match any role, so every change wakes all aggregated roles.
    watch(ClusterRole, function* (_role, caches) {
      for (const { object } of caches(ClusterRole).items()) if (object.aggregationRule) yield object.metadata.name ?? ''
    }),
  ],
  async reconcile(role, ctx) {
    if (!role.aggregationRule || role.metadata.deletionTimestamp) return
    const rules = aggregate(role, ctx.cache(ClusterRole).list())
    if (sameJson(rules, role.rules ?? [])) return
    await ctx.update(ClusterRole, { ...role, rules: rules as PolicyRule[] })
  },
})

/**
 * The rules of the selected roles, in the order of the roles' names, none twice. A selected role that is aggregated
 * itself is replaced by the roles that it selects, so that roles that select each other do not feed back their rules.
 */
export function aggregate(role: ClusterRole, roles: readonly ClusterRole[]): PolicyRule[] {
  const sorted = [...roles].sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
  const visited = new Set([role.metadata.name])
  const rules = new Map<string, PolicyRule>()
  const collect = ({ aggregationRule }: ClusterRole) => {
    const selectors = aggregationRule?.clusterRoleSelectors ?? []
    for (const part of sorted) {
      if (visited.has(part.metadata.name)) continue
      if (!selectors.some(selector => matches(selector, part.metadata.labels))) continue
      visited.add(part.metadata.name)
      if (part.aggregationRule) collect(part)
      else for (const rule of part.rules ?? []) rules.set(JSON.stringify(rule), rule)
    }
  }
  collect(role)
  return [...rules.values()]
}
