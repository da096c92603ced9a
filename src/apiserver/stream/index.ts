// Streams: exec, attach, port-forward and logs are passed to the kubelet of the pod's node, and proxy requests to pods,
// Services and nodes.
//
//   client ══► front ─► authorize ─► destination (target.ts, proxy.ts) ══► kubelet or program
//
// - The user must have the verb of the method on the subresource. A WebSocket for exec, attach or port-forward also
//   needs `create`, since it begins with a GET.
// - Bytes are passed on unchanged in both directions, and each side is read only as fast as the other takes them. Only
//   links in proxied HTML and redirects are rewritten (rewrite.ts), and logs over a WebSocket get its frames.
// - Headers with the client's credentials, and headers about one connection, are not passed on. To kubelets this server
//   authenticates by its own certificate, and it verifies theirs.
// - Before the other side has answered, failures are a Status: ServiceUnavailable when it cannot be reached. A refusal
//   of the kubelet to show a log is a Status, too (refusal.ts). After that, a failure closes the connection.
// - When either side closes, or the client aborts, the other side is closed.
// - A stream has no limit of size or time here. The kubelet limits its connections.
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { messageOf, StatusError } from '../../base/errors.ts'
import type { User } from '../../api/operation.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Service } from '../../kinds/core/service.ts'
import { accessDenied } from '../errors.ts'
import type { Call, RequestUrl, Streams } from '../http/call.ts'
import { acceptFrames } from '../http/frames.ts'
import type { ResourcePath } from '../http/route.ts'
import type { ServerCore } from '../core.ts'
import { proxyTarget } from './proxy.ts'
import { byAuthority, type KubeletCredentials } from './kubelet.ts'
import { htmlRewriter, type ProxyLocation, rewriteUrl } from './rewrite.ts'
import { throwRefusal } from './refusal.ts'
import { podTarget } from './target.ts'

const podStreams = new Set(['exec', 'attach', 'portforward', 'log'])
const kinds = { pods: Pod, services: Service, nodes: Node }

/** Makes the handler of streams. `credentials` are those of this server for kubelets. */
export function streams(core: ServerCore, credentials: KubeletCredentials): Streams {
  const tls = { ca: credentials.ca, cert: credentials.certPem, key: credentials.keyPem }
  return {
    handles: path => isStream(path),
    async request(call, path) {
      allow(core, call.user, path, call.request.method ?? 'GET')
      if (needsSlash(call, path)) return redirectToSlash(call)
      const destination = await targetOf(core, path, call.url, tls)
      if (!destination) return void call.response.writeHead(204).end()
      if (path.subresource === 'proxy') destination.location = locationOf(call, path, destination)
      const answer = await ask(call.request, destination, call.signal)
      if (path.subresource === 'log') await throwRefusal(answer, path.name)
      await forward(call, destination, answer)
    },
    async upgrade(request, socket, head, path, user, url) {
      allow(core, user, path, request.method ?? 'GET')
      // A WebSocket begins with a GET, but the right to read does not suffice to run something.
      if (podStreams.has(path.subresource) && path.subresource !== 'log') allow(core, user, path, 'POST')
      const destination = await targetOf(core, path, url, tls)
      if (!destination) throw new StatusError('BadRequest', `pod ${path.name} does not have a host assigned`)
      if (path.subresource === 'log') await logsOverWebSocket(request, socket, head, destination, path.name)
      else await tunnel(request, socket, head, destination)
    },
  }
}

function isStream({ group, version, plural, subresource }: ResourcePath): boolean {
  if (group !== '' || version !== 'v1') return false
  return (plural === 'pods' && podStreams.has(subresource)) || (subresource === 'proxy' && plural in kinds)
}

function allow(core: ServerCore, user: User, path: ResourcePath, method: string): void {
  const verb =
    ({ POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as Record<string, string>)[method] ?? 'get'
  const kind = kinds[path.plural as keyof typeof kinds]
  const name =
    path.subresource === 'proxy'
      ? path.name.split(':').length === 3
        ? path.name.split(':')[1]!
        : path.name.split(':')[0]!
      : path.name
  const decision = core.authorizer.authorize({
    user,
    verb,
    group: '',
    resource: path.plural,
    subresource: path.subresource,
    namespace: path.namespace,
    name,
  })
  if (!decision.allowed)
    throw accessDenied(
      { kind, subresource: path.subresource, namespace: path.namespace, name, verb: verb as 'get', user },
      decision.reason,
    )
}

interface Destination {
  secure: boolean
  options: RequestOptions
  /** The address at which the client sees the proxied program. */
  location?: ProxyLocation
}

/** Without a slash at the end of its address, relative links in a page would lead to the wrong place. */
const needsSlash = ({ request, url }: Call, { subresource, rest }: ResourcePath) =>
  subresource === 'proxy' &&
  rest === '' &&
  !url.pathname.endsWith('/') &&
  ['GET', 'HEAD'].includes(request.method ?? 'GET')

function redirectToSlash({ response, url }: Call): void {
  response.writeHead(301, { location: `${url.pathname}/${url.search}` })
  response.end()
}

function locationOf({ request, url }: Call, { rest }: ResourcePath, { options }: Destination): ProxyLocation {
  const own = `/${encodeURI(rest)}`
  const prefix = url.pathname.endsWith(own) ? url.pathname.slice(0, -own.length) : url.pathname.replace(/\/$/, '')
  return { prefix, hosts: [request.headers.host ?? '', `${options.host}:${options.port}`, String(options.host)] }
}

async function targetOf(
  core: ServerCore,
  path: ResourcePath,
  url: RequestUrl,
  tls: object,
): Promise<Destination | undefined> {
  const kubelet = { ...tls, ...byAuthority }
  if (path.subresource !== 'proxy') {
    const target = await podTarget(core.storage, path, url.searchParams)
    if (!target) return undefined
    const { host, port, path: there } = target
    return { secure: true, options: { host, port, path: there, ...kubelet } }
  }
  await core.storage.catchUp()
  const target = proxyTarget(core.storage, path)
  const options = { host: target.host, port: target.port, path: `/${encodeURI(path.rest)}${url.search}` }
  if (target.kubelet) return { secure: true, options: { ...options, ...kubelet } }
  // A program in a pod has a certificate that this server cannot verify.
  return { secure: target.scheme === 'https', options: { ...options, rejectUnauthorized: false } }
}

/** Headers that are not passed on, because they are about one connection or about the user. */
const dropped = new Set([
  'connection',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'authorization',
  'host',
  'http2-settings',
  'impersonate-user',
  'impersonate-group',
  'impersonate-uid',
])

/** The headers that are passed on. */
function forwardedHeaders(headers: IncomingMessage['headers']): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers))
    if (!/^(:|impersonate-extra-)/.test(name) && !dropped.has(name) && value !== undefined) out[name] = value
  return out
}

