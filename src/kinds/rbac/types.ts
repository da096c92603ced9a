// What roles and bindings share: rules, subjects, the reference to a role.
import type { Of } from '../../api/kind.ts'
import { list, string, struct } from '../../api/schema/build.ts'

export const Subject = struct(
  'rbac.v1.Subject',
  'User, group or service account that is granted a role.',
  {
    kind: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Kind of the subject: User, Group or ServiceAccount.',
    }),
    apiGroup: string({
      proto: 2,
      doc: 'API group of the subject. Defaults to rbac.authorization.k8s.io for users and groups, and to the empty string for service accounts.',
    }),
    name: string({ proto: 3, always: true, required: true, doc: 'Name of the user, group or service account.' }),
    namespace: string({ proto: 4, doc: 'Namespace of the service account. Must not be set for users and groups.' }),
  },
  { atomic: true },
)
export type Subject = Of<typeof Subject>

export const RoleRef = struct(
  'rbac.v1.RoleRef',
  'Reference to a Role or a ClusterRole.',
  {
    apiGroup: string({
      proto: 1,
      default: 'rbac.authorization.k8s.io',
      always: true,
      doc: 'API group of the role. Always rbac.authorization.k8s.io.',
    }),
    kind: string({ proto: 2, always: true, required: true, doc: 'Kind of the role: Role or ClusterRole.' }),
    name: string({ proto: 3, always: true, required: true, doc: 'Name of the role.' }),
  },
  { atomic: true },
)
export type RoleRef = Of<typeof RoleRef>

export const PolicyRule = struct(
  'rbac.v1.PolicyRule',
  'Permission to use some verbs, either on resources or on non-resource URLs.',
  {
    verbs: list(string({}), {
      proto: 1,
      always: true,
      required: true,
      doc: 'Verbs that are allowed, such as get, list or create. * allows all verbs.',
    }),
    apiGroups: list(string({}), {
      proto: 2,
      doc: 'API groups of the resources. The empty string is the core group, * is all groups.',
    }),
    resources: list(string({}), {
      proto: 3,
      doc: 'Resources that the rule applies to, such as pods or pods/log. * is all resources.',
    }),
    resourceNames: list(string({}), {
      proto: 4,
      doc: 'Names of the objects that the rule applies to. If empty, it applies to all of them.',
    }),
    nonResourceURLs: list(string({}), {
      proto: 5,
      doc: 'URL paths that are not resources, such as /healthz or /logs/*. A * is only allowed as the last element. Only for roles that are granted by a ClusterRoleBinding.',
    }),
  },
)
export type PolicyRule = Of<typeof PolicyRule>
