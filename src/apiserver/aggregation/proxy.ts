// Passes requests for the group and version of an APIService on to the server behind its Service.
//
//   client ══► front ─► authenticate ─► authorize ─► APIService with a service? ══► extension server
//
// - Only APIServices with a service lead elsewhere. Without one, or without an APIService, this server answers itself.
//   apiregistration.k8s.io is always its own, since a wrong APIService must be correctable.
// - The extension server gets the user in X-Remote-… headers, and believes them because of the front-proxy certificate.
//   Headers of the client with such names, its credentials, and headers about one connection are not passed on.
// - Bytes are passed on unchanged in both directions, each side being read only as fast as the other takes them.
// - While the APIService is not Available, the answer is 503 at once. It is 503, too, when the server cannot be reached,
//   and 504 when a request other than a watch has no answer after 60 s. Its redirects are refused with 502. These
//   answers are plain text.
// - A request that came with the front-proxy certificate is not passed on once more, so none goes in a circle.
// - When either side closes, the other side is closed.
//
// Source: kube-aggregator pkg/apiserver/handler_proxy.go; apimachinery pkg/util/proxy/upgradeaware.go.
import { joined } from '../../base/waiters.ts'
import { Agent, request as httpsRequest } from 'node:https'
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { traceHeaders } from '../../base/trace.ts'
import { StatusError } from '../../base/errors.ts'
import type { Mirror } from '../../api/mirror.ts'
import type { User } from '../../api/operation.ts'
import type { RestRequest } from '../../api/rest.ts'
import { APIService } from '../../kinds/apiregistration/apiservice.ts'
import type { ServerCore } from '../core.ts'
import { causeText } from '../extend/webhook.ts'
import { type Aggregator, type Call, type Response, send } from '../http/call.ts'
import { tunnel } from '../stream/tunnel.ts'
import { forwardedHeaders, framing, hasBody } from '../stream/upstream.ts'
import { isAvailable } from './availability.ts'
import { headersOf, isIdentity } from './identity.ts'
import { type Address, addressOf, type FrontProxyClient, isRemote, prefixOf, tlsOf, urlAt } from './target.ts'

const answerMs = 60_000
const maxFreeSockets = 16

/** The connections to one server, and the APIService whose certificates they were made with. */
interface Connections {
  of: APIService['spec']
  agent: Agent
}

export class ExtensionProxy implements Aggregator {
  readonly #core: ServerCore
  readonly #client: FrontProxyClient | undefined
  readonly #services: Mirror<APIService>
  readonly #connections = new Map<string, Connections>()
  /** The APIServices with a service, by the beginning of their paths. */
  #remote: ReadonlyMap<string, APIService> = new Map()
  readonly #unsubscribe: () => void

  constructor(core: ServerCore, client: FrontProxyClient | undefined) {
    this.#core = core
    this.#client = client
    this.#services = core.storage.mirror(APIService)
    this.#unsubscribe = this.#services.subscribe(() => this.#update(), 'routes to extension servers')
    this.#update()
  }

