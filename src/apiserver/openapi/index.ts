// The OpenAPI documents, which are made from the kinds at the first request and kept. Version 2 is one document, in
// JSON or protobuf. Version 3 has one for each group version, with a hash in its address, so that clients can cache it.
// What other servers serve is listed too, with the documents that were fetched from them. Of version 2, their documents
// are a part of the one that there is.
import { createHash } from 'node:crypto'
import { apiVersionOf, type AnyKind } from '../../api/kind.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import type { RemoteVersion } from '../aggregation/documents.ts'
import { mergeSwagger, type Swagger } from '../aggregation/swagger.ts'
import { type Call, type PathHandler, send } from '../http/call.ts'
import { kubernetesVersion } from '../../base/build-info.ts'
import { encodeOpenAPIv2 } from './gnostic.ts'
import { pathsOf } from './paths.ts'
import { SchemaBook } from './schemas.ts'

const info = { title: 'Kubernetes', version: kubernetesVersion }
const protobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

function openapiV2(kinds: readonly AnyKind[]): JsonObject {
  return { swagger: '2.0', info, paths: pathsOf(2, kinds), definitions: new SchemaBook(2, kinds).schemas }
}

function openapiV3(kinds: readonly AnyKind[], all: readonly AnyKind[]): JsonObject {
  // Bodies of subresources, such as Scale and Eviction, are in every document that refers to them.
  const bodies = all.filter(kind => !kind.plural && !kinds.includes(kind))
  return {
    openapi: '3.0.0',
    info,
    paths: pathsOf(3, kinds),
    components: { schemas: new SchemaBook(3, [...kinds, ...bodies]).schemas },
  }
}

/**
 * Answers /openapi/v2 and /openapi/v3. Each document is made at the first request for it, and kept until one of its
 * kinds changes: a definition that is added costs the readers of other groups nothing.
 */
export function openapi(
  kinds: () => readonly AnyKind[],
  remote: () => readonly RemoteVersion[] = () => [],
): PathHandler {
  const book = new Documents(kinds, remote)
  return call => {
    const path = call.url.pathname.replace(/\/$/, '')
    if (path === '/openapi/v2') return sendV2(call, book)
    if (path === '/openapi/v3') return sendIndex(call, book, remote())
    const prefix = /^\/openapi\/v3\/(.+)$/.exec(path)?.[1]
    if (prefix === undefined) return false
    const other = remote().find(one => placeOf(one) === prefix)
    if (other) return sendPart(call, other.openapi?.hash, () => other.openapi!.bytes)
    const part = book.parts().get(prefix)
    return sendPart(call, part?.hash, () => book.v3(part!))
  }
}

/** The kinds of one group version, with what was made of them. */
interface Part {
  kinds: readonly AnyKind[]
  hash: string
  document: Buffer | undefined
}

class Documents {
  readonly #kinds: () => readonly AnyKind[]
  readonly #remote: () => readonly RemoteVersion[]
  #of: readonly AnyKind[] | undefined
  /** What other servers say, as it is part of the documents of version 2 that are kept. */
  #others: readonly Swagger[] = []
  #parts = new Map<string, Part>()
  readonly #whole = new Map<string, Buffer>()

  constructor(kinds: () => readonly AnyKind[], remote: () => readonly RemoteVersion[]) {
    this.#kinds = kinds
    this.#remote = remote
  }

  /** The group versions by the end of their path, such as `apis/apps/v1`. */
  parts(): ReadonlyMap<string, Part> {
    const all = this.#kinds()
    if (this.#of === all) return this.#parts
    this.#of = all
    this.#whole.clear()
    const before = this.#parts
    this.#parts = new Map(
      [...Map.groupBy(all, placeOf)].map(([prefix, kinds]) => {
        const known = before.get(prefix)
        const isSame = known?.kinds.length === kinds.length && known.kinds.every((kind, i) => kind === kinds[i])
        return [prefix, isSame ? known : { kinds, hash: hashOf(kinds), document: undefined }]
      }),
    )
    return this.#parts
  }

  v3(part: Part): Buffer {
    return (part.document ??= Buffer.from(JSON.stringify(openapiV3(part.kinds, this.#kinds()))))
  }

  /** The document of version 2, which has all kinds, and what other servers say about theirs. */
  v2(encoding: 'json' | 'protobuf'): Buffer {
    this.parts()
    const others = this.#remote()
      .toSorted((a, b) => b.groupPriority - a.groupPriority || b.versionPriority - a.versionPriority)
      .flatMap(({ swagger }) => swagger ?? [])
    const isSame = others.length === this.#others.length && others.every((one, i) => one === this.#others[i])
    if (!isSame) this.#whole.clear()
    this.#others = others
    let bytes = this.#whole.get(encoding)
    if (!bytes) {
      const document = mergeSwagger(openapiV2(this.#kinds()), others)
      bytes = encoding === 'json' ? Buffer.from(JSON.stringify(document)) : encodeOpenAPIv2(document)
      this.#whole.set(encoding, bytes)
    }
    return bytes
  }
}

function sendV2({ request, response }: Call, book: Documents): boolean {
  const isProtobuf = (request.headers.accept ?? '').includes('proto-openapi')
  send(response, 200, isProtobuf ? protobufType : 'application/json', book.v2(isProtobuf ? 'protobuf' : 'json'))
  return true
}

function sendIndex({ request, response }: Call, book: Documents, remote: readonly RemoteVersion[]): boolean {
  const own = [...book.parts()]
    .filter(([, { kinds }]) => kinds.some(kind => kind.plural))
    .map(([prefix, { hash }]) => [prefix, hash] as const)
  const all = new Map([...own, ...remote.map(one => [placeOf(one), one.openapi?.hash] as const)])
  const paths = Object.fromEntries(
    [...all]
      .filter(([, hash]) => hash !== undefined)
      .map(([prefix, hash]) => [prefix, { serverRelativeURL: `/openapi/v3/${prefix}?hash=${hash}` }] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
  // Every method is answered, but only the response to GET has the right type.
  const type = request.method === 'GET' ? 'application/json' : 'text/plain; charset=utf-8'
  send(response, 200, type, Buffer.from(JSON.stringify({ paths })))
  return true
}

/** Sends the document of a group and version, of which there is none without a hash. */
function sendPart({ request, response }: Call, hash: string | undefined, document: () => Buffer): boolean {
  if (hash === undefined) {
    response.writeHead(404, { 'content-length': 0 })
    response.end()
    return true
  }
  const tag = JSON.stringify(hash)
  response.setHeader('etag', tag)
  if (request.headers['if-none-match'] === tag) {
    response.writeHead(304)
    response.end()
  } else send(response, 200, 'application/json', document())
  return true
}

/** The end of a path of version 3 for a group and version. */
const placeOf = ({ group, version }: Pick<AnyKind, 'group' | 'version'>) =>
  group ? `apis/${apiVersionOf(group, version)}` : `api/${version}`

/** Identifies what a document says, without making it. */
const hashOf = (kinds: readonly AnyKind[]): string =>
  createHash('sha256')
    .update(
      JSON.stringify(kinds.map(({ kind, fingerprint, schema }) => [kind, fingerprint ?? Object.keys(schema.fields)])),
    )
    .digest('hex')
    .slice(0, 32)
    .toUpperCase()
