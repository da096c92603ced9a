// Pods that others were evicted for, with the node each will get: until it is there it counts as if it were, for
// pods that are not more important.
import type { PodInfo } from './info.ts'
import type { Snapshot } from './snapshot.ts'

export class Nominations {
  readonly #snapshot: Snapshot
  readonly #byNode = new Map<string, Map<string, PodInfo>>()
  readonly #nodes = new Map<string, string>()

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot
  }

  get size(): number {
    return this.#nodes.size
  }

  nodeOf(uid: string): string | undefined {
    return this.#nodes.get(uid)
  }

  on(node: string): ReadonlyMap<string, PodInfo> | undefined {
    return this.#byNode.get(node)
  }

  set(pod: PodInfo, node: string): void {
    this.delete(pod.uid)
    this.#nodes.set(pod.uid, node)
    const pods = this.#byNode.get(node)
    if (pods) pods.set(pod.uid, pod)
    else this.#byNode.set(node, new Map([[pod.uid, pod]]))
    this.#changed(node)
  }

  delete(uid: string): void {
    const node = this.#nodes.get(uid)
    if (node === undefined) return
    this.#nodes.delete(uid)
    const pods = this.#byNode.get(node)!
    pods.delete(uid)
    if (pods.size === 0) this.#byNode.delete(node)
    this.#changed(node)
  }

  /** What was worked out for the node does not hold any more. */
  #changed(node: string): void {
    this.#snapshot.node(node)?.touch()
  }
}
