// InterPodAffinity: pods that want to be near others, or away from them, and others that want this one away. "Near"
// is sharing the value of a node label. Source: plugins/interpodaffinity.
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

interface Places {
  key: string
  values: ReadonlyMap<string, number>
}

interface Required {
  /** Values of node labels where pods are that must not have this one near. */
  refusing: Places[]
  away: Places[]
  near: Places[]
  /** No pod anywhere matches, but this one matches itself: it may be the first. */
  first: boolean
}

const rejectedByOthers = { no: "node(s) didn't satisfy existing pods anti-affinity rules", ever: true } as const
const rejectedByOwn = { no: "node(s) didn't match pod anti-affinity rules", ever: true } as const
const noneNear = { no: "node(s) didn't match pod affinity rules", ever: false } as const

const counterOf = (snapshot: Snapshot, namespace: string, terms: readonly PodAffinityTerm[]): PodCounter =>
  snapshot.counter(`near ${namespace} ${terms.map(termKey).join(' ')}`, other =>
    terms.every(term => snapshot.selects(term, namespace, other)),
  )

const hasAny = (places: readonly Places[], node: NodeInfo): boolean => {
  for (const { key, values } of places) {
    const value = own(node.labels, key)
    if (value !== undefined && values.has(value)) return true
  }
  return false
}

function prepare(pod: PodInfo, snapshot: Snapshot): Required | typeof skip {
  const refusing: Places[] = []
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

interface Wish extends Places {
  weight: number
}

interface Options {
  /** What a duty of a running pod to be near this one is worth as a wish. */
  hardWeight: number
  /** Wishes of running pods count only for pods that have wishes, too. */
  ignoreWishes: boolean
}

function prepareScore(pod: PodInfo, snapshot: Snapshot, { hardWeight, ignoreWishes }: Options): Wish[] | typeof skip {
  if (ignoreWishes && !pod.preferred.length && !pod.preferredAnti.length) return skip
  const wishes: Wish[] = []
  const wish = (term: PodAffinityTerm, weight: number) => {
    const values = counterOf(snapshot, pod.namespace, [term]).by(term.topologyKey)
    if (values.size) wishes.push({ weight, key: term.topologyKey, values })
  }
  for (const { podAffinityTerm, weight } of pod.preferred) wish(podAffinityTerm, weight)
  for (const { podAffinityTerm, weight } of pod.preferredAnti) wish(podAffinityTerm, -weight)
  if (hardWeight > 0)
    for (const { term, namespace, counter } of snapshot.affinityTerms.values())
      if (snapshot.selects(term, namespace, pod))
        wishes.push({ weight: hardWeight, key: term.topologyKey, values: counter.by(term.topologyKey) })
  for (const { term, namespace, counter, weight } of snapshot.preferredTerms.values())
    if (snapshot.selects(term, namespace, pod))
      wishes.push({ weight, key: term.topologyKey, values: counter.by(term.topologyKey) })
  return wishes.length ? wishes : skip
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
      ignoreWishes: args.boolean('ignorePreferredTermsOfExistingPods', false),
    }
    const plugin = definePlugin<Required, Wish[]>({
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
      score(wishes, node) {
        let sum = 0
        for (const { weight, key, values } of wishes) {
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

/** A pod that goes, or loses labels, frees its surroundings; one that comes, or gains labels, may be wanted near. */
function podHelps(pod: PodInfo, after: PodObject | undefined, before: PodObject | undefined): boolean {
  // When the last pod goes that it had to be near, a pod that matches itself may be the first anywhere.
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
