// Gives a cluster role to users, groups and service accounts everywhere.
import { defineKind, type Of } from '../../api/kind.ts'
import { list } from '../../api/schema/build.ts'
import { RoleRef, Subject } from './types.ts'
import { bindingRules } from './binding-rules.ts'

export const ClusterRoleBinding = defineKind({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  scope: 'Cluster',
  createOnUpdate: true,
  doc: 'ClusterRoleBinding grants a ClusterRole to users, groups and service accounts in the whole cluster.',
  ...bindingRules,
  fields: {
    subjects: list(Subject, { proto: 2, doc: 'Users, groups and service accounts that are granted the role.' }),
    roleRef: RoleRef.value({ proto: 3, required: true, doc: 'ClusterRole that is granted. Cannot be changed.' }),
  },
})
export type ClusterRoleBinding = Of<typeof ClusterRoleBinding>
