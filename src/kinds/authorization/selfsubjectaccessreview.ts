// Asks whether the caller may do something.
import { defineKind, type Of } from '../../api/kind.ts'
import { struct } from '../../api/schema/build.ts'
import { NonResourceAttributes, ResourceAttributes, SubjectAccessReviewStatus } from './types.ts'

export const SelfSubjectAccessReviewSpec = struct(
  'authorization.v1.SelfSubjectAccessReviewSpec',
  'Action to check. Exactly one of resourceAttributes and nonResourceAttributes must be set.',
  {
    resourceAttributes: ResourceAttributes.field({ proto: 1, doc: 'Attributes of a request for a resource.' }),
    nonResourceAttributes: NonResourceAttributes.field({
      proto: 2,
      doc: 'Attributes of a request for a URL path that is not a resource.',
    }),
  },
)
export type SelfSubjectAccessReviewSpec = Of<typeof SelfSubjectAccessReviewSpec>

export const SelfSubjectAccessReview = defineKind({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  scope: 'Cluster',
  verbs: ['create'],
  doc: 'SelfSubjectAccessReview checks whether the user who makes the request may perform an action.',
  fields: {
    spec: SelfSubjectAccessReviewSpec.value({ proto: 2, doc: 'Action to check.' }),
    status: SubjectAccessReviewStatus.value({ proto: 3, doc: 'Result of the check. Filled in by the server.' }),
  },
})
export type SelfSubjectAccessReview = Of<typeof SelfSubjectAccessReview>
