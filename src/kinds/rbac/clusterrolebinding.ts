// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { list } from '../../api/schema/build.ts'
import { RoleRef, Subject } from './types.ts'

export const ClusterRoleBinding = defineKind({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  scope: 'Cluster',
  doc: '',
  fields: {
    subjects: list(Subject, { proto: 2 }),
    roleRef: RoleRef.value({ proto: 3, required: true }),
  },
})
export type ClusterRoleBinding = Of<typeof ClusterRoleBinding>
