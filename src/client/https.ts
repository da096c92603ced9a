// The transport over HTTPS: each operation becomes a request on one HTTP/2 connection, each answer a result.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { PassThrough } from 'node:stream'
import { realClock } from '../base/clock.ts'
import { StatusError, type StatusDetails } from '../base/errors.ts'
import { asObject, type AnyKind, type KubeObject } from '../api/kind.ts'
import { Item } from '../api/mirror.ts'
import type { Operation, Serve, ServedResult, WatchEvent } from '../api/operation.ts'
import { fillNilLists } from '../api/schema/nil.ts'
import { asJson, type JsonObject } from '../api/schema/node.ts'
import { parseJson } from '../wire/json.ts'

export interface Credentials {
  /** `https://host:port` */
  server: string
  /** PEM of the CA that signed the server's certificate. */
  ca: string
  /** PEM; either these or a token. */
  cert?: string
  key?: string
  /** Read before every request, so that a renewed token is used at once. */
  token?: () => string | undefined
}

/** How long a request may take when nothing else ends it. */
const requestTimeoutMs = 60_000

/** When a connection over which nothing comes back is given up. */
interface Patience {
  connectMs: number
  pingEveryMs: number
  pingAnswerMs: number
}
// As client-go has it: net.Dialer's Timeout, http2's ReadIdleTimeout and PingTimeout.
const usualPatience: Patience = { connectMs: 30_000, pingEveryMs: 30_000, pingAnswerMs: 15_000 }

export interface HttpsTransport {
  serve: Serve
  /** A GET of a path that is no resource, as text. */
  fetch(path: string, signal?: AbortSignal): Promise<string>
  /** New requests go over a new connection, with the credentials as they are now; those under way end on the old one. */
  renew(): void
  close(): void
}

/** Connects on first use and again after a loss. */
export function httpsTransport(credentials: () => Credentials, patience = usualPatience): HttpsTransport {
  let session: ClientHttp2Session | undefined
  const current = () => {
    if (session && !session.closed && !session.destroyed) return session
    session = open(credentials(), patience)
    return session
  }
  return {
    serve: operation => serve(current(), credentials(), operation),
    fetch: async (path, signal) => {
      const connection = current()
      connection.ref()
      const stream = connection.request(headersOf(credentials(), 'GET', path), signal ? { signal } : {})
      const { status, body } = await readAll(answerOf(stream))
      if (status >= 400) throw errorOf(parse(body, status), status)
      return body
    },
    renew: () => {
      session?.close()
      session = undefined
    },
    close: () => session?.destroy(),
  }
}

function open({ server, ca, cert, key }: Credentials, patience: Patience): ClientHttp2Session {
  const session = connect(server, { ca, ...(cert && { cert }), ...(key && { key }), settings: { enablePush: false } })
  // Errors reach each request; without a listener the session's own would end the process.
  session.on('error', () => {})
  session.unref()
  watchOver(session, patience)
  return session
}

/**
 * Destroys a connection whose other side is gone without a word, so that what waits on it fails and the next request
 * makes a new one. It is pinged whatever else is sent: requests that nobody answers are no sign of life.
 */
function watchOver(session: ClientHttp2Session, { connectMs, pingEveryMs, pingAnswerMs }: Patience): void {
  let cancel = () => {}
  const giveUp = () => session.destroy(new StatusError('ServiceUnavailable', 'the connection to the server was lost'))
  const ping = () => {
    let answered = false
    // Where this process itself was held up the answer may have come in: it is read before the verdict.
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

const patchContentTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}
const methods = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
}

async function serve(
  session: ClientHttp2Session,
  credentials: Credentials,
  operation: Operation,
): Promise<ServedResult> {
  const { verb, kind, signal } = operation
  const type = operation.patchType ? patchContentTypes[operation.patchType] : 'application/json'
  session.ref()
  const stream = session.request(
    headersOf(credentials, methods[verb], pathOf(operation), type, operation.userAgent),
    // Otherwise Node takes it that a DELETE has no body.
    { endStream: false, ...(signal && { signal }) },
  )
  const answer = answerOf(stream)
  if (operation.body === undefined) stream.end()
  else stream.end(JSON.stringify(withType(operation)))
  if (verb === 'watch') return { type: 'watch', kind, events: watchEvents(kind, stream, answer) }
  stream.setTimeout(requestTimeoutMs, () =>
    stream.destroy(new StatusError('Timeout', `the server did not answer within ${requestTimeoutMs / 1000} seconds`)),
  )
  const { status, body } = await readAll(answer)
  const object = parse(body, status)
  if (status >= 400) throw errorOf(object, status)
  return resultOf(operation, object)
}

