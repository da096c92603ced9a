// A cluster role: what may be done anywhere, or in whichever namespace it is bound.
import { present } from '../../api/checks.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
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
    if (aggregationRule)
      yield* present(
        aggregationRule.clusterRoleSelectors ?? [],
        at.field('aggregationRule', 'clusterRoleSelectors'),
        'at least one clusterRoleSelector required if aggregationRule is non-nil',
      )
    yield* validateRules(rules, false, at.field('rules'))
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
