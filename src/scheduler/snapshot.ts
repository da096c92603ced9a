// The scheduler's view of the cluster: the nodes with the pods on them, including pods whose binding is under way, and
// counts of these pods. It is updated change by change, and never computed from scratch.
import { sameJson } from '../api/equal.ts'
import { own } from '../base/own.ts'
import { type Labels, matches } from '../api/labels.ts'
import type { LabelSelector } from '../api/meta.ts'
import { PodCounter } from './counts.ts'
import { NodeInfo, PodInfo } from './info.ts'
import type { PodAffinityTerm } from '../kinds/core/affinity.ts'
import type { Node } from '../kinds/core/node.ts'
import type { Pod } from '../kinds/core/pod.ts'

/** The most counters that are kept, least recently used dropped first, and the most tables of label values. */
const maxCounters = 256

/** An affinity term that pods on nodes have, with a count of these pods by node. */
interface TermGroup {
  term: PodAffinityTerm
  /** The weight of a preferred term, negative for anti-affinity. 0 for a required term. */
  weight: number
  /** The namespace of the pods that have the term. */
  namespace: string
  counter: PodCounter
  /** The number of pods that have it. */
  pods: number
}

export interface Cluster {
  namespaceLabels(name: string): Labels | undefined
  /** The combined selector of the services and workloads of a pod, which default spreading uses. */
  ownSelector(pod: PodInfo): { key: string; matches(labels: Labels): boolean } | undefined
}

/**
 * What always holds between two calls:
 *
 * - A pod that was set and not removed since has one place: on its node, or, while the snapshot does not have a node of
 *   that name, in #withoutNode. It is counted in the first case and not in the second.
 * - The sums and ports of a node are those of the pods on it, each of them once.
 * - Every counter and every group of terms counts the pods on nodes, by the condition with which it was made.
 * - `nodes` has every node once, of each zone one in turn. Each has a slot of its own below `slots`.
 * - When a node or the pods on it change, its generation changes to a number that no node ever had. So what was
 *   computed from a node may be kept, by slot and generation (answers.ts).
 *
 * Who may change what: the scheduler alone sets and removes nodes and pods, from the changes of mirrors and from its own
 * decisions. A decision reads without waiting, so it is made on one state; where it waits, for an extender or for a
 * plugin of `postFilter`, the state may be another one after that, and attempt.ts checks the nodes again. Plugins only
 * read, but preemption takes pods off a node and puts the very same back, without waiting in between, and `with` does
 * the reverse. Nodes and pods in it are objects of mirrors and are never changed.
 *
 * A pod is assumed on its node from the decision until the mirror shows it there (`confirm`, or `setPod` where it is not
 * the same to every rule) or the binding has failed (`removePod`). Nothing else ends that, and no time does: a binding
 * ends by itself.
 *
 * Order: pods may come before their node and stay after it. Pods and nodes may be set again, in any order, and removed
 * without having been set.
 *
 * Failures: when `setNode` throws for a malformed node, the snapshot has not changed. A malformed pod fails before, as
 * PodInfo. Putting a pod twice on a node, or taking one off that is not there, is a fault of the caller and fails an
 * assertion, since sums would be wrong from then on.
 *
 * Limits: `maxCounters` counters and as many tables of label values; one group for each different term of pods on nodes.
 * Setting or removing a pod costs one step for each counter, the first use of a counter one for each pod.
 *
 * A worked example:
 *
 *   setNode(n1)              nodes: n1
 *   setPod(a, 'n1', true)    a on n1, assumed; n1.requested contains a; a new generation of n1
 *   setPod(b, 'n2')          b has no node yet, and is counted nowhere
 *   confirm(a)               a on n1, not assumed; nothing else changes, n1 keeps its generation
 *   setNode(n2)              nodes: n1, n2; b on n2, counted
 *   removeNode(n1)           nodes: n2; a has no node, and is counted nowhere; the next node gets the slot of n1
 *   removePod(a)             a is gone
 */
export class Snapshot {
  readonly cluster: Cluster
  readonly #byName = new Map<string, NodeInfo>()
  /** The nodes in the order in which they are tried. Undefined when it must be computed again. */
  #list: NodeInfo[] | undefined
  readonly #where = new Map<string, { info: PodInfo; node: string; assumed: boolean }>()
  /** The pods by the name of their node, for nodes that are not in the snapshot. */
  readonly #withoutNode = new Map<string, Map<string, PodInfo>>()
  readonly #counters = new Map<string, PodCounter>()
  /** The number of nodes that have an image. */
  readonly #images = new Map<string, number>()
  readonly #domains = new Map<string, ReadonlyMap<string, number>>()
  /** The required anti-affinity, required affinity, and preferred terms of the pods on nodes, by their text. */
  readonly antiAffinityTerms = new Map<string, TermGroup>()
  readonly affinityTerms = new Map<string, TermGroup>()
  readonly preferredTerms = new Map<string, TermGroup>()

