// How endpoints are spread over slices of at most a hundred. Existing slices change as little as possible, since
// every change goes to every node. Source: staging endpointslice/reconciler.go.
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
    const mine = existing.filter(slice => groupKey(slice as unknown as Group) === key)
    for (const slice of mine) left.delete(slice)
    planGroup(group, mine, plan)
  }
  plan.remove.push(...left)
  // A slice that is no longer needed serves as one that is: an update costs less than a delete and a create.
  for (const group of plan.create.slice()) {
    const at = plan.remove.findIndex(slice => slice.addressType === group.addressType)
    if (at < 0) break
    const [slice] = plan.remove.splice(at, 1)
    plan.create.splice(plan.create.indexOf(group), 1)
    plan.update.push({ slice: slice!, endpoints: group.endpoints, ports: group.ports })
  }
  return plan
}

const groupKey = ({ addressType, ports }: Pick<Group, 'addressType' | 'ports'>): string =>
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
        // Hints come later; those of an endpoint that stays as it is stay too.
        const { hints: _hints, ...plain } = endpoint
        const isSame = sameJson(next, plain)
        changed ||= !isSame
        endpoints.push(isSame ? (endpoint as Draft<Endpoint>) : next)
      } else changed = true
    }
    return { slice, endpoints, changed }
  })
  const fresh = [...wanted.values()]
  // First into slices that change anyway, then, if they all fit, into the fullest one with room.
  for (const one of kept) if (one.changed) fill(one, fresh)
  if (fresh.length && fresh.length < maxEndpointsPerSlice) {
    const roomy = kept
      .filter(one => one.endpoints.length + fresh.length <= maxEndpointsPerSlice)
      .sort((a, b) => b.endpoints.length - a.endpoints.length)[0]
    if (roomy) fill(roomy, fresh)
  }
  while (fresh.length) plan.create.push({ ...group, endpoints: fresh.splice(0, maxEndpointsPerSlice) })
  for (const { slice, endpoints, changed } of kept) {
    const spare = endpoints.length === 0 && (plan.create.length > 0 || kept.some(one => one.endpoints.length > 0))
    if (spare) plan.remove.push(slice)
    else if (changed) plan.update.push({ slice, endpoints, ports: group.ports })
    else plan.unchanged.push(slice)
  }
  // A service with no pods has one empty slice, so that watchers know it is looked after.
  if (!kept.length && !group.endpoints.length) plan.create.push({ ...group, endpoints: [] })
}

function fill(one: { endpoints: Draft<Endpoint>[]; changed: boolean }, fresh: Draft<Endpoint>[]): void {
  const taken = fresh.splice(0, Math.max(0, maxEndpointsPerSlice - one.endpoints.length))
  if (!taken.length) return
  one.endpoints.push(...taken)
  one.changed = true
}
