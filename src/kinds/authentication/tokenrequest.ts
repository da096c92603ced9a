// Asks for a token of a service account.
import { defineKind, type Of } from '../../api/kind.ts'
import { int64, list, map, string, struct, time } from '../../api/schema/build.ts'

export const BoundObjectReference = struct(
  'authentication.v1.BoundObjectReference',
  'The object that a token lives and dies with.',
  {
    kind: string({ proto: 1, doc: 'Pod, Node or Secret.' }),
    apiVersion: string({ proto: 2, doc: 'Version of the object.' }),
    name: string({ proto: 3, doc: 'Name of the object.' }),
    uid: string({ proto: 4, doc: 'UID of the object.' }),
  },
)
export type BoundObjectReference = Of<typeof BoundObjectReference>

export const TokenRequestSpec = struct('authentication.v1.TokenRequestSpec', 'The token that is asked for.', {
  audiences: list(string({}), { proto: 1, always: true, doc: 'Whom the token is for.' }),
  expirationSeconds: int64({
    proto: 4,
    optional: true,
    default: 3600,
    doc: 'Seconds the token should be valid; at least 600, and the server may give another time.',
  }),
  boundObjectRef: BoundObjectReference.field({
    proto: 3,
    always: true,
    doc: 'Object without which the token is void.',
  }),
  attestations: map(list(string({}), { wrapped: true }), { proto: 5, doc: 'Statements that are put into the token.' }),
})
export type TokenRequestSpec = Of<typeof TokenRequestSpec>

export const TokenRequestStatus = struct('authentication.v1.TokenRequestStatus', 'The token.', {
  token: string({ proto: 1, always: true, doc: 'The token itself.' }),
  expirationTimestamp: time({ proto: 2, always: true, doc: 'When it stops being valid.' }),
})
export type TokenRequestStatus = Of<typeof TokenRequestStatus>

export const TokenRequest = defineKind({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: '',
  scope: 'Namespaced',
  verbs: ['create'],
  doc: 'Asks for a token of a service account.',
  fields: {
    spec: TokenRequestSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: TokenRequestStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type TokenRequest = Of<typeof TokenRequest>
