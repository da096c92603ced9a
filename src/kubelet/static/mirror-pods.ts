// Keeps a mirror pod in the API for each static pod, so that the cluster sees it. A mirror pod that somebody deletes is
// made again, one of a former state is replaced, and one without a static pod is deleted; the static pod is not
// affected. While the API does not answer, this is tried again, and static pods run all the same.
// Source: kubernetes pkg/kubelet/pod/mirror_client.go, pkg/kubelet/kubelet.go (tryReconcileMirrorPods).
import { Chore } from '../../base/chore.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { allEnded } from '../../base/waiters.ts'
import { type Mirror, objectKey } from '../../api/mirror.ts'
import type { Client } from '../../client/index.ts'
import type { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { isMirror, mirrorAnnotation } from '../admission/critical.ts'
import { nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { PodSource } from './pod-source.ts'

/**
 * Which mirror pods to delete, and for which static pods to make one. A name that is taken is made free first.
 * @param areAll whether `statics` are all static pods; while there may be more, a mirror pod without one stays
 */
export function planMirrors(
  statics: readonly Pod[],
  api: readonly Pod[],
  ending: ReadonlySet<string>,
  areAll: boolean,
): { deletes: Pod[]; creates: Pod[] } {
  const wanted = new Map(statics.map(pod => [objectKey(pod), pod]))
  const isRight = (mirror: Pod) => {
    const pod = wanted.get(objectKey(mirror))
    const hash = mirror.metadata.annotations?.[mirrorAnnotation]
    return pod !== undefined && hash === uidOf(pod) && !mirror.metadata.deletionTimestamp
  }
  const taken = new Set(api.map(objectKey))
  return {
    // What shows a pod that is still ending goes with it.
    deletes: api.filter(
      pod => isMirror(pod) && !isRight(pod) && !ending.has(objectKey(pod)) && (areAll || wanted.has(objectKey(pod))),
    ),
    creates: statics.filter(pod => !taken.has(objectKey(pod))),
  }
}

interface MirrorPodsOptions {
  client: Client
  /** The pods of the API that are bound to this node. */
  api: Mirror<Pod>
  source: PodSource
  node: () => Node | undefined
  log: Log
  signal: AbortSignal
}

const retry = { firstMs: 1_000, maxMs: 30_000 }

export class MirrorPods {
  readonly #options: MirrorPodsOptions
  readonly #chore: Chore
  #isStarted = false

  constructor(options: MirrorPodsOptions) {
    this.#options = options
    const { client, log, signal } = options
    const failed = (error: unknown) =>
      log.warn('mirror pods could not be written, will be retried', { why: messageOf(error) })
    this.#chore = new Chore({ signal, retry: { ...retry, clock: client.clock, failed } }, () => this.#reconcile())
  }

  /** To be called when the pods of the API are there. */
  start(): void {
    const { api, signal } = this.#options
    const stop = api.subscribe(() => this.wake(), 'mirror pods')
    signal.addEventListener('abort', stop, { once: true })
    this.#isStarted = true
    this.wake()
  }

  /** To be called when static pods came or went. */
  wake(): void {
    if (this.#isStarted) this.#chore.wake()
  }

  /** Every pod is tried, also after a failure with another, which is thrown at the end. */
  async #reconcile(): Promise<void> {
    const { api, source } = this.#options
    const { deletes, creates } = planMirrors(source.statics, api.list(), source.endingKeys, source.isComplete)
    await allEnded([...deletes.map(pod => this.#delete(pod)), ...creates.map(pod => this.#create(pod))])
  }

  async #delete(pod: Pod): Promise<void> {
    const ref = { namespace: namespaceOf(pod), name: nameOf(pod) }
    try {
      await this.#options.client.delete(Pod, ref, { gracePeriodSeconds: 0, uid: uidOf(pod) })
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
    }
  }

  async #create({ metadata, spec }: Pod): Promise<void> {
    const { client, node } = this.#options
    const owner = node()
    if (!owner) throw new Error('the node is not registered')
    const { name, namespace, labels, annotations, uid = '' } = metadata
    const ownerReferences = [
      {
        apiVersion: 'v1',
        kind: 'Node',
        name: owner.metadata.name ?? '',
        uid: owner.metadata.uid ?? '',
        controller: true,
      },
    ]
    try {
      await client.create(Pod, {
        metadata: {
          ...(name !== undefined && { name }),
          ...(namespace !== undefined && { namespace }),
          ...(labels && { labels }),
          annotations: { ...annotations, [mirrorAnnotation]: uid },
          ownerReferences,
        },
        spec,
      })
    } catch (error) {
      // The mirror of the API is behind, and will show what has the name.
      if (!isReason(error, 'AlreadyExists')) throw error
    }
  }
}
