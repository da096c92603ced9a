// The HTTPS server: HTTP/1.1 and HTTP/2 on one port. Decodes requests into operations, writes results back.
//
//   request ─► authenticate ─► health, discovery, OpenAPI …          (paths)
//                          └─► operation ─► serve ─► object, list, watch (resources)
//                          └─► upgrade ─► exec, attach, port-forward   (streams)
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { StatusError } from '../../base/errors.ts'
import { counter } from '../../base/metrics.ts'
import type { Operation, OperationVerb, Serve, ServedResult, User } from '../../api/operation.ts'
import { resourceNotFound } from '../errors.ts'
import type { ServerCore } from '../serve.ts'
import { authenticate } from './authenticate.ts'
import { parseBody, patchTypeOf, readBody } from './bodies.ts'
import { encodeEvent, encodeList, encodeObject, encodeStatus, type EncodeContext, statusOf } from './encode.ts'
import { contentTypes, negotiate } from './negotiate.ts'
import { deleteBody, parseOptions } from './options.ts'
import { KindIndex, parsePath, type ResourcePath } from './route.ts'

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
    const accepted = { encoding: 'json', view: 'object' } as const
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
      if (path && (this.#kinds.find(path) || this.#options.streams.handles(path))) await this.#resource(call, path)
      else await this.#path(call)
    } catch (error) {
      this.#fail(
        response,
        error,
        request.headers.accept?.includes('protobuf') ? { ...accepted, encoding: 'protobuf' } : accepted,
      )
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
    throw resourceNotFound()
  }

  async #resource(call: Call, path: ResourcePath): Promise<void> {
    if (this.#options.streams.handles(path)) return this.#options.streams.request(call, path)
    const { request, response, url } = call
    const kept = this.#kinds.find(path)?.verbs.includes('get') ?? false
    const accepted = negotiate(request.headers.accept, kept)
    const operation = await this.#operation(call, path)
    const include = url.searchParams.get('includeObject') as EncodeContext['includeObject'] | null
    const context: EncodeContext = {
      ...accepted,
      now: this.#options.core.clock.now(),
      includeObject: include ?? 'Metadata',
    }
    const result = await this.#options.serve(operation)
    for (const text of result.warnings ?? []) response.appendHeader('Warning', `299 - ${JSON.stringify(text)}`)
    if (result.type === 'watch') await this.#watch(response, context, result)
    else this.#send(response, context, result)
  }

  async #operation({ request, url, user, signal }: Call, path: ResourcePath): Promise<Operation> {
    const kind = this.#kinds.find(path)
    if (!kind) throw resourceNotFound()
    const method = request.method ?? 'GET'
    const query = url.searchParams
    const verb = verbOf(method, path, query)
    const namespace = kind.namespaced || path.namespace ? path.namespace : ''
    if (!kind.namespaced && path.namespace) throw resourceNotFound()
    const operation: Operation = {
      verb,
      kind,
      subresource: path.subresource,
      namespace,
      name: path.name,
      user,
      options: parseOptions(query),
      signal,
      userAgent: String(request.headers['user-agent'] ?? ''),
    }
    if (verb === 'get' || verb === 'list' || verb === 'watch') return operation
    const bytes = await readBody(request)
    const { value: body, duplicates } = parseBody(bytes, request.headers['content-type'], this.#options.core.kinds)
    if (duplicates.length) operation.options.duplicates = duplicates
    if (verb === 'patch') operation.patchType = patchTypeOf(request.headers['content-type'])
    if (verb === 'delete' || verb === 'deletecollection') {
      operation.body = deleteBody(query, body)
      if (Array.isArray((operation.body as { dryRun?: unknown }).dryRun)) operation.options.dryRun = true
    } else if (body !== undefined) operation.body = body
    else if (verb !== 'patch')
      throw new StatusError(
        'BadRequest',
        `the object provided is unrecognized (must be of type ${kind.kind}): couldn't get version/kind; json parse error: unexpected end of JSON input`,
      )
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

  #fail(response: Response, error: unknown, accepted: { encoding: 'json' | 'protobuf'; view: 'object' }): void {
    if (!(error instanceof StatusError)) this.#options.core.log.error('request failed', { error })
    if (response.headersSent) return void response.end()
    const status = statusOf(error)
    const retry = (status.details as { retryAfterSeconds?: number } | undefined)?.retryAfterSeconds
    if (retry) response.setHeader('Retry-After', String(retry))
    send(response, status.code as number, contentTypes[accepted.encoding], encodeStatus(accepted, status))
  }
}

const methods: Record<string, OperationVerb> = { POST: 'create', PUT: 'update', PATCH: 'patch' }

function verbOf(method: string, path: ResourcePath, query: URLSearchParams): OperationVerb {
  if (method === 'GET' || method === 'HEAD') {
    const wantsWatch = path.watch || ['true', '1', ''].includes(query.get('watch') ?? 'no')
    if (wantsWatch && path.subresource === '') return 'watch'
    return path.name ? 'get' : 'list'
  }
  if (method === 'DELETE') return path.name ? 'delete' : 'deletecollection'
  const verb = methods[method]
  if (!verb || (verb !== 'create' && !path.name))
    throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
  return verb
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
