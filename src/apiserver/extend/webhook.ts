// Calls webhooks: programs of users that the API server calls over HTTPS to admit or change objects, or to convert them
// between versions.
//
// - A target is a URL or a Service. A Service is called at its cluster IP, with the name NAME.NAMESPACE.svc.
// - The certificate is always verified, with the CA bundle of the configuration, or else with the system's roots.
// - A call has a time limit, and its answer a size limit. Redirects are not followed.
// - Connections are kept open and reused, separately for each target and CA bundle.
//
// Every failure is a WebhookError with the text of Go's client for the same cause.
// Source: apiserver pkg/util/webhook (client.go, serviceresolver.go).
import { isIP } from 'node:net'
import { Agent, request, type RequestOptions } from 'node:https'
import { parseJson } from '../../wire/json.ts'
import type { Json } from '../../api/schema/node.ts'
import { Service } from '../../kinds/core/service.ts'
import type { Storage } from '../storage.ts'

/** The target in a configuration: either a URL or a Service. */
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
  /** The URL that messages show. */
  url: URL
  /** The address to connect to, which for a Service is not the host of the URL. */
  host: string
  port: number
}

const maxAnswerBytes = 3 * 1024 * 1024
const maxAgents = 200
const defaultPort = 443

export class WebhookCaller {
  readonly #storage: Storage
  readonly #agents = new Map<string, Agent>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Sends a JSON document, and returns the JSON answer. Throws WebhookError, at the latest after `timeoutMs`. */
  async call(
    config: ClientConfig,
    body: object,
    options: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<Json> {
    const target = this.#resolve(config, options.timeoutMs)
    const bytes = Buffer.from(JSON.stringify(body))
    const limit = AbortSignal.timeout(options.timeoutMs)
    const signal = options.signal ? AbortSignal.any([limit, options.signal]) : limit
    let answer: { code: number; bytes: Buffer }
    try {
      answer = await this.#post(target, config.caBundle ?? '', bytes, signal)
    } catch (error) {
      const why = limit.aborted ? 'context deadline exceeded' : causeText(error, target)
      throw new WebhookError(`Post ${JSON.stringify(target.url.href)}: ${why}`, { cause: error })
    }
    if (answer.code < 200 || answer.code > 299) throw new WebhookError(badCode(answer))
    try {
      return parseJson(answer.bytes.toString()) as Json
    } catch (cause) {
      throw new WebhookError(`couldn't get version/kind; json parse error: ${messageOfJson(answer.bytes)}`, { cause })
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy()
  }

  #resolve({ url, service }: ClientConfig, timeoutMs: number): Target {
    const query = `timeout=${Math.round(timeoutMs / 1000)}s`
    if (url !== undefined) {
      const parsed = new URL(url)
      parsed.search = parsed.search ? `${parsed.search}&${query}` : query
      return { url: parsed, host: parsed.hostname.replace(/^\[|\]$/g, ''), port: Number(parsed.port) || defaultPort }
    }
    if (!service) throw new WebhookError('webhook configuration must have either service or URL')
    const { namespace, name, path = '', port = defaultPort } = service
    const found = this.#storage.mirror(Service).get(namespace, name)
    if (!found) throw new WebhookError(`service ${JSON.stringify(name)} not found`)
    const { clusterIP = '', type, externalName = '', ports = [] } = found.spec
    const shown = new URL(`https://${name}.${namespace}.svc:${port}${path.startsWith('/') ? '' : '/'}${path}`)
    shown.search = query
    if (type === 'ExternalName') return { url: shown, host: externalName, port }
    if (!clusterIP || clusterIP === 'None')
      throw new WebhookError(`no endpoints available for service ${JSON.stringify(name)}`)
    if (!ports.some(one => one.port === port))
      throw new WebhookError(`no service port ${port} found for service ${JSON.stringify(name)}`)
    return { url: shown, host: clusterIP, port }
  }

  #post(
    { url, host, port }: Target,
    caBundle: string,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<{ code: number; bytes: Buffer }> {
    return new Promise((resolve, reject) => {
      const name = url.hostname.replace(/^\[|\]$/g, '')
      const options: RequestOptions = {
        method: 'POST',
        host,
        port,
        path: url.pathname + url.search,
        // An address is no server name.
        ...(isIP(name) === 0 && { servername: name }),
        headers: {
          host: url.host,
          accept: 'application/json',
          'content-type': 'application/json',
          'content-length': body.length,
          'user-agent': 'kube-apiserver-admission',
        },
        agent: this.#agent(`${url.host} ${host} ${caBundle}`, caBundle),
        signal,
      }
      const sent = request(options, response => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > maxAnswerBytes) sent.destroy(new Error('the answer is too large'))
          else chunks.push(chunk)
        })
        response.on('end', () => resolve({ code: response.statusCode ?? 0, bytes: Buffer.concat(chunks) }))
        response.on('error', reject)
        response.on('aborted', () => reject(new Error('unexpected EOF')))
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  #agent(key: string, caBundle: string): Agent {
    let agent = this.#agents.get(key)
    if (!agent) {
      if (this.#agents.size >= maxAgents) {
        const [oldest, one] = this.#agents.entries().next().value!
        one.destroy()
        this.#agents.delete(oldest)
      }
      const ca = caBundle ? Buffer.from(caBundle, 'base64').toString() : undefined
      agent = new Agent({ keepAlive: true, maxFreeSockets: 16, ...(ca && { ca }) })
      this.#agents.set(key, agent)
    }
    return agent
  }
}

const unverified = 'tls: failed to verify certificate: x509: '

/** Go's texts for the error codes of Node.js. */
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

/** The text of Go's client for the cause of a failed call. */
export function causeText(error: unknown, { host, port, url }: Target): string {
  const { code = '', message } = error as { code?: string; message: string }
  if (message === 'socket hang up') return 'EOF'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${host}: no such host`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `${unverified}certificate is not valid for any names, but wanted to match ${url.hostname}`
  const text = causes[code]
  if (text?.startsWith('connect:')) return `dial tcp ${host}:${port}: ${text}`
  return text ?? message
}

/** The message for an answer that is not a success: that of its Status if it has one. */
function badCode({ code, bytes }: { code: number; bytes: Buffer }): string {
  try {
    const { kind, message } = JSON.parse(bytes.toString()) as { kind?: string; message?: string }
    if (kind === 'Status' && message) return message
  } catch {
    // The answer is not JSON, so the message depends on its code.
  }
  if (code === 404) return 'the server could not find the requested resource'
  return `an error on the server (${JSON.stringify(bytes.toString().slice(0, 200) || 'unknown')}) has prevented the request from succeeding`
}

const messageOfJson = (bytes: Buffer): string =>
  bytes.length
    ? `invalid character '${String.fromCharCode(bytes[0]!)}' looking for beginning of value`
    : 'unexpected end of JSON input'
