// SelfSubjectReview: returns the caller's own user info.
import { defineKind, type Of } from '../../api/kind.ts'
import { struct } from '../../api/schema/build.ts'
import { UserInfo } from './types.ts'

export const SelfSubjectReviewStatus = struct(
  'authentication.v1.SelfSubjectReviewStatus',
  'User that made the request.',
  {
    userInfo: UserInfo.value({ proto: 1, doc: 'Attributes of the user that made the request.' }),
  },
)
export type SelfSubjectReviewStatus = Of<typeof SelfSubjectReviewStatus>

export const SelfSubjectReview = defineKind({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  scope: 'Cluster',
  verbs: ['create'],
  doc: 'SelfSubjectReview returns the attributes that the API server has for the user who makes the request.',
  fields: {
    status: SelfSubjectReviewStatus.value({ proto: 2, doc: 'Result of the review. Filled in by the server.' }),
  },
})
export type SelfSubjectReview = Of<typeof SelfSubjectReview>
