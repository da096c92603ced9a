// An extension server that stores objects of one resource in memory, as far as clients and controllers use it: get,
// list, watch, create, merge patch and delete, with finalizers.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { JsonObject } from '../../src/api/schema/node.ts'

interface Metadata {
  name: string
  namespace: string
  uid?: string
  resourceVersion?: string
  finalizers?: string[]
  deletionTimestamp?: string
  ownerReferences?: { uid: string }[]
}
export interface StoredObject {
  apiVersion?: string
  kind?: string
  metadata: Metadata
}

export const group = 'weather.example.com'
export const version = `${group}/v1`
export const root = `/apis/${version}`
const verbs = ['create', 'delete', 'get', 'list', 'patch', 'watch']
const resources = [
  { name: 'reports', singularName: 'report', namespaced: true, kind: 'Report', shortNames: ['rp'], verbs },
]

export class ExtensionObjects {
  readonly objects = new Map<string, StoredObject>()
  /** Every request that was for objects, as `GET /path`. */
  readonly asked: string[] = []
  /** Documents beside discovery, by their paths. */
  documents: Readonly<Record<string, object>> = {}
  readonly #watches = new Map<ServerResponse, string>()
  #revision = 100
  /** From which revision on a watch may begin. */
  #oldest = 0

  answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'https://server')
    const document =
      pathname === root ? { kind: 'APIResourceList', groupVersion: version, resources } : this.documents[pathname]
    if (document) return send(response, 200, document)
    const [, namespace = '', name = ''] =
      /^\/apis\/[^/]+\/v1(?:\/namespaces\/([^/]+))?\/reports(?:\/([^/]+))?$/.exec(pathname) ?? []
    if (!pathname.startsWith(`${root}/`)) return failure(response, 404, 'NotFound')
    this.asked.push(`${request.method} ${pathname}`)
    if (searchParams.get('watch')) return this.#watch(response, namespace, Number(searchParams.get('resourceVersion')))
    void text(request).then(body => this.#serve(request.method ?? 'GET', { namespace, name }, body, response))
  }

  /** Puts an object in, and returns it as it is stored. */
  put(object: StoredObject): StoredObject {
    const key = keyOf(object.metadata)
    const before = this.objects.get(key)
    const revision = String(++this.#revision)
    const metadata = { ...object.metadata, uid: before?.metadata.uid ?? `uid-${revision}`, resourceVersion: revision }
    const stored = { ...object, apiVersion: version, kind: 'Report', metadata }
    if (metadata.deletionTimestamp && !metadata.finalizers?.length) this.objects.delete(key)
    else this.objects.set(key, stored)
    this.#tell(this.objects.has(key) ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED', stored)
    return stored
  }

  remove(name: { namespace: string; name: string }): StoredObject | undefined {
    const object = this.objects.get(keyOf(name))
    return (
      object && this.put({ ...object, metadata: { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } })
    )
  }

  /** Ends all watches and forgets what had changed, as a server does that is restarted. */
  restart(): void {
    this.#oldest = ++this.#revision
    for (const response of this.#watches.keys()) response.destroy()
  }

  #tell(type: string, object: StoredObject): void {
    for (const [response, namespace] of this.#watches)
      if (!namespace || namespace === object.metadata.namespace) response.write(`${JSON.stringify({ type, object })}\n`)
  }

  #watch(response: ServerResponse, namespace: string, from: number): void {
    if (from < this.#oldest) return failure(response, 410, 'Expired')
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    this.#watches.set(response, namespace)
    response.on('close', () => this.#watches.delete(response))
  }

  #serve(method: string, at: { namespace: string; name: string }, body: string, response: ServerResponse): void {
    const { namespace, name } = at
    const items = [...this.objects.values()].filter(one => !namespace || one.metadata.namespace === namespace)
    const metadata = { resourceVersion: String(this.#revision) }
    if (!name && method === 'GET')
      return send(response, 200, { kind: 'ReportList', apiVersion: version, metadata, items })
    if (method === 'POST') {
      const given = JSON.parse(body) as StoredObject
      return send(response, 201, this.put({ ...given, metadata: { ...given.metadata, namespace } }))
    }
    const object = this.objects.get(keyOf(at))
    if (!object) return failure(response, 404, 'NotFound')
    if (method === 'GET') return send(response, 200, object)
    const asked = (body ? JSON.parse(body) : {}) as { metadata?: Metadata; preconditions?: Partial<Metadata> }
    const expected = method === 'DELETE' ? asked.preconditions : asked.metadata
    for (const field of ['uid', 'resourceVersion'] as const)
      if (expected?.[field] && expected[field] !== object.metadata[field]) return failure(response, 409, 'Conflict')
    if (method === 'DELETE') return send(response, 200, this.remove(at)!)
    const { uid: _uid, resourceVersion: _revision, ...fields } = (asked.metadata ?? {}) as Metadata & JsonObject
    return send(response, 200, this.put({ ...object, metadata: { ...object.metadata, ...fields } }))
  }
}

const keyOf = ({ namespace, name }: { namespace: string; name: string }) => `${namespace}/${name}`

function send(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

const failure = (response: ServerResponse, code: number, reason: string) =>
  send(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message: reason, code })