function withType({ verb, kind, body, subresource }: Operation): unknown {
  if ((verb !== 'create' && verb !== 'update') || (subresource !== '' && subresource !== 'status')) return body
  return { kind: kind.kind, apiVersion: kind.apiVersion, ...(body as JsonObject) }
}

function pathOf({ verb, kind, namespace, name, subresource, options }: Operation): string {
  const base = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`
  const parts = [kind.namespaced && namespace ? `namespaces/${namespace}` : '', kind.plural, name, subresource].filter(
    Boolean,
  )
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(options))
    if (value !== undefined) query.set(key, key === 'dryRun' ? 'All' : String(value))
  if (verb === 'watch') query.set('watch', 'true')
  const text = query.toString()
  return `${base}/${parts.join('/')}${text ? `?${text}` : ''}`
}

function resultOf({ kind, verb }: Operation, object: JsonObject): ServedResult {
  if (verb === 'list' || (verb === 'deletecollection' && Array.isArray(object.items))) {
    const { resourceVersion = '0', continue: token } = (object.metadata ?? {}) as {
      resourceVersion?: string
      continue?: string
    }
    const items = ((object.items ?? []) as JsonObject[])
      .map(asObject)
      .map(o => itemOf(kind, { ...o, kind: kind.kind, apiVersion: kind.apiVersion }))
    return { type: 'list', kind, items, revision: Number(resourceVersion), ...(token && { continue: token }) }
  }
  if (object.kind === 'Status' && object.apiVersion === 'v1') return { type: 'status', status: object }
  return { type: 'object', kind, item: itemOf(kind, asObject(object)) }
}

function itemOf(kind: AnyKind, object: KubeObject): Item {
  // A subresource may answer with an object of another kind.
  if (object.kind === kind.kind) fillNilLists(kind.schema, asJson(object))
  return new Item(object, Number(object.metadata?.resourceVersion ?? 0))
}

/** An answer whose body is kept from the first byte on: HTTP/2 throws away what nobody listens to when a stream closes. */
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
  // After an end in order the body has had its own already.
  stream.once('close', () => !body.writableEnded && body.destroy(lost()))
  // Whoever reads hears of an error; while nobody does, it must not end the process.
  body.on('error', () => {})
  status.catch(() => {})
  return { status, body }
}

/** Why we ended a connection, where Node only says that it did not come about. */
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
      throw errorOf(parse(body, status), status)
    }
    let rest: Buffer = Buffer.alloc(0)
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      const data = rest.length ? Buffer.concat([rest, chunk]) : chunk
      const end = data.lastIndexOf(10)
      rest = data.subarray(end + 1)
      if (end < 0) continue
      yield data
        .subarray(0, end)
        .toString()
        .split('\n')
        .filter(Boolean)
        .map(line => {
          const { type, object } = parseJson(line) as { type: WatchEvent['type']; object: KubeObject }
          return { type, item: itemOf(kind, object) }
        })
    }
  } finally {
    stream.destroy()
  }
}

function parse(body: string, status: number): JsonObject {
  try {
    return parseJson(body) as JsonObject
  } catch (cause) {
    throw new StatusError(
      'InternalError',
      `the server answered ${status} with something that is not JSON: ${body.slice(0, 200)}`,
      { code: status, cause },
    )
  }
}

function errorOf(object: JsonObject, code: number): StatusError {
  const {
    reason = '',
    message = `the server answered ${code}`,
    details,
  } = object as { reason?: StatusError['reason']; message?: string; details?: StatusDetails }
  return new StatusError(reason, message, { code, ...(details && { details }) })
}
