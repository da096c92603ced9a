// The transport over HTTPS: each operation becomes a request, and each response a result.
//
// - All requests share one HTTP/2 connection. It is opened by the first request, and again by the first one after a
//   loss. It does not keep the process alive by itself; a request under way does.
// - Every request has the credentials of its moment: a renewed token is used at once, a renewed certificate after
//   `renew`.
// - A lost connection fails its requests and watches with ServiceUnavailable. That it is lost is noticed by pings:
//   every 30 s one must be answered within 15 s.
// - A request other than a watch fails with Timeout when nothing arrives for a minute. A watch may be silent for ever.
// - A request that is refused with 429 or a failure of the server, and Retry-After, has not been carried out. It is sent
//   again after that time, whatever its verb, up to ten times; those who asked only get the last answer.
// - When an operation's signal aborts, its stream is reset and the call rejects; the server may have carried it out.
// - A slow reader of a watch holds back the server by the flow control of HTTP/2, and at most a window of bytes waits
//   here.
// - Responses are not limited in size: the server is trusted with that, as it is with the content.
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import { PassThrough } from 'node:stream'
import { realClock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import { counter, histogram } from '../base/metrics.ts'
import { withJoined } from '../base/waiters.ts'
import type { AnyKind } from '../api/kind.ts'
import type { Operation, Serve, ServedResult, WatchEvent } from '../api/operation.ts'
import { errorOf, eventsOf, requestOf, resultOf } from '../api/rest.ts'

export interface Credentials {
  /** `https://host:port` */
  server: string
  /** PEM of the authority that signed the server's certificate. */
  ca: string
  /** PEM of a client certificate and its key, unless there is a token. */
  cert?: string
  key?: string
  /** Returns the present token. It is called for every request. */
  token?: () => string | undefined
  /**
   * Called when a connection to the server cannot be made, or its other side no longer answers. The next one is made with
   * what is given then.
   */
  onLost?: () => void
}

const requests = counter('rest_client_requests_total', 'Requests to API servers, by their answers.')
const durations = histogram(
  'rest_client_request_duration_seconds',
  'Time from a request to the begin of its answer.',
  [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
)

const retries = counter('rest_client_request_retries_total', 'Requests to API servers that were sent again.')

const hostOf = ({ server }: Credentials) => server.replace(/^https?:\/\//, '')

/** Counts a request when its answer begins, or when there is none. */
function count(credentials: Credentials, method: string, head: Promise<Head>): void {
  const host = hostOf(credentials)
  const from = realClock.steady()
  const answered = (code: string) => {
    requests.add({ code, host, method })
    durations.observe((realClock.steady() - from) / 1000, { host, verb: method })
  }
  head.then(
    ({ status }) => answered(String(status)),
    () => answered('<error>'),
  )
}

/** Limits of what is sent again. Source: client-go rest/request.go (maxRetries); the longest wait is not upstream's. */
const maxRetries = 10
const longestWaitMs = 60_000

/** How long a request may go on without anything arriving. */
const requestTimeoutMs = 60_000

/** When a connection without an answer is given up. */
interface Patience {
  connectMs: number
  pingEveryMs: number
  pingAnswerMs: number
}
// The values of client-go: the Timeout of net.Dialer, ReadIdleTimeout and PingTimeout of http2.
const usualPatience: Patience = { connectMs: 30_000, pingEveryMs: 30_000, pingAnswerMs: 15_000 }

export interface HttpsTransport {
  serve: Serve
  /** Requests a path that is not a resource, by GET if no method is named, and returns the body. */
  fetch(path: string, signal?: AbortSignal, method?: 'GET' | 'PUT' | 'DELETE'): Promise<string>
  /** Makes new requests use a new connection with the present credentials. Those under way end on the old one. */
  renew(): void
  close(): void
}

/** A transport with these credentials, which are read for each connection and request. */
export function httpsTransport(credentials: () => Credentials, patience = usualPatience): HttpsTransport {
  let session: ClientHttp2Session | undefined
  const closing = new AbortController()
  const current = () => {
    if (session && !session.closed && !session.destroyed) return session
    session = open(credentials(), patience)
    return session
  }
  return {
    serve: operation => serve(() => sendOperation(current(), credentials(), operation), operation, closing.signal),
    fetch: async (path, signal, method = 'GET') => {
      const send = () => sendFetch(current(), credentials(), { path, method, ...(signal && { signal }) })
      const { status, body } = await readAll(await lastAnswer(send(), send, signal, closing.signal))
      if (status >= 400) throw errorOf(status, body)
      return body
    },
    renew: () => {
      session?.close()
      session = undefined
    },
    close: () => {
      closing.abort(new StatusError('ServiceUnavailable', 'the connection to the server is closed'))
      session?.destroy()
    },
  }
}

function open({ server, ca, cert, key, onLost }: Credentials, patience: Patience): ClientHttp2Session {
  const session = connect(server, { ca, ...(cert && { cert }), ...(key && { key }), settings: { enablePush: false } })
  // Each request gets the error. Without a listener here, the session's own event would end the process.
  let isConnected = false
  session.once('connect', () => (isConnected = true))
  // One that breaks is made again first: the server may have closed it.
  session.on('error', error => {
    if (!isConnected || error instanceof StatusError) onLost?.()
  })
  session.unref()
  watchOver(session, patience)
  return session
}

/**
 * Destroys a connection whose other side no longer answers, so that its requests fail and the next one opens a new
 * connection. It is pinged even while requests are sent, since those that get no answer prove nothing.
 */
function watchOver(session: ClientHttp2Session, { connectMs, pingEveryMs, pingAnswerMs }: Patience): void {
  let cancel = () => {}
  const giveUp = () => session.destroy(new StatusError('ServiceUnavailable', 'the connection to the server was lost'))
  const ping = () => {
    let answered = false
    // When this process itself was held up, the answer may have arrived. setImmediate lets it be read first.
    cancel = realClock.after(pingAnswerMs, () => setImmediate(() => answered || giveUp()))
    session.ping(error => {
      answered = true
      cancel()
      if (!error) cancel = realClock.after(pingEveryMs, ping)
    })
  }
  cancel = realClock.after(connectMs, giveUp)
  session.once('connect', () => {
    cancel()
    cancel = realClock.after(pingEveryMs, ping)
  })
  session.once('close', () => cancel())
}

function headersOf({ token }: Credentials, method: string, path: string, contentType?: string, userAgent?: string) {
  const bearer = token?.()
  return {
    ':method': method,
    ':path': path,
    accept: 'application/json',
    ...(contentType && { 'content-type': contentType }),
    ...(userAgent && { 'user-agent': userAgent }),
    ...(bearer && { authorization: `Bearer ${bearer}` }),
  }
}

async function serve(send: () => Answer, operation: Operation, closed: AbortSignal): Promise<ServedResult> {
  const { verb, kind, signal } = operation
  const first = send()
  const last = () => lastAnswer(first, send, signal, closed)
  if (verb === 'watch') return { type: 'watch', kind, events: watchEvents(kind, first, last) }
  const answered = await readAll(await last())
  return resultOf(operation, answered.status, answered.body)
}

function sendOperation(session: ClientHttp2Session, credentials: Credentials, operation: Operation): Answer {
  const { verb, signal, userAgent } = operation
  const { method, path, contentType, body } = requestOf(operation)
  session.ref()
  const stream = session.request(
    headersOf(credentials, method, path, contentType, userAgent),
    // By default Node.js ends the stream of a DELETE at once, without a body.
    { endStream: false, ...(signal && { signal }) },
  )
  const answer = answerOf(stream, credentials, method)
  if (body === undefined) stream.end()
  else stream.end(body)
  if (verb !== 'watch')
    stream.setTimeout(requestTimeoutMs, () =>
      stream.destroy(new StatusError('Timeout', `the server did not answer within ${requestTimeoutMs / 1000} seconds`)),
    )
  return answer
}

function sendFetch(
  session: ClientHttp2Session,
  credentials: Credentials,
  { path, method, signal }: { path: string; method: string; signal?: AbortSignal },
): Answer {
  session.ref()
  const stream = session.request(headersOf(credentials, method, path), signal ? { signal } : {})
  // A request that could have a body is not complete before its end.
  stream.end()
  return answerOf(stream, credentials, method)
}

/**
 * The first answer that does not ask for the request to be sent again, or the last one that is waited for. `send` uses
 * the connection and the credentials of its moment. Rejects when the request is aborted, or the transport is closed.
 */
async function lastAnswer(
  first: Answer,
  send: () => Answer,
  signal: AbortSignal | undefined,
  closed: AbortSignal,
): Promise<Answer> {
  let answer = first
  for (let left = maxRetries; left > 0; left--) {
    const { status, retryAfterMs } = await answer.head
    if (retryAfterMs === undefined) return answer
    answer.body.resume()
    await withJoined([signal, closed], until => realClock.sleep(retryAfterMs, until))
    // Most have ended by themselves.
    answer.discard()
    answer.retried(status)
    answer = send()
  }
  return answer
}

interface Head {
  readonly status: number
  /** After which time the request is to be sent again. */
  readonly retryAfterMs: number | undefined
}

function headOf({
  ':status': status = 0,
  'retry-after': after = '',
}: IncomingHttpHeaders & { ':status'?: number }): Head {
  const waitMs = /^\d{1,9}$/.test(after) ? Number(after) * 1000 : Infinity
  return { status, retryAfterMs: (status === 429 || status >= 500) && waitMs <= longestWaitMs ? waitMs : undefined }
}

/** A response whose body is kept from the first byte on. When a stream closes, HTTP/2 drops what has not been read. */
interface Answer {
  readonly head: Promise<Head>
  readonly body: PassThrough
  /** Gives up what has not arrived. */
  discard(): void
  /** Counts that the request is sent again because of this answer. */
  retried(status: number): void
}

function answerOf(stream: ClientHttp2Stream, credentials: Credentials, method: string): Answer {
  const body = new PassThrough()
  stream.pipe(body)
  const lost = () => new StatusError('ServiceUnavailable', 'the connection to the server was lost')
  const head = new Promise<Head>((resolve, reject) => {
    stream.once('response', headers => resolve(headOf(headers)))
    stream.once('error', error => reject(ownError(error)))
    stream.once('close', () => reject(lost()))
  })
  stream.once('error', error => body.destroy(ownError(error)))
  // After a regular end the body has ended already.
  stream.once('close', () => !body.writableEnded && body.destroy(lost()))
  // A reader gets the error. While there is none, the event must not end the process.
  body.on('error', () => {})
  head.catch(() => {})
  count(credentials, method, head)
  return {
    head,
    body,
    discard: () => void stream.destroy(),
    retried: status => retries.add({ code: String(status), host: hostOf(credentials), verb: method }),
  }
}

/** The error with which this process destroyed a connection, which Node.js reports only as the cause of its own. */
const ownError = (error: Error) => (error.cause instanceof StatusError ? error.cause : error)

async function readAll({ head, body }: Answer): Promise<{ status: number; body: string }> {
  const { status } = await head
  const chunks: Buffer[] = []
  for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk)
  return { status, body: Buffer.concat(chunks).toString() }
}

async function* watchEvents(
  kind: AnyKind,
  first: Answer,
  last: () => Promise<Answer>,
): AsyncGenerator<readonly WatchEvent[]> {
  let answer = first
  try {
    answer = await last()
    const { status } = await answer.head
    if (status >= 400) {
      const { body } = await readAll(answer)
      throw errorOf(status, body)
    }
    let rest: Buffer = Buffer.alloc(0)
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      const read = eventsOf(kind, rest, chunk)
      rest = read.rest
      if (read.events.length) yield read.events
    }
  } finally {
    answer.discard()
  }
}
