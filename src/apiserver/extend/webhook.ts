// Calls webhooks: programs of users that the API server asks over HTTPS, to admit or change objects, or to convert them
// between versions.
//
// - A target is a URL, or a Service, which is asked at its cluster IP under the name that its certificate has.
// - The certificate is always checked: by the CA bundle of the configuration, or else by the roots of the system.
// - A call has a time limit, and its answer a limit of bytes. Redirects are not followed.
// - Connections are kept and used again, for each target and bundle.
//
// Every failure is a WebhookError with the text of Go's client for the same cause.
// Source: apiserver pkg/util/webhook (client.go, serviceresolver.go).
import { withJoined } from '../../base/waiters.ts'
import { Agent, request, type RequestOptions } from 'node:https'
import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { jsonSyntaxError } from '../../base/json-syntax.ts'
import { traced, traceHeaders } from '../../base/trace.ts'
import { parseJson } from '../../wire/json.ts'
import type { Json } from '../../api/schema/node.ts'
import { Service } from '../../kinds/core/service.ts'
import type { Storage } from '../storage.ts'

/** How a configuration names a webhook: exactly one of both. */
interface ClientConfig {
  readonly url?: string | undefined
  readonly service?:
    | {
        readonly namespace: string
        readonly name: string
        readonly path?: string
        readonly port?: number
      }
    | undefined
  /** PEM in base64. */
  readonly caBundle?: string | undefined
}

/** A call that failed. The message is Go's, such as `Post "https://…": context deadline exceeded`. */
export class WebhookError extends Error {
  override name = 'WebhookError'
}

interface Target {
  /** The URL that messages show. Of a Service it has the port always. */
  shown: string
  /** The host that the certificate must have, and the value of the header Host. */
  name: string
  authority: string
  /** Where to connect. */
  host: string
  port: number
  /** The path with its query. */
  path: string
}

interface Reply {
  code: number
  bytes: Buffer
}

const maxAnswerBytes = 3 * 1024 * 1024
const maxAgents = 200
/** Connections to one webhook that wait for the next call. */
const maxFreeSockets = 16
const defaultPort = 443

export class WebhookCaller {
  readonly #storage: Storage
  readonly #agents = new Map<string, Agent>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Sends a JSON document, and returns the JSON answer. Throws WebhookError; never later than the limit. */
  async call(
    config: ClientConfig,
    body: object,
    options: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<Json> {
    const target = this.#resolve(config, options.timeoutMs)
    const bytes = Buffer.from(JSON.stringify(body))
    const limit = AbortSignal.timeout(options.timeoutMs)
    let answer: Reply
    try {
      const post = () =>
        withJoined([limit, options.signal], signal => this.#post(target, config.caBundle ?? '', bytes, signal))
      answer = await traced('Call webhook', { 'http.url': target.shown }, post, 'client')
    } catch (error) {
      const why = limit.aborted ? 'context deadline exceeded' : causeText(error, target)
      throw failedPost(target.shown, why, error)
    }
    if (answer.code < 200 || answer.code > 299) throw new WebhookError(badCode(answer))
    try {
      return parseJson(answer.bytes.toString()) as Json
    } catch (cause) {
      throw new WebhookError(
        `couldn't get version/kind; json parse error: ${jsonSyntaxError(answer.bytes.toString())}`,
        { cause },
      )
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy()
  }

  #resolve({ url, service }: ClientConfig, timeoutMs: number): Target {
    const query = `timeout=${Math.ceil(timeoutMs / 1000)}s`
    if (url !== undefined) {
      const { hostname, host, port, pathname, search, href } = withQuery(url, query)
      const name = hostname.replace(/^\[|\]$/g, '')
      const path = pathname + search
      return { shown: href, name, authority: host, host: name, port: Number(port) || defaultPort, path }
    }
    if (!service) throw new WebhookError('webhook configuration must have either service or URL')
    const { namespace, name, port = defaultPort } = service
    const host = `${name}.${namespace}.svc`
    const { pathname, search } = withQuery(new URL(service.path ?? '', `https://${host}`).href, query)
    const path = pathname + search
    const shown = `https://${host}:${port}${path}`
    const target = { shown, name: host, authority: `${host}:${port}`, port, path }
    const found = this.#storage.mirror(Service).get(namespace, name)
    if (!found) throw failedPost(shown, `service ${JSON.stringify(name)} not found`)
    const { clusterIP = '', type, externalName = '', ports = [] } = found.spec
    if (type === 'ExternalName') return { ...target, host: externalName }
    if (!clusterIP || clusterIP === 'None') throw failedPost(shown, 'cannot route to service with ClusterIP "None"')
    if (!ports.some(one => one.port === port))
      throw failedPost(shown, `no service port ${port} found for service ${JSON.stringify(name)}`)
    return { ...target, host: clusterIP }
  }

  /**
   * Sends the request. A kept connection that the webhook has closed in the meantime is no failure: the request is sent
   * once more, on a new one.
   */
  async #post(target: Target, caBundle: string, body: Buffer, signal: AbortSignal): Promise<Reply> {
    const agent = this.#agent(target, caBundle)
    try {
      return await post(target, agent, body, signal)
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error
      return await post(target, new Agent({ ...agent.options, keepAlive: false }), body, signal)
    }
  }

  #agent({ authority, host, name }: Target, caBundle: string): Agent {
    const key = `${authority} ${host} ${caBundle}`
    let agent = this.#agents.get(key)
    if (!agent) {
      if (this.#agents.size >= maxAgents) {
        const [oldest, one] = this.#agents.entries().next().value!
        one.destroy()
        this.#agents.delete(oldest)
      }
      const ca = caBundle ? Buffer.from(caBundle, 'base64').toString() : undefined
      agent = new Agent({
        keepAlive: true,
        maxFreeSockets,
        // A Service is asked at its address, and has a certificate for its name.
        checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
        ...(ca && { ca }),
      })
      this.#agents.set(key, agent)
    }
    return agent
  }
}

