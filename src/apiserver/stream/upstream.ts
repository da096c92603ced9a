// Requests to the other side of a stream, which is a kubelet or a program behind a proxy.
import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { messageOf, StatusError } from '../../base/errors.ts'
import type { ProxyLocation } from './rewrite.ts'

export interface Destination {
  secure: boolean
  options: RequestOptions
  /** The headers of a tunnel, if they are not those of the client. */
  headers?: OutgoingHttpHeaders
  /** The address at which the client sees the proxied program. */
  location?: ProxyLocation
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
export function forwardedHeaders(headers: IncomingMessage['headers']): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers))
    if (!/^(:|impersonate-extra-)/.test(name) && !dropped.has(name) && value !== undefined) out[name] = value
  return out
}

/** Whether a request may have a body, which is passed on. */
export const hasBody = ({ method = 'GET' }: IncomingMessage): boolean => method !== 'GET' && method !== 'HEAD'

/** The header that a body of unknown length needs. Node.js would send that of a DELETE without any frame. */
export const framing = (request: IncomingMessage): Record<string, string> =>
  hasBody(request) && request.headers['content-length'] === undefined ? { 'transfer-encoding': 'chunked' } : {}

export function openUpstream(destination: Destination, extra: RequestOptions): ClientRequest {
  return (destination.secure ? httpsRequest : httpRequest)({ ...destination.options, ...extra })
}

/** The answer to a request. Rejects with ServiceUnavailable if the other side cannot be reached. */
export function answerOf(upstream: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    upstream.once('response', resolve)
    upstream.once('error', error => reject(unreachableError(error)))
  })
}

export const unreachableError = (cause: unknown): StatusError =>
  new StatusError('ServiceUnavailable', `error trying to reach service: ${messageOf(cause)}`, { cause })

/** Bytes that a client may send before it has an answer. Beyond that it is not read, and its end is noticed late. */
const maxEarly = 64 * 1024

/**
 * Reads from a client that waits for an answer, because a connection shows that it has ended only while it is read.
 * @param head the bytes that have been read after the request
 * @returns a signal that aborts when the client ends, and a function that stops this and returns all bytes read
 */
export function awaitAnswer(socket: Duplex, head: Buffer): { signal: AbortSignal; stop(): Buffer } {
  const ended = new AbortController()
  let early = head
  const end = () => ended.abort()
  const keep = (chunk: Buffer) => {
    early = Buffer.concat([early, chunk])
    if (early.length >= maxEarly) socket.pause()
  }
  if (socket.destroyed) end()
  socket.on('close', end).on('end', end).on('data', keep)
  return {
    signal: ended.signal,
    stop: () => {
      socket.off('data', keep).off('end', end).pause()
      return early
    },
  }
}
