// How fast nodes that are not ready lose their pods. When many nodes of a zone fail at once, the cause is probably the
// network and not the nodes, so the pods are evicted more slowly or not at all:
//
//   state of the zone                      nodes tainted NoExecute
//   normal                                 one in ten seconds
//   partial (over half, more than two)     one in a hundred seconds; none in zones of at most fifty nodes
//   full (none ready)                      one in ten seconds
//   all zones full                         none, and taints are removed: probably this process is cut off
//
// Source: pkg/controller/nodelifecycle (node_lifecycle_controller.go).
import type { Node } from '../../kinds/core/node.ts'
import { isNodeReady } from '../../kinds/core/node-ready.ts'

export interface EvictionRates {
  /** Nodes per second. */
  normal: number
  secondary: number
  /** A zone is partially disrupted if at least this share of its nodes is not ready. */
  unhealthyShare: number
  /** Partially disrupted zones with more nodes than this are evicted at the secondary rate, smaller ones not at all. */
  largeZone: number
}
export const defaultRates: EvictionRates = { normal: 0.1, secondary: 0.01, unhealthyShare: 0.55, largeZone: 50 }

const excludeLabel = 'node.kubernetes.io/exclude-disruption'
/** With fewer nodes that are not ready a zone counts as normal. */
const minUnhealthy = 3

interface Zone {
  ready: number
  notReady: number
}

export const zoneOf = ({ metadata: { labels } }: Node): string =>
  `${labels?.['topology.kubernetes.io/region'] ?? ''}|${labels?.['topology.kubernetes.io/zone'] ?? ''}`

/** The numbers of ready and other nodes of each zone. */
export function countZones(nodes: readonly Node[]): Map<string, Zone> {
  const zones = new Map<string, Zone>()
  for (const node of nodes) {
    if (node.metadata.labels?.[excludeLabel] !== undefined) continue
    const name = zoneOf(node)
    let zone = zones.get(name)
    if (!zone) zones.set(name, (zone = { ready: 0, notReady: 0 }))
    if (isNodeReady(node)) zone.ready++
    else zone.notReady++
  }
  return zones
}

/** How many nodes of a zone may be tainted per second, or 'none ready' if no node of any zone is ready. */
export function evictionRate(
  zones: ReadonlyMap<string, Zone>,
  name: string,
  rates: EvictionRates = defaultRates,
): number | 'none ready' {
  if (zones.size && [...zones.values()].every(zone => zone.ready === 0)) return 'none ready'
  const { ready, notReady } = zones.get(name) ?? { ready: 0, notReady: 0 }
  const size = ready + notReady
  const isPartial = ready > 0 && notReady >= minUnhealthy && notReady / size >= rates.unhealthyShare
  if (!isPartial) return rates.normal
  return size > rates.largeZone ? rates.secondary : 0
}

/**
 * The eviction queue of one zone: its nodes pass in the order in which they entered, one in each interval.
 *
 * - A node stays in the queue until it passes or leaves. Entering again keeps its place, so a reconcile calls `enter`
 *   each time.
 * - The rate is given at each call and may change between calls. A wait that was computed at an older, lower rate is
 *   shortened to one interval of the present rate.
 * - The returned wait is an estimate from the place in the queue. Entering earlier or later than that loses nothing.
 * - The queue has at most one entry for each node of the zone.
 *
 * Example at 0.1 nodes per second: a enters and passes (0), b enters (10 s), c enters (20 s); a leaves nothing behind,
 * and after 10 s b passes and c has 10 s left.
 */
export class RateGate {
  /** Nodes that wait, in order. */
  readonly #waiting = new Set<string>()
  /** When the next node may pass, in ms since the epoch. */
  #next = 0

  /** Returns 0 if the node passes now, else milliseconds until it may. Undefined if none passes at this rate. */
  enter(node: string, perSecond: number, now: number): number | undefined {
    this.#waiting.add(node)
    if (perSecond <= 0) return undefined
    const everyMs = 1000 / perSecond
    // The rate may have risen since the last node passed.
    const next = Math.min(this.#next, now + everyMs)
    const place = [...this.#waiting].indexOf(node)
    if (place > 0 || next > now) return Math.max(1, next - now) + place * everyMs
    this.#waiting.delete(node)
    this.#next = now + everyMs
    return 0
  }

  /** Takes the node out of the queue, because it is ready again or deleted. */
  leave(node: string): void {
    this.#waiting.delete(node)
  }
}
