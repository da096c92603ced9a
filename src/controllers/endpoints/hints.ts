// Hints on endpoints: the zones or nodes whose clients should use an address. A service asks for them in two ways:
//
//   spec.trafficDistribution   each zone (or node) uses its own endpoints, however many there are
//   the annotation Auto        each zone gets endpoints in proportion to its processors, its own ones first
//
// Pure. Source: staging endpointslice/trafficdist, endpointslice/topologycache.
import { sameJson } from '../../api/equal.ts'
import { quantityMilli } from '../../api/quantity.ts'
import type { Draft } from '../../api/schema/node.ts'
import type { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import type { Endpoint, EndpointHints } from '../../kinds/discovery/endpoint.ts'
import type { SlicePlan } from './slices.ts'
import type { Node } from '../../kinds/core/node.ts'
import { isNodeReady } from '../../kinds/core/node-ready.ts'
import type { Service } from '../../kinds/core/service.ts'

type Hints = Draft<EndpointHints> | undefined

/** The share by which a zone's load on each of its endpoints may exceed the average. */
const overload = 0.2
const zoneLabel = 'topology.kubernetes.io/zone'
const olderAnnotation = 'service.kubernetes.io/topology-aware-hints'
const annotation = 'service.kubernetes.io/topology-mode'
const excludedLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']

/** An event to record about the service. */
interface HintEvent {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

/** Whether the service asks for hints in proportion to processors. */
export function isAuto({ metadata: { annotations } }: Service): boolean {
  const mode = annotations?.[olderAnnotation] ?? annotations?.[annotation]
  return mode === 'Auto' || mode === 'auto'
}

/**
 * Adds hints to a plan for the slices of one address type. Slices whose hints change move from `unchanged` to `update`.
 * Where proportional hints are impossible there are none at all, and an event has the reason.
 * @param shares each zone's share of the processors
 */
export function planHints(
  service: Service,
  plan: SlicePlan,
  shares: ReadonlyMap<string, number> | undefined,
): { plan: SlicePlan; events: HintEvent[] } {
  const addressType = (plan.create[0] ?? plan.update[0]?.slice ?? plan.unchanged[0])?.addressType
  const hadHints = [...plan.unchanged, ...plan.update.map(u => u.slice), ...plan.remove].some(isHinted)
  const event = (type: HintEvent['type'], reason: string, message: string): HintEvent => ({
    type,
    reason,
    message: `${message}, addressType: ${addressType}`,
  })
  const disabled = (why: string) => event('Warning', 'TopologyAwareHintsDisabled', why)
  if (isAuto(service)) {
    const auto = proportional(plan, shares)
    if (typeof auto === 'string') return { plan: withHints(plan, () => undefined), events: [disabled(auto)] }
    const enabled = event('Normal', 'TopologyAwareHintsEnabled', 'Topology Aware Hints has been enabled')
    return { plan: auto, events: hadHints ? [] : [enabled] }
  }
  return { plan: withHints(plan, closeHints(service.spec.trafficDistribution) ?? (() => undefined)), events: [] }
}

const isHinted = ({ endpoints }: EndpointSlice) => (endpoints ?? []).some(endpoint => endpoint.hints)
const isReady = ({ conditions }: Draft<Endpoint>) => conditions?.ready === true

function closeHints(distribution: string | undefined): ((endpoint: Draft<Endpoint>) => Hints) | undefined {
  if (!['PreferClose', 'PreferSameZone', 'PreferSameNode'].includes(distribution ?? '')) return undefined
  return ({ zone, nodeName }) => {
    const forNodes = distribution === 'PreferSameNode' && nodeName ? [{ name: nodeName }] : undefined
    if (!zone && !forNodes) return undefined
    return { ...(zone && { forZones: [{ name: zone }] }), ...(forNodes && { forNodes }) }
  }
}

function hinted(endpoint: Draft<Endpoint>, hints: Hints): Draft<Endpoint> {
  const { hints: _old, ...rest } = endpoint
  return hints && isReady(endpoint) ? { ...rest, hints } : rest
}

/** The plan with these hints on all ready endpoints, where unchanged slices with other hints are updated too. */
function withHints(plan: SlicePlan, hintsOf: (endpoint: Draft<Endpoint>) => Hints): SlicePlan {
  const all = (endpoints: readonly Draft<Endpoint>[]) => endpoints.map(e => hinted(e, hintsOf(e)))
  const stale = plan.unchanged.filter(({ endpoints }) =>
    (endpoints ?? []).some(e => !sameJson(e.hints, hinted(e, hintsOf(e)).hints)),
  )
  return {
    ...plan,
    create: plan.create.map(group => ({ ...group, endpoints: all(group.endpoints) })),
    update: [...plan.update, ...stale.map(asUpdate)].map(u => ({ ...u, endpoints: all(u.endpoints) })),
    unchanged: plan.unchanged.filter(slice => !stale.includes(slice)),
  }
}

const asUpdate = (slice: EndpointSlice): SlicePlan['update'][number] => ({
  slice,
  endpoints: (slice.endpoints ?? []) as Draft<Endpoint>[],
  ports: (slice.ports ?? []) as SlicePlan['update'][number]['ports'],
})

/**
 * Each zone's share of the processors of ready nodes. Undefined when there are fewer than two zones, or a node has no
 * zone or no allocatable CPU in its status.
 */
export function zoneShares(nodes: readonly Node[]): Map<string, number> | undefined {
  const cpu = new Map<string, number>()
  for (const node of nodes) {
    const { metadata, status } = node
    if (excludedLabels.some(label => metadata.labels?.[label] !== undefined)) continue
    if (!isNodeReady(node)) continue
    const zone = metadata.labels?.[zoneLabel]
    const milli = quantityMilli(status.allocatable?.cpu)
    if (!zone || !milli) return undefined
    cpu.set(zone, (cpu.get(zone) ?? 0) + milli)
  }
  if (cpu.size < 2) return undefined
  const total = [...cpu.values()].reduce((sum, milli) => sum + milli, 0)
  return new Map([...cpu].map(([zone, milli]) => [zone, milli / total]))
}

/** Numbers of endpoints for one zone. */
interface Allocation {
  minimum: number
  maximum: number
  desired: number
}

/** How many endpoints each zone should have, or the reason why none can be allocated. */
function allocate(shares: ReadonlyMap<string, number> | undefined, count: number): Map<string, Allocation> | string {
  if (!shares) return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'
  const numbers = `(${count} endpoints, ${shares.size} zones)`
  if (shares.size > count) return `Insufficient number of endpoints ${numbers}`
  const minimums = [...shares].map(([zone, share]) => ({
    zone,
    share: share * count,
    minimum: Math.ceil((share * count) / (1 + overload)),
  }))
  const least = minimums.reduce((sum, { minimum }) => sum + minimum, 0)
  if (least > count)
    return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${numbers}`
  return new Map(
    minimums.map(({ zone, share, minimum }) => [
      zone,
      { minimum, maximum: minimum + count - least, desired: Math.max(share, minimum) },
    ]),
  )
}

/**
 * The plan with proportional hints, or the reason why there are none. Every endpoint is for its own zone, except as few
 * as necessary that are given to zones with too few.
 */
function proportional(plan: SlicePlan, shares: ReadonlyMap<string, number> | undefined): SlicePlan | string {
  const changing = [...plan.create, ...plan.update].map(({ endpoints }) => endpoints)
  const ready = (endpoints: readonly Draft<Endpoint>[]) => endpoints.filter(isReady).length
  const total = [...changing, ...plan.unchanged.map(s => s.endpoints ?? [])].reduce(
    (sum, endpoints) => sum + ready(endpoints as Draft<Endpoint>[]),
    0,
  )
  const allocations = allocate(shares, total)
  if (typeof allocations === 'string') return allocations
  const given = new Map<string, number>()
  const [kept, stale]: [EndpointSlice[], EndpointSlice[]] = [[], []]
  for (const slice of plan.unchanged) (keepHints(slice, given, allocations) ? kept : stale).push(slice)
  const update = [...plan.update, ...stale.map(asUpdate)]
  const open = [...plan.create, ...update].flatMap(({ endpoints }) => endpoints).filter(isReady)
  if (open.some(({ zone }) => !zone)) return 'One or more endpoints do not have a zone specified'
  const zones = new Map(open.map(endpoint => [endpoint, endpoint.zone!]))
  for (const zone of zones.values()) given.set(zone, (given.get(zone) ?? 0) + 1)
  share(zones, given, allocations)
  const all = (endpoints: readonly Draft<Endpoint>[]) =>
    endpoints.map(e => hinted(e, zones.has(e) ? { forZones: [{ name: zones.get(e)! }] } : undefined))
  return {
    ...plan,
    create: plan.create.map(group => ({ ...group, endpoints: all(group.endpoints) })),
    update: update.map(u => ({ ...u, endpoints: all(u.endpoints) })),
    unchanged: kept,
  }
}

/** Whether a slice's hints can stay. If so, they are added to `given`. */
function keepHints(
  slice: EndpointSlice,
  given: Map<string, number>,
  allocations: ReadonlyMap<string, Allocation>,
): boolean {
  const own = new Map<string, number>()
  for (const endpoint of (slice.endpoints ?? []) as Draft<Endpoint>[]) {
    if (!isReady(endpoint)) continue
    const zones = endpoint.hints?.forZones ?? []
    if (!zones.length) return false
    for (const { name = '' } of zones) own.set(name, (own.get(name) ?? 0) + 1)
  }
  for (const [zone, count] of own)
    if ((given.get(zone) ?? 0) + count > (allocations.get(zone)?.maximum ?? -1)) return false
  for (const [zone, count] of own) given.set(zone, (given.get(zone) ?? 0) + count)
  return true
}

/** Moves endpoints from zones that have too many to zones that have too few, by changing `zones`. */
function share(
  zones: Map<Draft<Endpoint>, string>,
  given: ReadonlyMap<string, number>,
  allocations: ReadonlyMap<string, Allocation>,
): void {
  const over = new Map<string, number>()
  for (const [zone, { desired }] of allocations) over.set(zone, (given.get(zone) ?? 0) - desired)
  const most = (sign: 1 | -1) =>
    [...over].reduce((best, next) => (sign * next[1] > sign * best[1] ? next : best), ['', 0] as [string, number])
  for (;;) {
    const [[from, surplus], [to, deficit]] = [most(1), most(-1)]
    if (surplus < 0.5 || -deficit < 0.5 || (surplus < 1 && -deficit < 1)) return
    const moved = [...zones].find(([endpoint, zone]) => zone === from && endpoint.zone === from)
    over.set(from, surplus - 1)
    over.set(to, deficit + 1)
    if (moved) zones.set(moved[0], to)
  }
}
