// Asks for a token of a service account.
import { defineKind, type Of } from '../../api/kind.ts'
import { int64, list, map, string, struct, time } from '../../api/schema/build.ts'

export const BoundObjectReference = struct('authentication.v1.BoundObjectReference', '', {
  kind: string({ proto: 1 }),
  apiVersion: string({ proto: 2 }),
  name: string({ proto: 3 }),
  uid: string({ proto: 4 }),
})
export type BoundObjectReference = Of<typeof BoundObjectReference>

export const TokenRequestSpec = struct('authentication.v1.TokenRequestSpec', '', {
  audiences: list(string({}), { proto: 1, always: true }),
  expirationSeconds: int64({ proto: 4, optional: true }),
  boundObjectRef: BoundObjectReference.field({ proto: 3 }),
  attestations: map(list(string({}), { wrapped: true }), { proto: 5 }),
})
export type TokenRequestSpec = Of<typeof TokenRequestSpec>

export const TokenRequestStatus = struct('authentication.v1.TokenRequestStatus', '', {
  token: string({ proto: 1, always: true }),
  expirationTimestamp: time({ proto: 2, always: true }),
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
