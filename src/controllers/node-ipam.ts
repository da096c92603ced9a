// Node IPAM: gives every node a range of pod addresses out of the cluster's range. Source: pkg/controller/nodeipam.
import { formatIP, parseCidr } from '../api/ip.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
import { Node } from '../kinds/core/node.ts'
import { type Controller, defineController } from './harness.ts'

const bitsPerNode = { 4: 24, 6: 64 } as const

/** @param clusterCidr the addresses of all pods, such as 10.244.0.0/16 */
export function nodeIpamController(clusterCidr: string): Controller {
  // Ranges handed out whose node may not be in the mirror yet.
  const given = new Map<string, string>()
  return defineController({
    name: 'node-ipam-controller',
    identity: 'node-controller',
    reconciles: Node,
    // One at a time: two nodes must not get the same range.
    workers: 1,
    when: node => !node.spec.podCIDR,
    async reconcile(node, ctx) {
      const name = node.metadata.name ?? ''
      if (node.spec.podCIDR || node.metadata.deletionTimestamp) return
      const nodes = ctx.cache(Node).list()
      for (const other of given.keys()) {
        const seen = ctx.cache(Node).get(undefined, other)
        if (!seen || seen.spec.podCIDR || other === name) given.delete(other)
      }
      const range = planRange(clusterCidr, [...nodes.flatMap(rangesOf), ...given.values()])
      if (!range) {
        ctx.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`)
        throw new Error(`no range of pod addresses is left in ${clusterCidr} for node ${name}`)
      }
      given.set(name, range)
      await ctx.patch(Node, node, 'merge', { spec: { podCIDR: range, podCIDRs: [range] } })
    },
  })
}

const rangesOf = (node: DeepReadonly<Node>): string[] => [...(node.spec.podCIDRs ?? []), node.spec.podCIDR ?? '']

/** The first free range of a node's size; undefined when none is left. */
export function planRange(clusterCidr: string, taken: readonly string[]): string | undefined {
  const cluster = parseCidr(clusterCidr)
  if (!cluster) throw new Error(`${JSON.stringify(clusterCidr)} is no range of addresses such as 10.244.0.0/16`)
  const bits = Math.max(bitsPerNode[cluster.family], cluster.bits)
  const size = 1n << BigInt((cluster.family === 4 ? 32 : 128) - bits)
  const used = taken.flatMap(text => parseCidr(text) ?? []).filter(range => range.family === cluster.family)
  const starts = new Set(used.filter(range => range.size <= size).map(range => (range.base / size) * size))
  const large = used.filter(range => range.size > size)
  for (let base = cluster.base; base < cluster.base + cluster.size; base += size) {
    if (starts.has(base) || large.some(range => base >= range.base && base < range.base + range.size)) continue
    return `${formatIP(cluster.family, base)}/${bits}`
  }
  return undefined
}
