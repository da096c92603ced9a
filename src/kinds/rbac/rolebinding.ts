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
  doc: 'RoleBinding grants a Role or a ClusterRole to users, groups and service accounts in a namespace.',
  ...bindingRules,
  fields: {
    subjects: list(Subject, { proto: 2, doc: 'Users, groups and service accounts that are granted the role.' }),
    roleRef: RoleRef.value({
      proto: 3,
      required: true,
      doc: 'Role in the same namespace, or ClusterRole, that is granted. Cannot be changed.',
    }),
  },
})
export type RoleBinding = Of<typeof RoleBinding>
