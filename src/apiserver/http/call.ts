// A request on its way through the front, who answers which, and how whole answers are sent.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { User } from '../../api/operation.ts'
import { indentJson } from '../../wire/json.ts'
import type { ResourcePath } from './route.ts'

/** A request's URL as it came: no dot segments folded, nothing decoded. */
export interface RequestUrl {
  pathname: string
  /** `?a=b`, or ''. */
  search: string
  searchParams: URLSearchParams
}

export function parseUrl(text: string): RequestUrl {
  const at = text.indexOf('?')
  const [pathname, search] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at)]
  return { pathname, search, searchParams: new URLSearchParams(search) }
}

// HTTP/2's compatibility objects have the same face as HTTP/1.1's.
export type Request = IncomingMessage
export type Response = ServerResponse

/** A request that was authenticated, with its URL taken apart. */
export interface Call {
  request: Request
  response: Response
  url: RequestUrl
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

/** Sends a JSON document as it is. */
export const sendJson = (response: Response, value: unknown): void =>
  send(response, 200, 'application/json', Buffer.from(JSON.stringify(value)))

/** Sends a JSON document on many lines, whoever asks. Source: apiserver responsewriters (WriteRawJSON). */
export const sendRawJson = (response: Response, value: unknown): void =>
  send(response, 200, 'application/json', Buffer.from(JSON.stringify(value, null, 2)))

/** Sends what was negotiated: JSON on many lines to people, on one to programs. */
export function sendNegotiated(
  { request, response }: Pick<Call, 'request' | 'response'>,
  code: number,
  type: string,
  body: Buffer,
): void {
  send(response, code, type, type.startsWith('application/json') && isPretty(request) ? indentJson(body) : body)
}

/** Whether JSON is laid out for people. Source: apiserver endpoints/handlers/responsewriters (isPrettyPrint). */
function isPretty({ url = '', headers }: Request): boolean {
  const asked = url.includes('pretty') && parseUrl(url).searchParams.get('pretty')
  if (asked) return /^(1|t|true)$/i.test(asked)
  return /^(curl|Wget|Mozilla\/5\.0)/.test(headers['user-agent'] ?? '')
}

/** Resolves when a response can take more, or is gone. */
export function drained(response: Response): Promise<void> {
  return new Promise(resolve => {
    const done = () => (response.off('drain', done), response.off('close', done), resolve())
    response.on('drain', done)
    response.on('close', done)
  })
}
