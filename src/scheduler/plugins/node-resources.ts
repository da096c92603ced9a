// NodeResourcesFit: a node must have left what the pod asks for. Which of the nodes that have it is better is a matter
// of strategy: the emptiest (LeastAllocated), the fullest (MostAllocated), or a curve over how full it would be.
// Source: plugins/noderesources (fit.go, least_allocated.go, most_allocated.go, requested_to_capacity_ratio.go).
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Fields } from '../fields.ts'
import { definePlugin, freed, maxScore, type No, type Plugin, type PluginMaker, wake } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import { type Amounts, amounts, cpu, memory, podCount, resourceName } from '../resources.ts'
import { readResources, readShape, type Weighted } from './resource-args.ts'

const refusals: Record<number, { room: No; size: No }> = {}

const textOf = (place: number) => (place === podCount ? 'Too many pods' : `Insufficient ${resourceName(place)}`)

/** `size`: the node is too small for the pod even when empty, so evicting others would not help. */
function refusal(place: number, tooSmall: boolean): No {
  refusals[place] ??= { room: { no: textOf(place), ever: true }, size: { no: textOf(place), ever: false } }
  return tooSmall ? refusals[place].size : refusals[place].room
}

const fits = (requests: Amounts, { requested, allocatable }: NodeInfo, place: number): boolean =>
  requests[place]! === 0 || requests[place]! <= (allocatable[place] ?? 0) - (requested[place] ?? 0)

/** Everything the node lacks for the pod; `ignored` are places that do not count. */
function lacks(requests: Amounts, node: NodeInfo, ignored: ReadonlySet<number> | undefined): number[] {
  const places: number[] = []
  for (const i of askedOrder(requests.length)) if (!fits(requests, node, i) && !ignored?.has(i)) places.push(i)
  return places
}

const orders: number[][] = []
/** The number of pods is what upstream looks at first. */
const askedOrder = (length: number): readonly number[] =>
  (orders[length] ??= [podCount, ...Array.from({ length }, (_, i) => i).filter(i => i !== podCount)])

/** Scores one resource from what would be used of what there is; undefined leaves it out of the mean. */
type Curve = (used: number, total: number) => number | undefined

const leastAllocated: Curve = (used, total) => (used > total ? 0 : Math.floor(((total - used) * maxScore) / total))
const mostAllocated: Curve = (used, total) => Math.floor((Math.min(used, total) * maxScore) / total)

const maxShapeScore = 10

/** Straight lines between the points of `shape`. */
function shaped(shape: readonly { utilization: number; score: number }[]): Curve {
  const points = shape.map(({ utilization, score }) => ({ x: utilization, y: score * (maxScore / maxShapeScore) }))
  const value = (x: number): number => {
    const next = points.findIndex(point => x <= point.x)
    if (next < 0) return points.at(-1)!.y
    const [to, from] = [points[next]!, points[next - 1]]
    return from ? from.y + Math.trunc(((to.y - from.y) * (x - from.x)) / (to.x - from.x)) : to.y
  }
  return (used, total) => {
    const score = value(used > total ? 100 : Math.floor((used * 100) / total))
    return score > 0 ? score : undefined
  }
}

interface Strategy {
  curve: Curve
  resources: readonly Weighted[]
  round: (value: number) => number
}

function readStrategy(args: Fields): Strategy {
  const strategy = args.object('scoringStrategy')
  const types = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'] as const
  const type = strategy.oneOf('type', types, 'LeastAllocated')
  const resources = readResources(strategy, 'resources')
  const ratio = strategy.object('requestedToCapacityRatio')
  const shape = readShape(ratio, 'shape', maxShapeScore)
  ratio.end()
  strategy.end()
  if (type === 'RequestedToCapacityRatio') {
    if (!shape.length) ratio.problem('shape', 'at least one point is required')
    return { curve: shaped(shape.length ? shape : [{ utilization: 0, score: 0 }]), resources, round: Math.round }
  }
  return { curve: type === 'MostAllocated' ? mostAllocated : leastAllocated, resources, round: Math.floor }
}

const extended = (name: string) => name.includes('/') && !name.startsWith('kubernetes.io/')

