// What roles and bindings share: rules, subjects, the reference to a role.
import type { Of } from '../../api/kind.ts'
import { list, string, struct } from '../../api/schema/build.ts'

export const Subject = struct('rbac.v1.Subject', '', {
  kind: string({ proto: 1, always: true, required: true }),
  apiGroup: string({ proto: 2 }),
  name: string({ proto: 3, always: true, required: true }),
  namespace: string({ proto: 4 }),
})
export type Subject = Of<typeof Subject>

export const RoleRef = struct('rbac.v1.RoleRef', '', {
  apiGroup: string({ proto: 1, default: 'rbac.authorization.k8s.io', always: true }),
  kind: string({ proto: 2, always: true, required: true }),
  name: string({ proto: 3, always: true, required: true }),
})
export type RoleRef = Of<typeof RoleRef>

export const PolicyRule = struct('rbac.v1.PolicyRule', '', {
  verbs: list(string({}), { proto: 1, always: true, required: true }),
  apiGroups: list(string({}), { proto: 2 }),
  resources: list(string({}), { proto: 3 }),
  resourceNames: list(string({}), { proto: 4 }),
  nonResourceURLs: list(string({}), { proto: 5 }),
})
export type PolicyRule = Of<typeof PolicyRule>
