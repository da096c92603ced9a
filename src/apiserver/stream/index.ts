// Streams: exec, attach, port-forward and logs are passed to the kubelet of the pod's node, and proxy requests to pods,
// Services and nodes.
//
//   client ══► front ─► authorize ─► admit ─► destination (target.ts, proxy.ts) ══► kubelet or program
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
import type { IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { StatusError } from '../../base/errors.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { User } from '../../api/operation.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Service } from '../../kinds/core/service.ts'
import type { AuditTrail } from '../audit/auditor.ts'
import { noteDecision } from '../authz/authorize.ts'
import { accessDenied } from '../errors.ts'
import type { Call, RequestUrl, Streams } from '../http/call.ts'
import type { ResourcePath } from '../http/route.ts'
import type { ServerCore } from '../core.ts'
import { admitStream } from './admission.ts'
import { proxyTarget } from './proxy.ts'
import { byAuthority, type KubeletCredentials } from './kubelet.ts'
import { logsOverWebSocket } from './log-frames.ts'
import { htmlRewriter, type ProxyLocation, rewriteUrl } from './rewrite.ts'
import { throwRefusal } from './refusal.ts'
import { podTarget } from './target.ts'
import { tunnel } from './tunnel.ts'
import { answerOf, type Destination, forwardedHeaders, framing, openUpstream } from './upstream.ts'

const podStreams = new Set(['exec', 'attach', 'portforward', 'log'])
const kinds = { pods: Pod, services: Service, nodes: Node }
const kindOf = ({ plural }: ResourcePath): AnyKind => kinds[plural as keyof typeof kinds]

/** Makes the handler of streams. `credentials` are those of this server for kubelets. */
export function streams(core: ServerCore, credentials: KubeletCredentials): Streams {
  // Read for each request, since the certificate is renewed while the server runs.
  const tls = () => ({ ca: credentials.ca, cert: credentials.certPem, key: credentials.keyPem })
  return {
    handles: path => isStream(path),
    async request(call, path) {
      await allow(core, call.user, path, call.request.method ?? 'GET', call.trail)
      if (needsSlash(call, path)) return redirectToSlash(call)
      const url = await admitStream(core, call.user, kindOf(path), path, call.url)
      const destination = await targetOf(core, path, url, tls())
      if (!destination) return void call.response.writeHead(204).end()
      if (path.subresource === 'proxy') destination.location = locationOf(call, path, destination)
      const answer = await ask(call.request, destination, call.signal)
      if (path.subresource === 'log') await throwRefusal(answer, path.name)
      await forward(call, destination, answer)
    },
    async upgrade(request, socket, head, path, user, url, trail) {
      await allow(core, user, path, request.method ?? 'GET', trail)
      // A WebSocket begins with a GET, but the right to read does not suffice to run something.
      if (podStreams.has(path.subresource) && path.subresource !== 'log') await allow(core, user, path, 'POST', trail)
      const admitted = await admitStream(core, user, kindOf(path), path, url)
      const destination = await targetOf(core, path, admitted, tls())
      if (!destination) throw new StatusError('BadRequest', `pod ${path.name} does not have a host assigned`)
      if (path.subresource === 'log') await logsOverWebSocket(request, socket, head, destination, path.name)
      else await tunnel(request, socket, head, destination)
    },
  }
}

function isStream({ group, version, plural, subresource }: ResourcePath): boolean {
  if (group !== '' || version !== 'v1') return false
  return (plural === 'pods' && podStreams.has(subresource)) || (subresource === 'proxy' && Object.hasOwn(kinds, plural))
}

async function allow(
  core: ServerCore,
  user: User,
  path: ResourcePath,
  method: string,
  trail?: AuditTrail,
): Promise<void> {
  const verb =
    ({ POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as Record<string, string>)[method] ?? 'get'
  const kind = kindOf(path)
  const name =
    path.subresource === 'proxy'
      ? path.name.split(':').length === 3
        ? path.name.split(':')[1]!
        : path.name.split(':')[0]!
      : path.name
  const decision = await core.authorizer.authorize({
    user,
    verb,
    group: '',
    version: path.version,
    resource: path.plural,
    subresource: path.subresource,
    namespace: path.namespace,
    name,
  })
  noteDecision(trail?.annotations, decision)
  if (!decision.allowed)
    throw accessDenied(
      { kind, subresource: path.subresource, namespace: path.namespace, name, verb: verb as 'get', user },
      decision.reason,
    )
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
  const headers = { ...forwardedHeaders(request.headers), ...framing(request) }
  const upstream = openUpstream(destination, { method: request.method ?? 'GET', headers, signal })
  const answer = answerOf(upstream)
  request.pipe(upstream)
  return answer
}

/** Whether an answer is HTML without compression, so that its links can be rewritten. */
function isPlainHtml({ headers }: IncomingMessage): boolean {
  return (headers['content-type'] ?? '').split(';')[0]!.trim() === 'text/html' && !headers['content-encoding']
}
