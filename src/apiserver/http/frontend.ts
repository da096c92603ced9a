// The front: turns requests into operations, and results into responses, for connections of any kind.
//
//   request ─► authenticate ─► its turn (flow/) ─► …
//                          └─► the server of an APIService                (paths and resources)
//                          └─► health, discovery, OpenAPI …               (paths)
//                          └─► operation ─► serve ─► object, list, watch  (resources)
//                          └─► upgrade ─► exec, attach, port-forward      (streams)
//                                    └─► operation ─► serve ─► watch, one event in each message
//
// - Every request is authenticated first. Paths are authorized here, operations by `serve`, streams by their handler.
//   Problems of a request are reported only to users who may make it; all others get Forbidden.
// - Every request gets one response. A StatusError is sent as its Status, any other error as an InternalError, in the
//   encoding that the client accepts. After the headers of a response, an error can only end it.
// - When the client disconnects, or resets its stream, the operation's signal aborts. Waits and watches end then. A
//   write that the store has been given is completed, so the client must read the object to find out.
// - Only writes have bodies that are read (bodies.ts). Limits of connections and headers are in server.ts.
// - A watch is read only as fast as its client takes the bytes. One that is too slow for the change log is ended
//   (watch.ts). Events of one turn of the event loop are sent in one write.
import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { Duplex } from 'node:stream'
import { isReason, StatusError } from '../../base/errors.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { Operation, Serve, ServedResult, User } from '../../api/operation.ts'
import type { Catalog } from '../catalog.ts'
import { handlerKey, type ServerCore } from '../core.ts'
import { resourceNotFound, statusOf } from '../errors.ts'
import { handlers } from '../resources/handlers.ts'
import { withDecision } from '../authz/authorizer.ts'
import { authorize, noteDecision } from '../authz/authorize.ts'
import { type AuditTrail, newAuditId } from '../audit/auditor.ts'
import { auditRequest } from '../audit/requests.ts'
import type { FlowFront } from '../flow/front.ts'
import { authenticate, isFrontProxy } from './authenticate.ts'
import { parseBody, patchTypeOf, readBody } from './bodies.ts'
import {
  type Aggregator,
  type Call,
  parseUrl,
  type PathHandler,
  type Request,
  type Response,
  send,
  sendNegotiated,
  type Streams,
} from './call.ts'
import { limitTime } from './deadline.ts'
import { Ending } from './ending.ts'
import { encodeObject, encodeStatus, type EncodeContext, eventParts } from './encode.ts'
import { acceptFrames } from './frames.ts'
import { listParts } from './list-pieces.ts'
import { type Accepted, contentTypes, negotiate, negotiateError, notStreamed, withoutProtobuf } from './negotiate.ts'
import { impersonated } from './impersonate.ts'
import { checkTimeout, deleteBody, flag, parseOptions } from './options.ts'
import { countEvents, countUpgrade, MeasuredRequest, tallyOfEvents } from './request-metrics.ts'
import { parsePath, type ResourcePath } from './route.ts'
import { cutOffIfStalled, type Patience, sendParts, writePiece } from './send-pieces.ts'
import { verbOf, verbOfMethod } from './verbs.ts'
import { eventPieces } from './watch-pieces.ts'
import { checkView, includeObjectOf } from './views.ts'
import { WatchPlaces } from './watch-places.ts'

/** The parts behind the front: operations, other paths, and streams. */
export interface FrontendOptions {
  core: ServerCore
  serve: Serve
  paths: readonly PathHandler[]
  streams: Streams
  /** Without it, this server answers everything itself. */
  aggregator?: Aggregator
  /** Without it, every request goes on at once. */
  flow?: FlowFront
  /** The time that a request has; without it, as long as it takes. */
  requestTimeoutMs?: number
  /** How long a client may take nothing of what it is sent; without it, as long as it likes. */
  stalledMs?: number
  /** How many watches there may be; without it, any number. */
  maxWatches?: number
}

/** Answers requests and upgrades. `handle` and `upgrade` never reject. */
export class Frontend {
  readonly #options: FrontendOptions
  readonly #kinds: Catalog
  readonly #patience: Patience
  readonly #places: WatchPlaces
  /** By which this server leaves its clients. */
  readonly ending: Ending

