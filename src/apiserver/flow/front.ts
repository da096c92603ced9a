// The turn of a request of HTTP: makes the digest of it, waits until it may go on, and answers 429 if it may not.
//
// - The seats of a request are free when its response is sent, or its client has gone; those of a watch already when it
//   has begun. Log, exec, attach, port-forward and proxy take none.
// - Requests that are not exempt also take turns in the event loop (turns.ts).
//
// Source: apiserver pkg/server/filters/priority-and-fairness.go.
import type { Response, Call } from '../http/call.ts'
import { isLongRunning } from '../http/deadline.ts'
import { flag } from '../http/options.ts'
import type { ResourcePath } from '../http/route.ts'
import { verbOfMethod } from '../http/verbs.ts'
import type { ServerCore } from '../core.ts'
import type { Admission, FlowControl } from './control.ts'
import type { Digest } from './match.ts'
import * as metrics from './metrics.ts'
import { Turns } from './turns.ts'
import { listWork, oneSeat, statsOf, WatchCounts, widest, type Work, writeWork } from './work.ts'

const reading = new Set(['get', 'list', 'watch'])

export class FlowFront {
  readonly #core: Pick<ServerCore, 'storage' | 'catalog'>
  readonly #control: FlowControl
  readonly #watches = new WatchCounts()
  readonly #turns = new Turns(setImmediate)

  constructor(core: Pick<ServerCore, 'storage' | 'catalog'>, control: FlowControl) {
    this.#core = core
    this.#control = control
  }

  /** Resolves to whether a request may go on. One that may not has been answered. */
  async enter(call: Call, path: ResourcePath | undefined): Promise<boolean> {
    const { response, signal } = call
    const digest = digestOf(call, path)
    if (digest.verb !== 'watch' && isLongRunning(call.url, path)) return true
    // An exempt request has none.
    let seats = 0
    const workOf = (nominal: number) => {
      const work = this.#workOf(call, digest, path, widest(nominal))
      seats = work.seats
      return work
    }
    const admission = await this.#control.admit(digest, workOf, signal)
    mark(response, admission)
    if (admission.refused) {
      call.measured?.terminated(429)
      tooManyRequests(response, admission.refused.retrySeconds)
      return false
    }
    response.once('close', admission.done)
    if (signal.aborted) admission.done()
    if (digest.verb === 'watch' && digest.resource) {
      response.once('close', this.#watches.add(digest.resource))
      call.begun = admission.done
    }
    if (seats) await this.#turns.next(`${admission.schema.metadata.name} ${digest.user.name}`, seats)
    return true
  }

  #workOf({ url }: Call, digest: Digest, path: ResourcePath | undefined, maxSeats: number): Work {
    const { resource, verb } = digest
    if (!resource || !path) return oneSeat
    const query = url.searchParams
    if (verb === 'list' || (verb === 'watch' && flag(query, 'sendInitialEvents'))) {
      const stats = statsOf(this.#core.storage, this.#core.catalog.find(path))
      const limit = resource.name ? 1 : Number(query.get('limit') ?? 0) || 0
      return listWork(stats, limit, maxSeats)
    }
    if (reading.has(verb)) return oneSeat
    const count = this.#watches.concernedBy(resource)
    metrics.watchCounts.observe(count)
    return writeWork(count, maxSeats)
  }
}

/** What flow schemas see of a request. */
function digestOf({ user, url, request }: Pick<Call, 'user' | 'url' | 'request'>, path?: ResourcePath): Digest {
  const method = request.method ?? 'GET'
  if (!path) return { user, verb: method.toLowerCase(), path: url.pathname }
  const { group, plural, subresource, namespace } = path
  let verb: string = verbOfMethod(method, path)
  let { name } = path
  if (verb === 'list' || verb === 'watch') {
    if (flag(url.searchParams, 'watch')) verb = 'watch'
    name ||= /^metadata\.name=([^,]+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1] ?? ''
  }
  // Namespaces are in themselves, as for authorization.
  const at = plural === 'namespaces' && !group && name && !namespace ? name : namespace
  return { user, verb, path: url.pathname, resource: { group, plural, subresource, namespace: at, name } }
}

/** Names are not sent, since they may show a client how it ranks. */
function mark(response: Response, { schema, level }: Admission): void {
  response.setHeader('X-Kubernetes-PF-FlowSchema-UID', schema.metadata.uid ?? '')
  response.setHeader('X-Kubernetes-PF-PriorityLevel-UID', level.metadata.uid ?? '')
}

function tooManyRequests(response: Response, retrySeconds: number): void {
  if (response.headersSent || response.destroyed) return
  const body = Buffer.from('Too many requests, please try again later.\n')
  response.writeHead(429, {
    'Retry-After': String(retrySeconds),
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'content-length': body.length,
  })
  response.end(body)
}
