// Asks whether the caller may do something.
import { defineKind, type Of } from '../../api/kind.ts'
import { struct } from '../../api/schema/build.ts'
import { NonResourceAttributes, ResourceAttributes, SubjectAccessReviewStatus } from './types.ts'

export const SelfSubjectAccessReviewSpec = struct(
  'authorization.v1.SelfSubjectAccessReviewSpec',
  'What the client asks whether it may; exactly one is set.',
  {
    resourceAttributes: ResourceAttributes.field({ proto: 1, doc: 'A request for a resource.' }),
    nonResourceAttributes: NonResourceAttributes.field({ proto: 2, doc: 'A request for another path.' }),
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
  doc: 'Asks whether the caller may do something.',
  fields: {
    spec: SelfSubjectAccessReviewSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: SubjectAccessReviewStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type SelfSubjectAccessReview = Of<typeof SelfSubjectAccessReview>
