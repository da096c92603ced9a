// InterPodAffinity: pods that want to be near others, or away from them, and others that want this one away. "Near"
// is sharing the value of a node label. Source: plugins/interpodaffinity.
import { matchesSelector, selectorOf } from '../../api/labels.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { PodCounter } from '../counts.ts'
import { definePlugin, freed, maxScore, settled, skip, wake } from '../framework.ts'
import { type AffinityTerm, type NodeInfo, PodInfo } from '../info.ts'
import { type Snapshot, termKey } from '../snapshot.ts'

interface Required {
  /** Values of node labels where pods are that must not have this one near. */
  refusing: { key: string; values: ReadonlyMap<string, number> }[]
  away: { key: string; values: ReadonlyMap<string, number> }[]
  near: { key: string; values: ReadonlyMap<string, number> }[]
  /** No pod anywhere matches, but this one matches itself: it may be the first. */
  first: boolean
}

const rejectedByOthers = { no: "node(s) didn't satisfy existing pods anti-affinity rules", ever: true } as const
const rejectedByOwn = { no: "node(s) didn't match pod anti-affinity rules", ever: true } as const
const noneNear = { no: "node(s) didn't match pod affinity rules", ever: false } as const

/** A term with the labels that it takes over from the pod itself. */
function complete(term: AffinityTerm, pod: PodInfo): AffinityTerm {
  if (!term.matchLabelKeys?.length && !term.mismatchLabelKeys?.length) return term
  const expressions = (keys: readonly string[] | undefined, operator: string) =>
    (keys ?? []).flatMap(key => (pod.labels[key] === undefined ? [] : [{ key, operator, values: [pod.labels[key]] }]))
  return {
    ...term,
    labelSelector: {
      ...term.labelSelector,
      matchExpressions: [
        ...(term.labelSelector?.matchExpressions ?? []),
        ...expressions(term.matchLabelKeys, 'In'),
        ...expressions(term.mismatchLabelKeys, 'NotIn'),
      ],
    },
  }
}

const counterOf = (snapshot: Snapshot, namespace: string, terms: readonly AffinityTerm[]): PodCounter =>
  snapshot.counter(`near ${namespace} ${terms.map(termKey).join(' ')}`, other =>
    terms.every(term => snapshot.selects(term, namespace, other)),
  )

const hasAny = (places: Required['near'], node: NodeInfo): boolean => {
  for (const { key, values } of places) {
    const value = node.labels[key]
    if (value !== undefined && values.has(value)) return true
  }
  return false
}

interface Preferred {
  wishes: { weight: number; key: string; values: ReadonlyMap<string, number> }[]
}

export const interPodAffinity = definePlugin<Required, Preferred>({
  name: 'InterPodAffinity',
  weight: 2,
  prepare(pod, snapshot) {
    const refusing: Required['refusing'] = []
    for (const { term, namespace, counter } of snapshot.antiAffinityTerms.values())
      if (snapshot.selects(term, namespace, pod))
        refusing.push({ key: term.topologyKey, values: counter.by(term.topologyKey) })
    if (!refusing.length && !pod.affinity.length && !pod.antiAffinity.length) return skip
    const away = pod.antiAffinity.map(raw => {
      const term = complete(raw, pod)
      return { key: term.topologyKey, values: counterOf(snapshot, pod.namespace, [term]).by(term.topologyKey) }
    })
    const terms = pod.affinity.map(term => complete(term, pod))
    const counter = terms.length ? counterOf(snapshot, pod.namespace, terms) : undefined
    const near = terms.map(term => ({ key: term.topologyKey, values: counter!.by(term.topologyKey) }))
    const first =
      near.length > 0 &&
      near.every(({ values }) => values.size === 0) &&
      terms.every(term => snapshot.selects(term, pod.namespace, pod))
    return { refusing, away, near, first }
  },
  filter({ refusing, away, near, first }, node) {
    for (const { key, values } of near) {
      const value = node.labels[key]
      if (value === undefined || (!first && !values.has(value))) return noneNear
    }
    if (hasAny(away, node)) return rejectedByOwn
    return hasAny(refusing, node) ? rejectedByOthers : true
  },
  prepareScore(pod, _nodes, snapshot) {
    const wishes: Preferred['wishes'] = []
    const wish = (raw: AffinityTerm, weight: number) => {
      const term = complete(raw, pod)
      const values = counterOf(snapshot, pod.namespace, [term]).by(term.topologyKey)
      if (values.size) wishes.push({ weight, key: term.topologyKey, values })
    }
    for (const { podAffinityTerm, weight } of pod.preferred) wish(podAffinityTerm, weight)
    for (const { podAffinityTerm, weight } of pod.preferredAnti) wish(podAffinityTerm, -weight)
    for (const { term, namespace, counter, weight } of snapshot.preferredTerms.values())
      if (snapshot.selects(term, namespace, pod))
        wishes.push({ weight, key: term.topologyKey, values: counter.by(term.topologyKey) })
    return wishes.length ? { wishes } : skip
  },
  score({ wishes }, node) {
    let sum = 0
    for (const { weight, key, values } of wishes) {
      const value = node.labels[key]
      if (value !== undefined) sum += weight * (values.get(value) ?? 0)
    }
    return sum
  },
  normalize(_, scores) {
    let [low, high] = [Infinity, -Infinity]
    for (const score of scores) {
      if (score < low) low = score
      if (score > high) high = score
    }
    for (let i = 0; i < scores.length; i++)
      scores[i] = high === low ? 0 : Math.floor((maxScore * (scores[i]! - low)) / (high - low))
  },
  wakeOn: [
    wake(Pod, (pod, after, before) => {
      if (freed(after, before)) return pod.antiAffinity.length > 0 || mayRefuse(before!, pod)
      const relabelled =
        !!after?.spec.nodeName && JSON.stringify(after.metadata.labels) !== JSON.stringify(before?.metadata.labels)
      return (settled(after, before) || relabelled) && (pod.affinity.length > 0 || relabelled)
    }),
    wake(
      Node,
      (_, after, before) =>
        after !== undefined && JSON.stringify(after.metadata.labels) !== JSON.stringify(before?.metadata.labels),
    ),
  ],
})

const mayRefuse = (running: PodInfo['pod'], pod: PodInfo): boolean =>
  (running.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).some(term => {
    const selector = selectorOf(term.labelSelector)
    return selector !== undefined && matchesSelector(selector, pod.labels)
  })
