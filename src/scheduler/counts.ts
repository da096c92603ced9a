// Counters of pods by topology. Spreading and inter-pod affinity ask how many matching pods run in each zone or on each
// node. The counters change with every pod that is added or removed, so that no decision counts all pods.
import { own } from '../base/own.ts'
import type { NodeInfo, PodInfo } from './info.ts'

/**
 * Counts the pods that meet a condition, by node and by the value of any node label. The condition must depend only on
 * the PodInfo, since a pod is subtracted by the same test by which it was added.
 */
export class PodCounter {
  readonly #matches: (pod: PodInfo) => boolean
  readonly #weight: (pod: PodInfo) => number
  /** By node name. */
  readonly #nodes = new Map<string, { info: NodeInfo; count: number }>()
  readonly #topologies = new Map<string, Map<string, number>>()
  total = 0

  /** @param matches if it throws for a pod, the pod is not counted */
  constructor(matches: (pod: PodInfo) => boolean, weight: (pod: PodInfo) => number = () => 1) {
    this.#matches = matches
    this.#weight = weight
  }

  add(pod: PodInfo, node: NodeInfo): void {
    if (this.#counts(pod)) this.#change(node, this.#weight(pod))
  }

  remove(pod: PodInfo, node: NodeInfo): void {
    if (this.#counts(pod)) this.#change(node, -this.#weight(pod))
  }

  // An error must not leave a count that never goes down again.
  #counts(pod: PodInfo): boolean {
    try {
      return this.#matches(pod)
    } catch {
      return false
    }
  }

  #change(node: NodeInfo, by: number): void {
    this.total += by
    const entry = this.#nodes.get(node.name)
    if (!entry) this.#nodes.set(node.name, { info: node, count: by })
    else if (entry.count + by === 0) this.#nodes.delete(node.name)
    else entry.count += by
    for (const [key, values] of this.#topologies) {
      const value = own(node.labels, key)
      if (value !== undefined) bump(values, value, by)
    }
  }

  onNode(node: NodeInfo): number {
    return this.#nodes.get(node.name)?.count ?? 0
  }

  /** Calls `fn` with each node that has matching pods. */
  each(fn: (node: NodeInfo, count: number) => void): void {
    for (const { info, count } of this.#nodes.values()) fn(info, count)
  }

  /** The number of pods for each value of the node label `key`. Values without pods are absent. */
  by(key: string): ReadonlyMap<string, number> {
    let values = this.#topologies.get(key)
    if (!values) {
      values = new Map()
      for (const { info, count } of this.#nodes.values()) {
        const value = own(info.labels, key)
        if (value !== undefined) bump(values, value, count)
      }
      this.#topologies.set(key, values)
    }
    return values
  }

  /** Must be called after the labels of a node changed or a node was removed. */
  nodesChanged(): void {
    this.#topologies.clear()
  }
}

function bump(values: Map<string, number>, value: string, by: number): void {
  const next = (values.get(value) ?? 0) + by
  if (next === 0) values.delete(value)
  else values.set(value, next)
}
