// Which nodes may announce an address of a load balancer, and in which order they are asked to. Pure, and the same on
// every node that has the same objects.
import { createHash } from 'node:crypto'
import { type IPRange, isInRanges } from '../../api/ip-range.ts'
import { cidrContains } from '../../api/ip.ts'
import type { Node } from '../../kinds/core/node.ts'
import { networksOf } from '../../kinds/core/node-networks.ts'
import { isBalanced, nodesFor, takesPart } from '../../kinds/core/service-balancing.ts'
import type { Service } from '../../kinds/core/service.ts'
import type { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'

/** The nodes that may announce each address, the first one first. */
export type Candidates = ReadonlyMap<string, readonly string[]>

interface Cluster {
  services: readonly Service[]
  nodes: readonly Node[]
  slicesOf(service: Service): readonly EndpointSlice[]
  pool: readonly IPRange[]
  /** Addresses of the pool that Gateways have; every node serves them. */
  gatewayAddresses: readonly string[]
}

/**
 * How many nodes stand ready for an address. Only these show each second that they are alive, so the cost does not grow
 * with the cluster. When all of them are lost at once, others take their place as soon as they are not ready any more.
 */
const maxCandidates = 3

/**
 * For each address of the pool that a Service or Gateway has, the nodes that may announce it. They are ready and not excluded, and
 * with the policy Local have an endpoint. Where some nodes of the cluster have a link to the network of the address,
 * only those are asked: nobody could find it at others. The order is by the hash of address and node, so a node that
 * comes or goes moves only the addresses that it gets or had.
 */
export function planCandidates({ services, nodes, slicesOf, pool, gatewayAddresses }: Cluster): Candidates {
  const ready = nodes.filter(takesPart)
  const networks = new Map(nodes.map(node => [node, networksOf(node) ?? []]))
  const suited = new Map<string, readonly Node[]>()
  for (const service of services) {
    if (!isBalanced(service)) continue
    for (const { ip } of service.status.loadBalancer.ingress ?? []) {
      if (!ip || !isInRanges(pool, ip)) continue
      const some = nodesFor(service, ready, slicesOf(service))
      const before = suited.get(ip)
      suited.set(ip, before ? before.filter(node => some.includes(node)) : some)
    }
  }
  for (const address of gatewayAddresses) if (!suited.has(address)) suited.set(address, ready)
  const candidates = new Map<string, readonly string[]>()
  for (const [address, some] of suited) {
    const isOn = (node: Node) => networks.get(node)!.some(network => cidrContains(network, address))
    const near = nodes.some(isOn) ? some.filter(isOn) : some
    candidates.set(
      address,
      ranked(
        address,
        near.map(({ metadata }) => metadata.name ?? ''),
      ).slice(0, maxCandidates),
    )
  }
  return candidates
}

/** Rendezvous hashing: each node has a place of its own in the order of each address. */
function ranked(address: string, nodes: readonly string[]): string[] {
  const place = new Map(nodes.map(node => [node, createHash('sha256').update(`${address} ${node}`).digest('hex')]))
  return [...nodes].sort((a, b) => (place.get(a)! < place.get(b)! ? -1 : 1))
}

/** Whether a node has to show that it is alive: it shares an address with others. */
export const mustShow = (candidates: Candidates, node: string): boolean =>
  [...candidates.values()].some(nodes => nodes.length > 1 && nodes.includes(node))

interface Standing {
  /** Whether a node may be alive. */
  isAlive(node: string): boolean
  /** Whether a node has been seen to be alive. */
  isCertain(node: string): boolean
  /** Whether others can see that this one is. */
  isShown: boolean
  /** What this node announces now. */
  held: ReadonlySet<string>
}

/**
 * The addresses that this node has to announce: those for which no node before it is alive. It begins with an address
 * that it shares only when the others can see it, and ends only when another is certain to have it.
 */
export function ownAddresses(candidates: Candidates, self: string, standing: Standing): Set<string> {
  const { isAlive, isCertain, isShown, held } = standing
  const own = new Set<string>()
  for (const [address, nodes] of candidates) {
    const isHeld = held.has(address)
    const first = nodes.find(node => node === self || (isHeld ? isCertain(node) : isAlive(node)))
    if (first === self && (nodes.length === 1 || isShown || isHeld)) own.add(address)
  }
  return own
}
