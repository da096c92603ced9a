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
  doc: 'SubjectAccessReview checks whether a user or group may perform an action.',
  fields: {
    spec: SubjectAccessReviewSpec.value({ proto: 2, doc: 'User and action to check.' }),
    status: SubjectAccessReviewStatus.value({ proto: 3, doc: 'Result of the check. Filled in by the server.' }),
  },
})
export type SubjectAccessReview = Of<typeof SubjectAccessReview>