  constructor(options: FrontendOptions) {
    this.#options = options
    const { stalledMs, maxWatches } = options
    this.#places = new WatchPlaces(maxWatches)
    this.ending = new Ending(options.core.clock)
    this.#patience = { clock: options.core.clock, ...(stalledMs !== undefined && { stalledMs }) }
    this.#kinds = options.core.catalog
  }

  async handle(request: Request, response: Response): Promise<void> {
    const abort = new AbortController()
    let trail: AuditTrail | undefined
    const auditId = newAuditId(request.headers['audit-id'] as string | undefined)
    response.setHeader('Audit-Id', auditId)
    const measured = new MeasuredRequest(request, response, this.#options.core.clock)
    response.on('close', () => {
      abort.abort(clientGone)
      this.ending.done(response)
      measured.done()
      trail?.complete(response.headersSent ? response.statusCode : undefined)
    })
    response.on('error', error => this.#options.core.log.debug('a response failed', { error }))
    try {
      const url = parseUrl(request.url ?? '/')
      const path = parsePath(url.pathname)
      const audit = (user: User) => (trail = this.#audit(request, { auditId, user, url, path }))
      measured.isFor(url, path, path && this.#kinds.find(path))
      this.ending.begin(request, response, url, path, abort)
      const user = await this.#user(request, connectionOf(request), url.pathname, audit)
      const call: Call = { request, response, url, user, measured, signal: abort.signal, ...(trail && { trail }) }
      const maxMs = this.#options.requestTimeoutMs
      const { clock } = this.#options.core
      if (maxMs) limitTime(call, path, { clock, maxMs, abort: () => abort.abort(clientGone) })
      if (this.#options.flow && !(await this.#options.flow.enter(call, path))) return
      const extension = this.#options.aggregator?.find(url.pathname)
      if (extension) {
        const waiting = this.#authorizeExtension(call, path, connectionOf(request))
        if (waiting) await waiting
        // The other server has the work of a watch.
        call.begun?.()
        return await this.#options.aggregator!.request(call, extension)
      }
      if (!path) await this.#path(call)
      else if (this.#kinds.find(path) || this.#options.streams.handles(path)) await this.#resource(call, path)
      else {
        await this.#authorizePath(call, path)
        notFound(call, this.#kinds.all)
      }
    } catch (error) {
      this.#fail({ request, response, ...(trail && { trail }) }, error, {
        encoding: negotiateError(request.headers.accept),
        view: 'object',
      })
    }
  }

  /** The user as whom a request acts. What it does is audited as done by the user who made it. */
  async #user(
    request: IncomingMessage,
    connection: Duplex,
    path: string,
    audit: (user: User) => AuditTrail | undefined,
  ): Promise<User> {
    const { core } = this.#options
    let user: User
    try {
      user = await authenticate(core, connection, request, path)
    } catch (error) {
      audit(unknownUser)
      throw error
    }
    const trail = audit(user)
    const named = impersonated(core, user, request.headers)
    const acting = named instanceof Promise ? await named : named
    if (acting !== user) trail?.impersonates(acting)
    return acting
  }

  #audit(request: IncomingMessage, about: Parameters<typeof auditRequest>[3]): AuditTrail | undefined {
    const { auditor } = this.#options.core
    return auditor && auditRequest(auditor, request, connectionOf(request), about)
  }

  async #path(call: Call): Promise<void> {
    const waiting = this.#allowPath(call)
    if (waiting) await waiting
    for (const handler of this.#options.paths) if (await handler(call)) return
    notFound(call, this.#kinds.all)
  }

  /** Throws Forbidden unless the user may use the method on a path that is not a resource. */
  #allowPath({ user, url, request, trail }: Pick<Call, 'user' | 'url' | 'request' | 'trail'>): void | Promise<void> {
    const verb = (request.method ?? 'GET').toLowerCase()
    const asked = { user, verb, path: url.pathname, group: '', resource: '', subresource: '', namespace: '', name: '' }
    return withDecision(this.#options.core.authorizer.authorize(asked), decision => {
      noteDecision(trail?.annotations, decision)
      if (!decision.allowed)
        throw new StatusError(
          'Forbidden',
          `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(url.pathname)}`,
          { details: {} },
        )
    })
  }

  /** Throws Forbidden unless the user may make a request that another server answers. */
  #authorizeExtension(
    call: Pick<Call, 'user' | 'url' | 'request' | 'trail'>,
    path: ResourcePath | undefined,
    connection: Duplex,
  ): void | Promise<void> {
    // What this server has passed on has come back to it, and would go in a circle.
    if (isFrontProxy(this.#options.core, connection))
      throw new StatusError('ServiceUnavailable', 'the service of this API leads back to the API server')
    if (!path) return this.#allowPath(call)
    const { request, user, url, trail } = call
    const { group, version, plural, namespace, name, subresource } = path
    const method = verbOfMethod(request.method ?? 'GET', path)
    const fieldSelector = url.searchParams.get('fieldSelector')
    const isWatch = method === 'list' && (flag(url.searchParams, 'watch') ?? false)
    const labelSelector = url.searchParams.get('labelSelector')
    const options = { ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) }
    const verb = isWatch ? 'watch' : method
    const asked = { user, verb, kind: { group, version, plural }, subresource, namespace, name, options }
    return authorize(this.#options.core, { ...asked, ...(trail && { annotations: trail.annotations }) })
  }

  async #resource(call: Call, path: ResourcePath): Promise<void> {
    if (this.#options.streams.handles(path)) return this.#options.streams.request(call, path)
    const { response, url } = call
    if ('.' === path.name || '..' === path.name)
      throw new StatusError('BadRequest', `Name parameter invalid: "${path.name}": may not be '${path.name}'`)
    const kind = this.#kinds.find(path)
    const kept = kind?.verbs.includes('get') ?? false
    const { operation, accepted } = await this.#prepare(call, path, kept).catch(async (error: unknown) => {
      // A user who may not make the request gets Forbidden instead of its problem.
      await this.#authorizePath(call, path)
      if (kind?.deprecated && !isReason(error, 'MethodNotAllowed')) warn(response, kind.deprecated)
      throw error
    })
    const context: EncodeContext = {
      ...accepted,
      now: this.#options.core.clock.now(),
      includeObject: includeObjectOf(url.searchParams, accepted),
    }
    if (kind?.deprecated) {
      const waiting = authorize(this.#options.core, operation)
      if (waiting) await waiting
      warn(response, kind.deprecated)
    }
    call.trail?.sent(operation)
    if (operation.verb === 'watch') this.#places.take(call.signal)
    const result = await this.#options.serve(operation)
    call.trail?.answered(result)
    for (const text of result.warnings ?? []) warn(response, text)
    call.begun?.()
    if (result.type === 'watch') await this.#watch(call, context, result)
    else {
      const waiting = this.#send(call, context, result)
      if (waiting) await waiting
    }
  }

  async #prepare(call: Call, path: ResourcePath, kept: boolean): Promise<{ operation: Operation; accepted: Accepted }> {
    const operation = await this.#operation(call, path)
    const watchable = operation.verb === 'list' || operation.verb === 'watch'
    const accepted = negotiate(call.request.headers.accept, kept, watchable)
    // Custom resources have no message in protobuf. Their metadata has.
    if (
      operation.kind.custom &&
      accepted.encoding === 'protobuf' &&
      accepted.view === 'object' &&
      !operation.subresource.startsWith('scale')
    )
      Object.assign(accepted, withoutProtobuf(call.request.headers.accept))
    if (operation.verb === 'watch' && accepted.encoding === 'yaml') throw notStreamed()
    return { operation, accepted }
  }

  /** Throws Forbidden unless the user may use the method on this path, even if there is no route for it. */
  #authorizePath({ request, user, trail }: Call, path: ResourcePath): void | Promise<void> {
    const { group, version, plural, namespace, name, subresource } = path
    const method = request.method ?? 'GET'
    const verb = verbOfMethod(method, path)
    const kind = this.#kinds.find(path) ?? { group, version, plural }
    const asked = { user, verb, kind, subresource, namespace, name, options: {} }
    return authorize(this.#options.core, { ...asked, ...(trail && { annotations: trail.annotations }) })
  }

  /** Makes the operation of a request. Throws for a missing route, bad options, or a bad body. */
  async #operation(
    { request, url, user, signal, trail, measured }: Omit<Call, 'response'>,
    path: ResourcePath,
  ): Promise<Operation> {
    const kind = this.#kinds.find(path)
    if (!kind) throw resourceNotFound()
    const method = request.method ?? 'GET'
    const query = url.searchParams
    const watches = flag(query, 'watch') ?? false
    const verb = verbOf(kind, path, method, watches, (subresource, v) => handlers.has(handlerKey(kind, subresource, v)))
    if (method !== 'GET' && method !== 'HEAD') checkTimeout(query)
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
      ...(trail && { annotations: trail.annotations }),
    }
    // Events of one turn of the event loop are sent together.
    if (verb === 'watch') operation.gather = nextTurn
    if (verb === 'get' || verb === 'list' || verb === 'watch') return operation
    if (measured) operation.waited = ms => measured.waitedForWebhook(ms)
    const bytes = await readBody(request)
    const contentType = request.headers['content-type']
    if (verb === 'patch') operation.patchType = patchTypeOf(contentType, kind)
    const isDelete = verb === 'delete' || verb === 'deletecollection'
    if (isDelete && !bytes.length) {
      operation.body = deleteBody(query, undefined)
      return operation
    }
    const { core } = this.#options
    const context = {
      kind: isDelete ? { kind: 'DeleteOptions' } : kind,
      kinds: core.catalog.all,
      patchType: operation.patchType,
    }
    const { value: body, duplicates } = parseBody(bytes, contentType, context)
    if (duplicates.length) operation.options.duplicates = duplicates
    if (isDelete) {
      operation.body = deleteBody(query, body)
    } else if (body !== undefined) operation.body = body
    return operation
  }

  #send(call: Call, context: EncodeContext, result: Exclude<ServedResult, { type: 'watch' }>): void | Promise<void> {
    if (result.type === 'status')
      return sendNegotiated(
        call,
        (result.status.code as number | undefined) ?? 200,
        contentTypes[context.encoding],
        encodeStatus(context, result.status),
      )
    checkView(context, result)
    const code = result.type === 'object' && result.created ? 201 : 200
    const parts =
      result.type === 'object'
        ? [encodeObject(context, result.kind, result.item)]
        : listParts(context, result.kind, result.items, result)
    return sendParts(call, { code, type: contentTypes[context.encoding] }, parts, this.#patience)
  }

  async #watch(
    { response, trail, signal }: Call,
    context: EncodeContext,
    result: ServedResult & { type: 'watch' },
  ): Promise<void> {
    const type = contentTypes[context.encoding]
    response.writeHead(200, {
      'content-type': context.encoding === 'protobuf' ? `${type};stream=watch` : type,
      'cache-control': 'no-cache, private',
    })
    response.flushHeaders()
    trail?.started(response.statusCode)
    let first = true
    for await (const events of result.events) {
      for (const { bytes, sizes } of eventPieces(context, result.kind, events, first)) {
        countEvents(result.kind, sizes)
        const waiting = writePiece(response, bytes, this.#patience)
        if (waiting) await waiting
        if (signal.aborted) break
      }
      first = false
    }
    response.end()
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', error => this.#options.core.log.debug('a stream failed', { error }))
    let trail: AuditTrail | undefined
    try {
      const url = parseUrl(request.url ?? '/')
      const path = parsePath(url.pathname)
      const auditId = newAuditId(request.headers['audit-id'] as string | undefined)
      const audit = (of: User) => (trail = this.#audit(request, { auditId, user: of, url, path }))
      const user = await this.#user(request, socket, url.pathname, audit)
      const counted = countUpgrade(request, url, path, path && this.#kinds.find(path), this.#options.core.clock)
      socket.on('close', () => (counted?.(), trail?.complete(switchingProtocols)))
      const extension = this.#options.aggregator?.find(url.pathname)
      if (extension) {
        await this.#authorizeExtension({ user, url, request, ...(trail && { trail }) }, path, socket)
        return await this.#options.aggregator!.upgrade(request, socket, head, extension, user, url)
      }
      if (path && this.#options.streams.handles(path))
        return await this.#options.streams.upgrade(request, socket, head, path, user, url, trail)
      if (!path) throw resourceNotFound()
      await this.#watchOverWebSocket({ request, url, user, ...(trail && { trail }) }, socket, head, path)
    } catch (error) {
      const status = statusOf(error)
      trail?.failed(status)
      trail?.complete(status.code as number)
      const body = JSON.stringify(status)
      socket.end(
        `HTTP/1.1 ${String(status.code)} ${String(status.reason ?? 'Error')}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      )
      // The client's own end is noticed only while its connection is read.
      socket.resume()
    }
  }

  /** A watch with one event in each message. Source: apiserver endpoints/handlers/watch.go (HandleWS). */
  async #watchOverWebSocket(
    call: Pick<Call, 'request' | 'url' | 'user' | 'trail'>,
    socket: Duplex,
    head: Buffer,
    path: ResourcePath,
  ): Promise<void> {
    const { request, url } = call
    const abort = new AbortController()
    socket.on('close', () => abort.abort())
    const operation = await this.#operation({ ...call, signal: abort.signal }, path)
    const accepted = negotiate(request.headers.accept, true, true)
    const includeObject = includeObjectOf(url.searchParams, accepted)
    const context = { ...accepted, now: this.#options.core.clock.now(), includeObject }
    if (operation.verb === 'watch') this.#places.take(abort.signal)
    const result = await this.#options.serve(operation)
    if (result.type !== 'watch') throw new StatusError('BadRequest', 'only watches and streams can use a WebSocket')
    const { ws, send } = await acceptFrames(request, socket, head, context.encoding === 'json' ? 'text' : 'binary')
    ws.on('error', () => abort.abort())
    let first = true
    for await (const events of result.events)
      for (const event of events) {
        const bytes = Buffer.concat(eventParts(context, result.kind, event, first))
        countEvents(result.kind, tallyOfEvents([bytes.length]))
        // A message has a length itself, so the one before the protobuf is dropped.
        const sending = send(context.encoding === 'protobuf' ? bytes.subarray(4) : bytes)
        await cutOffIfStalled(socket, sending, this.#patience)
        first = false
      }
    ws.close()
  }

  #fail(
    call: Pick<Call, 'request' | 'response' | 'trail'>,
    error: unknown,
    accepted: Pick<Accepted, 'encoding' | 'view'>,
  ): void {
    const { response } = call
    // After the timeout of the request there is nobody to report to.
    if (response.writableEnded) return
    if (!(error instanceof StatusError)) this.#options.core.log.error('a request failed', { error })
    if (response.headersSent) return void response.end()
    if (error instanceof StatusError) for (const text of error.warnings ?? []) warn(response, text)
    const status = statusOf(error)
    call.trail?.failed(status)
    const retry = (status.details as { retryAfterSeconds?: number } | undefined)?.retryAfterSeconds
    if (retry) response.setHeader('Retry-After', String(retry))
    sendNegotiated(call, status.code as number, contentTypes[accepted.encoding], encodeStatus(accepted, status))
  }
}

/** The sender of credentials that are not valid. */
const unknownUser: User = { name: '', groups: [] }
const switchingProtocols = 101

/** The reason of all aborts. Without it, each request would create an error with a stack. */
const clientGone = new Error('the client has disconnected')

/** The connection of a request. With HTTP/2 the socket of a request is only a proxy for that of its session. */
const connectionOf = (request: Request | Http2ServerRequest) =>
  ('stream' in request && request.stream.session?.socket) || request.socket

const nextTurn = () => new Promise<void>(resolve => void setImmediate(resolve))

/** Answers a missing path: below a served group with a Status, elsewhere with plain text. */
function notFound({ url, response }: Call, kinds: readonly AnyKind[]): void {
  const [, top, group] = url.pathname.split('/')
  if (top === 'api' || (top === 'apis' && group && kinds.some(kind => kind.group === group))) throw resourceNotFound()
  response.setHeader('x-content-type-options', 'nosniff')
  send(response, 404, 'text/plain; charset=utf-8', Buffer.from('404 page not found\n'))
}

/**
 * Sends a warning, which may be the text of a webhook. A header has bytes, so UTF-8 is given to Node byte by byte, and
 * what no header may have is left out.
 */
function warn(response: Response, text: string): void {
  const quoted = JSON.stringify(text.replace(/[\u007f-\u009f]/g, ''))
  response.appendHeader('Warning', `299 - ${Buffer.from(quoted).toString('latin1')}`)
}
