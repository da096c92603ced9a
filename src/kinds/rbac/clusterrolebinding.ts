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
  doc: 'Gives a cluster role to users, groups and service accounts everywhere.',
  ...bindingRules,
  fields: {
    subjects: list(Subject, { proto: 2, doc: 'Who gets the role.' }),
    roleRef: RoleRef.value({ proto: 3, required: true, doc: 'The ClusterRole; cannot change.' }),
  },
})
export type ClusterRoleBinding = Of<typeof ClusterRoleBinding>
