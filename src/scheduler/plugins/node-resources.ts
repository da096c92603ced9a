// NodeResourcesFit: a node must have as much of every resource left as the pod requests. The scoring strategy decides
// which of the fitting nodes is better: the emptiest (LeastAllocated), the fullest (MostAllocated), or a curve over the
// share in use (RequestedToCapacityRatio).
// Source: plugins/noderesources (fit.go, least_allocated.go, most_allocated.go, requested_to_capacity_ratio.go).
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { DeviceClass } from '../../kinds/resource/deviceclass.ts'
import type { Fields } from '../../api/config-file.ts'
import { ExtendedResources } from '../devices/extended.ts'
import { definePlugin, freed, maxScore, type No, type Plugin, type PluginMaker, wake } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import { type Amounts, amounts, cpu, memory, podCount, resourceName } from '../resources.ts'
import { readResources, readShape, type Weighted } from './resource-args.ts'

const refusals: Record<number, { room: No; size: No }> = {}

const textOf = (index: number) => (index === podCount ? 'Too many pods' : `Insufficient ${resourceName(index)}`)

/** The refusals for one resource. With `size` the node is too small even when empty, so evictions would not help. */
function refusal(index: number, tooSmall: boolean): No {
  refusals[index] ??= { room: { no: textOf(index), ever: true }, size: { no: textOf(index), ever: false } }
  return tooSmall ? refusals[index].size : refusals[index].room
}

const fits = (requests: Amounts, { requested, allocatable }: NodeInfo, index: number): boolean =>
  requests[index]! === 0 || requests[index]! <= (allocatable[index] ?? 0) - (requested[index] ?? 0)

/** Whether the filter leaves a resource of a node to somebody else. */
type IsLeft = (index: number, node: Pick<NodeInfo, 'allocatable'>) => boolean

/** The indexes of all resources that the node lacks for the pod, without those that are left to others. */
const lacks = (requests: Amounts, node: NodeInfo, isLeft: IsLeft): number[] =>
  askedOrder(requests.length).filter(i => !fits(requests, node, i) && !isLeft(i, node))

const orders: number[][] = []
/** The order in which resources are checked: as upstream, the number of pods comes first. */
const askedOrder = (length: number): readonly number[] =>
  (orders[length] ??= [podCount, ...Array.from({ length }, (_, i) => i).filter(i => i !== podCount)])

/** Scores one resource by the amount in use and the total. Undefined leaves it out of the mean. */
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

/**
 * The amount in use with the pod on the node. Undefined when the node or the pod has nothing to do with the resource.
 */
function usedWith(node: NodeInfo, pod: PodInfo, index: number): number | undefined {
  if (!node.allocatable[index]) return undefined
  if (index === cpu) return node.scoredCpu + pod.scored[0]
  if (index === memory) return node.scoredMemory + pod.scored[1]
  const wanted = pod.requests[index] ?? 0
  if (wanted === 0 && extended(resourceName(index))) return undefined
  return (node.requested[index] ?? 0) + wanted
}

function scorer({ curve, resources, round }: Strategy): (node: NodeInfo, pod: PodInfo) => number {
  return (node, pod) => {
    let [sum, weights] = [0, 0]
    for (const { index, weight } of resources) {
      const used = usedWith(node, pod, index)
      if (used === undefined) continue
      const score = curve(used, node.allocatable[index]!)
      if (score === undefined) continue
      sum += score * weight
      weights += weight
    }
    return weights === 0 ? 0 : round(sum / weights)
  }
}

/** The default strategy, without loops: the emptier the better, with equal weights for CPU and memory. */
function emptiest(node: NodeInfo, pod: PodInfo): number {
  const [allCpu, allMemory] = [node.allocatable[cpu]!, node.allocatable[memory]!]
  const c = allCpu === 0 ? -1 : leastAllocated(node.scoredCpu + pod.scored[0], allCpu)!
  const m = allMemory === 0 ? -1 : leastAllocated(node.scoredMemory + pod.scored[1], allMemory)!
  return c < 0 ? Math.max(m, 0) : m < 0 ? c : Math.floor((c + m) / 2)
}

/** Whether the filter ignores a resource: extended ones, by name or by the part of the name before the slash. */
function readIgnored(args: Fields): ((index: number) => boolean) | undefined {
  const names = new Set(args.strings('ignoredResources'))
  const groups = new Set(args.strings('ignoredResourceGroups'))
  for (const group of groups) if (group.includes('/')) args.problem('ignoredResourceGroups', 'must not contain a slash')
  if (!names.size && !groups.size) return undefined
  return index => {
    const name = resourceName(index)
    return extended(name) && (names.has(name) || groups.has(name.slice(0, name.indexOf('/'))))
  }
}

function filterOf(isLeft: IsLeft): NonNullable<Plugin['filter']> {
  return (_, node, { requests }) => {
    const { requested, allocatable } = node
    for (let i = 0; i < requests.length; i++) {
      if (requests[i]! === 0 || requests[i]! <= (allocatable[i] ?? 0) - (requested[i] ?? 0)) continue
      if (isLeft(i, node)) continue
      const indexes = lacks(requests, node, isLeft)
      const tooSmall = indexes.some(index => requests[index]! > (allocatable[index] ?? 0))
      return indexes.length === 1 ? refusal(i, tooSmall) : { no: indexes.map(textOf), ever: !tooSmall }
    }
    return true
  }
}

const wakesFor = (isLeft: IsLeft) => [
  wake(Pod, (_, after, before) => freed(after, before) || shrank(after, before)),
  wake(Node, ({ requests }, after, before) => {
    if (!after || (before && before.status.allocatable === after.status.allocatable)) return false
    const now = amounts(after.status.allocatable)
    if (!requests.every((wanted, i) => wanted <= (now[i] ?? 0) || isLeft(i, { allocatable: now }))) return false
    const was = before ? amounts(before.status.allocatable) : []
    return now.some((amount, i) => amount > (was[i] ?? 0))
  }),
  // A class may stand for a resource that no node has.
  wake(DeviceClass, (_, after) => after !== undefined),
]

/** Whether the size of a running pod has changed. */
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
    const isIgnored = readIgnored(args)
    return ({ client, signal, forgetAnswers }) => {
      const resources = new ExtendedResources(client.mirror(DeviceClass), signal, forgetAnswers)
      // Devices of a class take the place of a resource that the node does not have: DynamicResources looks for them.
      const isLeft: IsLeft = (index, { allocatable }) =>
        (index > podCount && !allocatable[index] && resources.classOf(resourceName(index)) !== undefined) ||
        (isIgnored?.(index) ?? false)
      return definePlugin({
        name: 'NodeResourcesFit',
        depends: 'node',
        filter: filterOf(isLeft),
        score: (_, node, pod) => score(node, pod),
        wakeOn: wakesFor(isLeft),
      })
    }
  },
}
