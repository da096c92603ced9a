// Counts the requests that the kubelet's server answers. Paths are those that it serves, by their first part.
// Source: kubernetes pkg/kubelet/server/metrics, pkg/kubelet/server/server.go (ServeHTTP).
import type { Clock } from '../../base/clock.ts'
import { counter, gauge, histogram } from '../../base/metrics.ts'

const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const requests = counter('kubelet_http_requests_total', 'Requests by path.')
const durations = histogram('kubelet_http_requests_duration_seconds', 'How long requests took.', bounds)
const inFlight = gauge('kubelet_http_inflight_requests', 'Requests under way.')

const lasting = new Set(['exec', 'attach', 'portForward', 'debug'])
const known = new Set([
  ...lasting,
  'checkpoint',
  'configz',
  'containerLogs',
  'flagz',
  'healthz',
  'logs',
  'metrics',
  'pods',
  'runningpods',
  'stats',
  'statusz',
])
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE'])

/** Counts a request until `ended` is emitted. */
export function countRequest(
  { method = 'GET', url = '/' }: { method?: string | undefined; url?: string | undefined },
  ended: { once(event: 'close', listener: () => void): unknown },
  clock: Clock,
): void {
  const first = url.split(/[/?]/, 2)[1] ?? ''
  const path = known.has(first) ? first : 'others'
  const labels = {
    method: methods.has(method) ? method : 'other',
    path,
    server_type: 'readwrite',
    long_running: String(lasting.has(first)),
  }
  const from = clock.steady()
  requests.add(labels)
  inFlight.add(1, labels)
  ended.once('close', () => {
    inFlight.add(-1, labels)
    durations.observe((clock.steady() - from) / 1000, labels)
  })
}
