// PodTopologySpread: pods of one sort are spread evenly over zones, nodes or whatever a node label tells apart. Hard
// constraints filter; soft ones score, and every pod of a service or workload has soft ones by default.
// Source: plugins/podtopologyspread, KEP-895.
import { type Labels, matches } from '../../api/labels.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { TopologySpreadConstraint } from '../../kinds/core/affinity.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { PodCounter } from '../counts.ts'
import { definePlugin, freed, maxScore, settled, skip, wake } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import type { Snapshot } from '../snapshot.ts'
import { matchesNodeAffinity } from '../../kinds/core/node-selection.ts'
import { tolerated } from '../../kinds/core/tolerations.ts'

type Constraint = DeepReadonly<TopologySpreadConstraint>

const hostname = 'kubernetes.io/hostname'
const defaults = [
  { topologyKey: hostname, maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5 },
]
const noLabel = { no: "node(s) didn't match pod topology spread constraints (missing required label)", ever: false }
const tooMany = { no: "node(s) didn't match pod topology spread constraints", ever: true }

interface Spread {
  key: string
  maxSkew: number
  counts: ReadonlyMap<string, number>
  /** The pod itself counts where it goes. */
  self: 0 | 1
}
interface Hard extends Spread {
  /** The smallest count over all domains the pod could use. */
  least: number
  eligible(node: NodeInfo): boolean
}
interface Soft extends Spread {
  counter: PodCounter
  weight: number
}

const constraintsOf = (pod: PodInfo, when: string): readonly Constraint[] =>
  pod.pod.spec.topologySpreadConstraints?.filter(c => c.whenUnsatisfiable === when) ?? []

/** The selector of a constraint, with the labels it takes over from the pod. */
function matcher(pod: PodInfo, constraint: Constraint): { key: string; selects(labels: Labels): boolean } {
  const shared = (constraint.matchLabelKeys ?? []).flatMap((key): [string, string][] =>
    pod.labels[key] === undefined ? [] : [[key, pod.labels[key]]],
  )
  return {
    key: `spread ${pod.namespace} ${JSON.stringify([constraint.labelSelector, shared])}`,
    selects: labels =>
      matches(constraint.labelSelector, labels) && shared.every(([key, value]) => labels[key] === value),
  }
}

function counterFor(snapshot: Snapshot, pod: PodInfo, key: string, selects: (labels: Labels) => boolean): PodCounter {
  const { namespace } = pod
  return snapshot.counter(
    key,
    other => other.namespace === namespace && !other.pod.metadata.deletionTimestamp && selects(other.labels),
  )
}

/** Whether the node's domain counts for this pod: by default those its node affinity allows, taints or not. */
function eligibleFor(pod: PodInfo, { nodeAffinityPolicy, nodeTaintsPolicy }: Constraint): (node: NodeInfo) => boolean {
  return ({ node }) =>
    (nodeAffinityPolicy === 'Ignore' || matchesNodeAffinity(pod.pod, node)) &&
    (nodeTaintsPolicy !== 'Honor' ||
      !(node.spec.taints ?? []).some(
        taint => taint.effect !== 'PreferNoSchedule' && !tolerated(pod.pod.spec.tolerations, taint),
      ))
}

function hardState(pod: PodInfo, constraint: Constraint, all: readonly Constraint[], snapshot: Snapshot): Hard {
  const { key, selects } = matcher(pod, constraint)
  const counter = counterFor(snapshot, pod, key, selects)
  const eligible = eligibleFor(pod, constraint)
  const counts = new Map<string, number>()
  for (const node of snapshot.nodes) {
    if (!all.every(c => node.labels[c.topologyKey] !== undefined) || !eligible(node)) continue
    const value = node.labels[constraint.topologyKey]!
    counts.set(value, (counts.get(value) ?? 0) + counter.onNode(node))
  }
  let least = Infinity
  for (const count of counts.values()) least = Math.min(least, count)
  // With too few domains the missing ones count as empty.
  if (counts.size < (constraint.minDomains ?? 1)) least = 0
  return {
    key: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    counts,
    least,
    self: selects(pod.labels) ? 1 : 0,
    eligible,
  }
}

