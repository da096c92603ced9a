// Distributes endpoints over slices of at most a hundred each, changing as few slices as possible, since every change
// is sent to every node. Source: staging endpointslice/reconciler.go.
//
// What holds for the result of a plan:
//
// - Every endpoint is in exactly one slice, and all endpoints of a slice have the same family and ports.
// - An endpoint stays in its slice as long as its pod has the address. Slices are not merged when they become small.
// - A group without endpoints has one empty slice.
//
// Example: slices A = {1, 2} and B = {3}; pod 1 has gone, pod 4 is new. A changes anyway, so it takes 4: A = {2, 4}.
// B is unchanged and not written.
import { canonicalJson, sameJson } from '../../api/equal.ts'
import type { Draft } from '../../api/schema/node.ts'
import type { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import type { Endpoint, EndpointPort } from '../../kinds/discovery/endpoint.ts'

const maxEndpointsPerSlice = 100

/** Endpoints that share ports and address family, and so may share slices. */
export interface Group {
  addressType: 'IPv4' | 'IPv6'
  ports: Draft<EndpointPort>[]
  endpoints: Draft<Endpoint>[]
}

export interface SlicePlan {
  create: Group[]
  update: { slice: EndpointSlice; endpoints: readonly Draft<Endpoint>[]; ports: Draft<EndpointPort>[] }[]
  remove: EndpointSlice[]
  unchanged: EndpointSlice[]
}

export function planSlices(groups: readonly Group[], existing: readonly EndpointSlice[]): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [], unchanged: [] }
  const left = new Set(existing)
  for (const group of groups) {
    const key = groupKey(group)
    const mine = existing.filter(slice => groupKey(slice) === key)
    for (const slice of mine) left.delete(slice)
    planGroup(group, mine, plan)
  }
  plan.remove.push(...left)
  // A surplus slice becomes a new one of the same family: one update costs less than a delete and a create.
  for (const group of plan.create.slice()) {
    const at = plan.remove.findIndex(slice => slice.addressType === group.addressType)
    if (at < 0) break
    const [slice] = plan.remove.splice(at, 1)
    plan.create.splice(plan.create.indexOf(group), 1)
    plan.update.push({ slice: slice!, endpoints: group.endpoints, ports: group.ports })
  }
  return plan
}

const groupKey = ({ addressType, ports }: EndpointSlice | Group): string =>
  `${addressType} ${canonicalJson([...(ports ?? [])].map(port => canonicalJson(port)).sort())}`

const idOf = (endpoint: Draft<Endpoint>): string => `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses?.[0]}`

function planGroup(group: Group, slices: readonly EndpointSlice[], plan: SlicePlan): void {
  const wanted = new Map(group.endpoints.map(endpoint => [idOf(endpoint), endpoint]))
  const kept = slices.map(slice => {
    const endpoints: Draft<Endpoint>[] = []
    let changed = false
    for (const endpoint of slice.endpoints ?? []) {
      const next = wanted.get(idOf(endpoint))
      if (next) {
        wanted.delete(idOf(endpoint))
        // Hints are added later (hints.ts), so they are left out of the comparison and kept.
        const { hints: _hints, ...plain } = endpoint
        const isSame = sameJson(next, plain)
        changed ||= !isSame
        endpoints.push(isSame ? (endpoint as Draft<Endpoint>) : next)
      } else changed = true
    }
    return { slice, endpoints, changed }
  })
  const added = [...wanted.values()]
  // New endpoints go into slices that change anyway, then, if all the others fit, into the fullest one with room.
  for (const one of kept) if (one.changed) fill(one, added)
  if (added.length && added.length < maxEndpointsPerSlice) {
    const roomy = kept
      .filter(one => one.endpoints.length + added.length <= maxEndpointsPerSlice)
      .sort((a, b) => b.endpoints.length - a.endpoints.length)[0]
    if (roomy) fill(roomy, added)
  }
  // An empty slice is removed, unless it is the first of a group without endpoints.
  let hasSlice = added.length > 0 || kept.some(one => one.endpoints.length > 0)
  while (added.length) plan.create.push({ ...group, endpoints: added.splice(0, maxEndpointsPerSlice) })
  for (const { slice, endpoints, changed } of kept) {
    if (endpoints.length === 0 && hasSlice) {
      plan.remove.push(slice)
      continue
    }
    hasSlice = true
    if (changed) plan.update.push({ slice, endpoints, ports: group.ports })
    else plan.unchanged.push(slice)
  }
  // The empty slice of a service without pods shows clients that the controller has processed the service.
  if (!kept.length && !group.endpoints.length) plan.create.push({ ...group, endpoints: [] })
}

function fill(one: { endpoints: Draft<Endpoint>[]; changed: boolean }, added: Draft<Endpoint>[]): void {
  const taken = added.splice(0, Math.max(0, maxEndpointsPerSlice - one.endpoints.length))
  if (!taken.length) return
  one.endpoints.push(...taken)
  one.changed = true
}
