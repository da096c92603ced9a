// What access reviews share: the question and the answer.
import type { Of } from '../../api/kind.ts'
import { FieldSelectorRequirement, LabelSelectorRequirement } from '../../api/meta.ts'
import { bool, list, map, string, struct } from '../../api/schema/build.ts'

export const FieldSelectorAttributes = struct('authorization.v1.FieldSelectorAttributes', '', {
  rawSelector: string({ proto: 1 }),
  requirements: list(FieldSelectorRequirement, { proto: 2 }),
})
export type FieldSelectorAttributes = Of<typeof FieldSelectorAttributes>

export const LabelSelectorAttributes = struct('authorization.v1.LabelSelectorAttributes', '', {
  rawSelector: string({ proto: 1 }),
  requirements: list(LabelSelectorRequirement, { proto: 2 }),
})
export type LabelSelectorAttributes = Of<typeof LabelSelectorAttributes>

export const ResourceAttributes = struct('authorization.v1.ResourceAttributes', '', {
  namespace: string({ proto: 1 }),
  verb: string({ proto: 2 }),
  group: string({ proto: 3 }),
  version: string({ proto: 4 }),
  resource: string({ proto: 5 }),
  subresource: string({ proto: 6 }),
  name: string({ proto: 7 }),
  fieldSelector: FieldSelectorAttributes.field({ proto: 8 }),
  labelSelector: LabelSelectorAttributes.field({ proto: 9 }),
})
export type ResourceAttributes = Of<typeof ResourceAttributes>

export const NonResourceAttributes = struct('authorization.v1.NonResourceAttributes', '', {
  path: string({ proto: 1 }),
  verb: string({ proto: 2 }),
})
export type NonResourceAttributes = Of<typeof NonResourceAttributes>

export const SubjectAccessReviewSpec = struct('authorization.v1.SubjectAccessReviewSpec', '', {
  resourceAttributes: ResourceAttributes.field({ proto: 1 }),
  nonResourceAttributes: NonResourceAttributes.field({ proto: 2 }),
  user: string({ proto: 3 }),
  groups: list(string({}), { proto: 4 }),
  extra: map(list(string({}), { wrapped: true }), { proto: 5 }),
  uid: string({ proto: 6 }),
})
export type SubjectAccessReviewSpec = Of<typeof SubjectAccessReviewSpec>

export const SubjectAccessReviewStatus = struct('authorization.v1.SubjectAccessReviewStatus', '', {
  allowed: bool({ proto: 1, always: true }),
  denied: bool({ proto: 4 }),
  reason: string({ proto: 2 }),
  evaluationError: string({ proto: 3 }),
})
export type SubjectAccessReviewStatus = Of<typeof SubjectAccessReviewStatus>
