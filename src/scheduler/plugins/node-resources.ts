// NodeResourcesFit and NodeResourcesBalancedAllocation: a node must have left what the pod asks for; emptier nodes are
// better, and so are those where CPU and memory fill up evenly. Source: plugins/noderesources.
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { definePlugin, freed, maxScore, type No, wake } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import { type Amounts, amounts, cpu, memory, podCount, resourceName } from '../resources.ts'

const refusals: Record<number, { room: No; size: No }> = {}

const textOf = (place: number) => (place === podCount ? 'Too many pods' : `Insufficient ${resourceName(place)}`)

/** `size`: the node is too small for the pod even when empty, so evicting others would not help. */
function refusal(place: number, tooSmall: boolean): No {
  refusals[place] ??= { room: { no: textOf(place), ever: true }, size: { no: textOf(place), ever: false } }
  return tooSmall ? refusals[place].size : refusals[place].room
}

/** Everything the node lacks for the pod. */
export function lacks(requests: Amounts, { requested, allocatable }: NodeInfo): number[] {
  const places: number[] = []
  for (let i = 0; i < requests.length; i++)
    if (requests[i]! > 0 && requests[i]! > (allocatable[i] ?? 0) - (requested[i] ?? 0)) places.push(i)
  return places
}

export const nodeResourcesFit = definePlugin({
  name: 'NodeResourcesFit',
  filter(_, node, { requests }) {
    const { requested, allocatable } = node
    for (let i = 0; i < requests.length; i++) {
      if (requests[i]! === 0 || requests[i]! <= (allocatable[i] ?? 0) - (requested[i] ?? 0)) continue
      const places = lacks(requests, node)
      const tooSmall = places.some(place => requests[place]! > (allocatable[place] ?? 0))
      return places.length === 1 ? refusal(i, tooSmall) : { no: places.map(textOf), ever: !tooSmall }
    }
    return true
  },
  score(_, node, pod) {
    const [c, m] = [left(node, pod, cpu), left(node, pod, memory)]
    return c === undefined ? (m ?? 0) : m === undefined ? c : Math.floor((c + m) / 2)
  },
  wakeOn: [
    wake(Pod, (_, after, before) => freed(after, before) || shrank(after, before)),
    wake(Node, ({ requests }, after, before) => {
      if (!after) return false
      const now = amounts(after.status.allocatable)
      if (!requests.every((wanted, i) => wanted <= (now[i] ?? 0))) return false
      const was = before ? amounts(before.status.allocatable) : []
      return now.some((amount, i) => amount > (was[i] ?? 0))
    }),
  ],
})

/** A running pod was resized to need less. */
function shrank(after: PodInfo['pod'] | undefined, before: PodInfo['pod'] | undefined): boolean {
  if (!after?.spec.nodeName || !before?.spec.nodeName) return false
  return JSON.stringify(after.spec.containers) !== JSON.stringify(before.spec.containers)
}

/** How much of a resource would be left, of 100; undefined when the node has none of it. */
function left(node: NodeInfo, { scored }: PodInfo, place: 0 | 1): number | undefined {
  const total = node.allocatable[place]!
  if (total === 0) return undefined
  const used = (place === cpu ? node.scoredCpu : node.scoredMemory) + scored[place]
  return used > total ? 0 : Math.floor(((total - used) * maxScore) / total)
}

export const balancedAllocation = definePlugin({
  name: 'NodeResourcesBalancedAllocation',
  score(_, { requested, allocatable }, { requests }) {
    const share = (place: number) =>
      allocatable[place] ? Math.min(1, (requested[place]! + requests[place]!) / allocatable[place]) : 0
    return Math.floor((1 - Math.abs(share(cpu) - share(memory)) / 2) * maxScore)
  },
  wakeOn: [],
})
