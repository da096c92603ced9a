// What extension servers say they serve: their resources for discovery, and their OpenAPI documents. Both are fetched
// after each check of a server and kept, so answers to clients never wait for a server.
//
// - `versions` is a new array after each change, so that what was computed from it is valid while it is the same.
// - Every group and version of an APIService with a service is listed. Its resources are those that its server had when
//   it was asked last; while the server is away they are Stale. Before it has answered for the first time, there are
//   none.
// - What a server answers is taken apart, and only what has the right form is passed on. A request for it takes at most
//   5 s, and an answer has at most 8 MiB.
//
// Source: kube-aggregator pkg/apiserver/handler_discovery.go, pkg/controllers/openapiv3.
import { joined } from '../../base/waiters.ts'
import { createHash } from 'node:crypto'
import { type RequestOptions, request } from 'node:https'
import { messageOf } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import type { Mirror } from '../../api/mirror.ts'
import type { User } from '../../api/operation.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { APIService } from '../../kinds/apiregistration/apiservice.ts'
import type { ServerCore } from '../core.ts'
import { bodyOf } from '../../wire/body.ts'
import { headersOf } from './identity.ts'
import { readGroupVersion, readResourceList } from '../../kinds/discovered/read-discovery.ts'
import { readSwagger, type Swagger } from './swagger.ts'
import { addressOf, type FrontProxyClient, isRemote, prefixOf, tlsOf, urlAt } from './target.ts'

/** A group and version that another server has. */
export interface RemoteVersion {
  readonly group: string
  readonly version: string
  readonly groupPriority: number
  readonly versionPriority: number
  /** In the form of aggregated discovery. */
  readonly resources: readonly JsonObject[]
  readonly freshness: 'Current' | 'Stale'
  /** The OpenAPI document of version 3, if there is one, with its hash. */
  readonly openapi?: OpenAPIDocument
  /** What its OpenAPI document of version 2 says about this group and version, if there is one. */
  readonly swagger?: Swagger
}

interface OpenAPIDocument {
  readonly hash: string
  readonly bytes: Buffer
}

/** A document of version 2 as it was fetched, and what was taken from it, which is undefined if it has nothing. */
interface SwaggerDocument {
  readonly etag: string | undefined
  readonly hash: string
  readonly content: Swagger | undefined
}

interface Kept {
  resources: readonly JsonObject[]
  isStale: boolean
  openapi?: OpenAPIDocument
  swagger?: SwaggerDocument
}

const asker: User = { name: 'system:kube-aggregator', groups: ['system:authenticated'] }
const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
/** What is there of a server before it has answered. Each has an array of its own. */
const unasked = (): Kept => ({ resources: [], isStale: true })

const answerMs = 5_000
const maxBytes = 8 << 20

export class RemoteDocuments {
  readonly #core: ServerCore
  readonly #client: FrontProxyClient | undefined
  readonly #services: Mirror<APIService>
  readonly #kept = new Map<string, Kept>()
  readonly #unsubscribe: () => void
  readonly #abort = new AbortController()
  readonly #listeners = new Set<() => void>()
  #versions: readonly RemoteVersion[] | undefined

  constructor(core: ServerCore, client: FrontProxyClient | undefined) {
    this.#core = core
    this.#client = client
    this.#services = core.storage.mirror(APIService)
    this.#unsubscribe = this.#services.subscribe(() => this.#forget(), 'discovery of extension servers')
  }

  close(): void {
    this.#abort.abort()
    this.#unsubscribe()
  }

