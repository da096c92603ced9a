// NodeResourcesBalancedAllocation: a node is better when the pod makes its resources fill up more evenly, worse when it
// makes them less even. Evenness is the standard deviation of how full each resource is.
// Source: plugins/noderesources/balanced_allocation.go.
import { definePlugin, maxScore, type PluginMaker, skip } from '../framework.ts'
import type { NodeInfo } from '../info.ts'
import type { Amounts } from '../resources.ts'
import { readResources, type Weighted } from './resource-args.ts'

export const balancedAllocation: PluginMaker = {
  name: 'NodeResourcesBalancedAllocation',
  read(args) {
    const resources = readResources(args, 'resources')
    const score = resources.length === 2 ? ofTwo(resources) : ofMany(resources)
    const plugin = definePlugin<undefined, true>({
      name: 'NodeResourcesBalancedAllocation',
      depends: 'node',
      // Pods that ask for nothing change nothing, and would all find the same node the best.
      prepareScore: ({ requests }) => resources.some(({ place }) => (requests[place] ?? 0) > 0) || skip,
      score: (_, node, { requests }) => score(node, requests),
    })
    return () => plugin
  },
}

type Score = (node: NodeInfo, requests: Amounts) => number

/** 75 when nothing changes, 50 from even to as uneven as can be, 100 the other way round. */
const improvement = (before: number, after: number) =>
  maxScore / 2 +
  Math.trunc((maxScore / 2 + Math.floor((1 - after) * maxScore) - Math.floor((1 - before) * maxScore)) / 2)

const share = (used: number, total: number) => (used > total ? 1 : used / total)

function ofTwo([a, b]: readonly Weighted[]): Score {
  const [first, second] = [a!.place, b!.place]
  return ({ requested, allocatable }, requests) => {
    const [all1, all2] = [allocatable[first] ?? 0, allocatable[second] ?? 0]
    if (all1 === 0 || all2 === 0) return improvement(0, 0)
    const [used1, used2] = [requested[first] ?? 0, requested[second] ?? 0]
    const before = Math.abs((share(used1, all1) - share(used2, all2)) / 2)
    const after = Math.abs(
      (share(used1 + (requests[first] ?? 0), all1) - share(used2 + (requests[second] ?? 0), all2)) / 2,
    )
    return improvement(before, after)
  }
}

function ofMany(resources: readonly Weighted[]): Score {
  return ({ requested, allocatable }, requests) => {
    const known = resources.filter(({ place }) => (allocatable[place] ?? 0) > 0)
    const shares = (more: Amounts) =>
      known.map(({ place }) => share((requested[place] ?? 0) + (more[place] ?? 0), allocatable[place]!))
    return improvement(deviation(shares([])), deviation(shares(requests)))
  }
}

function deviation(shares: readonly number[]): number {
  if (shares.length < 2) return 0
  if (shares.length === 2) return Math.abs((shares[0]! - shares[1]!) / 2)
  const mean = shares.reduce((sum, value) => sum + value, 0) / shares.length
  return Math.sqrt(shares.reduce((sum, value) => sum + (value - mean) ** 2, 0) / shares.length)
}
