// Plans the part of the table that one Service needs: pure functions from a Service and its EndpointSlices to a
// Fragment.
//
// A Service with the cluster address 10.96.0.20, port 80, node port 30080 and one ready endpoint 10.244.0.5:8080 gets
// these elements:
//
//   services        10.96.0.20 . tcp . 80 : 1:1           pick as for a cluster address, among one
//   endpoints       10.96.0.20 . tcp . 80 . 0:0 : 10.244.0.5 . 8080
//   node-services   tcp . 30080 : 6:1                     pick as for a port of the node, among one
//   node-endpoints  tcp . 30080 . 0:0 : 10.244.0.5 . 8080
//   cluster-ips     10.96.0.20
//   hairpin         10.244.0.5 . 10.244.0.5               (if the endpoint is on this node)
//
// Without an endpoint the keys are in no-endpoints and node-no-endpoints, which refuse the connection. IPv4 and IPv6 are
// planned alike: a Service of both has the elements of both. Session affinity is in affinity.ts.
import { cidrContains, familiesOf, parseCidr, parseIP } from '../api/ip.ts'
import type { Service } from '../kinds/core/service.ts'
import type { ServicePort } from '../kinds/core/servicespec.ts'
import type { Endpoint } from '../kinds/discovery/endpoint.ts'
import type { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { stick } from './affinity.ts'
import { add, type Backend, emptyFragment, type Entry, type Fragment, lead } from './fragment.ts'
import { type Family, familyOf, type Way, words } from './table.ts'

interface PlanContext {
  nodeName: string
  /** The zone of this node, if it is in one. */
  zone?: string | undefined
  /** The addresses of this node. */
  nodeIPs?: readonly string[]
  podCidrs: readonly string[]
  /** Whether this Service may have an entry. Default: all of them. */
  mayHave?(entry: string): boolean
}

/** Labels of Services that another proxy serves, or none. Source: pkg/proxy/config, NewServiceConfig. */
const leftToOthers = ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless']

/** What is planned for one port and family of a Service. */
interface PortPlan {
  fragment: Fragment
  service: Service
  port: ServicePort
  family: Family
  protocol: string
  all: readonly Backend[]
  local: readonly Backend[]
  context: PlanContext
}

/** The fragment of a Service and its slices. It is empty for a headless Service and for one of type ExternalName. */
export function planService(service: Service, slices: readonly EndpointSlice[], context: PlanContext): Fragment {
  const fragment = emptyFragment()
  const { spec, metadata } = service
  if (leftToOthers.some(label => metadata.labels?.[label] !== undefined)) return fragment
  if (spec.type === 'ExternalName' || !spec.clusterIP || spec.clusterIP === 'None') return fragment
  const clusterIPs = spec.clusterIPs ?? [spec.clusterIP]
  for (const family of familiesOf(context.podCidrs)) {
    const own = clusterIPs.filter(ip => familyOf(ip) === family)
    // What is not among the families of the Service has no endpoints either.
    if (!own.length) continue
    for (const ip of own) add(fragment, `cluster-ips${words[family].end}`, ip, '')
    for (const port of spec.ports ?? []) {
      const backends = backendsOf(port, slices, family, context)
      const plan = { fragment, service, port, family, protocol: port.protocol.toLowerCase(), context, ...backends }
      planInside(plan, own)
      planOutside(plan)
    }
  }
  return fragment
}

/** Plans the cluster addresses. */
function planInside(plan: PortPlan, clusterIPs: readonly string[]): void {
  const { fragment, service, port, family, protocol, all, local } = plan
  const isLocal = service.spec.internalTrafficPolicy === 'Local'
  // A pod that connects to itself through the Service must see another source address than its own.
  for (const { ip } of [...local, ...all.filter(b => b.local)])
    add(fragment, `hairpin${words[family].end}`, `${ip} . ${ip}`, '')
  for (const ip of clusterIPs) {
    const entry: Entry = { family, key: `${ip} . ${protocol} . ${port.port}`, isNode: false }
    if (!take(plan, entry, isLocal ? local : all)) continue
    if (isLocal ? local.length : all.length) reach(plan, entry, isLocal ? 'local' : 'cluster')
    else refuse(plan, entry)
  }
}

/** Plans the ways in from outside of the cluster: node port, external addresses, addresses of a load balancer. */
function planOutside(plan: PortPlan): void {
  const { service, port, family, protocol, all, local } = plan
  const balanced = (service.status.loadBalancer.ingress ?? []).flatMap(i =>
    i.ip && i.ipMode !== 'Proxy' ? [i.ip] : [],
  )
  const external = [...new Set([...(service.spec.externalIPs ?? []), ...balanced])].filter(
    ip => familyOf(ip) === family,
  )
  const onlyLocal = service.spec.externalTrafficPolicy === 'Local'
  const way = onlyLocal ? 'edge' : 'outside'
  const entries: Entry[] = external.map(ip => ({ family, key: `${ip} . ${protocol} . ${port.port}`, isNode: false }))
  if (port.nodePort) entries.push({ family, key: `${protocol} . ${port.nodePort}`, isNode: true })
  for (const entry of entries) {
    if (!take(plan, entry, all)) continue
    if (all.length) reach(plan, entry, entry.isNode ? `node-${way}` : way)
    // Packets that are not translated are refused in the filter chains.
    if (!(onlyLocal ? local : all).length) refuse(plan, entry)
    const ip = entry.key.split(' ')[0]!
    if (!entry.isNode && balanced.includes(ip)) planFirewall(plan, ip, entry.key)
  }
}

/** Notes that the Service answers to an entry, unless another one does. */
function take({ fragment, family, context }: PortPlan, { key, isNode }: Entry, backends: readonly Backend[]): boolean {
  // A port of the node is one for each family, though the keys are the same.
  const name = isNode ? `${key} . ${words[family].ip}` : key
  if (!(context.mayHave?.(name) ?? true)) return false
  fragment.entries.set(
    name,
    backends.map(({ ip }) => ip),
  )
  return true
}

/** Leads an entry that has endpoints to them. */
function reach(
  { fragment, service, port, family, protocol, all, local, context }: PortPlan,
  entry: Entry,
  way: Way,
): void {
  if (service.spec.sessionAffinity !== 'ClientIP') return lead(fragment, entry, way, all, local)
  const podCidr = context.podCidrs.find(cidr => familyOf(cidr) === family)!
  stick({ fragment, service, port, protocol, entry, way, all, local, podCidr })
}

/** Refuses what comes in, or drops it when there are endpoints on other nodes, so that a load balancer tries those. */
function refuse({ fragment, all }: PortPlan, { family, key, isNode }: Entry): void {
  add(
    fragment,
    `${isNode ? 'node-' : ''}${all.length ? 'no-local-endpoints' : 'no-endpoints'}${words[family].end}`,
    key,
    '',
  )
}

/** Lets only the ranges of `loadBalancerSourceRanges` reach an address of the load balancer. */
function planFirewall({ fragment, service, family, context }: PortPlan, ip: string, key: string): void {
  const given = service.spec.loadBalancerSourceRanges ?? []
  if (!given.length) return
  const ranges = outermost(given.filter(range => familyOf(range.trim()) === family))
  const { end } = words[family]
  add(fragment, `firewalled${end}`, key, '')
  for (const range of ranges) add(fragment, `allowed${end}`, `${key} . ${range}`, '')
  // The node that has the address as its own sends with it as the source. Source: the nftables mode of kube-proxy.
  const isIn = (address: string) => ranges.some(range => cidrContains(parseCidr(range)!, address))
  if (!isIn(ip) && context.nodeIPs?.some(isIn)) add(fragment, `allowed${end}`, `${key} . ${ip}`, '')
}

/** Ranges without those that are within others: the kernel refuses elements that overlap. */
function outermost(ranges: readonly string[]): string[] {
  const parsed = ranges.flatMap(range => {
    const cidr = parseCidr(range.trim())
    return cidr ? [{ text: range.trim(), cidr }] : []
  })
  const sorted = parsed.sort((a, b) => a.cidr.bits - b.cidr.bits || (a.text < b.text ? -1 : 1))
  const kept: typeof sorted = []
  for (const one of sorted) if (!kept.some(({ cidr }) => cidrContains(cidr, one.text.split('/')[0]!))) kept.push(one)
  return kept.map(({ text }) => text)
}

/**
 * The endpoints of one port in the cluster and on this node, without repetitions and in a fixed order: the ready ones
 * or, if there are none, those that are terminating and still serve. With a policy Local, a node whose last pod is
 * terminating leads to that one, though other nodes have ready ones. Of the ready ones in the cluster, only those that
 * are meant for this node or its zone count, where hints say so. Source: KEP-1669, KEP-2433, KEP-3015.
 */
function backendsOf(
  port: ServicePort,
  slices: readonly EndpointSlice[],
  family: Family,
  context: PlanContext,
): { all: Backend[]; local: Backend[] } {
  const ready: Hinted[] = []
  const ending: Backend[] = []
  for (const slice of slices) {
    if (slice.addressType !== `IPv${family}`) continue
    const target = slice.ports?.find(
      p => (p.name ?? '') === (port.name ?? '') && (p.protocol ?? 'TCP') === port.protocol,
    )
    if (!target?.port) continue
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses[0]
      if (!ip || parseIP(ip)?.family !== family) continue
      const backend = {
        ip,
        port: target.port,
        local: endpoint.nodeName === context.nodeName || endpoint.nodeName === undefined,
      }
      const { ready: isReady, serving, terminating } = endpoint.conditions
      if (isReady ?? true) ready.push({ ...backend, hints: endpoint.hints })
      else if (serving && terminating) ending.push(backend)
    }
  }
  const isLocal = ({ local }: Backend) => local
  return {
    all: firstOf(meantFor(ready, context), ending),
    local: firstOf(ready.filter(isLocal), ending.filter(isLocal)),
  }
}

type Hinted = Backend & Pick<Endpoint, 'hints'>

/**
 * The endpoints that hints name for this node, else for its zone. All of them when one has no hint, which means that the
 * hints are being written, or when none is for this node or zone. Source: pkg/proxy/topology.go.
 */
function meantFor(ready: readonly Hinted[], { nodeName, zone }: PlanContext): readonly Backend[] {
  const kinds = [
    { field: 'forNodes', name: nodeName },
    { field: 'forZones', name: zone },
  ] as const
  for (const { field, name } of kinds) {
    const mine = ready.filter(({ hints }) => hints?.[field]?.some(hint => hint.name === name))
    if (mine.length && ready.every(({ hints }) => hints?.[field]?.length)) return mine
  }
  return ready
}

function firstOf(ready: readonly Backend[], ending: readonly Backend[]): Backend[] {
  const unique = new Map((ready.length ? ready : ending).map(b => [`${b.ip}:${b.port}`, b]))
  return [...unique.values()].sort((a, b) => (`${a.ip}:${a.port}` < `${b.ip}:${b.port}` ? -1 : 1))
}