function open(destination: Destination, extra: RequestOptions) {
  return (destination.secure ? httpsRequest : httpRequest)({ ...destination.options, ...extra })
}

const unreachableError = (cause: unknown) =>
  new StatusError('ServiceUnavailable', `error trying to reach service: ${messageOf(cause)}`, { cause })

async function forward({ response, signal }: Call, destination: Destination, answer: IncomingMessage): Promise<void> {
  const headers = forwardedHeaders(answer.headers)
  const { location } = destination
  if (location && typeof headers.location === 'string') headers.location = rewriteUrl(headers.location, location)
  try {
    if (location && isPlainHtml(answer)) {
      delete headers['content-length']
      response.writeHead(answer.statusCode ?? 502, headers)
      await pipeline(answer, htmlRewriter(location), response)
      return
    }
    response.writeHead(answer.statusCode ?? 502, headers)
    await pipeline(answer, response)
  } catch (error) {
    // One of the two sides has closed the connection, so no Status can be sent any more.
    if (!signal.aborted) response.destroy(error as Error)
  }
}

function ask(request: IncomingMessage, destination: Destination, signal: AbortSignal): Promise<IncomingMessage> {
  const headers = forwardedHeaders(request.headers)
  const upstream = open(destination, { method: request.method ?? 'GET', headers, signal })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    upstream.once('response', resolve)
    upstream.once('error', error => reject(unreachableError(error)))
  })
  request.pipe(upstream)
  return answered
}

/** Whether an answer is HTML without compression, so that its links can be rewritten. */
function isPlainHtml({ headers }: IncomingMessage): boolean {
  return (headers['content-type'] ?? '').split(';')[0]!.trim() === 'text/html' && !headers['content-encoding']
}

/** Sends a log over a WebSocket, in the subprotocol that the client prefers. Source: wsstream.Reader. */
async function logsOverWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  destination: Destination,
  pod: string,
): Promise<void> {
  const ending = new AbortController()
  socket.on('close', () => ending.abort())
  const upstream = open(destination, { method: 'GET', headers: {}, signal: ending.signal })
  upstream.end()
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    upstream.once('response', resolve)
    upstream.once('error', error => reject(unreachableError(error)))
  })
  await throwRefusal(answer, pod)
  const { ws, send } = await acceptFrames(request, socket, head, 'binary')
  ws.on('error', () => ending.abort())
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) await send(chunk)
    ws.close()
  } catch (error) {
    if (!ending.signal.aborted) ws.close(1011, messageOf(error).slice(0, 100))
  }
}

async function tunnel(request: IncomingMessage, socket: Duplex, head: Buffer, destination: Destination): Promise<void> {
  const headers = {
    ...forwardedHeaders(request.headers),
    connection: 'Upgrade',
    upgrade: request.headers.upgrade ?? '',
  }
  const upstream = open(destination, { method: request.method ?? 'GET', headers })
  upstream.end()
  const answer = await new Promise<{ response: IncomingMessage; socket?: Duplex; head?: Buffer }>((resolve, reject) => {
    upstream.once('upgrade', (response, up, upHead) => resolve({ response, socket: up, head: upHead }))
    upstream.once('response', response => resolve({ response }))
    upstream.once('error', error => reject(unreachableError(error)))
  })
  const { response } = answer
  const lines = [`HTTP/1.1 ${response.statusCode} ${response.statusMessage}`]
  for (let i = 0; i < response.rawHeaders.length; i += 2)
    lines.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (!answer.socket) return void response.pipe(socket)
  join(socket, head, answer.socket, answer.head ?? Buffer.alloc(0))
}

/** Passes bytes between two connections until either ends, which closes the other. */
function join(a: Duplex, aHead: Buffer, b: Duplex, bHead: Buffer): void {
  if (aHead.length) b.write(aHead)
  if (bHead.length) a.write(bHead)
  a.pipe(b)
  b.pipe(a)
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
}
