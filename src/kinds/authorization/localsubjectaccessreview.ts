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
  doc: 'LocalSubjectAccessReview checks whether a user or group may perform an action in a namespace.',
  fields: {
    spec: SubjectAccessReviewSpec.value({
      proto: 2,
      doc: 'Action to check. spec.resourceAttributes.namespace must be the namespace of the request.',
    }),
    status: SubjectAccessReviewStatus.value({ proto: 3, doc: 'Result of the check. Filled in by the server.' }),
  },
})
export type LocalSubjectAccessReview = Of<typeof LocalSubjectAccessReview>
