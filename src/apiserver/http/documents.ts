// Schemas of the documents of discovery, with which they can be sent in every encoding, and the function that sends
// them.
// Source: meta/v1 (APIVersions, APIGroup, APIResourceList), apidiscovery.k8s.io/v2.
import { stringify } from 'yaml'
import { ListMeta, ObjectMeta } from '../../api/meta.ts'
import { bool, list, string, struct } from '../../api/schema/build.ts'
import { encodeEnvelope, encodeProto } from '../../api/schema/proto.ts'
import type { JsonObject, Struct } from '../../api/schema/node.ts'
import { methodNotAllowed } from '../errors.ts'
import { choose, contentTypes, type Encoding, negotiate } from './negotiate.ts'
import { type Call, sendNegotiated } from './call.ts'

const words = (proto: number) => list(string({}), { proto })

const Address = struct('meta.v1.ServerAddressByClientCIDR', '', {
  clientCIDR: string({ proto: 1, always: true }),
  serverAddress: string({ proto: 2, always: true }),
})
const GroupVersion = struct('meta.v1.GroupVersionForDiscovery', '', {
  groupVersion: string({ proto: 1, always: true }),
  version: string({ proto: 2, always: true }),
})
const APIResource = struct('meta.v1.APIResource', '', {
  name: string({ proto: 1, always: true }),
  namespaced: bool({ proto: 2, always: true }),
  kind: string({ proto: 3, always: true }),
  verbs: list(string({}), { proto: 4, wrapped: true }),
  shortNames: words(5),
  singularName: string({ proto: 6, always: true }),
  categories: words(7),
  group: string({ proto: 8 }),
  version: string({ proto: 9 }),
  storageVersionHash: string({ proto: 10 }),
})
const APIGroup = struct('meta.v1.APIGroup', '', {
  name: string({ proto: 1, always: true }),
  versions: list(GroupVersion, { proto: 2 }),
  preferredVersion: GroupVersion.value({ proto: 3 }),
  serverAddressByClientCIDRs: list(Address, { proto: 4 }),
})
const ResponseKind = struct('meta.v1.GroupVersionKind', '', {
  group: string({ proto: 1, always: true }),
  version: string({ proto: 2, always: true }),
  kind: string({ proto: 3, always: true }),
})
const APISubresourceDiscovery = struct('apidiscovery.v2.APISubresourceDiscovery', '', {
  subresource: string({ proto: 1, always: true }),
  responseKind: ResponseKind.field({ proto: 2 }),
  acceptedTypes: list(ResponseKind, { proto: 3 }),
  verbs: words(4),
})
const APIResourceDiscovery = struct('apidiscovery.v2.APIResourceDiscovery', '', {
  resource: string({ proto: 1, always: true }),
  responseKind: ResponseKind.field({ proto: 2 }),
  scope: string({ proto: 3, always: true }),
  singularResource: string({ proto: 4, always: true }),
  verbs: words(5),
  shortNames: words(6),
  categories: words(7),
  subresources: list(APISubresourceDiscovery, { proto: 8 }),
})
const APIVersionDiscovery = struct('apidiscovery.v2.APIVersionDiscovery', '', {
  version: string({ proto: 1, always: true }),
  resources: list(APIResourceDiscovery, { proto: 2 }),
  freshness: string({ proto: 3 }),
})
const APIGroupDiscovery = struct('apidiscovery.v2.APIGroupDiscovery', '', {
  metadata: ObjectMeta.value({ proto: 1 }),
  versions: list(APIVersionDiscovery, { proto: 2 }),
})

/** The schemas by kind. */
const schemas: Readonly<Record<string, Struct>> = {
  APIVersions: struct('meta.v1.APIVersions', '', {
    versions: words(1),
    serverAddressByClientCIDRs: list(Address, { proto: 2 }),
  }) as Struct,
  APIGroup: APIGroup as Struct,
  APIGroupList: struct('meta.v1.APIGroupList', '', { groups: list(APIGroup, { proto: 1 }) }) as Struct,
  APIResourceList: struct('meta.v1.APIResourceList', '', {
    groupVersion: string({ proto: 1, always: true }),
    resources: list(APIResource, { proto: 2 }),
  }) as Struct,
  APIGroupDiscoveryList: struct('apidiscovery.v2.APIGroupDiscoveryList', '', {
    metadata: ListMeta.value({ proto: 1 }),
    items: list(APIGroupDiscovery, { proto: 2 }),
  }) as Struct,
}

/** A document, with `kind` and, except for those of the core API, `apiVersion`. */
export type Document = JsonObject & { kind: string }

/** Sends a document in the encoding that the client accepts. Throws MethodNotAllowed, NotAcceptable. */
export function sendDocument(call: Call, document: Document, type = ''): void {
  const { request } = call
  // The handler of a group is outside of the routes upstream: it answers every method, and negotiates by itself.
  const isGroup = document.kind === 'APIGroup'
  if (request.method !== 'GET' && !isGroup) throw methodNotAllowed()
  const { accept } = request.headers
  // With a given type, the encoding has been negotiated already.
  const encoding = type
    ? encodingOf(accept)
    : isGroup
      ? choose(accept, false).encoding
      : negotiate(accept, false).encoding
  sendNegotiated(call, 200, `${contentTypes[encoding]}${type}`, encode(document, encoding))
}

const encodingOf = (accept: string | undefined): Encoding =>
  (accept ?? '').split(',')[0]!.includes('protobuf') ? 'protobuf' : 'json'

function encode(document: Document, encoding: Encoding): Buffer {
  switch (encoding) {
    case 'json':
      return Buffer.from(JSON.stringify(document))
    case 'yaml':
      return Buffer.from(stringify(document, { version: '1.1' }))
    case 'protobuf':
      return encodeEnvelope(
        String(document.apiVersion ?? 'v1'),
        document.kind,
        encodeProto(schemas[document.kind]!, document),
      )
  }
}