/** A kept connection that broke before the first byte of an answer. */
class StaleConnection extends Error {
  override name = 'StaleConnection'
}

function post(
  { name, authority, host, port, path }: Target,
  agent: Agent,
  body: Buffer,
  signal: AbortSignal,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      method: 'POST',
      host,
      port,
      path,
      servername: isIP(name) ? '' : name,
      headers: {
        host: authority,
        accept: 'application/json',
        'content-type': 'application/json',
        'content-length': body.length,
        'user-agent': 'kube-apiserver-admission',
        ...traceHeaders(),
      },
      agent,
      signal,
    }
    let answered = false
    const sent = request(options, response => {
      answered = true
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > maxAnswerBytes) sent.destroy(tooLarge)
        else chunks.push(chunk)
      })
      response.on('end', () => {
        const reply = { code: response.statusCode ?? 0, bytes: Buffer.concat(chunks) }
        // The agent has the connection back only now, so a call that follows at once finds it.
        process.nextTick(resolve, reply)
      })
      response.on('error', error => reject(length > maxAnswerBytes ? tooLarge : error))
      response.on('aborted', () => reject(length > maxAnswerBytes ? tooLarge : new Error('unexpected EOF')))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => {
      const stale = sent.reusedSocket && error.code === 'ECONNRESET' && !signal.aborted && !answered
      reject(stale ? new StaleConnection(error.message, { cause: error }) : error)
    })
    sent.end(body)
  })
}

const unverified = 'tls: failed to verify certificate: x509: '

/** The texts that Go has for Node's codes. */
const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ECONNRESET: 'read: connection reset by peer',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  SELF_SIGNED_CERT_IN_CHAIN: `${unverified}certificate signed by unknown authority`,
  DEPTH_ZERO_SELF_SIGNED_CERT: `${unverified}certificate signed by unknown authority`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `${unverified}certificate signed by unknown authority`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `${unverified}certificate signed by unknown authority`,
  CERT_SIGNATURE_FAILURE: `${unverified}certificate signed by unknown authority`,
  CERT_HAS_EXPIRED: `${unverified}certificate has expired or is not yet valid`,
}

const tooLarge = new Error('http: response body too large')

const failedPost = (shown: string, why: string, cause?: unknown) =>
  new WebhookError(`Post ${JSON.stringify(shown)}: ${why}`, cause === undefined ? undefined : { cause })

/** A URL with one more parameter. */
function withQuery(url: string, query: string): URL {
  const parsed = new URL(url)
  parsed.search = parsed.search ? `${parsed.search}&${query}` : query
  return parsed
}

/** The text of Go's client for the cause of a failed call. */
export function causeText(error: unknown, { host, port, name }: Pick<Target, 'host' | 'port' | 'name'>): string {
  const { code = '', message, cert } = error as { code?: string; message: string; cert?: PeerCertificate }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${host}: no such host`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${unverified}${otherName(cert?.subjectaltname ?? '', name)}`
  if (message === 'socket hang up') return 'EOF'
  const text = causes[code]
  if (text?.startsWith('connect:')) return `dial tcp ${host}:${port}: ${text}`
  return text ?? message
}

/** Source: crypto/x509 (HostnameError). */
function otherName(alternatives: string, name: string): string {
  const of = (type: string) =>
    alternatives.split(', ').flatMap(one => (one.startsWith(type) ? [one.slice(type.length)] : []))
  const names = of(isIP(name) ? 'IP Address:' : 'DNS:')
  if (names.length) return `certificate is valid for ${names.join(', ')}, not ${name}`
  return isIP(name)
    ? `cannot validate certificate for ${name} because it doesn't contain any IP SANs`
    : `certificate is not valid for any names, but wanted to match ${name}`
}

/** What Go's client says to codes without a Status. Source: apimachinery pkg/api/errors (NewGenericServerResponse). */
const codes: Readonly<Record<number, string>> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  403: 'the server does not allow access to the requested resource',
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
  406: 'the server was unable to respond with a content type that the client supports',
  409: 'the server reported a conflict',
  415: 'the media type in the request is not supported by the server',
  422: 'the server rejected our request due to an error in our request',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
}
const serverFault = 500
const maxShown = 2048

/** The message for an answer that is no success, which may carry a Status. */
function badCode({ code, bytes }: Reply): string {
  const text = bytes.subarray(0, maxShown).toString().trim()
  try {
    const { kind, message } = JSON.parse(bytes.toString()) as { kind?: string; message?: string }
    if (kind === 'Status' && message) return message
  } catch {
    // The answer is no JSON, so the code says all.
  }
  const known = codes[code]
  if (known !== undefined) return known
  return code >= serverFault
    ? `an error on the server (${JSON.stringify(text || 'unknown')}) has prevented the request from succeeding`
    : `the server responded with the status code ${code} but did not return more information`
}
