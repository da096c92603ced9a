// NodeResourcesBalancedAllocation: prefers nodes whose resources are used more evenly with the pod than without it. A
// node is uneven by the standard deviation of the shares in use, so 80 % of the CPU and 20 % of the memory are uneven.
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
      // A pod without requests changes nothing, so all such pods would prefer the same node.
      prepareScore: ({ requests }) => resources.some(({ index }) => (requests[index] ?? 0) > 0) || skip,
      score: (_, node, { requests }) => score(node, requests),
    })
    return () => plugin
  },
}

type Score = (node: NodeInfo, requests: Amounts) => number

/** The score: 75 if nothing changes, 50 from even to completely uneven, 100 for the reverse. */
const improvement = (before: number, after: number) =>
  maxScore / 2 +
  Math.trunc((maxScore / 2 + Math.floor((1 - after) * maxScore) - Math.floor((1 - before) * maxScore)) / 2)

const share = (used: number, total: number) => (used > total ? 1 : used / total)

function ofTwo([a, b]: readonly Weighted[]): Score {
  const [first, second] = [a!.index, b!.index]
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
    const known = resources.filter(({ index }) => (allocatable[index] ?? 0) > 0)
    const shares = (more: Amounts) =>
      known.map(({ index }) => share((requested[index] ?? 0) + (more[index] ?? 0), allocatable[index]!))
    return improvement(deviation(shares([])), deviation(shares(requests)))
  }
}

function deviation(shares: readonly number[]): number {
  if (shares.length < 2) return 0
  if (shares.length === 2) return Math.abs((shares[0]! - shares[1]!) / 2)
  const mean = shares.reduce((sum, value) => sum + value, 0) / shares.length
  return Math.sqrt(shares.reduce((sum, value) => sum + (value - mean) ** 2, 0) / shares.length)
}
