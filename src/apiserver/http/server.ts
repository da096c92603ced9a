// The HTTPS server: HTTP/1.1 and HTTP/2 on one port. Decodes requests into operations, writes results back.
//
//   request ─► authenticate ─► health, discovery, OpenAPI …          (paths)
//                          └─► operation ─► serve ─► object, list, watch (resources)
//                          └─► upgrade ─► exec, attach, port-forward   (streams)
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { goQuote } from '../../base/go-text.ts'
import { StatusError } from '../../base/errors.ts'
import { counter } from '../../base/metrics.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { Operation, Serve, ServedResult, User } from '../../api/operation.ts'
import { resourceNotFound } from '../errors.ts'
import { handlers } from '../resources/handlers.ts'
import { authorize, handlerKey, type ServerCore } from '../serve.ts'
import { authenticate } from './authenticate.ts'
import { parseBody, patchTypeOf, readBody } from './bodies.ts'
import { encodeEvent, encodeList, encodeObject, encodeStatus, type EncodeContext, statusOf } from './encode.ts'
import { type Accepted, contentTypes, negotiate, negotiateError } from './negotiate.ts'
import { deleteBody, flag, parseOptions } from './options.ts'
import { KindIndex, parsePath, type ResourcePath } from './route.ts'
import { verbOf, verbOfMethod } from './verbs.ts'

// HTTP/2's compatibility objects have the same face as HTTP/1.1's.
export type Request = IncomingMessage
export type Response = ServerResponse

/** A request that was authenticated, with its URL taken apart. */
export interface Call {
  request: Request
  response: Response
  url: URL
  user: User
  signal: AbortSignal
}

/** Answers requests that are not operations on a resource; false when the path is not its own. */
export type PathHandler = (call: Call) => Promise<boolean> | boolean

/** Answers subresources that stream: log, proxy, exec, attach, portforward. */
export interface Streams {
  /** Whether this subresource streams instead of returning an object. */
  handles(path: ResourcePath): boolean
  request(call: Call, path: ResourcePath): Promise<void>
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    path: ResourcePath,
    user: User,
    url: URL,
  ): Promise<void>
}

/** What is behind the front: the operations, the other paths, and the streams. */
export interface FrontendOptions {
  core: ServerCore
  serve: Serve
  paths: readonly PathHandler[]
  streams: Streams
}

export interface HttpOptions extends FrontendOptions {
  key: string
  cert: string
  /** Signs the clients' certificates. */
  clientCa: string
}

/** HTTP/2 streams one connection may have open, and resets it may cause a second. */
const maxConcurrentStreams = 250
const maxResetsPerSecond = 100

const requests = counter('apiserver_request_total', 'Requests by verb, resource and code')

export interface RunningHttp {
  port: number
  close(): Promise<void>
}

