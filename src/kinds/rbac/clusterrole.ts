// A cluster role: what may be done anywhere, or in whichever namespace it is bound.
import { type Problems, present, validateSelector } from '../../api/checks.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import type { Path } from '../../api/path.ts'
import { list, struct } from '../../api/schema/build.ts'
import { validateRules } from './role-rules.ts'
import { PolicyRule } from './types.ts'
import { createdColumn } from '../columns.ts'
import { pathSegmentErrors } from '../../api/names.ts'

export const AggregationRule = struct(
  'rbac.v1.AggregationRule',
  'Determines the rules of a ClusterRole from other ClusterRoles.',
  {
    clusterRoleSelectors: list(LabelSelector, {
      proto: 1,
      doc: 'Selects ClusterRoles by their labels. The rules of all that match any of the selectors are combined.',
    }),
  },
)
export type AggregationRule = Of<typeof AggregationRule>

function* validateAggregation({ clusterRoleSelectors: selectors = [] }: AggregationRule, at: Path): Problems {
  yield* present(selectors, at, 'at least one clusterRoleSelector required if aggregationRule is non-nil')
  for (const [i, selector] of selectors.entries()) {
    const problems = [...validateSelector(selector, at.index(i))]
    yield* problems
    if (problems.length) yield at.index(i).invalid(undefined, 'invalid label selector.')
  }
}

export const ClusterRole = defineKind({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  scope: 'Cluster',
  createOnUpdate: true,
  doc: 'ClusterRole is a set of permissions. It can be granted in the whole cluster by a ClusterRoleBinding, or in a namespace by a RoleBinding.',
  columns: [createdColumn],
  validateName: pathSegmentErrors,
  *validate({ rules, aggregationRule }, at) {
    yield* validateRules(rules, false, at.field('rules'))
    if (aggregationRule)
      yield* validateAggregation(aggregationRule, at.field('aggregationRule', 'clusterRoleSelectors'))
  },
  fields: {
    rules: list(PolicyRule, { proto: 2, always: true, doc: 'Permissions that the role grants.' }),
    aggregationRule: AggregationRule.field({
      proto: 3,
      doc: 'Selects ClusterRoles whose rules are combined into this one. If it is set, a controller maintains rules and overwrites manual changes.',
    }),
  },
})
export type ClusterRole = Of<typeof ClusterRole>
