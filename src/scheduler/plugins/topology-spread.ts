// PodTopologySpread: spreads similar pods evenly over domains, which are the values of a node label, such as zones.
// Hard constraints (DoNotSchedule) filter, soft ones (ScheduleAnyway) score. Pods of a service or a workload have soft
// ones by default.
//
// Example of a hard constraint with maxSkew 1: zones a, b, c have 2, 1, 1 matching pods. The next pod must go to b or
// c, since 3 in zone a would exceed the smallest count by 2. Source: plugins/podtopologyspread, KEP-895.
import { sameJson } from '../../api/equal.ts'
import { own } from '../../base/own.ts'
import { TopologySpreadConstraint } from '../../kinds/core/affinity.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Fields } from '../../api/config-file.ts'
import { definePlugin, freed, maxScore, type PluginMaker, relabelled, settled, skip, wake } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import type { Snapshot } from '../snapshot.ts'
import { counterFor, eligibleFor, hostname, matcher, type Matcher } from './spread-constraints.ts'

const noLabel = { no: "node(s) didn't match pod topology spread constraints (missing required label)", ever: false }
const tooMany = { no: "node(s) didn't match pod topology spread constraints", ever: true }

/** The constraints of pods without any. Their selector is the pod's own, see own-selector.ts. */
interface Defaults {
  constraints: readonly TopologySpreadConstraint[]
  /** Whether they are Kubernetes' defaults, for which nodes without the zone label count too. */
  system: boolean
}

const systemDefaults: Defaults = {
  system: true,
  constraints: [
    { topologyKey: hostname, maxSkew: 3, whenUnsatisfiable: 'ScheduleAnyway' },
    { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5, whenUnsatisfiable: 'ScheduleAnyway' },
  ],
}

function readDefaults(args: Fields): Defaults {
  const type = args.oneOf('defaultingType', ['System', 'List'], 'System')
  const constraints = args.typedList('defaultConstraints', TopologySpreadConstraint) as TopologySpreadConstraint[]
  if (type === 'System' && constraints.length) args.problem('defaultingType', 'must be List when there are constraints')
  constraints.forEach((constraint, i) => {
    const at = `defaultConstraints[${i}]`
    if (constraint.labelSelector) args.problem(`${at}.labelSelector`, 'must not be set: it is deduced from each pod')
    if (!(constraint.maxSkew > 0)) args.problem(`${at}.maxSkew`, 'must be greater than zero')
    if (!constraint.topologyKey) args.problem(`${at}.topologyKey`, 'is required')
  })
  return type === 'System' ? systemDefaults : { constraints, system: false }
}

interface Spread {
  key: string
  maxSkew: number
  /** 1 if the pod matches its own constraint, so that it counts in its domain. */
  self: 0 | 1
}
interface Hard extends Spread {
  counts: ReadonlyMap<string, number>
  /** The smallest count of all domains that are eligible for the pod. */
  least: number
}
interface Soft extends Spread {
  /** The number of matching pods in the domain of a node; `value` is the node's value of the label. */
  countOn(node: NodeInfo, value: string): number
  weight: number
}

interface Wanted {
  constraint: TopologySpreadConstraint
  matcher: Matcher
}

/** The pod's constraints with this `whenUnsatisfiable`. The default ones only apply if it has no constraints at all. */
function wantedBy(
  pod: PodInfo,
  when: TopologySpreadConstraint['whenUnsatisfiable'],
  snapshot: Snapshot,
  defaults: Defaults,
): Wanted[] {
  const own = pod.pod.spec.topologySpreadConstraints
  if (own?.length)
    return own
      .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === when)
      .map(constraint => ({ constraint, matcher: matcher(pod, constraint) }))
  const constraints = defaults.constraints.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === when)
  const selector = constraints.length ? snapshot.cluster.ownSelector(pod) : undefined
  if (!selector) return []
  return constraints.map(constraint => ({ constraint, matcher: { key: selector.key, selects: selector.matches } }))
}

function hardStates(pod: PodInfo, wanted: readonly Wanted[], snapshot: Snapshot): Hard[] {
  const keys = wanted.map(({ constraint }) => constraint.topologyKey)
  return wanted.map(({ constraint, matcher: { key, selects } }) => {
    const { topologyKey, maxSkew, minDomains } = constraint
    const counter = counterFor(snapshot, pod, key, selects)
    const eligible = eligibleFor(pod, constraint)
    const counts = new Map<string, number>()
    if (eligible || keys.length > 1) {
      for (const node of snapshot.nodes) {
        if (keys.some(k => own(node.labels, k) === undefined) || (eligible && !eligible(node))) continue
        const value = own(node.labels, topologyKey)!
        counts.set(value, (counts.get(value) ?? 0) + counter.onNode(node))
      }
    } else {
      const all = counter.by(topologyKey)
      for (const value of snapshot.domains(topologyKey, keys).keys()) counts.set(value, all.get(value) ?? 0)
    }
    let least = Infinity
    for (const count of counts.values()) if (count < least) least = count
    // Domains that minDomains asks for and that do not exist count as empty.
    if (counts.size < (minDomains ?? 1)) least = 0
    return { key: topologyKey, maxSkew, counts, least, self: selects(pod.labels) ? 1 : 0 }
  })
}

