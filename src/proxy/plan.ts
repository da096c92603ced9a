// What one service needs in the table: pure, so that it is tested by tables of services and endpoints.
import { createHash } from 'node:crypto'
import { parseIP } from '../api/ip.ts'
import type { Service } from '../kinds/core/service.ts'
import type { ServicePort } from '../kinds/core/servicespec.ts'
import type { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { masqueradeMark } from './table.ts'

/** A part of the table: chains with their rules, extra sets, and elements of maps and sets ('' for a set). */
export interface Fragment {
  chains: Map<string, readonly string[]>
  sets: Map<string, string>
  elements: Map<string, Map<string, string>>
}

interface Backend {
  ip: string
  port: number
  local: boolean
}

interface PlanContext {
  nodeName: string
  podCidr: string
}

export const emptyFragment = (): Fragment => ({ chains: new Map(), sets: new Map(), elements: new Map() })

/** The rules for a service and its slices. */
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
  const all = backendsOf(port, slices, context.nodeName)
  const local = all.filter(b => b.local)
  const inside = spec.internalTrafficPolicy === 'Local' ? local : all
  const name = chainName(metadata.namespace ?? '', metadata.name ?? '', port)
  // A pod that reaches itself through the service must see another source than itself.
  for (const { ip } of local) add(fragment, 'hairpin', `${ip} . ${ip}`, '')
  // With endpoints on other nodes only, a Local service is silent, for a load balancer to try elsewhere.
  const refusal = all.length ? 'drop' : 'goto refuse-now'
  for (const ip of clusterIPs) {
    const key = `${ip} . ${protocol} . ${port.port}`
    if (inside.length) add(fragment, 'service-ips', key, `goto ${name}-in`)
    else add(fragment, 'no-endpoints', key, refusal)
  }
  if (inside.length) {
    // Who is not a pod gets its source rewritten, so that the answer comes back this way.
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
  /** What the chains of this port begin with. */
  name: string
  protocol: string
  all: readonly Backend[]
  local: readonly Backend[]
  /** The verdict where no endpoint is at hand. */
  refusal: string
  podCidr: string
}

/** The ways in from outside the cluster: node port, external addresses, those of a load balancer. */
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
    // What the chain lets pass without an endpoint is refused after translation.
    if (!(onlyLocal ? local : all).length) add(fragment, none, key, refusal)
  }
  for (const ip of external) reach('service-ips', 'no-endpoints', `${ip} . ${protocol} . ${port.port}`)
  if (port.nodePort) reach('node-ports', 'no-endpoint-node-ports', `${protocol} . ${port.nodePort}`)
  if (!all.length) return
  const mark = `meta mark set meta mark or ${masqueradeMark}`
  if (!onlyLocal) return balance(fragment, `${name}-out`, [mark], service, protocol, all)
  // Pods and the node itself are not outside: they reach every endpoint, as by the cluster address.
  const inner = [
    `ip saddr ${plan.podCidr} goto ${name}-any`,
    `fib saddr type local ${mark}`,
    `fib saddr type local goto ${name}-any`,
  ]
  balance(fragment, `${name}-any`, [], service, protocol, all)
  if (local.length) balance(fragment, `${name}-out`, inner, service, protocol, local)
  else fragment.chains.set(`${name}-out`, inner)
}

/** The endpoints behind one port: the ready ones, or, when there are none, those that still serve while they end. */
function backendsOf(port: ServicePort, slices: readonly EndpointSlice[], nodeName: string): Backend[] {
  const ready: Backend[] = []
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
        local: endpoint.nodeName === nodeName || endpoint.nodeName === undefined,
      }
      const { ready: isReady, serving, terminating } = endpoint.conditions
      if (isReady ?? true) ready.push(backend)
      else if (serving && terminating) ending.push(backend)
    }
  }
  const chosen = ready.length ? ready : ending
  const unique = new Map(chosen.map(b => [`${b.ip}:${b.port}`, b]))
  return [...unique.values()].sort((a, b) => (`${a.ip}:${a.port}` < `${b.ip}:${b.port}` ? -1 : 1))
}

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
  for (const [i, backend] of backends.entries()) {
    fragment.sets.set(names[i]!, `{ type ipv4_addr ; flags dynamic,timeout ; timeout ${seconds}s ; size 65535 ; }`)
    fragment.chains.set(names[i]!, [
      `update @${names[i]} { ip saddr }`,
      `${l4} dnat ip to ${backend.ip}:${backend.port}`,
    ])
  }
  const known = names.map(name => `ip saddr @${name} goto ${name}`)
  const pick = `numgen random mod ${backends.length} vmap { ${names.map((name, i) => `${i} : goto ${name}`).join(', ')} }`
  fragment.chains.set(chain, [...mark, ...known, pick])
}

function dnat(backends: readonly Backend[]): string {
  if (backends.length === 1) return `dnat ip to ${backends[0]!.ip}:${backends[0]!.port}`
  return `dnat ip addr . port to numgen random mod ${backends.length} map { ${backends.map((b, i) => `${i} : ${b.ip} . ${b.port}`).join(', ')} }`
}

export function add(fragment: Fragment, collection: string, key: string, value: string): void {
  const elements = fragment.elements.get(collection) ?? new Map<string, string>()
  elements.set(key, value)
  fragment.elements.set(collection, elements)
}

// Readable and unique: a hash, for names may be long, then what it is for people who list the table.
function chainName(namespace: string, name: string, port: ServicePort): string {
  const full = `${namespace}/${name}/${port.protocol}/${port.name || port.port}`
  return `svc-${createHash('sha256').update(full).digest('hex').slice(0, 8)}-${name.slice(0, 30)}-${port.port}`
}
