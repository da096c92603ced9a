// Asks whose token this is.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, list, string, struct } from '../../api/schema/build.ts'
import { UserInfo } from './types.ts'

export const TokenReviewSpec = struct('authentication.v1.TokenReviewSpec', 'The token to check.', {
  token: string({ proto: 1, required: true, doc: 'The token.' }),
  audiences: list(string({}), { proto: 2, doc: 'Whom the token should be for; otherwise the API server.' }),
})
export type TokenReviewSpec = Of<typeof TokenReviewSpec>

export const TokenReviewStatus = struct('authentication.v1.TokenReviewStatus', 'What the token says.', {
  authenticated: bool({ proto: 1, doc: 'Whether it is valid.' }),
  user: UserInfo.value({ proto: 2, doc: 'Who has it.' }),
  audiences: list(string({}), { proto: 4, doc: 'Those asked for whom it is for.' }),
  error: string({ proto: 3, doc: 'Why it could not be checked.' }),
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
