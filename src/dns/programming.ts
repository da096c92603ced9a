// Measures how long after a change of pods the endpoints of a headless Service are in effect in this server. The moment
// of the change stands in an annotation of the slice, which is absent when a change cannot be traced to one.
// Source: CoreDNS plugin/kubernetes/metrics.go.
import type { Clock } from '../base/clock.ts'
import type { DnsMetrics } from './metrics.ts'
import { type Names, serviceOf } from './records.ts'

const annotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** Measures changes until the returned function is called. */
export const measureProgramming = (
  { services, slices }: Pick<Names, 'services' | 'slices'>,
  metrics: Pick<DnsMetrics, 'programmed'>,
  clock: Clock,
): (() => void) =>
  slices.subscribeEach(({ type, item, before }) => {
    const at = item.object.metadata.annotations?.[annotation]
    if (type === 'DELETED' || at === undefined || at === before?.object.metadata.annotations?.[annotation]) return
    if (services.byKey(serviceOf(item.object))?.spec.clusterIP !== 'None') return
    const tookMs = clock.now() - Date.parse(at)
    if (tookMs >= 0) metrics.programmed(tookMs)
  }, 'dns metrics')
