// The static pods of a node: reads what its sources have, and keeps pods and mirror pods as they say. A change of a
// document replaces its pod, its removal ends it. A document that cannot be read keeps the pods that it had: an editor
// that writes in two steps, or a slip of the pen, ends nothing.
import type { Log } from '../../base/log.ts'
import { type Mirror, objectKey } from '../../api/mirror.ts'
import type { Client } from '../../client/index.ts'
import type { Node } from '../../kinds/core/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { nameOf } from '../pod/spec.ts'
import { MirrorPods } from './mirror-pods.ts'
import type { PodSource } from './pod-source.ts'
import { readStaticPods, type StaticDocument } from './read.ts'
import type { StaticSource } from './sources.ts'

interface StaticPodsOptions {
  client: Client
  nodeName: string
  sources: readonly StaticSource[]
  api: Mirror<Pod>
  source: PodSource
  node: () => Node | undefined
  log: Log
  signal: AbortSignal
}

export class StaticPods {
  readonly #options: StaticPodsOptions
  readonly #mirrors: MirrorPods
  /** The documents of each source, in their order; undefined until the source has answered. */
  readonly #documents: (readonly StaticDocument[] | undefined)[]
  /** The text and the pods of each document when it was read last, by its source. */
  readonly #read = new Map<string, { text: string; pods: readonly Pod[] }>()

  constructor(options: StaticPodsOptions) {
    this.#options = options
    this.#mirrors = new MirrorPods(options)
    this.#documents = options.sources.map(() => undefined)
  }

  /** Begins to follow the sources. Needs no API. */
  start(): void {
    const { sources, source, signal } = this.#options
    if (!sources.length) source.setStatics([], true)
    for (const [i, from] of sources.entries())
      from.follow(documents => {
        this.#documents[i] = documents
        this.#update()
      }, signal)
  }

  /** Begins to keep mirror pods. To be called when the pods of the API are there. */
  show(): void {
    this.#mirrors.start()
  }

  /** To be called when nothing of a pod is left on the node. */
  gone(uid: string): void {
    this.#options.source.gone(uid)
    this.#mirrors.wake()
  }

  #update(): void {
    const documents = this.#documents.flatMap(list => list ?? [])
    const names = new Set(documents.map(({ source }) => source))
    for (const name of this.#read.keys()) if (!names.has(name)) this.#read.delete(name)
    const pods = new Map<string, Pod>()
    for (const document of documents)
      for (const pod of this.#podsIn(document)) {
        const key = objectKey(pod)
        if (pods.has(key)) this.#options.log.warn('a static pod has the name of another one', { pod: nameOf(pod) })
        else pods.set(key, pod)
      }
    // What has not answered yet may have pods that run, which must not end.
    this.#options.source.setStatics([...pods.values()], !this.#documents.includes(undefined))
    this.#mirrors.wake()
  }

  #podsIn(document: StaticDocument): readonly Pod[] {
    const { nodeName, client, log } = this.#options
    const before = this.#read.get(document.source)
    if (before?.text === document.text) return before.pods
    const { pods, problems } = readStaticPods(document, nodeName, client.clock.now())
    for (const why of problems) log.error('a static pod cannot be run', { why })
    const kept = problems.length && before ? before.pods : pods
    this.#read.set(document.source, { text: document.text, pods: kept })
    return kept
  }
}
