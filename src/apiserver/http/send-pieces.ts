// Sends what comes in pieces, each when the one before it has left this process. So a response has at most two pieces
// of memory, however large it is and however slowly its client reads.
//
// - A response of one piece has a Content-Length. A larger one is chunked, and is compressed if the client accepts gzip.
// - A client that has taken nothing of a piece within `stalledMs` is cut off. The time of the whole request is limited
//   as well (deadline.ts), but not that of a watch.
//
// Source: apiserver responsewriters (deferredResponseWriter).
import type { Writable } from 'node:stream'
import { createGzip } from 'node:zlib'
import type { Clock } from '../../base/clock.ts'
import { gauge } from '../../base/metrics.ts'
import { JsonIndent } from '../../wire/json.ts'
import { type Call, isPretty, type Response, send } from './call.ts'
import { gathered, pieceBytes } from './list-pieces.ts'

/** How long a client may take nothing. Without a time, as long as it likes. */
export interface Patience {
  clock: Clock
  stalledMs?: number
}

const pending = gauge('kutter_apiserver_pending_response_bytes', 'Bytes of responses that clients have yet to take.')
let pendingBytes = 0

/** Sends a whole response that is encoded while it is sent. Ends early if the client has gone. */
export function sendParts(
  call: Pick<Call, 'request' | 'response' | 'signal'>,
  { code, type }: { code: number; type: string },
  parts: Iterable<Buffer>,
  patience: Patience,
): void | Promise<void> {
  const { request, response } = call
  const indent = type.startsWith('application/json') && isPretty(request) ? new JsonIndent() : undefined
  const pieces = gathered(parts)
  const [first = Buffer.alloc(0), second] = [next(pieces, indent), next(pieces, indent)]
  const packs = first.length + (second?.length ?? 0) >= pieceBytes && acceptsGzip(request.headers['accept-encoding'])
  if (!second && !packs) return send(response, code, type, first)
  response.writeHead(code, {
    'content-type': type,
    'cache-control': 'no-cache, private',
    ...(packs && { 'content-encoding': 'gzip', vary: 'Accept-Encoding' }),
  })
  const all = function* () {
    yield first
    if (second) yield second
    for (let piece = next(pieces, indent); piece; piece = next(pieces, indent)) yield piece
  }
  return writeAll(call, packs ? gzipTo(response) : response, all(), patience)
}

function next(pieces: Iterator<Buffer, void>, indent: JsonIndent | undefined): Buffer | undefined {
  const { value } = pieces.next()
  return value && indent ? indent.indent(value) : (value ?? undefined)
}

async function writeAll(
  { response, signal }: Pick<Call, 'response' | 'signal'>,
  to: Writable,
  pieces: Iterable<Buffer>,
  patience: Patience,
): Promise<void> {
  for (const piece of pieces) {
    const waiting = writePiece(response, piece, patience, to)
    if (waiting) await waiting
    if (signal.aborted) return
  }
  to.end()
}

/** Writes a piece, and returns a promise if the client has to take it before the next one, or has gone. */
export function writePiece(
  response: Response,
  piece: Buffer,
  patience: Patience,
  to: Writable = response,
): Promise<void> | undefined {
  if (to.write(piece)) return undefined
  count(piece.length)
  return cutOffIfStalled(response, drained(to), patience).finally(() => count(-piece.length))
}

/** Waits until a client has taken what it was sent. One that does not in time is cut off. */
export async function cutOffIfStalled(
  connection: { destroy(): unknown },
  taken: Promise<void>,
  { clock, stalledMs }: Patience,
): Promise<void> {
  const cancel = stalledMs === undefined ? () => {} : clock.after(stalledMs, () => void connection.destroy())
  try {
    await taken
  } finally {
    cancel()
  }
}

function count(bytes: number): void {
  pendingBytes += bytes
  pending.set(pendingBytes)
}

/** Resolves when a stream can take more bytes, or has been closed. */
function drained(stream: Writable): Promise<void> {
  return new Promise(resolve => {
    const done = () => (stream.off('drain', done), stream.off('close', done), resolve())
    stream.on('drain', done)
    stream.on('close', done)
  })
}

/** Compresses as fast as possible. Source: apiserver responsewriters (defaultGzipContentEncodingLevel). */
function gzipTo(response: Response): Writable {
  const packed = createGzip({ level: 1 })
  response.once('close', () => packed.destroy())
  packed.on('error', () => void response.destroy())
  packed.pipe(response)
  return packed
}

/** Whether gzip is among the accepted encodings. Source: apiserver responsewriters (negotiateContentEncoding). */
const acceptsGzip = (accepted: string | string[] | undefined): boolean =>
  String(accepted ?? '')
    .split(',')
    .some(token => token.trim() === 'gzip')
