// Which NUMA nodes of the machine a container should use, so that its CPUs, its memory and its devices are close to each
// other. Each manager gives hints, sets of nodes from which it could serve the container, and one set is made of them.
// Pure.
//
// Example with two nodes: the CPUs may come from node 0, node 1, or both; the device is at node 1. The hints of both
// agree on {1}, which is preferred, since neither needs more nodes than it could do with.
//
// Source: kubernetes pkg/kubelet/cm/topologymanager (policy.go and the policies), KEP-693.

/** A set of NUMA nodes as the bits of a number: node 0 is 1, nodes 0 and 2 are 5. */
export type Mask = number

export interface Hint {
  /** Undefined for any nodes. */
  readonly mask: Mask | undefined
  /** Whether no smaller set would do on an empty machine. */
  readonly isPreferred: boolean
}

/** By resource: undefined for a resource without a preference, and [] for one that no set of nodes can serve. */
export type Hints = ReadonlyMap<string, readonly Hint[] | undefined>

export type TopologyPolicy = 'none' | 'best-effort' | 'restricted' | 'single-numa-node'

/** The most nodes of a machine on which sets are tried. Source: defaultMaxAllowableNUMANodes. */
export const maxNumaNodes = 8

const maxNode = 30

/** Nodes that no machine has are left out. */
export const maskOf = (nodes: Iterable<number>): Mask =>
  Array.from(nodes).reduce((mask, node) => (node >= 0 && node <= maxNode ? mask | (1 << node) : mask), 0)

export const nodesIn = (mask: Mask): number[] =>
  Array.from({ length: maxNode + 1 }, (_, node) => node).filter(node => mask & (1 << node))

export const sizeOf = (mask: Mask): number => nodesIn(mask).length

/** All sets of these nodes but the empty one. */
export function subsetsOf(nodes: readonly number[]): Mask[] {
  return Array.from({ length: 2 ** nodes.length - 1 }, (_, i) =>
    maskOf(nodes.filter((_node, at) => (i + 1) & (1 << at))),
  )
}

/**
 * The hints of one resource: the sets from which it can be served now, preferred where they have as few nodes as any set
 * that could serve it on an empty machine.
 */
export function hintsWhere(
  nodes: readonly number[],
  couldServe: (mask: Mask) => boolean,
  canServe: (mask: Mask) => boolean,
): Hint[] {
  const sets = subsetsOf(nodes)
  const least = Math.min(...sets.filter(couldServe).map(sizeOf))
  return sets.filter(canServe).map(mask => ({ mask, isPreferred: sizeOf(mask) === least }))
}

/** How far apart the nodes of a set are, on average. Smaller is better. */
type Distance = (mask: Mask) => number

interface MergeOptions {
  readonly policy: TopologyPolicy
  readonly nodes: readonly number[]
  /** Given where, of sets of one size, the nodes that are closest to each other are preferred. */
  readonly distance?: Distance | undefined
}

interface Merged {
  readonly hint: Hint
  /** Whether the policy lets the container run. */
  readonly isAdmitted: boolean
}

/** One hint from those of all managers. */
export function mergeHints(all: readonly Hints[], options: MergeOptions): Merged {
  const { policy, nodes, distance } = options
  const whole = maskOf(nodes)
  let lists = listsOf(all)
  if (policy === 'single-numa-node')
    lists = lists.map(list =>
      list.filter(({ mask, isPreferred }) => isPreferred && (mask === undefined || sizeOf(mask) === 1)),
    )
  const wanted = Math.max(0, ...lists.map(leastSize))
  let best: Hint | undefined
  for (const hint of combined(lists, whole)) if (!best || isBetter(hint, best, { wanted, distance })) best = hint
  const hint = best ?? { mask: whole, isPreferred: false }
  if (policy !== 'single-numa-node') return { hint, isAdmitted: policy !== 'restricted' || hint.isPreferred }
  return { hint: hint.mask === whole ? { ...hint, mask: undefined } : hint, isAdmitted: hint.isPreferred }
}

function listsOf(all: readonly Hints[]): (readonly Hint[])[] {
  const lists = all.flatMap(hints => [...hints.values()])
  return lists.map(list => {
    if (!list) return [{ mask: undefined, isPreferred: true }]
    return list.length ? list : [{ mask: undefined, isPreferred: false }]
  })
}

/** The fewest nodes of a list's hints; 0 if they name none. */
function leastSize(list: readonly Hint[]): number {
  const sizes = list.flatMap(({ mask }) => (mask === undefined ? [] : [sizeOf(mask)]))
  return sizes.length ? Math.min(...sizes) : 0
}

/**
 * What one hint of each list has in common, for all choices of hints, without those that have nothing. What is the same is
 * there once, so that the work grows with the number of lists and not with its power.
 */
function combined(lists: readonly (readonly Hint[])[], whole: Mask): Hint[] {
  let hints = new Map<string, Hint>([['', { mask: whole, isPreferred: true }]])
  for (const list of lists) {
    const next = new Map<string, Hint>()
    for (const before of hints.values())
      for (const { mask = whole, isPreferred } of list) {
        const hint = { mask: (before.mask ?? whole) & mask, isPreferred: before.isPreferred && isPreferred }
        if (hint.mask) next.set(`${hint.mask} ${hint.isPreferred}`, hint)
      }
    hints = next
  }
  return [...hints.values()]
}

/** How many nodes are wanted: as many as the resource needs that needs the most. */
function isBetter(hint: Hint, best: Hint, by: { wanted: number; distance: Distance | undefined }): boolean {
  if (hint.isPreferred !== best.isPreferred) return hint.isPreferred
  const [size, bestSize] = [sizeOf(hint.mask ?? 0), sizeOf(best.mask ?? 0)]
  // Of sets that are not preferred, those that have what the neediest resource needs come first, then the largest of the
  // smaller ones, and then the smallest of the larger ones.
  const off = (count: number) => {
    if (hint.isPreferred) return count
    if (count > by.wanted) return maxNumaNodes + count
    return by.wanted - count
  }
  if (off(size) !== off(bestSize)) return off(size) < off(bestSize)
  const [far, bestFar] = [by.distance?.(hint.mask ?? 0) ?? 0, by.distance?.(best.mask ?? 0) ?? 0]
  return far === bestFar ? (hint.mask ?? 0) < (best.mask ?? 0) : far < bestFar
}
