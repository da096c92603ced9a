// How a server leaves its clients without breaking off what they have begun.
//
//   serves ──leave──► sends clients elsewhere ──finish──► answers what is under way ──► all connections are cut
//
// - From `leave` on every connection ends with the answers it has: watches end as at their timeout, so that clients go on
//   at another server from where they were. What comes all the same is refused, before anything of it is done, with 429
//   and the advice to come again in a second, which clients follow for every verb.
// - Clients on this machine's own loopback address are served until `finish`: they are parts of the cluster that help the
//   server to end, and reach no other server by that address.
// - Paths that are no resources are always answered, the health checks among them.
// - Streams (exec, attach, port-forward, logs) are cut in the end: no other server could go on with them.
//
// Source: apiserver pkg/server/filters/with_retry_after.go, and the option --shutdown-send-retry-after.
import type { Http2ServerRequest } from 'node:http2'
import type { Clock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import type { Request, RequestUrl, Response } from './call.ts'
import { isLongRunning, isStream } from './deadline.ts'
import type { ResourcePath } from './route.ts'

const retryAfterSeconds = 1

interface UnderWay {
  abort: AbortController
  isLocal: boolean
  isWatch: boolean
}

export class Ending {
  readonly #clock: Clock
  /** All that has an end of its own or can be given one. */
  readonly #underWay = new Map<Response, UnderWay>()
  #leaves = false
  #finishes = false
  #idle: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes a request in, until `done`. Throws TooManyRequests when it is to go to another server. */
  begin(request: Request, response: Response, url: RequestUrl, path: ResourcePath | undefined, abort: AbortController) {
    const isLocal = isLoopback(addressOf(request))
    if (this.#leaves) endConnection(request, response, isLocal && !this.#finishes)
    if (path && (this.#finishes || (this.#leaves && !isLocal))) throw leaving()
    if (path && isStream(path)) return
    this.#underWay.set(response, { abort, isLocal, isWatch: path !== undefined && isLongRunning(url, path) })
  }

  done(response: Response): void {
    this.#underWay.delete(response)
    if (!this.#underWay.size) this.#idle?.()
  }

  /** Sends clients of other machines elsewhere. */
  leave(): void {
    this.#leaves = true
    this.#end(({ isLocal }) => !isLocal)
  }

  /** Sends all clients elsewhere, and resolves when what is under way is answered, or the time is over. */
  async finish(patienceMs: number): Promise<void> {
    this.#leaves = true
    this.#finishes = true
    this.#end(() => true)
    if (!this.#underWay.size || patienceMs <= 0) return
    await new Promise<void>(resolve => {
      const cancel = this.#clock.after(patienceMs, resolve)
      this.#idle = () => (cancel(), resolve())
    })
  }

  #end(concerns: (one: UnderWay) => boolean): void {
    for (const [response, one] of this.#underWay) {
      if (!concerns(one)) continue
      if (!response.headersSent && isHttp1(response.req)) response.setHeader('connection', 'close')
      if (one.isWatch) one.abort.abort(leaving())
    }
  }
}

const leaving = () =>
  new StatusError('TooManyRequests', 'The apiserver is shutting down, please try again later.', {
    details: { retryAfterSeconds },
  })

const isHttp1 = ({ httpVersionMajor }: Request): boolean => httpVersionMajor === 1

/** Ends the connection of a request after its answer, so that the next one goes where the address leads then. */
function endConnection(request: Request | Http2ServerRequest, response: Response, stays: boolean): void {
  if (stays) return
  if ('stream' in request) request.stream.session?.close()
  else response.setHeader('connection', 'close')
}

function addressOf(request: Request | Http2ServerRequest): string {
  const socket = 'stream' in request ? request.stream.session?.socket : request.socket
  return socket?.remoteAddress ?? ''
}

/** Whether an address, as a socket has it, is this machine's own loopback address. */
export const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address)