  readonly #freeSlots: number[] = []
  #slots = 0

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  get nodes(): readonly NodeInfo[] {
    return (this.#list ??= byZone(this.#byName.values()))
  }

  /** A number greater than the slot of every node, for arrays that are indexed by slots. */
  get slots(): number {
    return this.#slots
  }

  /** The number of nodes that have the image. */
  nodesWith(image: string): number {
    return this.#images.get(image) ?? 0
  }

  /** The values of the label `key` on nodes that have all labels of `keys`, with the number of nodes for each value. */
  domains(key: string, keys: readonly string[]): ReadonlyMap<string, number> {
    const name = [key, ...keys].join(' ')
    let found = this.#domains.get(name)
    if (!found) {
      const counts = new Map<string, number>()
      for (const { labels } of this.#byName.values()) {
        const value = own(labels, key)
        if (value === undefined || keys.some(other => own(labels, other) === undefined)) continue
        counts.set(value, (counts.get(value) ?? 0) + 1)
      }
      if (this.#domains.size >= maxCounters) this.#domains.clear()
      this.#domains.set(name, (found = counts))
    }
    return found
  }

  node(name: string): NodeInfo | undefined {
    return this.#byName.get(name)
  }

  where(uid: string): { node: string; assumed: boolean } | undefined {
    return this.#where.get(uid)
  }

  /** Adds or updates a node. If it throws, because the node is malformed, the snapshot has not changed. */
  setNode(node: Node): void {
    const name = node.metadata.name ?? ''
    const info = this.#byName.get(name)
    if (info) {
      const before = info.node
      const relabelled = !sameJson(before.metadata.labels, node.metadata.labels)
      const images = info.images
      info.setNode(node)
      if (info.images !== images) {
        this.#countImages(images, -1)
        this.#countImages(info.images, 1)
      }
      if (relabelled) this.#relabelled()
      return
    }
    const added = new NodeInfo(node, this.#freeSlots.at(-1) ?? this.#slots)
    // The slot is taken only now, since a node that cannot be read has thrown.
    if (this.#freeSlots.pop() === undefined) this.#slots++
    this.#byName.set(name, added)
    this.#list = undefined
    this.#domains.clear()
    this.#countImages(added.images, 1)
    for (const pod of this.#withoutNode.get(name)?.values() ?? []) this.put(pod, added)
    this.#withoutNode.delete(name)
  }

  removeNode(name: string): void {
    const info = this.#byName.get(name)
    if (!info) return
    for (const pod of info.pods.values()) {
      this.#count(pod, info, 'remove')
      this.#waitingFor(name).set(pod.uid, pod)
    }
    this.#byName.delete(name)
    this.#freeSlots.push(info.slot)
    this.#countImages(info.images, -1)
    this.#relabelled()
  }

  #countImages(images: ReadonlyMap<string, number>, by: 1 | -1): void {
    for (const image of images.keys()) {
      const next = (this.#images.get(image) ?? 0) + by
      if (next === 0) this.#images.delete(image)
      else this.#images.set(image, next)
    }
  }

  /** Puts a pod on a node. `assumed`: by a decision that the API does not show yet. */
  setPod(pod: PodInfo, node: string, assumed = false): void {
    const before = this.#where.get(pod.uid)
    if (before && before.node === node && before.info.pod === pod.pod) {
      before.assumed &&= assumed
      return
    }
    if (before) this.removePod(pod.uid)
    this.#where.set(pod.uid, { info: pod, node, assumed })
    const info = this.#byName.get(node)
    if (info) this.put(pod, info)
    else this.#waitingFor(node).set(pod.uid, pod)
  }

  /**
   * Replaces an assumed pod by the bound one that the API shows now. Returns false, and changes nothing, if the two may
   * differ for a rule; `setPod` must be called then.
   */
  confirm(uid: string, pod: Pod): boolean {
    const entry = this.#where.get(uid)
    if (!entry || pod.metadata.deletionTimestamp || entry.info.pod.metadata.deletionTimestamp) return false
    const before = entry.info.pod
    if (!sameJson(pod.metadata.labels, before.metadata.labels)) return false
    if (!sameJson(pod.spec.containers, before.spec.containers) || pod.status.containerStatuses) return false
    entry.info.pod = pod
    entry.assumed = false
    return true
  }

  removePod(uid: string): PodInfo | undefined {
    const entry = this.#where.get(uid)
    if (!entry) return undefined
    this.#where.delete(uid)
    const info = this.#byName.get(entry.node)
    if (info) {
      info.removePod(entry.info)
      this.#count(entry.info, info, 'remove')
    } else {
      const waiting = this.#withoutNode.get(entry.node)
      waiting?.delete(uid)
      if (waiting?.size === 0) this.#withoutNode.delete(entry.node)
    }
    return entry.info
  }

  /** A counter of the pods that meet a condition. The same `key` must always stand for the same condition. */
  counter(key: string, condition: (pod: PodInfo) => boolean): PodCounter {
    let counter = this.#counters.get(key)
    if (counter) {
      this.#counters.delete(key)
    } else {
      counter = new PodCounter(condition)
      for (const node of this.#byName.values()) for (const pod of node.pods.values()) counter.add(pod, node)
      if (this.#counters.size >= maxCounters) this.#counters.delete(this.#counters.keys().next().value!)
    }
    this.#counters.set(key, counter)
    return counter
  }

  /** Drops all counts. For when labels of a namespace have changed, since conditions may answer differently then. */
  forgetCounters(): void {
    this.#counters.clear()
  }

  /** Removes a pod from its node, until `put` puts it back. */
  take(pod: PodInfo, node: NodeInfo): void {
    node.removePod(pod)
    this.#count(pod, node, 'remove')
  }

  put(pod: PodInfo, node: NodeInfo): void {
    node.addPod(pod)
    this.#count(pod, node, 'add')
  }

  /** Returns the result of `fn`, which is computed with these pods on the node as well. `fn` must not wait. */
  with<T>(pods: readonly PodInfo[], node: NodeInfo, fn: () => T): T {
    const added: PodInfo[] = []
    try {
      for (const pod of pods) {
        this.put(pod, node)
        added.push(pod)
      }
      return fn()
    } finally {
      for (const pod of added) this.take(pod, node)
    }
  }

  /** Whether the term of a pod in `namespace` selects `pod`. */
  selects(term: PodAffinityTerm, namespace: string, pod: { namespace: string; labels: Labels }): boolean {
    return this.#inNamespaces(term, namespace, pod.namespace) && matches(term.labelSelector, pod.labels)
  }

  #inNamespaces(term: PodAffinityTerm, own: string, namespace: string): boolean {
    if (!term.namespaces?.length && !term.namespaceSelector) return namespace === own
    if (term.namespaces?.includes(namespace)) return true
    return (
      term.namespaceSelector !== undefined &&
      matches(term.namespaceSelector, this.cluster.namespaceLabels(namespace) ?? {})
    )
  }

  #waitingFor(node: string): Map<string, PodInfo> {
    let waiting = this.#withoutNode.get(node)
    if (!waiting) this.#withoutNode.set(node, (waiting = new Map()))
    return waiting
  }

  #count(pod: PodInfo, node: NodeInfo, how: 'add' | 'remove'): void {
    for (const counter of this.#counters.values()) counter[how](pod, node)
    if (!pod.hasAffinity) return
    for (const term of pod.antiAffinity) this.#countTerm(this.antiAffinityTerms, term, 0, pod, node, how)
    for (const term of pod.affinity) this.#countTerm(this.affinityTerms, term, 0, pod, node, how)
    for (const { podAffinityTerm, weight } of pod.preferred)
      this.#countTerm(this.preferredTerms, podAffinityTerm, weight, pod, node, how)
    for (const { podAffinityTerm, weight } of pod.preferredAnti)
      this.#countTerm(this.preferredTerms, podAffinityTerm, -weight, pod, node, how)
  }

  #countTerm(
    groups: Map<string, TermGroup>,
    term: PodAffinityTerm,
    weight: number,
    pod: PodInfo,
    node: NodeInfo,
    how: 'add' | 'remove',
  ): void {
    const key = `${pod.namespace} ${weight} ${termKey(term)}`
    let group = groups.get(key)
    if (!group) {
      group = { term, namespace: pod.namespace, counter: new PodCounter(() => true), pods: 0, weight }
      groups.set(key, group)
    }
    group.counter[how](pod, node)
    group.pods += how === 'add' ? 1 : -1
    if (group.pods === 0) groups.delete(key)
  }

  #relabelled(): void {
    this.#list = undefined
    this.#domains.clear()
    for (const counter of this.#counters.values()) counter.nodesChanged()
    for (const { counter } of this.antiAffinityTerms.values()) counter.nodesChanged()
    for (const { counter } of this.affinityTerms.values()) counter.nodesChanged()
    for (const { counter } of this.preferredTerms.values()) counter.nodesChanged()
  }
}

/** The nodes in an order that takes one of each zone in turn, so that every part of the list has nodes of all zones. */
function byZone(nodes: Iterable<NodeInfo>): NodeInfo[] {
  const zones = new Map<string, NodeInfo[]>()
  for (const node of nodes) {
    const zone = `${node.labels[region] ?? ''} ${node.labels[zoneLabel] ?? ''}`
    const own = zones.get(zone)
    if (own) own.push(node)
    else zones.set(zone, [node])
  }
  const list: NodeInfo[] = []
  for (let i = 0, left = [...zones.values()]; left.length; i++) {
    left = left.filter(zone => i < zone.length)
    for (const zone of left) list.push(zone[i]!)
  }
  return list
}

const region = 'topology.kubernetes.io/region'
const zoneLabel = 'topology.kubernetes.io/zone'

const texts = new WeakMap<object, string>()

/** The text of a term, as a key. Terms with the same fields in the same order have the same text. */
export function termKey(term: PodAffinityTerm | LabelSelector): string {
  let text = texts.get(term)
  if (text === undefined) texts.set(term, (text = JSON.stringify(term)))
  return text
}
