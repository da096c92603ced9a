// What the API server refuses in roles. Source: pkg/apis/rbac/validation (ValidatePolicyRule).
import type { Path, Problem } from '../../api/path.ts'
import type { PolicyRule } from './types.ts'

/** @param namespaced whether they are rules of a Role, which must not have paths */
export function* validateRules(
  rules: readonly PolicyRule[] | null | undefined,
  namespaced: boolean,
  at: Path,
): Iterable<Problem> {
  for (const [i, rule] of (rules ?? []).entries()) {
    const path = at.index(i)
    const { apiGroups, resources, resourceNames, nonResourceURLs } = rule
    if (!rule.verbs?.length) yield path.field('verbs').required('verbs must contain at least one value')
    if (nonResourceURLs?.length) {
      const where = path.field('nonResourceURLs')
      if (namespaced) yield where.invalid(nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs')
      if (apiGroups?.length || resources?.length || resourceNames?.length)
        yield where.invalid(nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs')
      continue
    }
    if (!apiGroups?.length) yield path.field('apiGroups').required('resource rules must supply at least one api group')
    if (!resources?.length) yield path.field('resources').required('resource rules must supply at least one resource')
  }
}
