// The OpenAPI documents, which are made from the kinds at the first request and kept. Version 2 is one document, in
// JSON or protobuf. Version 3 has one for each group version, with a hash in its address, so that clients can cache it.
import { createHash } from 'node:crypto'
import { apiVersionOf, type AnyKind } from '../../api/kind.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { type PathHandler, send } from '../http/call.ts'
import { kubernetesVersion } from '../http/health.ts'
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
 * Answers /openapi/v2 and /openapi/v3. `kinds` returns a new array when the kinds change, and documents are made again.
 */
export function openapi(kinds: () => readonly AnyKind[]): PathHandler {
  const cache = new Map<string, Buffer>()
  let of: readonly AnyKind[] | undefined
  const cached = (key: string, make: () => Buffer): Buffer => {
    const current = kinds()
    if (of !== current) cache.clear()
    of = current
    let bytes = cache.get(key)
    if (!bytes) cache.set(key, (bytes = make()))
    return bytes
  }
  const v3 = (prefix: string) =>
    cached(prefix, () =>
      Buffer.from(
        JSON.stringify(
          openapiV3(
            kinds().filter(kind => pathPrefix(kind) === prefix),
            kinds(),
          ),
        ),
      ),
    )
  return ({ url, request, response }) => {
    const path = url.pathname.replace(/\/$/, '')
    if (path === '/openapi/v2') {
      const accept = request.headers.accept ?? ''
      if (accept.includes('proto-openapi')) {
        send(
          response,
          200,
          protobufType,
          cached('v2.pb', () => encodeOpenAPIv2(openapiV2(kinds()))),
        )
      } else
        send(
          response,
          200,
          'application/json',
          cached('v2', () => Buffer.from(JSON.stringify(openapiV2(kinds())))),
        )
      return true
    }
    if (path === '/openapi/v3') {
      const prefixes = [
        ...new Set(
          kinds()
            .filter(k => k.plural)
            .map(pathPrefix),
        ),
      ].sort()
      const list = Object.fromEntries(
        prefixes.map(p => [p, { serverRelativeURL: `/openapi/v3/${p}?hash=${hash(kinds(), p)}` }]),
      )
      // Every method is answered, but only the response to GET has the right type.
      const type = request.method === 'GET' ? 'application/json' : 'text/plain; charset=utf-8'
      send(response, 200, type, Buffer.from(JSON.stringify({ paths: list })))
      return true
    }
    const prefix = /^\/openapi\/v3\/(.+)$/.exec(path)?.[1]
    if (!prefix) return false
    if (!kinds().some(kind => pathPrefix(kind) === prefix)) {
      response.writeHead(404, { 'content-length': 0 })
      response.end()
      return true
    }
    response.setHeader('etag', JSON.stringify(hash(kinds(), prefix)))
    send(response, 200, 'application/json', v3(prefix))
    return true
  }
}

const pathPrefix = (kind: AnyKind) =>
  kind.group ? `apis/${apiVersionOf(kind.group, kind.version)}` : `api/${kind.version}`

// Computed without the document, which depends only on the kinds.
const hash = (kinds: readonly AnyKind[], prefix: string) =>
  createHash('sha256')
    .update(
      JSON.stringify(kinds.filter(k => pathPrefix(k) === prefix).map(k => [k.kind, Object.keys(k.schema.fields)])),
    )
    .digest('hex')
    .slice(0, 32)
    .toUpperCase()