  close(): void {
    this.#unsubscribe()
    for (const { agent } of this.#connections.values()) agent.destroy()
  }

  find(pathname: string): APIService | undefined {
    if (!this.#remote.size) return undefined
    const parts = pathname.split('/', 4)
    return this.#remote.get(parts[1] === 'api' ? `api/${parts[2]}` : parts.slice(1).join('/'))
  }

  async request(call: Call, service: APIService): Promise<void> {
    const { request, response, url } = call
    const address = this.#addressFor(service)
    if (!address) return sendText(response, 503, 'service unavailable')
    const shown = urlAt(address, prefixOf(service.spec))
    const isWatch = ['true', '1'].includes(url.searchParams.get('watch') ?? '')
    const late = new AbortController()
    const cancel = isWatch ? () => {} : this.#core.clock.after(answerMs, () => late.abort())
    const { signal, release } = joined(call.signal, late.signal)
    try {
      const method = request.method ?? 'GET'
      const upstream = httpsRequest({
        ...address,
        ...tlsOf(service, this.#client),
        agent: this.#agent(service),
        method,
        path: `${url.pathname}${url.search}`,
        headers: headersFor(call, address),
        signal,
      })
      const answer = await exchange(request, upstream)
      await forward(call, answer)
    } catch (error) {
      if (call.signal.aborted) return
      if (response.headersSent) return void response.destroy(error as Error)
      if (late.signal.aborted) sendText(response, 504, 'Timeout: request did not complete within the allotted timeout')
      else
        sendText(
          response,
          503,
          `error trying to reach service: ${causeText(error, { ...address, name: shown.hostname })}`,
        )
    } finally {
      cancel()
      release()
    }
  }

  /**
   * Sends a request of this process's own as a user, and returns the answer, of which only the headers have arrived.
   * Rejects with ServiceUnavailable if there is none.
   */
  async ask(service: APIService, user: User, asked: RestRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const address = this.#addressFor(service)
    if (!address) throw new StatusError('ServiceUnavailable', 'service unavailable')
    const { host } = urlAt(address, '')
    const { method, path, contentType, body } = asked
    const sent = httpsRequest({
      ...address,
      ...tlsOf(service, this.#client),
      agent: this.#agent(service),
      method,
      path,
      headers: {
        ...headersOf(user),
        host,
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
      },
      signal,
    })
    try {
      return await new Promise((resolve, reject) => {
        sent.once('response', resolve)
        sent.on('error', reject)
        sent.end(body)
      })
    } catch (cause) {
      const why = causeText(cause, { ...address, name: address.host })
      throw new StatusError('ServiceUnavailable', `error trying to reach service: ${why}`, { cause })
    }
  }

  async upgrade(...[request, socket, head, service, user, url]: Parameters<Aggregator['upgrade']>): Promise<void> {
    const address = this.#addressFor(service)
    if (!address) throw new StatusError('ServiceUnavailable', 'service unavailable')
    const path = `${url.pathname}${url.search}`
    await tunnel(request, socket, head, {
      secure: true,
      options: { ...address, ...tlsOf(service, this.#client), agent: false, path },
      headers: headersFor({ request, user }, address),
    })
  }

  /** Where requests go. Undefined while there is no such place. */
  #addressFor(service: APIService): Address | undefined {
    if (!isAvailable(service)) return undefined
    try {
      return addressOf(this.#core.storage, service)
    } catch (error) {
      this.#core.log.debug('a Service of an APIService cannot be resolved', { name: service.metadata.name, error })
      return undefined
    }
  }

  #update(): void {
    const remote = new Map<string, APIService>()
    for (const service of this.#services.list()) if (isRemote(service)) remote.set(prefixOf(service.spec), service)
    this.#remote = remote
    for (const [prefix, connections] of this.#connections) {
      if (remote.get(prefix)?.spec === connections.of) continue
      // Requests under way keep their connections until they end.
      this.#connections.delete(prefix)
      for (const sockets of Object.values(connections.agent.freeSockets))
        for (const socket of sockets ?? []) socket.destroy()
    }
  }

  #agent({ spec }: APIService): Agent {
    const prefix = prefixOf(spec)
    let found = this.#connections.get(prefix)
    if (!found)
      this.#connections.set(prefix, (found = { of: spec, agent: new Agent({ keepAlive: true, maxFreeSockets }) }))
    return found.agent
  }
}

/** The headers for an extension server. */
function headersFor(
  { request, user }: { request: IncomingMessage; user: User },
  address: Address,
): OutgoingHttpHeaders {
  const kept = Object.entries(forwardedHeaders(request.headers)).filter(
    ([name]) => !isIdentity(name) && name !== 'expect' && name !== 'x-forwarded-for',
  )
  const from = [request.headers['x-forwarded-for'] ?? [], request.socket.remoteAddress ?? []].flat()
  return {
    ...Object.fromEntries(kept),
    ...headersOf(user),
    host: urlAt(address, '').host,
    ...(from.length && { 'x-forwarded-for': from.join(', ') }),
    ...traceHeaders(),
    ...framing(request),
  }
}

/** Sends a request with its body, and returns the answer. */
function exchange(request: IncomingMessage, upstream: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    upstream.once('response', resolve)
    upstream.on('error', reject)
    if (hasBody(request)) request.pipe(upstream)
    else upstream.end()
  })
}

const redirected = 'the backend attempted to redirect this request, which is not permitted'

async function forward({ response }: Call, answer: IncomingMessage): Promise<void> {
  const code = answer.statusCode ?? 502
  if (code >= 300 && code <= 399 && answer.headers.location) {
    answer.destroy()
    return send(response, 502, 'text/plain; charset=utf-8', Buffer.from(redirected))
  }
  response.writeHead(code, forwardedHeaders(answer.headers))
  // A watch may have no event for long, and its client waits for the beginning.
  response.flushHeaders()
  await pipeline(answer, response)
}

/** Sends an error in plain text. Source: Go's net/http (Error). */
function sendText(response: Response, code: number, text: string): void {
  response.setHeader('x-content-type-options', 'nosniff')
  send(response, code, 'text/plain; charset=utf-8', Buffer.from(`${text}\n`))
}
