// What kube-proxy counts, under the names, labels and buckets of upstream. Its rules for both families are one table, so
// that what is observed of a change is observed for each family that the Services have.
// Source: pkg/proxy/metrics.
import { createServer } from 'node:http'
import { own } from '../base/own.ts'
import type { Log } from '../base/log.ts'
import { counter, exponentialBuckets, gauge, histogram, metricsText } from '../base/metrics.ts'
import { ipFamily } from '../api/ip.ts'

const every = (first: number, step: number, count: number) => Array.from({ length: count }, (_, i) => first + i * step)
const of = (name: string) => `kubeproxy_${name}`

const syncs = histogram(
  of('sync_proxy_rules_duration_seconds'),
  'Time to change the rules.',
  exponentialBuckets(0.001, 2, 15),
)
const programming = histogram(of('network_programming_duration_seconds'), 'From a change of pods to its effect here.', [
  ...every(0.25, 0.25, 2),
  ...every(1, 1, 59),
  ...every(60, 5, 12),
  ...every(120, 30, 7),
])
const syncedAt = gauge(of('sync_proxy_rules_last_timestamp_seconds'), 'When the rules were last changed.')
const queuedAt = gauge(of('sync_proxy_rules_last_queued_timestamp_seconds'), 'When a change was last queued.')
const failures = counter(of('sync_proxy_rules_nftables_sync_failures_total'), 'Changes that nftables did not take.')
const changes = {
  service: counter(of('sync_proxy_rules_service_changes_total'), 'Changes of Services.'),
  endpoint: counter(of('sync_proxy_rules_endpoint_changes_total'), 'Changes of EndpointSlices.'),
}
const pending = {
  service: gauge(of('sync_proxy_rules_service_changes_pending'), 'Changes of Services without effect yet.'),
  endpoint: gauge(of('sync_proxy_rules_endpoint_changes_pending'), 'Changes of EndpointSlices without effect yet.'),
}

/** One for each proxy. */
export class ProxyMetrics {
  readonly #families: readonly { ip_family: string }[]
  readonly #pending = { service: 0, endpoint: 0 }
  /** When pods of queued changes changed, in ms. */
  #changedAt: number[] = []

  constructor(serviceCidrs: readonly string[]) {
    this.#families = serviceCidrs.map(range => ({ ip_family: `IPv${ipFamily(range.split('/', 1)[0]!) ?? 4}` }))
    for (const family of this.#families) {
      syncedAt.set(0, family)
      failures.add(family, 0)
    }
    for (const what of ['service', 'endpoint'] as const) {
      changes[what].add({}, 0)
      pending[what].set(0)
    }
  }

  /** @param changedAt when the pods changed that made the change, if that is noted */
  queued(what: 'service' | 'endpoint', now: number, changedAt?: number): void {
    changes[what].add()
    pending[what].set(++this.#pending[what])
    for (const family of this.#families) queuedAt.set(now / 1000, family)
    if (changedAt !== undefined && this.#changedAt.length < maxNoted) this.#changedAt.push(changedAt)
  }

  /** All that has been queued so far is in the kernel. */
  synced(beganAt: number, now: number): void {
    for (const family of this.#families) {
      syncs.observe((now - beganAt) / 1000, family)
      syncedAt.set(now / 1000, family)
      for (const at of this.#changedAt) programming.observe(Math.max(0, now - at) / 1000, family)
    }
    this.#changedAt = []
    for (const what of ['service', 'endpoint'] as const) pending[what].set((this.#pending[what] = 0))
  }

  failed(): void {
    for (const family of this.#families) failures.add(family)
  }
}

/** Changes whose time is noted between two changes of the rules. */
const maxNoted = 1_000
const maxConnections = 50
const headersMs = 5_000

/** What is at the port of kube-proxy for metrics. Source: cmd/kube-proxy/app (serveMetrics). */
const pages: Readonly<Record<string, () => string>> = {
  '/metrics': metricsText,
  '/proxyMode': () => 'nftables',
  '/healthz': () => 'ok',
}

/** Serves all metrics of the process, and how rules are kept, on loopback, where those of kube-proxy are looked for. */
export function serveMetrics(port: number, log: Log, signal: AbortSignal): void {
  const server = createServer({ headersTimeout: headersMs, requestTimeout: headersMs }, (request, response) => {
    const page = own(pages, (request.url ?? '').split('?', 1)[0]!)
    response.writeHead(page ? 200 : 404, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'x-content-type-options': 'nosniff',
    })
    response.end(page?.() ?? '404 page not found\n')
  })
  server.maxConnections = maxConnections
  server.on('error', error => log.warn('cannot serve the metrics of the proxy', { port, why: error.message }))
  signal.addEventListener('abort', () => (server.close(), server.closeAllConnections()), { once: true })
  if (!signal.aborted) server.listen(port, '127.0.0.1')
}
