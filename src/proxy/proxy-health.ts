// Whether this proxy is healthy: load balancers with the external traffic policy Cluster ask every node at /healthz, and
// what watches over the process at /livez. It is healthy unless a change waits too long for its rules. A node that is
// being removed takes no new connections, though its proxy is healthy.
// Source: pkg/proxy/healthcheck/proxy_health.go.
import { createServer, type ServerResponse } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Node } from '../kinds/core/node.ts'

/** How long a change may wait: two of upstream's periods of syncing. */
const patienceMs = 60_000
/** How long until a port that is taken is tried again. */
const retryMs = 5_000
const requestMs = 5_000
const maxConnections = 100
/** The taint by which the cluster autoscaler marks a node that it is about to remove. */
const leavingTaint = 'ToBeDeletedByClusterAutoscaler'

export class ProxyHealth {
  readonly #clock: Clock
  #updatedAt: number
  /** Since when the oldest change waits. */
  #waitsSince: number | undefined
  #isEligible = true

  constructor(clock: Clock) {
    this.#clock = clock
    this.#updatedAt = clock.now()
  }

  /** A change waits for its rules. */
  queued(): void {
    this.#waitsSince ??= this.#clock.steady()
  }

  /** All changes are in the kernel. */
  updated(): void {
    this.#waitsSince = undefined
    this.#updatedAt = this.#clock.now()
  }

  /** A Node that has not been seen yet takes connections. */
  node(node: Node | undefined): void {
    if (!node) return
    const isLeaving = node.spec.taints?.some(({ key }) => key === leavingTaint)
    this.#isEligible = !node.metadata.deletionTimestamp && !isLeaving
  }

  get isHealthy(): boolean {
    return this.#waitsSince === undefined || this.#clock.steady() - this.#waitsSince < patienceMs
  }

  /** The answer to a request; undefined for a path that does not exist. */
  answer(path: string): { code: 200 | 503; body: string } | undefined {
    if (path !== '/healthz' && path !== '/livez') return undefined
    const isGood = this.isHealthy && (path === '/livez' || this.#isEligible)
    const now = this.#clock.now()
    const times = `"lastUpdated": "${timeText(isGood ? now : this.#updatedAt)}","currentTime": "${timeText(now)}"`
    const eligible = path === '/healthz' ? `, "nodeEligible": ${this.#isEligible}` : ''
    return { code: isGood ? 200 : 503, body: `{${times}${eligible}}` }
  }

  /** Answers at a port of all addresses until the signal aborts. */
  serve(port: number, log: Log, signal: AbortSignal): void {
    const server = createServer((request, response) => this.#respond((request.url ?? '').split('?', 1)[0]!, response))
    server.requestTimeout = requestMs
    server.headersTimeout = requestMs
    server.maxConnections = maxConnections
    let cancel = () => {}
    server.on('error', error => {
      log.warn('cannot answer whether the proxy is healthy, trying again', { port, why: messageOf(error) })
      cancel = this.#clock.after(retryMs, () => signal.aborted || server.listen(port))
    })
    const end = () => (cancel(), server.close(), server.closeAllConnections())
    signal.addEventListener('abort', end, { once: true })
    if (!signal.aborted) server.listen(port)
  }

  #respond(path: string, response: ServerResponse): void {
    const answer = this.answer(path)
    if (!answer) return void response.writeHead(404).end('404 page not found\n')
    const headers = { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' }
    response.writeHead(answer.code, headers).end(answer.body)
  }
}

/** A time as Go prints it. */
const timeText = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', ' +0000 UTC')
