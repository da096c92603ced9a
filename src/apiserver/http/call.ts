// Types of the front: a request with its user and response, handlers of paths and streams, and functions that send
// whole responses.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { APIService } from '../../kinds/apiregistration/apiservice.ts'
import type { User } from '../../api/operation.ts'
import type { AuditTrail } from '../audit/auditor.ts'
import { indentJson } from '../../wire/json.ts'
import type { ResourcePath } from './route.ts'

/** The URL of a request as it was sent: dot segments are kept, and nothing is decoded. */
export interface RequestUrl {
  pathname: string
  /** The query with its question mark, such as `?a=b`, or ''. */
  search: string
  searchParams: URLSearchParams
}

export function parseUrl(text: string): RequestUrl {
  const at = text.indexOf('?')
  const [pathname, search] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at)]
  return { pathname, search, searchParams: new URLSearchParams(search) }
}

// The compatibility objects of HTTP/2 have the interface of HTTP/1.1.
export type Request = IncomingMessage
export type Response = ServerResponse

/** An authenticated request. `signal` aborts when the client disconnects. */
export interface Call {
  request: Request
  response: Response
  url: RequestUrl
  user: User
  signal: AbortSignal
  /** To be called when a watch has begun: what follows no longer counts as work. Set for watches only. */
  begun?: () => void
  /** Set if the request is audited. */
  trail?: AuditTrail
  /** Counts the request. */
  measured?: Measured
}

/** What may be noted of a request while it is measured. */
interface Measured {
  /** The server has refused or ended the request. */
  terminated(code: number): void
  /** The server has broken it off after its answer had begun. */
  broken(): void
  /** For so long the request has waited for a webhook. */
  waitedForWebhook(ms: number): void
}

/** Answers a request for a path that is not a resource. Returns false for paths of other handlers. */
export type PathHandler = (call: Call) => Promise<boolean> | boolean

/** Answers the subresources log, proxy, exec, attach and portforward, which are streams. */
export interface Streams {
  /** Whether the path is a stream instead of an object. */
  handles(path: ResourcePath): boolean
  request(call: Call, path: ResourcePath): Promise<void>
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    path: ResourcePath,
    user: User,
    url: RequestUrl,
    trail?: AuditTrail,
  ): Promise<void>
}

/** Answers requests for the groups and versions that other servers have. */
export interface Aggregator {
  /** The APIService to whose server a path leads; undefined if this server answers itself. */
  find(pathname: string): APIService | undefined
  /** Passes on a request, which has been authorized. */
  request(call: Call, service: APIService): Promise<void>
  /** Passes on a request for another protocol, which has been authorized. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    service: APIService,
    user: User,
    url: RequestUrl,
  ): Promise<void>
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

/** Sends a JSON document on one line. */
export const sendJson = (response: Response, value: unknown): void =>
  send(response, 200, 'application/json', Buffer.from(JSON.stringify(value)))

/** Sends a JSON document that is always indented. Source: apiserver responsewriters (WriteRawJSON). */
export const sendRawJson = (response: Response, value: unknown): void =>
  send(response, 200, 'application/json', Buffer.from(JSON.stringify(value, null, 2)))

/** Sends a response in its negotiated encoding. JSON is indented for people. */
export function sendNegotiated(
  { request, response }: Pick<Call, 'request' | 'response'>,
  code: number,
  type: string,
  body: Buffer,
): void {
  send(response, code, type, type.startsWith('application/json') && isPretty(request) ? indentJson(body) : body)
}

/** Whether JSON is to be indented. Source: apiserver endpoints/handlers/responsewriters (isPrettyPrint). */
export function isPretty({ url = '', headers }: Request): boolean {
  const asked = url.includes('pretty') && parseUrl(url).searchParams.get('pretty')
  if (asked) return /^(1|t|true)$/i.test(asked)
  return /^(curl|Wget|Mozilla\/5\.0)/.test(headers['user-agent'] ?? '')
}
