// Gives a role to users, groups and service accounts in one namespace.
import { defineKind, type Of } from '../../api/kind.ts'
import { list } from '../../api/schema/build.ts'
import { RoleRef, Subject } from './types.ts'
import { bindingRules } from './binding-rules.ts'

export const RoleBinding = defineKind({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  scope: 'Namespaced',
  createOnUpdate: true,
  doc: 'Gives a role to users, groups and service accounts in one namespace.',
  ...bindingRules,
  fields: {
    subjects: list(Subject, { proto: 2, doc: 'Who gets the role.' }),
    roleRef: RoleRef.value({ proto: 3, required: true, doc: 'The Role or ClusterRole; cannot change.' }),
  },
})
export type RoleBinding = Of<typeof RoleBinding>
