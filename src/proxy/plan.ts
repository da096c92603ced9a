// Plans the part of the table that one Service needs: pure functions from a Service and its EndpointSlices to a
// Fragment.
//
// A Service with the cluster address 10.96.0.20, port 80, node port 30080 and one ready endpoint 10.244.0.5:8080 gets:
//
//   chains    svc-1a2b3c4d-web-80-in:   mark packets from outside of the pods' range; dnat to 10.244.0.5:8080
//             svc-1a2b3c4d-web-80-out:  mark; dnat to 10.244.0.5:8080
//   elements  service-ips  10.96.0.20 . tcp . 80 : goto svc-…-in
//             node-ports   tcp . 30080           : goto svc-…-out
//             cluster-ips  10.96.0.20
//             hairpin      10.244.0.5 . 10.244.0.5      (if the endpoint is on this node)
//
// Without an endpoint there are no chains, and the keys are in no-endpoints and no-endpoint-node-ports, with a verdict
// that refuses the connection.
import { createHash } from 'node:crypto'
import { parseIP } from '../api/ip.ts'
import type { Service } from '../kinds/core/service.ts'
import type { ServicePort } from '../kinds/core/servicespec.ts'
import type { Endpoint } from '../kinds/discovery/endpoint.ts'
import type { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { masqueradeMark } from './table.ts'

/**
 * A part of the table. What all planners keep to:
 *
 * - Names of chains and sets contain a hash of the Service or pod, so no two fragments have one in common.
 * - No two fragments have an element in common either, except in the set hairpin, which is counted (hairpin.ts). The
 *   API server makes sure of it: it assigns a cluster address, and a node port of one protocol, to one Service only.
 *   When two objects claim the same external address or host port, the transaction of one of them fails (index.ts).
 * - Rules refer to chains and sets of the same fragment and to those of the frame (table.ts), never to other fragments.
 * - A fragment is not changed after it has been planned. The same objects give the same fragment, in the same order, so
 *   that comparing texts finds what has changed.
 */
export interface Fragment {
  /** The rules of each chain, in order. */
  chains: Map<string, readonly string[]>
  /** The definition of each additional set. */
  sets: Map<string, string>
  /** For each map or set of the frame, elements and their verdicts; '' for elements of a set. */
  elements: Map<string, Map<string, string>>
}

interface Backend {
  ip: string
  port: number
  local: boolean
}

interface PlanContext {
  nodeName: string
  /** The zone of this node, if it is in one. */
  zone?: string | undefined
  podCidr: string
}

export const emptyFragment = (): Fragment => ({ chains: new Map(), sets: new Map(), elements: new Map() })

/** The fragment of a Service and its slices. It is empty for a headless Service and for one of type ExternalName. */
export function planService(service: Service, slices: readonly EndpointSlice[], context: PlanContext): Fragment {
  const fragment = emptyFragment()
  const { spec } = service
  if (spec.type === 'ExternalName' || !spec.clusterIP || spec.clusterIP === 'None') return fragment
  const clusterIPs = (spec.clusterIPs ?? [spec.clusterIP]).filter(ip => parseIP(ip)?.family === 4)
  for (const ip of clusterIPs) add(fragment, 'cluster-ips', ip, '')
  for (const port of spec.ports ?? []) planPort(fragment, service, port, clusterIPs, slices, context)
  return fragment
}

function planPort(
  fragment: Fragment,
  service: Service,
  port: ServicePort,
  clusterIPs: readonly string[],
  slices: readonly EndpointSlice[],
  context: PlanContext,
): void {
  const { spec, metadata } = service
  const protocol = port.protocol.toLowerCase()
  const { all, local } = backendsOf(port, slices, context)
  const inside = spec.internalTrafficPolicy === 'Local' ? local : all
  const name = chainName(metadata.namespace ?? '', metadata.name ?? '', port)
  // A pod that connects to itself through the Service must see another source address than its own.
  for (const { ip } of [...local, ...all.filter(b => b.local)]) add(fragment, 'hairpin', `${ip} . ${ip}`, '')
  // With the policy Local and endpoints only on other nodes, packets are dropped, so that a load balancer tries those.
  const refusal = all.length ? 'drop' : 'goto refuse-now'
  for (const ip of clusterIPs) {
    const key = `${ip} . ${protocol} . ${port.port}`
    if (inside.length) add(fragment, 'service-ips', key, `goto ${name}-in`)
    else add(fragment, 'no-endpoints', key, refusal)
  }
  if (inside.length) {
    // Packets from other sources than pods get a new source address, so that the answers come back this way.
    const mark =
      spec.internalTrafficPolicy === 'Local'
        ? []
        : [`ip saddr != ${context.podCidr} meta mark set meta mark or ${masqueradeMark}`]
    balance(fragment, `${name}-in`, mark, service, protocol, inside)
  }
  planOutside(fragment, { service, port, name, protocol, all, local, refusal, podCidr: context.podCidr })
}

interface OutsidePlan {
  service: Service
  port: ServicePort
  /** The prefix of this port's chains. */
  name: string
  protocol: string
  all: readonly Backend[]
  local: readonly Backend[]
  /** The verdict for connections without an endpoint. */
  refusal: string
  podCidr: string
}

/** Plans the ways in from outside of the cluster: node port, external addresses, addresses of a load balancer. */
function planOutside(fragment: Fragment, plan: OutsidePlan): void {
  const { service, port, name, protocol, all, local, refusal } = plan
  const external = [
    ...(service.spec.externalIPs ?? []),
    ...(service.status.loadBalancer.ingress ?? []).flatMap(i => (i.ip && i.ipMode !== 'Proxy' ? [i.ip] : [])),
  ].filter(ip => parseIP(ip)?.family === 4)
  if (!external.length && !port.nodePort) return
  const onlyLocal = service.spec.externalTrafficPolicy === 'Local'
  const reach = (map: string, none: string, key: string) => {
    if (all.length) add(fragment, map, key, `goto ${name}-out`)
    // Packets that the chain does not translate are refused in the filter chains.
    if (!(onlyLocal ? local : all).length) add(fragment, none, key, refusal)
  }
  for (const ip of external) reach('service-ips', 'no-endpoints', `${ip} . ${protocol} . ${port.port}`)
  if (port.nodePort) reach('node-ports', 'no-endpoint-node-ports', `${protocol} . ${port.nodePort}`)
  if (!all.length) return
  const mark = `meta mark set meta mark or ${masqueradeMark}`
  if (!onlyLocal) return balance(fragment, `${name}-out`, [mark], service, protocol, all)
  // Pods and the node itself are not outside of the cluster: they reach all endpoints, as by the cluster address.
  const inner = [
    `ip saddr ${plan.podCidr} goto ${name}-any`,
    `fib saddr type local ${mark}`,
    `fib saddr type local goto ${name}-any`,
  ]
  balance(fragment, `${name}-any`, [], service, protocol, all)
  if (local.length) balance(fragment, `${name}-out`, inner, service, protocol, local)
  else fragment.chains.set(`${name}-out`, inner)
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
  context: PlanContext,
): { all: Backend[]; local: Backend[] } {
  const ready: Hinted[] = []
  const ending: Backend[] = []
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue
    const target = slice.ports?.find(
      p => (p.name ?? '') === (port.name ?? '') && (p.protocol ?? 'TCP') === port.protocol,
    )
    if (!target?.port) continue
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses[0]
      if (!ip || parseIP(ip)?.family !== 4) continue
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

/**
 * Adds a chain that spreads connections evenly over backends. With session affinity each backend has a set of the
 * clients it served lately, and its own chain, which adds the client to the set again.
 */
function balance(
  fragment: Fragment,
  chain: string,
  mark: readonly string[],
  service: Service,
  protocol: string,
  backends: readonly Backend[],
): void {
  const l4 = `meta l4proto ${protocol}`
  if (service.spec.sessionAffinity !== 'ClientIP') {
    fragment.chains.set(chain, [...mark, `${l4} ${dnat(backends)}`])
    return
  }
  const seconds = service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800
  const names = backends.map(b => `${chain}-${b.ip.replaceAll('.', '-')}-${b.port}`)
  // The kernel refuses another timeout for a set that exists, so the timeout is a part of the name.
  const setOf = (name: string) => `${name}-${seconds}s`
  for (const [i, backend] of backends.entries()) {
    const set = setOf(names[i]!)
    fragment.sets.set(set, `{ type ipv4_addr ; flags dynamic,timeout ; timeout ${seconds}s ; size 65535 ; }`)
    fragment.chains.set(names[i]!, [`update @${set} { ip saddr }`, `${l4} dnat ip to ${backend.ip}:${backend.port}`])
  }
  const returning = names.map(name => `ip saddr @${setOf(name)} goto ${name}`)
  const pick = `numgen random mod ${backends.length} vmap { ${names.map((name, i) => `${i} : goto ${name}`).join(', ')} }`
  fragment.chains.set(chain, [...mark, ...returning, pick])
}

function dnat(backends: readonly Backend[]): string {
  if (backends.length === 1) return `dnat ip to ${backends[0]!.ip}:${backends[0]!.port}`
  return `dnat ip addr . port to numgen random mod ${backends.length} map { ${backends.map((b, i) => `${i} : ${b.ip} . ${b.port}`).join(', ')} }`
}

/** Adds an element to a map, or with '' to a set. */
export function add(fragment: Fragment, collection: string, key: string, value: string): void {
  const elements = fragment.elements.get(collection) ?? new Map<string, string>()
  elements.set(key, value)
  fragment.elements.set(collection, elements)
}

/** A unique and readable name: a hash, since names of Services may be too long, and a name for readers of the table. */
function chainName(namespace: string, name: string, port: ServicePort): string {
  const full = `${namespace}/${name}/${port.protocol}/${port.name || port.port}`
  return `svc-${createHash('sha256').update(full).digest('hex').slice(0, 8)}-${name.slice(0, 30)}-${port.port}`
}
