// A role: what may be done in one namespace.
import { defineKind, type Of } from '../../api/kind.ts'
import { list } from '../../api/schema/build.ts'
import { validateRules } from './role-rules.ts'
import { PolicyRule } from './types.ts'
import { createdColumn } from '../columns.ts'
import { pathSegmentErrors } from '../../api/names.ts'

export const Role = defineKind({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  scope: 'Namespaced',
  createOnUpdate: true,
  doc: 'Role is a set of permissions in a namespace. It is granted by a RoleBinding.',
  columns: [createdColumn],
  validateName: pathSegmentErrors,
  *validate({ rules }, at) {
    yield* validateRules(rules, true, at.field('rules'))
  },
  fields: {
    rules: list(PolicyRule, {
      proto: 2,
      always: true,
      doc: 'Permissions that the role grants in its namespace. nonResourceURLs are not allowed.',
    }),
  },
})
export type Role = Of<typeof Role>
