// Asks whose token this is.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, list, string, struct } from '../../api/schema/build.ts'
import { UserInfo } from './types.ts'

export const TokenReviewSpec = struct('authentication.v1.TokenReviewSpec', '', {
  token: string({ proto: 1, required: true }),
  audiences: list(string({}), { proto: 2 }),
})
export type TokenReviewSpec = Of<typeof TokenReviewSpec>

export const TokenReviewStatus = struct('authentication.v1.TokenReviewStatus', '', {
  authenticated: bool({ proto: 1 }),
  user: UserInfo.value({ proto: 2 }),
  audiences: list(string({}), { proto: 4 }),
  error: string({ proto: 3 }),
})
export type TokenReviewStatus = Of<typeof TokenReviewStatus>

export const TokenReview = defineKind({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  scope: 'Cluster',
  verbs: ['create'],
  doc: 'Asks whose token this is.',
  fields: {
    spec: TokenReviewSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: TokenReviewStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type TokenReview = Of<typeof TokenReview>
