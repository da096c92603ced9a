// Nominated pods: pods for which others were evicted, each with the node that it will get. Until a nominated pod is
// bound, decisions on pods of the same or a lower priority count it as if it were on that node already.
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

  // A nomination changes the answers for its node, so those that are cached must not be used.
  #changed(node: string): void {
    this.#snapshot.node(node)?.touch()
  }
}
