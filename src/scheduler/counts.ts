// Counting pods by where they run. Spreading and affinity between pods ask how many pods that match something run in
// each zone, on each node…; these counters are kept up with every pod that comes and goes instead of counted anew.
import { own } from '../base/own.ts'
import type { NodeInfo, PodInfo } from './info.ts'

/** Pods that meet a condition, counted per value of any node label that is asked for. */
export class PodCounter {
  readonly #matches: (pod: PodInfo) => boolean
  readonly #weight: (pod: PodInfo) => number
  /** By node name. */
  readonly #nodes = new Map<string, { info: NodeInfo; count: number }>()
  readonly #topologies = new Map<string, Map<string, number>>()
  total = 0

  /** @param matches a pod it throws on is not counted */
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

  // A count must be able to go down as it went up, whatever the pod is like.
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

  /** Calls `fn` with each node that has any of them. */
  each(fn: (node: NodeInfo, count: number) => void): void {
    for (const { info, count } of this.#nodes.values()) fn(info, count)
  }

  /** How many pods there are per value of the node label `key`; values without any are absent. */
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

  /** Labels of a node have changed, or a node has gone. */
  nodesChanged(): void {
    this.#topologies.clear()
  }
}

function bump(values: Map<string, number>, value: string, by: number): void {
  const next = (values.get(value) ?? 0) + by
  if (next === 0) values.delete(value)
  else values.set(value, next)
}
