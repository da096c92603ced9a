// Asks whose token this is.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, list, string, struct } from '../../api/schema/build.ts'
import { UserInfo } from './types.ts'

export const TokenReviewSpec = struct('authentication.v1.TokenReviewSpec', 'Token to authenticate.', {
  token: string({ proto: 1, required: true, doc: 'Opaque bearer token.' }),
  audiences: list(string({}), {
    proto: 2,
    doc: 'Audiences of which the token must be intended for at least one. Defaults to the audiences of the API server.',
  }),
})
export type TokenReviewSpec = Of<typeof TokenReviewSpec>

export const TokenReviewStatus = struct('authentication.v1.TokenReviewStatus', 'Result of authenticating a token.', {
  authenticated: bool({ proto: 1, doc: 'Whether the token is valid and belongs to a user.' }),
  user: UserInfo.value({ proto: 2, doc: 'Attributes of the user that the token belongs to.' }),
  audiences: list(string({}), { proto: 4, doc: 'Audiences, out of those in the spec, that the token is valid for.' }),
  error: string({ proto: 3, doc: 'Reason why the token could not be checked.' }),
})
export type TokenReviewStatus = Of<typeof TokenReviewStatus>

export const TokenReview = defineKind({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  scope: 'Cluster',
  verbs: ['create'],
  doc: 'TokenReview checks a bearer token and returns the user that it belongs to.',
  fields: {
    spec: TokenReviewSpec.value({ proto: 2, required: true, doc: 'Token to authenticate.' }),
    status: TokenReviewStatus.value({ proto: 3, doc: 'Result of the review. Filled in by the server.' }),
  },
})
export type TokenReview = Of<typeof TokenReview>