export async function startHttp(options: HttpOptions, host: string, port: number): Promise<RunningHttp> {
  const server = createSecureServer({
    allowHTTP1: true,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    key: options.key,
    cert: options.cert,
    ca: options.clientCa,
    settings: { maxConcurrentStreams },
    streamResetRate: maxResetsPerSecond,
    streamResetBurst: 1000,
  })
  const frontend = new Frontend(options)
  server.on(
    'request',
    (request, response) => void frontend.handle(request as unknown as Request, response as unknown as Response),
  )
  server.on(
    'upgrade',
    (request: IncomingMessage, socket: Duplex, head: Buffer) => void frontend.upgrade(request, socket, head),
  )
  server.on('sessionError', (error: Error) => options.core.log.debug('session failed', { error }))
  server.on('tlsClientError', (error: Error) => options.core.log.debug('TLS handshake failed', { error }))
  const sockets = new Set<Duplex>()
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.on('error', (error: Error) => options.core.log.debug('connection failed', { error }))
    socket.on('close', () => sockets.delete(socket))
  })
  await listen(server, host, port)
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function listen(server: Http2SecureServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Answers requests and upgrades, whatever connection they come on. */
export class Frontend {
  readonly #options: FrontendOptions
  readonly #kinds: KindIndex

  constructor(options: FrontendOptions) {
    this.#options = options
    this.#kinds = new KindIndex(options.core.kinds)
  }

  async handle(request: Request, response: Response): Promise<void> {
    const abort = new AbortController()
    response.on('close', () => abort.abort())
    response.on('error', error => this.#options.core.log.debug('response failed', { error }))
    let resource = ''
    response.on('finish', () =>
      requests.add({ verb: request.method ?? '', resource, code: String(response.statusCode) }),
    )
    try {
      const url = new URL(request.url ?? '/', 'https://server')
      const user = authenticate(this.#options.core, request.socket, request.headers)
      const call: Call = { request, response, url, user, signal: abort.signal }
      const path = parsePath(url.pathname)
      // Only known resources: a label must not grow with what clients invent.
      if (path && this.#kinds.find(path)) resource = path.plural
      if (!path) await this.#path(call)
      else if (this.#kinds.find(path) || this.#options.streams.handles(path)) await this.#resource(call, path)
      else {
        this.#authorizePath(call, path)
        notFound(call, this.#options.core.kinds)
      }
    } catch (error) {
      this.#fail(response, error, { encoding: negotiateError(request.headers.accept), view: 'object' })
    }
  }

  async #path(call: Call): Promise<void> {
    const { user, url, request } = call
    const verb = (request.method ?? 'GET').toLowerCase()
    const decision = this.#options.core.authorizer.authorize({
      user,
      verb,
      path: url.pathname,
      group: '',
      resource: '',
      subresource: '',
      namespace: '',
      name: '',
    })
    if (!decision.allowed)
      throw new StatusError(
        'Forbidden',
        `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(url.pathname)}`,
        { details: {} },
      )
    for (const handler of this.#options.paths) if (await handler(call)) return
    notFound(call, this.#options.core.kinds)
  }

  async #resource(call: Call, path: ResourcePath): Promise<void> {
    if (this.#options.streams.handles(path)) return this.#options.streams.request(call, path)
    const { response, url } = call
    const kind = this.#kinds.find(path)
    const kept = kind?.verbs.includes('get') ?? false
    if (kind?.deprecated) warn(response, kind.deprecated)
    const { operation, accepted } = await this.#prepare(call, path, kept).catch((error: unknown) => {
      // Those who may not ask do not learn what is wrong with what they asked.
      this.#authorizePath(call, path)
      throw error
    })
    const context: EncodeContext = {
      ...accepted,
      now: this.#options.core.clock.now(),
      includeObject: includeObjectOf(url.searchParams, accepted),
    }
    const result = await this.#options.serve(operation)
    for (const text of result.warnings ?? []) warn(response, text)
    if (result.type === 'watch') await this.#watch(response, context, result)
    else this.#send(response, context, result)
  }

  async #prepare(call: Call, path: ResourcePath, kept: boolean): Promise<{ operation: Operation; accepted: Accepted }> {
    const operation = await this.#operation(call, path)
    const watchable = operation.verb === 'list' || operation.verb === 'watch'
    return { operation, accepted: negotiate(call.request.headers.accept, kept, watchable) }
  }

  /** Throws Forbidden unless the user may do on this path what the method means, whether or not there is a route. */
  #authorizePath({ request, user }: Call, path: ResourcePath): void {
    const { group, plural, namespace, name, subresource } = path
    const method = request.method ?? 'GET'
    const verb = verbOfMethod(method, path)
    const kind = this.#kinds.find(path) ?? { group, plural }
    authorize(this.#options.core, { user, verb, kind, subresource, namespace, name, options: {} })
  }

  async #operation({ request, url, user, signal }: Call, path: ResourcePath): Promise<Operation> {
    const kind = this.#kinds.find(path)
    if (!kind) throw resourceNotFound()
    const method = request.method ?? 'GET'
    const query = url.searchParams
    const watches = flag(query, 'watch') ?? false
    const verb = verbOf(kind, path, method, watches, (subresource, v) => handlers.has(handlerKey(kind, subresource, v)))
    const operation: Operation = {
      verb,
      kind,
      subresource: path.subresource,
      namespace: path.namespace,
      name: path.name,
      user,
      options: parseOptions(query, verb),
      signal,
      userAgent: String(request.headers['user-agent'] ?? ''),
    }
    if (verb === 'get' || verb === 'list' || verb === 'watch') return operation
    const bytes = await readBody(request)
    const contentType = request.headers['content-type']
    if (verb === 'patch') operation.patchType = patchTypeOf(contentType)
    const isDelete = verb === 'delete' || verb === 'deletecollection'
    if (isDelete && !bytes.length) {
      operation.body = deleteBody(query, undefined)
      return operation
    }
    const { core } = this.#options
    const context = {
      kind: isDelete ? { kind: 'DeleteOptions' } : kind,
      kinds: core.kinds,
      patchType: operation.patchType,
    }
    const { value: body, duplicates } = parseBody(bytes, contentType, context)
    if (duplicates.length) operation.options.duplicates = duplicates
    if (isDelete) {
      operation.body = deleteBody(query, body)
    } else if (body !== undefined) operation.body = body
    return operation
  }

  #send(response: Response, context: EncodeContext, result: Exclude<ServedResult, { type: 'watch' }>): void {
    if (result.type === 'status')
      return send(
        response,
        (result.status.code as number | undefined) ?? 200,
        contentTypes[context.encoding],
        encodeStatus(context, result.status),
      )
    checkView(context, result)
    const code = result.type === 'object' && result.created ? 201 : 200
    const bytes =
      result.type === 'object'
        ? encodeObject(context, result.kind, result.item)
        : encodeList(context, result.kind, result.items, result)
    send(response, code, contentTypes[context.encoding], bytes)
  }

  async #watch(response: Response, context: EncodeContext, result: ServedResult & { type: 'watch' }): Promise<void> {
    const stream =
      context.encoding === 'protobuf' || context.encoding === 'yaml'
        ? { ...context, encoding: context.encoding === 'yaml' ? ('json' as const) : context.encoding }
        : context
    const type = contentTypes[stream.encoding]
    response.writeHead(200, {
      'content-type': stream.encoding === 'protobuf' ? `${type};stream=watch` : type,
      'cache-control': 'no-cache, private',
    })
    response.flushHeaders()
    let first = true
    for await (const events of result.events) {
      const parts: Buffer[] = []
      for (const event of events) {
        parts.push(encodeEvent(stream, result.kind, event.type, event.item, first))
        first = false
      }
      if (!response.write(Buffer.concat(parts))) await drained(response)
    }
    response.end()
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', error => this.#options.core.log.debug('stream failed', { error }))
    try {
      const url = new URL(request.url ?? '/', 'https://server')
      const path = parsePath(url.pathname)
      if (!path || !this.#options.streams.handles(path)) throw resourceNotFound()
      const user = authenticate(this.#options.core, socket, request.headers)
      await this.#options.streams.upgrade(request, socket, head, path, user, url)
    } catch (error) {
      const status = statusOf(error)
      const body = JSON.stringify(status)
      socket.end(
        `HTTP/1.1 ${String(status.code)} ${String(status.reason ?? 'Error')}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      )
    }
  }

  #fail(response: Response, error: unknown, accepted: Pick<Accepted, 'encoding' | 'view'>): void {
    if (!(error instanceof StatusError)) this.#options.core.log.error('request failed', { error })
    if (response.headersSent) return void response.end()
    const status = statusOf(error)
    const retry = (status.details as { retryAfterSeconds?: number } | undefined)?.retryAfterSeconds
    if (retry) response.setHeader('Retry-After', String(retry))
    send(response, status.code as number, contentTypes[accepted.encoding], encodeStatus(accepted, status))
  }
}

/** Below a group that is served, answers are Statuses; elsewhere they are plain text. */
function notFound({ url, response }: Call, kinds: readonly AnyKind[]): void {
  const [, top, group] = url.pathname.split('/')
  if (top === 'api' || (top === 'apis' && group && kinds.some(kind => kind.group === group))) throw resourceNotFound()
  response.setHeader('x-content-type-options', 'nosniff')
  send(response, 404, 'text/plain; charset=utf-8', Buffer.from('404 page not found\n'))
}

/** Throws BadRequest on anything that is not one of the three. */
function includeObjectOf(query: URLSearchParams, { view }: Accepted): EncodeContext['includeObject'] {
  const value = query.get('includeObject') || 'Metadata'
  if (view !== 'table' || value === 'Metadata' || value === 'Object' || value === 'None')
    return value as EncodeContext['includeObject']
  throw new StatusError(
    'BadRequest',
    `Unable to convert to Table as requested: includeObject: Invalid value: ${goQuote(value)}: must be 'Metadata', 'Object', 'None', or empty`,
  )
}

/** Throws NotAcceptable for the metadata of a list of one object, or of one object of a list. */
function checkView({ as }: EncodeContext, { type, kind }: Extract<ServedResult, { type: 'object' | 'list' }>): void {
  const name = `*${kind.group.split('.')[0] || 'core'}.${kind.kind}`
  if (as === 'PartialObjectMetadataList' && type === 'object')
    throw new StatusError('NotAcceptable', `you requested ${as}, but the requested object is not a list (${name})`)
  if (as === 'PartialObjectMetadata' && type === 'list')
    throw new StatusError('NotAcceptable', `you requested ${as}, but the requested object is a list (${name}List)`)
}

/** Sends a whole response. */
export function send(response: Response, code: number, type: string, body: Buffer): void {
  response.writeHead(code, {
    'content-type': type,
    'content-length': body.length,
    'cache-control': 'no-cache, private',
  })
  response.end(body)
}

/** Sends a JSON document. */
export const sendJson = (response: Response, value: unknown): void =>
  send(response, 200, 'application/json', Buffer.from(JSON.stringify(value)))

function drained(response: Response): Promise<void> {
  return new Promise(resolve => {
    const done = () => (response.off('drain', done), response.off('close', done), resolve())
    response.on('drain', done)
    response.on('close', done)
  })
}

const warn = (response: ServerResponse, text: string) =>
  response.appendHeader('Warning', `299 - ${JSON.stringify(text)}`)
