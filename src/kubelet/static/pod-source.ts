// All pods of a node in one mirror: those of the API that are bound to it, and static ones. A static pod is shown in the
// API by a mirror pod, which is not worked on; its status is that of the static pod, as far as the API has it.
//
//   API ─┬─ pods ─────────────────────────────────────────┐
//        └─ mirror pods ─ resource version, status ─┐     ▼
//   files, URL ─ static pods ───────────────────────┴─▶ PodSource.pods ─▶ NodePods
//
// Source: kubernetes pkg/kubelet/pod/pod_manager.go.
import { Item, Mirror, objectKey } from '../../api/mirror.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isMirror, mirrorAnnotation } from '../admission/critical.ts'
import { uidOf } from '../pod/spec.ts'

/**
 * What always holds:
 *
 * - A static pod has the name for itself: a pod of the API that is no mirror of it is left out while it is there.
 * - A static pod that replaces another of its name comes only when nothing of that one is left on the node.
 * - Before `open` no pods of the API are in the mirror. `isComplete` is false until the last of them has been added, so
 *   that nobody who is called for one of them takes those that follow for gone.
 */
export class PodSource {
  readonly pods = new Mirror<Pod>()
  readonly #api: Mirror<Pod>
  readonly #hasWorker: (uid: string) => boolean
  #isOpen = false
  #hasAllStatics = false
  /** The static pods that are to be there, by key. */
  #wanted: ReadonlyMap<string, Pod> = new Map()
  /** The static pods that are in the mirror, by key. */
  readonly #statics = new Map<string, Pod>()
  /** The keys of static pods that are ending, by uid. */
  readonly #ending = new Map<string, string>()

  /**
   * @param api the pods of the API that are bound to this node
   * @param hasWorker whether anything of a pod may be left on the node
   */
  constructor(api: Mirror<Pod>, hasWorker: (uid: string) => boolean) {
    this.#api = api
    this.#hasWorker = hasWorker
  }

  /** Whether the pods of the API and the static ones have all been added. */
  get isComplete(): boolean {
    return this.#isOpen && this.#hasAllStatics
  }

  /** The static pods that are there. */
  get statics(): readonly Pod[] {
    return [...this.#statics.values()]
  }

  /** The keys of static pods of which something may be left, although they are not to be there any more. */
  get endingKeys(): ReadonlySet<string> {
    return new Set(this.#ending.values())
  }

  /** Adds the pods of the API, in this order, and follows them. Must be called when their mirror is filled. */
  open(order: (a: Pod, b: Pod) => number): () => void {
    for (const pod of this.#api.list().sort(order)) this.#apiChanged('ADDED', pod)
    this.#isOpen = true
    return this.#api.subscribeEach(({ type, item }) => this.#apiChanged(type, item.object), 'pods of the node')
  }

  /**
   * Replaces the static pods.
   * @param areAll false while there may be more, which could not be read yet
   */
  setStatics(pods: readonly Pod[], areAll: boolean): void {
    const wanted = new Map(pods.map(pod => [objectKey(pod), pod]))
    this.#wanted = wanted
    this.#hasAllStatics ||= areAll
    for (const [key, pod] of this.#statics) {
      const next = wanted.get(key)
      if (next && uidOf(next) === uidOf(pod)) continue
      this.#statics.delete(key)
      this.#apply('DELETED', pod)
      if (this.#hasWorker(uidOf(pod))) this.#ending.set(uidOf(pod), key)
    }
    this.#addWanted()
  }

  /** Must be called when nothing of a pod is left on the node. */
  gone(uid: string): void {
    if (this.#ending.delete(uid)) this.#addWanted()
  }

  /** The mirror pod that shows a static pod; undefined without one. */
  mirrorOf(pod: Pod): Pod | undefined {
    const found = this.#api.byKey(objectKey(pod))
    return found && !found.metadata.deletionTimestamp && found.metadata.annotations?.[mirrorAnnotation] === uidOf(pod)
      ? found
      : undefined
  }

  /** The uid of the object that has a pod's status: its own, or that of its mirror, if it has one. */
  readonly apiUid = (pod: Pod): string | undefined =>
    this.#statics.has(objectKey(pod)) ? this.mirrorOf(pod)?.metadata.uid : uidOf(pod)

  #addWanted(): void {
    for (const [key, pod] of this.#wanted) {
      if (this.#statics.has(key) || this.endingKeys.has(key)) continue
      this.#statics.set(key, pod)
      this.#apply('ADDED', this.#shown(pod, pod))
    }
  }

  #apiChanged(type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: Pod): void {
    const own = this.#statics.get(objectKey(pod))
    if (own) return this.#apply('MODIFIED', this.#shown(own, this.pods.byKey(objectKey(pod)) ?? own))
    if (isMirror(pod)) return
    this.#apply(type, pod)
  }

  /** A static pod with the status of its mirror, or without one with the status that was there before. */
  #shown(pod: Pod, before: Pod): Pod {
    const mirror = this.mirrorOf(pod)
    const { resourceVersion } = (mirror ?? before).metadata
    const metadata = { ...pod.metadata, ...(resourceVersion !== undefined && { resourceVersion }) }
    return { ...pod, metadata, status: mirror?.status ?? before.status }
  }

  #apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: Pod): void {
    const revision = Number(pod.metadata.resourceVersion ?? 0)
    this.pods.apply([{ type, item: new Item(pod, revision) }], revision)
  }
}
