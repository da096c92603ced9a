// Asks for a token of a service account.
import { defineKind, type Of } from '../../api/kind.ts'
import { int64, list, map, string, struct, time } from '../../api/schema/build.ts'

export const BoundObjectReference = struct(
  'authentication.v1.BoundObjectReference',
  'Reference to an object that a token is bound to.',
  {
    kind: string({ proto: 1, doc: 'Kind of the referenced object: Pod, Node or Secret.' }),
    apiVersion: string({ proto: 2, doc: 'API version of the referenced object.' }),
    name: string({ proto: 3, doc: 'Name of the referenced object.' }),
    uid: string({ proto: 4, doc: 'UID of the referenced object.' }),
  },
)
export type BoundObjectReference = Of<typeof BoundObjectReference>

export const TokenRequestSpec = struct('authentication.v1.TokenRequestSpec', 'Properties of the requested token.', {
  audiences: list(string({}), {
    proto: 1,
    always: true,
    doc: 'Intended audiences of the token. A recipient must be one of them, or else reject the token. Defaults to the API server.',
  }),
  expirationSeconds: int64({
    proto: 4,
    optional: true,
    default: 3600,
    doc: 'Requested lifetime of the token in seconds, at least 600 (10 minutes). The server may issue a token with another lifetime. Defaults to 3600.',
  }),
  boundObjectRef: BoundObjectReference.field({
    proto: 3,
    always: true,
    doc: 'Object that the token is bound to. The token becomes invalid when the object is deleted.',
  }),
  attestations: map(list(string({}), { wrapped: true }), {
    proto: 5,
    doc: 'Additional statements that are included in the token.',
  }),
})
export type TokenRequestSpec = Of<typeof TokenRequestSpec>

export const TokenRequestStatus = struct('authentication.v1.TokenRequestStatus', 'Token that was issued.', {
  token: string({ proto: 1, always: true, doc: 'Issued token, which is opaque to clients.' }),
  expirationTimestamp: time({ proto: 2, always: true, doc: 'Time when the token expires.' }),
})
export type TokenRequestStatus = Of<typeof TokenRequestStatus>

export const TokenRequest = defineKind({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: '',
  scope: 'Namespaced',
  verbs: ['create'],
  doc: 'TokenRequest requests a token for a service account. It is created through the token subresource of the ServiceAccount.',
  fields: {
    spec: TokenRequestSpec.value({ proto: 2, doc: 'Properties of the requested token.' }),
    status: TokenRequestStatus.value({ proto: 3, doc: 'Token that was issued. Filled in by the server.' }),
  },
})
export type TokenRequest = Of<typeof TokenRequest>
