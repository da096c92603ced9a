// The time that a request has: a minute unless the server is configured otherwise, or less if the client asks for less.
// Watches and streams last as long as their clients like.
// Source: apiserver pkg/server/filters/timeout.go, pkg/endpoints/filters/request_deadline.go.
import type { Clock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import { parseDuration } from '../../api/time.ts'
import { statusOf } from '../errors.ts'
import { type Call, sendNegotiated } from './call.ts'
import { encodeStatus } from './encode.ts'
import { contentTypes, negotiateError } from './negotiate.ts'
import { flag } from './options.ts'
import type { ResourcePath } from './route.ts'

/** Subresources whose requests last as long as their clients like. */
const streaming = new Set(['attach', 'exec', 'proxy', 'log', 'portforward'])

/** Paths of administrators whose work takes as long as there are objects: snapshots, and checks of the store. */
const lasting = /^\/kutter\/v1\//

/** Whether a request for a resource is for a stream. */
export const isStream = (path: ResourcePath): boolean => streaming.has(path.subresource)

/** Whether a request is for a watch or a stream, or for work on all objects. */
export const isLongRunning = (url: Call['url'], path: ResourcePath | undefined): boolean =>
  path === undefined
    ? lasting.test(url.pathname)
    : isStream(path) || path.watch || (flag(url.searchParams, 'watch') ?? false)

/**
 * Ends a request that is not done in time: with 504 if its answer has not begun, otherwise by breaking it off. Then
 * `abort` is called, so that what still works on it ends.
 */
export function limitTime(
  call: Call,
  path: ResourcePath | undefined,
  { clock, maxMs, abort }: { clock: Clock; maxMs: number; abort: () => void },
): void {
  const { url, response } = call
  if (isLongRunning(url, path)) return
  const cancel = clock.after(timeoutMs(url.searchParams, maxMs), () => {
    if (response.headersSent) {
      call.measured?.broken()
      response.destroy()
    } else {
      call.measured?.terminated(504)
      refuse(call)
    }
    abort()
  })
  response.once('close', cancel)
}

/** The time that the client asks for, but at most `maxMs`. A text that is no duration is reported later. */
function timeoutMs(query: URLSearchParams, maxMs: number): number {
  const askedMs = (parseDuration(query.get('timeout') ?? '') ?? 0) / 1e6
  return askedMs > 0 ? Math.min(askedMs, maxMs) : maxMs
}

function refuse({ request, response }: Call): void {
  const error = new StatusError('Timeout', 'Timeout: request did not complete within the allotted timeout', {
    details: {},
  })
  const status = statusOf(error)
  const encoding = negotiateError(request.headers.accept)
  sendNegotiated(
    { request, response },
    error.code,
    contentTypes[encoding],
    encodeStatus({ encoding, view: 'object' }, status),
  )
}
