// The transport over HTTPS: each operation becomes a request, and each response a result.
//
// - All requests share one HTTP/2 connection. It is opened by the first request, and again by the first one after a
//   loss. It does not keep the process alive by itself; a request under way does.
// - Every request has the credentials of its moment: a renewed token is used at once, a renewed certificate after
//   `renew`.
// - A lost connection fails its requests and watches with ServiceUnavailable. That it is lost is noticed by pings:
//   every 30 s one must be answered within 15 s.
// - A request other than a watch fails with Timeout when nothing arrives for a minute. A watch may be silent for ever.
// - When an operation's signal aborts, its stream is reset and the call rejects; the server may have carried it out.
// - A slow reader of a watch holds back the server by the flow control of HTTP/2, and at most a window of bytes waits
//   here.
// - Responses are not limited in size: the server is trusted with that, as it is with the content.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { PassThrough } from 'node:stream'
import { realClock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import { counter, histogram } from '../base/metrics.ts'
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

/** Counts a request when its answer begins, or when there is none. */
function count(server: string, method: string, status: Promise<number>): void {
  const host = server.replace(/^https?:\/\//, '')
  const from = realClock.now()
  const answered = (code: string) => {
    requests.add({ code, host, method })
    durations.observe((realClock.now() - from) / 1000, { host, verb: method })
  }
  status.then(
    code => answered(String(code)),
    () => answered('<error>'),
  )
}

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
  const current = () => {
    if (session && !session.closed && !session.destroyed) return session
    session = open(credentials(), patience)
    return session
  }
  return {
    serve: operation => serve(current(), credentials(), operation),
    fetch: async (path, signal, method = 'GET') => {
      const connection = current()
      connection.ref()
      const stream = connection.request(headersOf(credentials(), method, path), signal ? { signal } : {})
      // A request that could have a body is not complete before its end.
      stream.end()
      const answer = answerOf(stream)
      count(credentials().server, method, answer.status)
      const { status, body } = await readAll(answer)
      if (status >= 400) throw errorOf(status, body)
      return body
    },
    renew: () => {
      session?.close()
      session = undefined
    },
    close: () => session?.destroy(),
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

async function serve(
  session: ClientHttp2Session,
  credentials: Credentials,
  operation: Operation,
): Promise<ServedResult> {
  const { verb, kind, signal } = operation
  const { method, path, contentType, body } = requestOf(operation)
  session.ref()
  const stream = session.request(
    headersOf(credentials, method, path, contentType, operation.userAgent),
    // By default Node.js ends the stream of a DELETE at once, without a body.
    { endStream: false, ...(signal && { signal }) },
  )
  const answer = answerOf(stream)
  count(credentials.server, method, answer.status)
  if (body === undefined) stream.end()
  else stream.end(body)
  if (verb === 'watch') return { type: 'watch', kind, events: watchEvents(kind, stream, answer) }
  stream.setTimeout(requestTimeoutMs, () =>
    stream.destroy(new StatusError('Timeout', `the server did not answer within ${requestTimeoutMs / 1000} seconds`)),
  )
  const answered = await readAll(answer)
  return resultOf(operation, answered.status, answered.body)
}

/** A response whose body is kept from the first byte on. When a stream closes, HTTP/2 drops what has not been read. */
interface Answer {
  status: Promise<number>
  body: PassThrough
}

function answerOf(stream: ClientHttp2Stream): Answer {
  const body = new PassThrough()
  stream.pipe(body)
  const lost = () => new StatusError('ServiceUnavailable', 'the connection to the server was lost')
  const status = new Promise<number>((resolve, reject) => {
    stream.once('response', headers => resolve(headers[':status'] ?? 0))
    stream.once('error', error => reject(ownError(error)))
    stream.once('close', () => reject(lost()))
  })
  stream.once('error', error => body.destroy(ownError(error)))
  // After a regular end the body has ended already.
  stream.once('close', () => !body.writableEnded && body.destroy(lost()))
  // A reader gets the error. While there is none, the event must not end the process.
  body.on('error', () => {})
  status.catch(() => {})
  return { status, body }
}

/** The error with which this process destroyed a connection, which Node.js reports only as the cause of its own. */
const ownError = (error: Error) => (error.cause instanceof StatusError ? error.cause : error)

async function readAll({ status, body }: Answer): Promise<{ status: number; body: string }> {
  const code = await status
  const chunks: Buffer[] = []
  for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk)
  return { status: code, body: Buffer.concat(chunks).toString() }
}

async function* watchEvents(
  kind: AnyKind,
  stream: ClientHttp2Stream,
  answer: Answer,
): AsyncGenerator<readonly WatchEvent[]> {
  const status = await answer.status
  try {
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
    stream.destroy()
  }
}
