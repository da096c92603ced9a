// Asks whether a user may do something.
import { defineKind, type Of } from '../../api/kind.ts'
import { SubjectAccessReviewSpec, SubjectAccessReviewStatus } from './types.ts'

export const SubjectAccessReview = defineKind({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  scope: 'Cluster',
  verbs: ['create'],
  doc: 'Asks whether a user may do something.',
  fields: {
    spec: SubjectAccessReviewSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: SubjectAccessReviewStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type SubjectAccessReview = Of<typeof SubjectAccessReview>
