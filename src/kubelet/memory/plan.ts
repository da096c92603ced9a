// From which NUMA nodes a container has its memory, and its huge pages. Nodes that serve a container together serve no
// other container alone, so that what one node was promised is never taken by a neighbour:
//
//   nodes {0}: containers a, b        nodes {1, 2}: container c, which needs more than one node has
//
// What a group of nodes has is counted as one sum. Pure.
// Source: kubernetes pkg/kubelet/cm/memorymanager/policy_static.go, KEP-1769.
import { quantityValue } from '../../api/quantity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { qosClass } from '../../kinds/core/pod-defaults.ts'
import type { ReadContainer } from '../pod/spec.ts'
import { type Hint, hintsWhere, type Mask, nodesIn, sizeOf, subsetsOf } from '../topology/hints.ts'
import { containersOf, isPassing } from '../topology/provider.ts'

/** Bytes by resource: `memory`, `hugepages-2Mi` and so on. */
export type Amounts = ReadonlyMap<string, number>

/** What the containers of this machine's pods can have: by NUMA node. */
export type Stock = ReadonlyMap<number, Amounts>

/** What a container has. */
export interface Block {
  readonly mask: Mask
  readonly amounts: Amounts
}

/** What containers have, by the uid of the pod and the name of the container. */
type Given = ReadonlyMap<string, ReadonlyMap<string, Block>>

const isMemory = (resource: string) => resource === 'memory' || resource.startsWith('hugepages-')

/** What a container has for itself; nothing unless its pod is Guaranteed. */
export function exclusiveMemory(pod: Pod, container: ReadContainer): Amounts {
  if (pod.spec.resources || qosClass(pod.spec) !== 'Guaranteed') return new Map()
  const { requests = {}, limits = {} } = container.resources ?? {}
  const amounts = Object.entries({ ...limits, ...requests }).filter(([resource]) => isMemory(resource))
  return new Map(
    amounts.map(([resource, amount]): [string, number] => [resource, quantityValue(amount)]).filter(([, n]) => n > 0),
  )
}

const sum = (stock: Stock, mask: Mask, resource: string): number =>
  nodesIn(mask).reduce((total, node) => total + (stock.get(node)?.get(resource) ?? 0), 0)

/**
 * What a pod uses of a group of nodes: an init container leaves what it had to the next ones, so only the most that they
 * use at once counts.
 */
function usedBy(pod: Pod | undefined, blocks: ReadonlyMap<string, Block>, mask: Mask, resource: string): number {
  const of = (name: string) => {
    const block = blocks.get(name)
    return block?.mask === mask ? (block.amounts.get(resource) ?? 0) : 0
  }
  // Of a pod that is not known any more, or not yet, all that it was given counts.
  if (!pod) return [...blocks.keys()].reduce((total, name) => total + of(name), 0)
  let [running, most] = [0, 0]
  for (const container of containersOf(pod)) {
    if (isPassing(pod, container)) most = Math.max(most, running + of(container.name))
    else running += of(container.name)
  }
  return Math.max(running, most)
}

interface Now {
  readonly stock: Stock
  readonly given: Given
  readonly podOf: (uid: string) => Pod | undefined
}

/** Whether a group of nodes overlaps with one that others have, without being the same. */
function isSplit(mask: Mask, { given }: Now): boolean {
  for (const blocks of given.values())
    for (const block of blocks.values()) if (block.mask & mask && block.mask !== mask) return true
  return false
}

/** Whether a group of nodes has room for what a pod needs, beside what other pods have. */
function hasRoom(mask: Mask, needed: Amounts, now: Now, uid: string): boolean {
  return [...needed].every(([resource, amount]) => {
    let used = 0
    for (const [other, blocks] of now.given) if (other !== uid) used += usedBy(now.podOf(other), blocks, mask, resource)
    return sum(now.stock, mask, resource) - used >= amount
  })
}

/**
 * The groups of nodes that have room.
 * @param asked what containers ask for
 * @param neededOf what their pod needs of a group of nodes then, together with what it has of it already
 */
export function memoryHints(uid: string, asked: Amounts, neededOf: (mask: Mask) => Amounts, now: Now): Hint[] {
  const couldServe = (mask: Mask) => [...asked].every(([resource, amount]) => sum(now.stock, mask, resource) >= amount)
  const canServe = (mask: Mask) => !isSplit(mask, now) && hasRoom(mask, neededOf(mask), now, uid)
  return hintsWhere([...now.stock.keys()], couldServe, canServe)
}

/** What a pod needs of a group of nodes when a container gets its memory from it. */
export function neededWith(
  pod: Pod,
  container: ReadContainer,
  mask: Mask,
  blocks: ReadonlyMap<string, Block>,
): Amounts {
  const amounts = exclusiveMemory(pod, container)
  const together = new Map(blocks).set(container.name, { mask, amounts })
  return new Map([...amounts.keys()].map(resource => [resource, usedBy(pod, together, mask, resource)]))
}

type Choice = { readonly mask: Mask } | { readonly why: string }

/** The group of nodes for a container: that of the affinity if it has room, or else the best group that includes it. */
export function chooseNodes(
  pod: Pod,
  uid: string,
  container: ReadContainer,
  affinity: Mask | undefined,
  now: Now,
): Choice {
  const own = now.given.get(uid) ?? new Map<string, Block>()
  const fits = (mask: Mask) => hasRoom(mask, neededWith(pod, container, mask, own), now, uid)
  if (affinity !== undefined && fits(affinity))
    return isSplit(affinity, now)
      ? { why: '[memorymanager] preferred hint violates NUMA node allocation' }
      : { mask: affinity }
  const groups = subsetsOf([...now.stock.keys()])
    .filter(mask => (mask & (affinity ?? 0)) === (affinity ?? 0) && !isSplit(mask, now) && fits(mask))
    .sort((a, b) => sizeOf(a) - sizeOf(b) || a - b)
  const [mask] = groups
  if (mask === undefined)
    return {
      why: `[memorymanager] failed to get the default NUMA affinity, no NUMA nodes with enough memory is available`,
    }
  return { mask }
}