function softStates(pod: PodInfo, nodes: readonly NodeInfo[], snapshot: Snapshot): Soft[] {
  const own = constraintsOf(pod, 'ScheduleAnyway')
  const bySelector =
    pod.pod.spec.topologySpreadConstraints?.length || own.length ? undefined : snapshot.cluster.ownSelector(pod)
  const wanted = bySelector
    ? defaults.map(({ topologyKey, maxSkew }) => ({
        topologyKey,
        maxSkew,
        key: bySelector.key,
        selects: bySelector.matches,
      }))
    : own.map(c => ({ topologyKey: c.topologyKey, maxSkew: c.maxSkew, ...matcher(pod, c) }))
  return wanted.map(({ topologyKey, maxSkew, key, selects }) => {
    const counter = counterFor(snapshot, pod, key, selects)
    const domains = topologyKey === hostname ? nodes.length : countValues(nodes, topologyKey)
    const counts = topologyKey === hostname ? new Map<string, number>() : counter.by(topologyKey)
    return {
      key: topologyKey,
      maxSkew,
      counter,
      counts,
      weight: Math.log(domains + 2),
      self: selects(pod.labels) ? 1 : 0,
    }
  })
}

function countValues(nodes: readonly NodeInfo[], key: string): number {
  const values = new Set<string>()
  for (const { labels } of nodes) if (labels[key] !== undefined) values.add(labels[key])
  return values.size
}

interface SoftState {
  soft: Soft[]
  /** Constraints the user wrote ignore nodes without the label; the default ones do not. */
  strict: boolean
}

export const topologySpread = definePlugin<Hard[], SoftState>({
  name: 'PodTopologySpread',
  weight: 2,
  prepare(pod, snapshot) {
    const constraints = constraintsOf(pod, 'DoNotSchedule')
    return constraints.length ? constraints.map(c => hardState(pod, c, constraints, snapshot)) : skip
  },
  filter(hard, { labels }) {
    for (const { key, maxSkew, counts, least, self } of hard) {
      const value = labels[key]
      if (value === undefined) return noLabel
      if ((counts.get(value) ?? 0) + self - (least === Infinity ? 0 : least) > maxSkew) return tooMany
    }
    return true
  },
  prepareScore(pod, nodes, snapshot) {
    const soft = softStates(pod, nodes, snapshot)
    if (soft.every(({ counter }) => counter.total === 0)) return skip
    return { soft, strict: (pod.pod.spec.topologySpreadConstraints?.length ?? 0) > 0 }
  },
  score({ soft, strict }, node) {
    let sum = 0
    for (const { key, counts, counter, weight, maxSkew } of soft) {
      const value = node.labels[key]
      if (value === undefined) {
        if (strict) return -1
        continue
      }
      const count = key === hostname ? counter.onNode(node) : (counts.get(value) ?? 0)
      sum += count * weight + (maxSkew - 1)
    }
    return Math.round(sum)
  },
  normalize(_, scores) {
    let [low, high] = [Infinity, 0]
    for (const score of scores) {
      if (score < 0) continue
      if (score < low) low = score
      if (score > high) high = score
    }
    for (let i = 0; i < scores.length; i++) {
      if (scores[i]! < 0) scores[i] = 0
      else scores[i] = high === 0 ? maxScore : Math.floor((maxScore * (high + low - scores[i]!)) / high)
    }
  },
  wakeOn: [
    wake(Pod, (pod, after, before) => {
      const other = after ?? before
      if (other?.metadata.namespace !== pod.namespace) return false
      if (!freed(after, before) && !settled(after, before) && !relabelled(after, before)) return false
      return constraintsOf(pod, 'DoNotSchedule').some(c => {
        const { selects } = matcher(pod, c)
        return selects(after?.metadata.labels ?? {}) || selects(before?.metadata.labels ?? {})
      })
    }),
    wake(
      Node,
      (_, after, before) =>
        JSON.stringify(after?.metadata.labels) !== JSON.stringify(before?.metadata.labels) ||
        JSON.stringify(after?.spec.taints) !== JSON.stringify(before?.spec.taints),
    ),
  ],
})

const relabelled = (after: PodInfo['pod'] | undefined, before: PodInfo['pod'] | undefined): boolean =>
  !!after?.spec.nodeName && JSON.stringify(after.metadata.labels) !== JSON.stringify(before?.metadata.labels)
