// What roles and bindings share: rules, subjects, the reference to a role.
import type { Of } from '../../api/kind.ts'
import { list, string, struct } from '../../api/schema/build.ts'

export const Subject = struct(
  'rbac.v1.Subject',
  'Somebody who gets a role.',
  {
    kind: string({ proto: 1, always: true, required: true, doc: 'User, Group or ServiceAccount.' }),
    apiGroup: string({ proto: 2, doc: 'rbac.authorization.k8s.io for users and groups; empty for service accounts.' }),
    name: string({ proto: 3, always: true, required: true, doc: 'Name of the user, group or service account.' }),
    namespace: string({ proto: 4, doc: 'Namespace of the service account.' }),
  },
  { atomic: true },
)
export type Subject = Of<typeof Subject>

export const RoleRef = struct(
  'rbac.v1.RoleRef',
  'Points to a role.',
  {
    apiGroup: string({
      proto: 1,
      default: 'rbac.authorization.k8s.io',
      always: true,
      doc: 'Always rbac.authorization.k8s.io.',
    }),
    kind: string({ proto: 2, always: true, required: true, doc: 'Role or ClusterRole.' }),
    name: string({ proto: 3, always: true, required: true, doc: 'Name of the role.' }),
  },
  { atomic: true },
)
export type RoleRef = Of<typeof RoleRef>

export const PolicyRule = struct('rbac.v1.PolicyRule', 'Allows some verbs on some resources or paths.', {
  verbs: list(string({}), {
    proto: 1,
    always: true,
    required: true,
    doc: 'Verbs such as get, list or create; * for all.',
  }),
  apiGroups: list(string({}), { proto: 2, doc: 'Groups of the resources; empty text for the core group, * for all.' }),
  resources: list(string({}), { proto: 3, doc: 'Resources, with subresources as pods/log; * for all.' }),
  resourceNames: list(string({}), { proto: 4, doc: 'Names of objects; otherwise all.' }),
  nonResourceURLs: list(string({}), { proto: 5, doc: 'Paths that are no resources; * at the end for all below.' }),
})
export type PolicyRule = Of<typeof PolicyRule>
