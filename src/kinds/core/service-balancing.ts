// Which Services the cluster's own load balancer serves, from which addresses, and on which nodes. The controller that
// gives out the addresses and the nodes that announce them must agree on it.
import { type IPRange, parseIPRange, rangesOverlap } from '../../api/ip-range.ts'
import type { Mirror } from '../../api/mirror.ts'
import type { EndpointSlice } from '../discovery/endpointslice.ts'
import { isNodeReady } from './node-ready.ts'
import type { Node } from './node.ts'
import type { Service } from './service.ts'

/** The class that Services may name to get an address from here. Those without a class get one, too. */
const ownClass = 'kutter.dev/default'
/** Takes a node out of all load balancing. Source: k8s.io/api/core/v1, LabelNodeExcludeBalancers. */
const excludedLabel = 'node.kubernetes.io/exclude-from-external-load-balancers'
/** The namespace and label of the Leases by which the nodes that announce addresses show that they are alive. */
export const leaseNamespace = 'kube-system'
export const leaseLabel = 'kutter.dev/load-balancer'
/** The name of a node's Lease. Other Leases of the namespace do not begin like this. */
export const leaseNameOf = (node: string): string => `kutter-load-balancer-${node}`
/** The same for the nodes whose servers answer, of which one announces the virtual address of the cluster. */
export const virtualLeaseLabel = 'kutter.dev/virtual-address'
export const virtualLeaseNameOf = (node: string): string => `kutter-virtual-address-${node}`
/** The most ranges of a pool. */
const maxRanges = 64

/** Whether a Service gets its addresses here. Those of another class are another controller's. */
export const isBalanced = ({ spec }: Pick<Service, 'spec'>): boolean =>
  spec.type === 'LoadBalancer' && (spec.loadBalancerClass === undefined || spec.loadBalancerClass === ownClass)

/** The Services of a mirror that get their addresses here. */
export const balancedIn = (services: Mirror<Service>): Service[] =>
  services.byIndex('balanced', service => (isBalanced(service) ? ['yes'] : []), 'yes')

/** Whether a node may take part in load balancing: it is ready, stays, and is not excluded. */
export const takesPart = (node: Node): boolean =>
  node.metadata.labels?.[excludedLabel] === undefined && !node.metadata.deletionTimestamp && isNodeReady(node)

/**
 * The nodes of `nodes` to which traffic for a Service may come. With the external policy Local these are the nodes with
 * an endpoint, as long as there are any: a Service keeps its addresses while its pods are replaced.
 */
export function nodesFor(
  { spec }: Pick<Service, 'spec'>,
  nodes: readonly Node[],
  slices: readonly EndpointSlice[],
): readonly Node[] {
  if (spec.externalTrafficPolicy !== 'Local') return nodes
  const names = new Set(
    slices.flatMap(slice =>
      (slice.endpoints ?? []).flatMap(({ conditions, nodeName }) =>
        (conditions.ready ?? true) ? (nodeName ?? []) : [],
      ),
    ),
  )
  const local = nodes.filter(({ metadata }) => names.has(metadata.name ?? ''))
  return local.length ? local : nodes
}

/** Parses a pool of addresses. Throws an Error that states which range is wrong and why. */
export function parsePool(texts: readonly string[]): IPRange[] {
  if (texts.length > maxRanges)
    throw new Error(`the pool has ${texts.length} ranges; at most ${maxRanges} are possible`)
  const ranges = texts.map(text => parseIPRange(text.trim()))
  for (const [i, range] of ranges.entries()) {
    const other = ranges.slice(0, i).find(before => rangesOverlap(before, range))
    if (other) throw new Error(`the ranges ${other.text} and ${range.text} of the pool overlap`)
  }
  return ranges
}