  get versions(): readonly RemoteVersion[] {
    return (this.#versions ??= this.#services
      .list()
      .filter(isRemote)
      .map(service => this.#versionOf(service)))
  }

  /** Calls `listener` after each change of `versions`. Returns a function that ends this. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Asks a server again, or marks what it has as stale. Never throws. */
  async refresh(service: APIService, isAvailable: boolean): Promise<void> {
    const name = service.metadata.name ?? ''
    if (!isRemote(service)) return
    const before = this.#kept.get(name) ?? unasked()
    let next: Kept = { ...before, isStale: true }
    if (isAvailable)
      try {
        const openapi = await this.#openapi(service, before.openapi)
        const found = await this.#resources(service)
        // The same array as long as nothing changes, so that what was made of it stays valid.
        const resources = sameJson([...found], [...before.resources]) ? before.resources : found
        const swagger = await this.#swagger(service, before.swagger)
        next = { resources, isStale: false, ...(openapi && { openapi }), ...(swagger && { swagger }) }
      } catch (error) {
        if (this.#abort.signal.aborted) return
        this.#core.log.warn('an extension server cannot say what it serves', { name, why: messageOf(error) })
      }
    if (!this.#services.get(undefined, name)) return
    const fields = ['isStale', 'resources', 'openapi', 'swagger'] as const
    if (fields.every(field => next[field] === before[field])) return
    this.#kept.set(name, next)
    this.#changed()
  }

  #changed(): void {
    this.#versions = undefined
    for (const listener of this.#listeners) listener()
  }

  #forget(): void {
    for (const name of this.#kept.keys()) {
      const service = this.#services.get(undefined, name)
      if (!service || !isRemote(service)) this.#kept.delete(name)
    }
    this.#changed()
  }

  #versionOf({ metadata, spec }: APIService): RemoteVersion {
    const { resources, isStale, openapi, swagger } = this.#kept.get(metadata.name ?? '') ?? unasked()
    return {
      group: spec.group ?? '',
      version: spec.version ?? '',
      groupPriority: spec.groupPriorityMinimum,
      versionPriority: spec.versionPriority,
      resources,
      freshness: isStale ? 'Stale' : 'Current',
      ...(openapi && { openapi }),
      ...(swagger?.content && { swagger: swagger.content }),
    }
  }

  /** The resources of a server, which it says in the aggregated form, or for one group and version. */
  async #resources(service: APIService): Promise<readonly JsonObject[]> {
    const { group = '', version = '' } = service.spec
    // A server without the aggregated form may have nothing at this path.
    const all = await this.#get(service, group ? 'apis' : 'api', `${aggregatedType}, application/json`).catch(
      () => null,
    )
    const found = readGroupVersion(all, group, version)
    if (found) return found
    const list = readResourceList(await this.#get(service, prefixOf(service.spec), 'application/json'))
    if (!list) throw new Error('the answer is no list of resources')
    return list
  }

  /** The OpenAPI document. One with the same hash as before is not fetched again. Undefined if the server has none. */
  async #openapi(service: APIService, before: OpenAPIDocument | undefined): Promise<OpenAPIDocument | undefined> {
    const prefix = prefixOf(service.spec)
    const index = await this.#get(service, 'openapi/v3', 'application/json').catch(() => undefined)
    const paths = (index as { paths?: Record<string, { serverRelativeURL?: unknown } | null> } | null | undefined)
      ?.paths
    const url = typeof paths === 'object' && paths ? paths[prefix]?.serverRelativeURL : undefined
    if (typeof url !== 'string') return undefined
    const hash = new URL(url, 'https://server').searchParams.get('hash') ?? ''
    if (before && hash && before.hash === hash) return before
    const document = await this.#get(service, `openapi/v3/${prefix}`, 'application/json').catch(() => undefined)
    return document === undefined ? undefined : { hash, bytes: Buffer.from(JSON.stringify(document)) }
  }

  /** The document of version 2. The same value as before if nothing has changed. Undefined if the server has none. */
  async #swagger(service: APIService, before: SwaggerDocument | undefined): Promise<SwaggerDocument | undefined> {
    const match: Record<string, string> = before?.etag === undefined ? {} : { 'if-none-match': before.etag }
    const answer = await this.#ask(service, 'openapi/v2', { accept: 'application/json', ...match }).catch(
      () => undefined,
    )
    if (answer?.code === 404) return undefined
    if (answer?.code !== 200) return before
    const hash = createHash('sha256').update(answer.bytes).digest('hex')
    if (before?.hash === hash) return before
    let content: Swagger | undefined
    try {
      content = readSwagger(JSON.parse(answer.bytes.toString()) as Json, prefixOf(service.spec))
    } catch (error) {
      const name = service.metadata.name ?? ''
      this.#core.log.warn('an OpenAPI document is not merged', { name, why: messageOf(error) })
    }
    return { etag: answer.etag, hash, content }
  }

  async #get(service: APIService, path: string, accept: string): Promise<Json> {
    const { code, bytes } = await this.#ask(service, path, { accept })
    if (code !== 200) throw new Error(`/${path} was answered with ${code}`)
    return JSON.parse(bytes.toString()) as Json
  }

  async #ask(service: APIService, path: string, headers: Record<string, string>): Promise<Answer> {
    const address = addressOf(this.#core.storage, service)
    const url = urlAt(address, path)
    const { signal, release } = joined(AbortSignal.timeout(answerMs), this.#abort.signal)
    return ask({
      ...address,
      ...tlsOf(service, this.#client),
      agent: false,
      path: url.pathname,
      headers: { host: url.host, ...headers, ...headersOf(asker) },
      signal,
    }).finally(release)
  }
}

interface Answer {
  code: number
  etag: string | undefined
  bytes: Buffer
}

function ask(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(options, response => {
      const { statusCode: code = 0, headers } = response
      bodyOf(response, maxBytes).then(bytes => resolve({ code, etag: headers.etag, bytes }), reject)
    })
    asked.on('error', reject)
    asked.end()
  })
}
