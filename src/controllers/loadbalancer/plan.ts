// Which addresses each Service of type LoadBalancer has: those of the nodes, or with a pool addresses of its own. Pure.
// All Services are planned together, since what one has another cannot have.
import type { IPRange } from '../../api/ip-range.ts'
import { ipFamily } from '../../api/ip.ts'
import type { Node } from '../../kinds/core/node.ts'
import { isBalanced, nodesFor, takesPart } from '../../kinds/core/service-balancing.ts'
import type { Service } from '../../kinds/core/service.ts'
import type { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { planFromPool } from './pool.ts'
import { familiesOf, nameOf, type Outcome, portKey, presentOf } from './service.ts'

interface Balancing {
  /** All Services that are of type LoadBalancer, or have node ports. */
  services: readonly Service[]
  nodes: readonly Node[]
  slicesOf(service: Service): readonly EndpointSlice[]
  /** Without a pool the nodes' own addresses are used, and the ports on them shared out. */
  pool?: readonly IPRange[] | undefined
  /** Ports of the nodes that no Service can have, as `TCP 6443`, and what has them. */
  reserved: ReadonlyMap<string, string>
  /** Ports of the nodes that a Service can keep, but not get any more. */
  occupied: ReadonlyMap<string, string>
  /** Addresses of the pool that Gateways have: a Service can keep such a one, but not get it any more. */
  gatewayAddresses: ReadonlySet<string>
}

/** The most addresses of nodes in a status; at others the Service is not reached. */
const maxAddresses = 50

/** What each Service that is to have addresses gets, by its key. A Service that is being deleted gets nothing. */
export function planBalancing(balancing: Balancing): Map<string, Outcome> {
  const services = [...balancing.services].sort(byAge)
  const ours = services.filter(service => isBalanced(service) && !service.metadata.deletionTimestamp)
  if (!balancing.pool) return planOnNodes(balancing, services, new Set(ours))
  const taken = balancing.nodes.flatMap(({ status }) => (status.addresses ?? []).map(({ address }) => address))
  return planFromPool(ours, balancing.pool, { taken: new Set(taken), occupied: balancing.gatewayAddresses })
}

/** The older one first, and of two from the same second the one that has an address. */
function byAge(a: Service, b: Service): number {
  const [one, other] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '']
  if (one !== other) return one < other ? -1 : 1
  return presentOf(b).length - presentOf(a).length || (nameOf(a) < nameOf(b) ? -1 : 1)
}

function planOnNodes(
  { nodes, slicesOf, reserved, occupied }: Balancing,
  services: readonly Service[],
  ours: ReadonlySet<Service>,
): Map<string, Outcome> {
  const ready = nodes.filter(takesPart).sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
  const claims = new Map<string, { by: string; what: string }>()
  const outcomes = new Map<string, Outcome>()
  for (const service of services) {
    const name = nameOf(service)
    const ports = service.spec.ports ?? []
    const claim = (key: string, what: string) => claims.has(key) || claims.set(key, { by: name, what })
    if (ours.has(service)) {
      const keys = ports.map(({ protocol, port }) => portKey(protocol, port))
      const rights = presentOf(service).length ? reserved : new Map([...occupied, ...reserved])
      const holder = (key: string) => {
        const found = claims.get(key)
        return rights.get(key) ?? (found?.by === name ? undefined : found?.what)
      }
      const lost = keys.find(holder)
      if (lost) outcomes.set(name, { addresses: [], problem: `port ${lost} of the nodes is used by ${holder(lost)}` })
      else {
        for (const key of keys) claim(key, `the Service ${name}`)
        outcomes.set(name, onNodes(service, nodes, nodesFor(service, ready, slicesOf(service))))
      }
    }
    for (const { protocol, nodePort } of ports)
      if (nodePort) claim(portKey(protocol, nodePort), `the Service ${name} as its node port`)
  }
  return outcomes
}

function onNodes(service: Service, all: readonly Node[], ready: readonly Node[]): Outcome {
  const families = familiesOf(service)
  const addresses = families.flatMap(family => [...new Set(ready.flatMap(node => addressesOf(node, family)))])
  if (addresses.length) return { addresses: addresses.slice(0, maxAddresses) }
  // That no node at all is ready is more likely to be a fault of what observes them. The addresses still lead to them.
  const known = new Set(all.flatMap(node => families.flatMap(family => addressesOf(node, family))))
  const kept = presentOf(service).filter(address => known.has(address))
  if (kept.length && !ready.length) return { addresses: kept }
  const problem = ready.length ? `no node has an ${families.map(f => `IPv${f}`).join(' or ')} address` : noNodes
  return { addresses: [], problem }
}

export const noNodes = 'There are no available nodes for LoadBalancer'

/** From outside first. */
function addressesOf({ status }: Node, family: 4 | 6): string[] {
  const of = (type: string) =>
    (status.addresses ?? []).flatMap(one => (one.type === type && ipFamily(one.address) === family ? one.address : []))
  const external = of('ExternalIP')
  return external.length ? external : of('InternalIP')
}