/** What would be used of a resource with the pod on the node; undefined when it does not concern pod or node. */
function usedWith(node: NodeInfo, pod: PodInfo, place: number): number | undefined {
  if (!node.allocatable[place]) return undefined
  if (place === cpu) return node.scoredCpu + pod.scored[0]
  if (place === memory) return node.scoredMemory + pod.scored[1]
  const wanted = pod.requests[place] ?? 0
  if (wanted === 0 && extended(resourceName(place))) return undefined
  return (node.requested[place] ?? 0) + wanted
}

function scorer({ curve, resources, round }: Strategy): (node: NodeInfo, pod: PodInfo) => number {
  return (node, pod) => {
    let [sum, weights] = [0, 0]
    for (const { place, weight } of resources) {
      const used = usedWith(node, pod, place)
      if (used === undefined) continue
      const score = curve(used, node.allocatable[place]!)
      if (score === undefined) continue
      sum += score * weight
      weights += weight
    }
    return weights === 0 ? 0 : round(sum / weights)
  }
}

/** The usual strategy: CPU and memory alike, the emptier the better. */
function emptiest(node: NodeInfo, pod: PodInfo): number {
  const [allCpu, allMemory] = [node.allocatable[cpu]!, node.allocatable[memory]!]
  const c = allCpu === 0 ? -1 : leastAllocated(node.scoredCpu + pod.scored[0], allCpu)!
  const m = allMemory === 0 ? -1 : leastAllocated(node.scoredMemory + pod.scored[1], allMemory)!
  return c < 0 ? Math.max(m, 0) : m < 0 ? c : Math.floor((c + m) / 2)
}

/** Places of resources that the filter leaves to others: by name, or by all that stands before the slash. */
function readIgnored(args: Fields): ((place: number) => boolean) | undefined {
  const names = new Set(args.strings('ignoredResources'))
  const groups = new Set(args.strings('ignoredResourceGroups'))
  for (const group of groups) if (group.includes('/')) args.problem('ignoredResourceGroups', 'must not contain a slash')
  if (!names.size && !groups.size) return undefined
  return place => {
    const name = resourceName(place)
    return extended(name) && (names.has(name) || groups.has(name.slice(0, name.indexOf('/'))))
  }
}

function filterOf(isIgnored: ((place: number) => boolean) | undefined): NonNullable<Plugin['filter']> {
  return (_, node, { requests }) => {
    const { requested, allocatable } = node
    for (let i = 0; i < requests.length; i++) {
      if (requests[i]! === 0 || requests[i]! <= (allocatable[i] ?? 0) - (requested[i] ?? 0)) continue
      if (isIgnored?.(i)) continue
      const ignored = isIgnored && new Set(requests.flatMap((_wanted, place) => (isIgnored(place) ? [place] : [])))
      const places = lacks(requests, node, ignored)
      const tooSmall = places.some(place => requests[place]! > (allocatable[place] ?? 0))
      return places.length === 1 ? refusal(i, tooSmall) : { no: places.map(textOf), ever: !tooSmall }
    }
    return true
  }
}

const wakeOn = [
  wake(Pod, (_, after, before) => freed(after, before) || shrank(after, before)),
  wake(Node, ({ requests }, after, before) => {
    if (!after || (before && before.status.allocatable === after.status.allocatable)) return false
    const now = amounts(after.status.allocatable)
    if (!requests.every((wanted, i) => wanted <= (now[i] ?? 0))) return false
    const was = before ? amounts(before.status.allocatable) : []
    return now.some((amount, i) => amount > (was[i] ?? 0))
  }),
]

/** A running pod was resized. */
function shrank(after: PodInfo['pod'] | undefined, before: PodInfo['pod'] | undefined): boolean {
  if (!after?.spec.nodeName || !before?.spec.nodeName) return false
  if (after.spec === before.spec && after.status.containerStatuses === before.status.containerStatuses) return false
  const sizes = ({ spec, status }: PodInfo['pod']) =>
    JSON.stringify([
      spec.resources,
      spec.containers.map(c => c.resources),
      status.containerStatuses?.map(c => [c.resources, c.allocatedResources]),
    ])
  return sizes(after) !== sizes(before)
}

export const nodeResourcesFit: PluginMaker = {
  name: 'NodeResourcesFit',
  read(args) {
    const usual = !args.has('scoringStrategy')
    const score = usual ? emptiest : scorer(readStrategy(args))
    const filter = filterOf(readIgnored(args))
    const plugin = definePlugin({
      name: 'NodeResourcesFit',
      depends: 'node',
      filter,
      score: (_, node, pod) => score(node, pod),
      wakeOn,
    })
    return () => plugin
  },
}
