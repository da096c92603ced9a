// Tells the caller who it is.
import { defineKind, type Of } from '../../api/kind.ts'
import { struct } from '../../api/schema/build.ts'
import { UserInfo } from './types.ts'

export const SelfSubjectReviewStatus = struct('authentication.v1.SelfSubjectReviewStatus', 'Who asks.', {
  userInfo: UserInfo.value({ proto: 1, doc: 'Who the server takes the client to be.' }),
})
export type SelfSubjectReviewStatus = Of<typeof SelfSubjectReviewStatus>

export const SelfSubjectReview = defineKind({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  scope: 'Cluster',
  verbs: ['create'],
  doc: 'Tells the caller who it is.',
  fields: {
    status: SelfSubjectReviewStatus.value({ proto: 2, doc: 'What is the case, as last observed.' }),
  },
})
export type SelfSubjectReview = Of<typeof SelfSubjectReview>
