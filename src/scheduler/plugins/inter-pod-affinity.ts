// InterPodAffinity: a pod must or should run near certain pods or away from them, and running pods may keep it away.
// Two pods are near each other if their nodes have the same value of a label, the topology key.
// Source: plugins/interpodaffinity.
import { sameJson } from '../../api/equal.ts'
import { own } from '../../base/own.ts'
import { matches } from '../../api/labels.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { PodCounter } from '../counts.ts'
import { definePlugin, freed, maxScore, type PluginMaker, relabelled, settled, skip, wake } from '../framework.ts'
import { type NodeInfo, PodInfo } from '../info.ts'
import { type Snapshot, termKey } from '../snapshot.ts'
import type { PodAffinityTerm } from '../../kinds/core/affinity.ts'

/** The values of a topology key on whose nodes matching pods run, with the number of pods. */
interface Domains {
  key: string
  values: ReadonlyMap<string, number>
}

interface Required {
  /** Domains with pods whose anti-affinity keeps this pod away. */
  refusing: Domains[]
  /** Domains with pods that this pod's anti-affinity avoids. */
  away: Domains[]
  /** Domains with pods that this pod's affinity requires. */
  near: Domains[]
  /** No pod matches the affinity, but the pod itself does: it may be the first of its group, on any node. */
  first: boolean
}

const rejectedByOthers = { no: "node(s) didn't satisfy existing pods anti-affinity rules", ever: true } as const
const rejectedByOwn = { no: "node(s) didn't match pod anti-affinity rules", ever: true } as const
const noneNear = { no: "node(s) didn't match pod affinity rules", ever: false } as const

const counterOf = (snapshot: Snapshot, namespace: string, terms: readonly PodAffinityTerm[]): PodCounter =>
  snapshot.counter(`near ${namespace} ${terms.map(termKey).join(' ')}`, other =>
    terms.every(term => snapshot.selects(term, namespace, other)),
  )

const hasAny = (domains: readonly Domains[], node: NodeInfo): boolean => {
  for (const { key, values } of domains) {
    const value = own(node.labels, key)
    if (value !== undefined && values.has(value)) return true
  }
  return false
}

function prepare(pod: PodInfo, snapshot: Snapshot): Required | typeof skip {
  const refusing: Domains[] = []
  for (const { term, namespace, counter } of snapshot.antiAffinityTerms.values())
    if (snapshot.selects(term, namespace, pod))
      refusing.push({ key: term.topologyKey, values: counter.by(term.topologyKey) })
  const { affinity, antiAffinity, namespace } = pod
  if (!refusing.length && !affinity.length && !antiAffinity.length) return skip
  const away = antiAffinity.map(term => ({
    key: term.topologyKey,
    values: counterOf(snapshot, namespace, [term]).by(term.topologyKey),
  }))
  const counter = affinity.length ? counterOf(snapshot, namespace, affinity) : undefined
  const near = affinity.map(({ topologyKey }) => ({ key: topologyKey, values: counter!.by(topologyKey) }))
  const first =
    near.length > 0 &&
    near.every(({ values }) => values.size === 0) &&
    affinity.every(term => snapshot.selects(term, namespace, pod))
  return { refusing, away, near, first }
}

/** A preferred term: its domains, and what each matching pod in one adds to the score. */
interface Preference extends Domains {
  weight: number
}

interface Options {
  /** The weight with which a required affinity of a running pod for this one counts in the score. */
  hardWeight: number
  /** Whether preferred terms of running pods count only for pods that have preferred terms themselves. */
  ignorePreferred: boolean
}

function prepareScore(
  pod: PodInfo,
  snapshot: Snapshot,
  { hardWeight, ignorePreferred }: Options,
): Preference[] | typeof skip {
  if (ignorePreferred && !pod.preferred.length && !pod.preferredAnti.length) return skip
  const preferences: Preference[] = []
  const prefer = (term: PodAffinityTerm, weight: number) => {
    const values = counterOf(snapshot, pod.namespace, [term]).by(term.topologyKey)
    if (values.size) preferences.push({ weight, key: term.topologyKey, values })
  }
  for (const { podAffinityTerm, weight } of pod.preferred) prefer(podAffinityTerm, weight)
  for (const { podAffinityTerm, weight } of pod.preferredAnti) prefer(podAffinityTerm, -weight)
  if (hardWeight > 0)
    for (const { term, namespace, counter } of snapshot.affinityTerms.values())
      if (snapshot.selects(term, namespace, pod))
        preferences.push({ weight: hardWeight, key: term.topologyKey, values: counter.by(term.topologyKey) })
  for (const { term, namespace, counter, weight } of snapshot.preferredTerms.values())
    if (snapshot.selects(term, namespace, pod))
      preferences.push({ weight, key: term.topologyKey, values: counter.by(term.topologyKey) })
  return preferences.length ? preferences : skip
}

function normalize(scores: Float64Array): void {
  let [low, high] = [Infinity, -Infinity]
  for (const score of scores) {
    if (score < low) low = score
    if (score > high) high = score
  }
  for (let i = 0; i < scores.length; i++)
    scores[i] = high === low ? 0 : Math.floor(maxScore * ((scores[i]! - low) / (high - low)))
}

const maxHardWeight = 100

export const interPodAffinity: PluginMaker = {
  name: 'InterPodAffinity',
  read(args) {
    const options = {
      hardWeight: args.integer('hardPodAffinityWeight', { min: 0, max: maxHardWeight }, 1),
      ignorePreferred: args.boolean('ignorePreferredTermsOfExistingPods', false),
    }
    const plugin = definePlugin<Required, Preference[]>({
      name: 'InterPodAffinity',
      weight: 2,
      depends: 'pods',
      prepare,
      filter({ refusing, away, near, first }, node) {
        for (const { key, values } of near) {
          const value = own(node.labels, key)
          if (value === undefined || (!first && !values.has(value))) return noneNear
        }
        if (hasAny(away, node)) return rejectedByOwn
        return hasAny(refusing, node) ? rejectedByOthers : true
      },
      prepareScore: (pod, _nodes, snapshot) => prepareScore(pod, snapshot, options),
      score(preferences, node) {
        let sum = 0
        for (const { weight, key, values } of preferences) {
          const value = own(node.labels, key)
          if (value !== undefined) sum += weight * (values.get(value) ?? 0)
        }
        return sum
      },
      normalize: (_, scores) => normalize(scores),
      wakeOn: [wake(Pod, podHelps), wake(Node, nodeHelps)],
    })
    return () => plugin
  },
}

type PodObject = PodInfo['pod']

/**
 * A pod that leaves or loses labels may have kept this one away. A pod that is bound or gains labels may attract it.
 */
function podHelps(pod: PodInfo, after: PodObject | undefined, before: PodObject | undefined): boolean {
  // When the last matching pod has left, a pod that matches its own affinity may be the first on any node.
  if (freed(after, before)) return pod.antiAffinity.length > 0 || pod.affinity.length > 0 || keepsAway(before!)
  if (relabelled(after, before)) return pod.antiAffinity.length > 0 || pod.affinity.length > 0
  return (
    pod.affinity.length > 0 &&
    settled(after, before) &&
    pod.affinity.some(({ labelSelector }) => matches(labelSelector, after!.metadata.labels))
  )
}

const keepsAway = ({ spec }: PodObject): boolean =>
  (spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0

function nodeHelps(_: PodInfo, after: NodeInfo['node'] | undefined, before: NodeInfo['node'] | undefined): boolean {
  if (!after || after.metadata.labels === before?.metadata.labels) return false
  return !sameJson(after.metadata.labels, before?.metadata.labels)
}
