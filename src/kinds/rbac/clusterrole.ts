// A cluster role: what may be done anywhere, or in whichever namespace it is bound.
import { present } from '../../api/checks.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { list, struct } from '../../api/schema/build.ts'
import { validateRules } from './role-rules.ts'
import { PolicyRule } from './types.ts'
import { createdColumn } from '../columns.ts'
import { pathSegmentErrors } from '../../api/names.ts'

export const AggregationRule = struct('rbac.v1.AggregationRule', 'Makes a role of the rules of others.', {
  clusterRoleSelectors: list(LabelSelector, { proto: 1, doc: 'Roles whose rules are taken.' }),
})
export type AggregationRule = Of<typeof AggregationRule>

export const ClusterRole = defineKind({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  scope: 'Cluster',
  createOnUpdate: true,
  doc: 'A cluster role: what may be done anywhere, or in whichever namespace it is bound.',
  columns: [createdColumn as never],
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
    rules: list(PolicyRule, { proto: 2, always: true, doc: 'What the role allows.' }),
    aggregationRule: AggregationRule.field({
      proto: 3,
      doc: 'Roles whose rules fill this one; rules set by hand are overwritten.',
    }),
  },
})
export type ClusterRole = Of<typeof ClusterRole>
