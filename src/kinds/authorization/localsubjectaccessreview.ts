// Asks whether a user may do something in one namespace.
import { defineKind, type Of } from '../../api/kind.ts'
import { SubjectAccessReviewSpec, SubjectAccessReviewStatus } from './types.ts'

export const LocalSubjectAccessReview = defineKind({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  scope: 'Namespaced',
  verbs: ['create'],
  doc: 'Asks whether a user may do something in one namespace.',
  fields: {
    spec: SubjectAccessReviewSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: SubjectAccessReviewStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type LocalSubjectAccessReview = Of<typeof LocalSubjectAccessReview>
