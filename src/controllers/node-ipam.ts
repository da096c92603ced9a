// Node IPAM: gives every node ranges of pod addresses, one from each of the cluster's ranges. A cluster range is cut
// into slots of a node's size. An index of the node mirror has the slots that are taken, so that the cost of one lookup
// does not grow with the number of nodes. Source: pkg/controller/nodeipam/ipam (cidrset, range_allocator.go).
import { type Cidr, formatIP, parseCidr } from '../api/ip.ts'
import { Node } from '../kinds/core/node.ts'
import type { Context } from './context.ts'
import { type Controller, defineController } from './harness.ts'

/** Prefix lengths of a node's ranges. */
export interface MaskSizes {
  4: number
  6: number
}
const defaultMaskSizes: MaskSizes = { 4: 24, 6: 64 }
/** A cluster range has at most 2^16 slots, as upstream. */
const maxSlotBits = 16

/** A range of the cluster, cut into slots. */
interface Pool {
  cluster: Cidr
  bits: number
  slots: number
}

/** @param clusterCidr the range of all pods, such as 10.244.0.0/16; two, separated by a comma, for both families */
export function nodeIpamController(clusterCidr: string, maskSizes: Partial<MaskSizes> = {}): Controller {
  const pools = poolsOf(clusterCidr, maskSizes)
  const takenBy = (node: Node) => takenSlots(pools, node)
  // Slots that were given to a node whose write the mirror may not have yet, by slot and by node.
  const given = new Map<string, string>()
  const held = new Map<string, string[]>()
  const release = (name: string) => {
    for (const entry of held.get(name) ?? []) if (given.get(entry) === name) given.delete(entry)
    held.delete(name)
  }
  const next = pools.map(() => 0)
  const isFree = (ctx: Context, entry: string) => {
    if (ctx.cache(Node).byIndex('slots', takenBy, entry).length) return false
    const holder = given.get(entry)
    if (holder === undefined) return true
    // The index does not have the slot, so a holder that has a range has another one.
    return ctx.cache(Node).get(undefined, holder)?.spec.podCIDR !== undefined
  }
  return defineController({
    name: 'node-ipam-controller',
    identity: 'node-controller',
    reconciles: Node,
    // With one worker two nodes cannot get the same slot.
    workers: 1,
    when: node => !node.spec.podCIDR,
    async reconcile(node, ctx) {
      const name = node.metadata.name ?? ''
      if (node.spec.podCIDR || node.metadata.deletionTimestamp) return
      // The slots of an earlier attempt whose write failed.
      release(name)
      const slots = pools.map((pool, i) => nextFree(pool.slots, next[i]!, slot => isFree(ctx, entryOf(i, slot))))
      if (slots.includes(undefined)) {
        ctx.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`)
        throw new Error(`no range of pod addresses is left in ${clusterCidr} for node ${name}`)
      }
      const entries = slots.map((slot, i) => entryOf(i, slot!))
      for (const entry of entries) given.set(entry, name)
      held.set(name, entries)
      for (const [i, slot] of slots.entries()) next[i] = (slot! + 1) % pools[i]!.slots
      const podCIDRs = slots.map((slot, i) => rangeText(pools[i]!, slot!))
      await ctx.patch(Node, node, 'merge', { spec: { podCIDR: podCIDRs[0], podCIDRs } })
    },
    async deleted({ name }) {
      release(name)
    },
  })
}

const entryOf = (pool: number, slot: number) => `${pool}/${slot}`

/** The cluster's ranges, cut into slots. Throws an Error that names the wrong range. */
export function poolsOf(clusterCidr: string, maskSizes: Partial<MaskSizes> = {}): Pool[] {
  const pools = clusterCidr.split(',').map((text): Pool => {
    const cluster = parseCidr(text.trim())
    if (!cluster) throw new Error(`${JSON.stringify(text)} is no range of addresses such as 10.244.0.0/16`)
    const bits = Math.max(maskSizes[cluster.family] ?? defaultMaskSizes[cluster.family], cluster.bits)
    if (bits - cluster.bits > maxSlotBits)
      throw new Error(`${text} has more than 2^${maxSlotBits} ranges of /${bits}: take a smaller range`)
    return { cluster, bits, slots: 2 ** (bits - cluster.bits) }
  })
  if (pools.length > 2 || (pools.length === 2 && pools[0]!.cluster.family === pools[1]!.cluster.family))
    throw new Error(`${JSON.stringify(clusterCidr)}: at most one range of each family, IPv4 and IPv6`)
  return pools
}

/** The first free slot at or after `start`, continuing from 0 at the end. Undefined when all are taken. */
export function nextFree(slots: number, start: number, isFree: (slot: number) => boolean): number | undefined {
  for (let i = 0; i < slots; i++) {
    const slot = (start + i) % slots
    if (isFree(slot)) return slot
  }
  return undefined
}

export function rangeText({ cluster, bits }: Pool, slot: number): string {
  const size = 1n << BigInt((cluster.family === 4 ? 32 : 128) - bits)
  return `${formatIP(cluster.family, cluster.base + BigInt(slot) * size)}/${bits}`
}

/** Index entries of all slots that a node's ranges overlap, also ranges of another size. */
export function takenSlots(pools: readonly Pool[], { spec }: Node): string[] {
  const ranges = (spec.podCIDRs?.length ? spec.podCIDRs : [spec.podCIDR ?? '']).flatMap(text => parseCidr(text) ?? [])
  return pools.flatMap(({ cluster, bits, slots }, i) =>
    ranges
      .filter(range => range.family === cluster.family)
      .flatMap(range => {
        const size = 1n << BigInt((cluster.family === 4 ? 32 : 128) - bits)
        const first = Math.max(0, Number((range.base - cluster.base) / size))
        const last = Math.min(slots - 1, Number((range.base + range.size - 1n - cluster.base) / size))
        const outside = range.base >= cluster.base + cluster.size || range.base + range.size <= cluster.base
        return outside ? [] : Array.from({ length: last - first + 1 }, (_, j) => entryOf(i, first + j))
      }),
  )
}
