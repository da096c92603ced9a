// Gives a role to users, groups and service accounts in one namespace.
import { defineKind, type Of } from '../../api/kind.ts'
import { list } from '../../api/schema/build.ts'
import { RoleRef, Subject } from './types.ts'
import { pathSegmentErrors } from '../../api/validate.ts'

export const RoleBinding = defineKind({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  scope: 'Namespaced',
  doc: 'Gives a role to users, groups and service accounts in one namespace.',
  columns: [
    { name: 'Role', type: 'string', value: o => `${o.roleRef.kind}/${o.roleRef.name}` },
    {
      name: 'Users',
      type: 'string',
      value: o =>
        (o.subjects ?? [])
          .filter(s => s.kind === 'User')
          .map(s => (s.namespace ? `${s.namespace}/${s.name}` : s.name))
          .join(', '),
      wide: true,
    },
    {
      name: 'Groups',
      type: 'string',
      value: o =>
        (o.subjects ?? [])
          .filter(s => s.kind === 'Group')
          .map(s => (s.namespace ? `${s.namespace}/${s.name}` : s.name))
          .join(', '),
      wide: true,
    },
    {
      name: 'ServiceAccounts',
      type: 'string',
      value: o =>
        (o.subjects ?? [])
          .filter(s => s.kind === 'ServiceAccount')
          .map(s => (s.namespace ? `${s.namespace}/${s.name}` : s.name))
          .join(', '),
      wide: true,
    },
  ],
  validateName: pathSegmentErrors,
  defaults: b => {
    for (const s of b.subjects ?? []) if (s.kind !== 'ServiceAccount') s.apiGroup ??= 'rbac.authorization.k8s.io'
  },
  *validateUpdate(next, old, at) {
    if (JSON.stringify(next.roleRef) !== JSON.stringify(old.roleRef))
      yield at.field('roleRef').invalid(next.roleRef, 'cannot change roleRef')
  },
  fields: {
    subjects: list(Subject, { proto: 2, doc: 'Who gets the role.' }),
    roleRef: RoleRef.value({ proto: 3, required: true, doc: 'The Role or ClusterRole; cannot change.' }),
  },
})
export type RoleBinding = Of<typeof RoleBinding>
