// How fast nodes that are not ready lose their pods. Where many nodes of a zone fail at once it is more likely the
import type { Node } from '../../kinds/core/node.ts'
// network than the nodes, so it goes slower or not at all:
//
//   state of the zone                      nodes tainted NoExecute
//   normal                                 one in ten seconds
//   partial (over half, more than two)     one in a hundred seconds; none in zones of at most fifty nodes
//   full (none ready)                      one in ten seconds
//   all zones full                         none, and taints are taken back: we are probably cut off ourselves
//
// Source: pkg/controller/nodelifecycle (node_lifecycle_controller.go).

export interface EvictionRates {
  /** Nodes per second. */
  normal: number
  secondary: number
  /** Share of nodes not ready from which a zone is partially disrupted. */
  unhealthyShare: number
  /** Larger zones go on slowly when they are partially disrupted. */
  largeZone: number
}
export const defaultRates: EvictionRates = { normal: 0.1, secondary: 0.01, unhealthyShare: 0.55, largeZone: 50 }

const excludeLabel = 'node.kubernetes.io/exclude-disruption'
/** Of fewer nodes that are not ready nothing is concluded. */
const minUnhealthy = 3

interface Zone {
  ready: number
  notReady: number
}

export const isNodeReady = ({ status }: Node): boolean =>
  status.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false

export const zoneOf = ({ metadata: { labels } }: Node): string =>
  `${labels?.['topology.kubernetes.io/region'] ?? ''}|${labels?.['topology.kubernetes.io/zone'] ?? ''}`

/** Ready and other nodes of each zone. */
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

/** Nodes per second that may be tainted in a zone; 'none ready' when no node of any zone is. */
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

/** Lets nodes of a zone through at a rate, first come, first served. */
export class RateGate {
  /** Nodes that wait, in order. */
  readonly #waiting = new Set<string>()
  /** When the next one may go. */
  #next = 0

  /** Milliseconds until the node may go; 0: it goes now; undefined: nobody does at this rate. */
  enter(node: string, perSecond: number, now: number): number | undefined {
    this.#waiting.add(node)
    if (perSecond <= 0) return undefined
    const everyMs = 1000 / perSecond
    // The rate may have changed since the last one went.
    const next = Math.min(this.#next, now + everyMs)
    const place = [...this.#waiting].indexOf(node)
    if (place > 0 || next > now) return Math.max(1, next - now) + place * everyMs
    this.#waiting.delete(node)
    this.#next = now + everyMs
    return 0
  }

  /** The node need not go any more. */
  leave(node: string): void {
    this.#waiting.delete(node)
  }
}