function softStates(
  pod: PodInfo,
  wanted: readonly Wanted[],
  strict: boolean,
  nodes: readonly NodeInfo[],
  snapshot: Snapshot,
): Soft[] {
  const keys = wanted.map(({ constraint }) => constraint.topologyKey)
  const scored = strict ? nodes.filter(({ labels }) => keys.every(key => own(labels, key) !== undefined)) : nodes
  return wanted.map(({ constraint, matcher: { key, selects } }) => {
    const { topologyKey, maxSkew } = constraint
    const counter = counterFor(snapshot, pod, key, selects)
    const self = selects(pod.labels) ? (1 as const) : (0 as const)
    const common = { key: topologyKey, maxSkew, self }
    if (topologyKey === hostname)
      return { ...common, countOn: node => counter.onNode(node), weight: Math.log(scored.length + 2) }
    const values = new Set<string>()
    for (const { labels } of scored) values.add(own(labels, topologyKey) ?? '')
    const eligible = eligibleFor(pod, constraint)
    let counts: ReadonlyMap<string, number> = counter.by(topologyKey)
    if (eligible || (strict && keys.length > 1)) {
      const eligibleCounts = new Map<string, number>()
      counter.each((node, count) => {
        if ((strict && keys.some(k => own(node.labels, k) === undefined)) || (eligible && !eligible(node))) return
        const value = own(node.labels, topologyKey) ?? ''
        eligibleCounts.set(value, (eligibleCounts.get(value) ?? 0) + count)
      })
      counts = eligibleCounts
    }
    return { ...common, countOn: (_, value) => counts.get(value) ?? 0, weight: Math.log(values.size + 2) }
  })
}

interface SoftState {
  soft: Soft[]
  /**
   * Whether nodes without a label are left out. They are for constraints of users, and not for Kubernetes' defaults.
   */
  strict: boolean
}

/** The weighted number of matching pods, lower is better. -1 stands for a node that is left out. */
function score({ soft, strict }: SoftState, node: NodeInfo): number {
  let sum = 0
  if (strict) for (const { key } of soft) if (own(node.labels, key) === undefined) return -1
  for (const { key, countOn, weight, maxSkew } of soft) {
    const value = own(node.labels, key)
    if (value !== undefined) sum += countOn(node, value) * weight + (maxSkew - 1)
  }
  return Math.round(sum)
}

function normalize(scores: Float64Array): void {
  let [low, high] = [Infinity, 0]
  for (const value of scores) {
    if (value < 0) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! < 0) scores[i] = 0
    else scores[i] = high === 0 ? maxScore : Math.floor((maxScore * (high + low - scores[i]!)) / high)
  }
}

export const topologySpread: PluginMaker = {
  name: 'PodTopologySpread',
  read(args) {
    const defaults = readDefaults(args)
    const plugin = definePlugin<Hard[], SoftState>({
      name: 'PodTopologySpread',
      weight: 2,
      depends: 'pods',
      prepare(pod, snapshot) {
        const wanted = wantedBy(pod, 'DoNotSchedule', snapshot, defaults)
        return wanted.length ? hardStates(pod, wanted, snapshot) : skip
      },
      filter(hard, { labels }) {
        for (const { key, maxSkew, counts, least, self } of hard) {
          const value = own(labels, key)
          if (value === undefined) return noLabel
          if ((counts.get(value) ?? 0) + self - least > maxSkew) return tooMany
        }
        return true
      },
      prepareScore(pod, nodes, snapshot) {
        const wanted = wantedBy(pod, 'ScheduleAnyway', snapshot, defaults)
        if (!wanted.length) return skip
        const strict = !defaults.system || (pod.pod.spec.topologySpreadConstraints?.length ?? 0) > 0
        return { soft: softStates(pod, wanted, strict, nodes, snapshot), strict }
      },
      score,
      normalize: (_, scores) => normalize(scores),
      wakeOn: [wake(Pod, podHelps), wake(Node, nodeHelps)],
    })
    return () => plugin
  },
}

function podHelps(pod: PodInfo, after: Pod | undefined, before: Pod | undefined): boolean {
  if ((after ?? before)?.metadata.namespace !== pod.namespace) return false
  if (!freed(after, before) && !settled(after, before) && !relabelled(after, before) && !leaving(after, before))
    return false
  const hard = (pod.pod.spec.topologySpreadConstraints ?? []).filter(c => c.whenUnsatisfiable === 'DoNotSchedule')
  // Default constraints use the selectors of services and workloads, so any pod of the namespace may count.
  if (!hard.length) return true
  return hard.some(constraint => {
    const { selects } = matcher(pod, constraint)
    return selects(after?.metadata.labels ?? {}) || selects(before?.metadata.labels ?? {})
  })
}

/** Whether a pod has become terminating, from when on it does not count. */
const leaving = (after: Pod | undefined, before: Pod | undefined): boolean =>
  !!after?.metadata.deletionTimestamp && before !== undefined && !before.metadata.deletionTimestamp

const nodeHelps = (_: PodInfo, after: Node | undefined, before: Node | undefined): boolean =>
  !after ||
  !before ||
  (after.metadata.labels !== before.metadata.labels && !sameJson(after.metadata.labels, before.metadata.labels)) ||
  (after.spec.taints !== before.spec.taints && !sameJson(after.spec.taints, before.spec.taints))
