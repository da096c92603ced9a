// Which pods a kubelet works on: a worker for each pod that is bound to the node, from the first sight of it until
// nothing of it is left.
//
//   mirror of the node's pods ──changes──▶ a worker per pod ◀──events── runtime
//              └──────────── relist: what both of them missed ──────────┘
//
// Changes and events say at once where to look. Neither is the only truth: what failed over a pod is tried again with
// back-off, and every half a minute the pods, the workers and the runtime are held against each other.
// Source: kubernetes pkg/kubelet/pleg/generic.go.
import { messageOf } from '../base/errors.ts'
import type { Mirror } from '../api/mirror.ts'
import { parseTime } from '../api/time.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'
import type { Rejection } from './admission.ts'
import { every } from './node/node.ts'
import { type Backoff, nextBackoff } from './pod/backoff.ts'
import { type NodeContext, reportUnsynced } from './pod/context.ts'
import { nameOf, namespaceOf, uidOf } from './pod/spec.ts'
import { removePod } from './pod/remove.ts'
import { PodWorker } from './pod/worker.ts'
import type { PodOutline } from './runtime/runtime.ts'

export type Workers = Map<string, PodWorker>

interface NodePodsOptions {
  context: NodeContext
  pods: Mirror<Pod>
  workers: Workers
  /** Why the node does not take a pod. */
  admit: (pod: Pod) => Rejection | undefined
  signal: AbortSignal
}

/** A new pod has to be admitted; of one that runs the worker has to see first what there is. */
type PodState = 'new' | 'running'

const relistMs = 30_000
/** A runtime that is not up yet will be. */
const adoptRetryMs = 1_000
const podRetry = { firstMs: 2_000, mostMs: 120_000 }
const orphanGraceSeconds = 2

export class NodePods {
  readonly #context: NodeContext
  readonly #pods: Mirror<Pod>
  readonly #workers: Workers
  readonly #admit: NodePodsOptions['admit']
  readonly #signal: AbortSignal
  /** Pods that a worker could not be made for, or could not take in, by uid. */
  readonly #failed = new Map<string, { backoff: Backoff; state: PodState }>()
  /** Pods of which nothing is left but the object, which somebody's finalizer may keep, by uid. */
  readonly #finished = new Set<string>()
  /** What no pod stands for, by uid: the containers that run. */
  readonly #orphans = new Map<string, readonly string[]>()
  #removing = false

  constructor({ context, pods, workers, admit, signal }: NodePodsOptions) {
    this.#context = context
    this.#pods = pods
    this.#workers = workers
    this.#admit = admit
    this.#signal = signal
  }

  /** Takes over what a former kubelet left running, and follows pods and runtime from then on. */
  async start(): Promise<void> {
    const there = await this.#firstOutline()
    const seen = new Set(there.map(pod => pod.uid))
    // What does not run yet has to fit beside what does, the oldest first.
    const pods = this.#pods.list().sort(byAge)
    for (const pod of pods) if (seen.has(uidOf(pod))) this.#meet(pod, 'running')
    for (const pod of pods) if (!seen.has(uidOf(pod))) this.#meet(pod, 'new')
    const stop = this.#pods.subscribeEach(({ type, item }) => this.#changed(type, item.object), 'kubelet')
    this.#signal.addEventListener('abort', stop, { once: true })
    const { runtime, clock, log } = this.#context
    runtime
      .watch((uid, event) => this.#heard(uid, event?.topic), this.#signal)
      .catch((error: unknown) => this.#signal.aborted || log.error('events of the runtime are not followed', { error }))
    void every(clock, relistMs, this.#signal, () => this.#relist())
  }

  async #firstOutline(): Promise<readonly PodOutline[]> {
    const { runtime, clock, log } = this.#context
    for (;;) {
      try {
        return await runtime.outline()
      } catch (error) {
        this.#signal.throwIfAborted()
        log.warn('the container runtime could not be asked for its pods, trying again', { why: messageOf(error) })
      }
      await clock.sleep(adoptRetryMs, this.#signal)
    }
  }

  #changed(type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: Pod): void {
    if (type === 'DELETED') {
      this.#finished.delete(uidOf(pod))
      return this.#workers.get(uidOf(pod))?.objectGone()
    }
    // The same name again with another uid: the mirror reports one change for two pods.
    if (!this.#workers.has(uidOf(pod)))
      for (const old of this.#workers.values())
        if (nameOf(old.pod) === nameOf(pod) && namespaceOf(old.pod) === namespaceOf(pod)) old.objectGone()
    this.#meet(pod, 'new')
  }

  #meet(pod: Pod, state: PodState): void {
    if (this.#finished.has(uidOf(pod))) return
    const worker = this.#workers.get(uidOf(pod))
    this.#try(pod, state, () => (worker ? worker.update(pod) : this.#take(pod, state)))
  }

  /** Makes a worker; a pod that the node does not take gets one to say so. */
  #take(pod: Pod, state: PodState): void {
    const settled = state === 'running' || isTerminal(pod) || pod.metadata.deletionTimestamp !== undefined
    const rejection = settled ? undefined : this.#admit(pod)
    const worker = new PodWorker(this.#context, pod, state === 'running', () => {
      this.#workers.delete(worker.uid)
      if (this.#current(pod)) this.#finished.add(worker.uid)
    })
    this.#workers.set(worker.uid, worker)
    if (rejection) worker.reject(rejection)
  }

  /** A pod that cannot be worked on says so, is tried again, and keeps no other from being worked on. */
  #try(pod: Pod, state: PodState, work: () => void): void {
    const uid = uidOf(pod)
    try {
      work()
      this.#failed.delete(uid)
    } catch (error) {
      reportUnsynced(this.#context, pod, error)
      const { clock } = this.#context
      const before = this.#failed.get(uid)
      const backoff = nextBackoff(clock.now(), before?.backoff, clock.now(), podRetry)
      this.#failed.set(uid, { backoff, state: before?.state ?? state })
      clock.after(backoff.delayMs, () => this.#tryAgain(pod))
    }
  }

  #tryAgain(before: Pod): void {
    const pod = this.#signal.aborted ? undefined : this.#current(before)
    const failed = this.#failed.get(uidOf(before))
    if (!pod) this.#failed.delete(uidOf(before))
    else if (failed) this.#meet(pod, failed.state)
  }

  /** The same pod as it is in the API. */
  #current(pod: Pod): Pod | undefined {
    const now = this.#pods.get(namespaceOf(pod), nameOf(pod))
    return now && uidOf(now) === uidOf(pod) ? now : undefined
  }

  #heard(uid: string | undefined, topic: string | undefined): void {
    if (uid !== undefined) return this.#workers.get(uid)?.runtimeChanged(topic)
    for (const worker of this.#workers.values()) worker.runtimeChanged()
  }

  async #relist(): Promise<void> {
    const { runtime, host, log } = this.#context
    try {
      const there = await runtime.outline()
      const known = await host.known()
      // No waiting from here on: what is there now is held against what there is to work on now.
      const outlines = new Map(there.map(pod => [pod.uid, pod]))
      for (const worker of this.#workers.values()) {
        if (marks(worker.seen) !== marks(outlines.get(worker.uid))) worker.runtimeChanged()
        if (!this.#current(worker.pod)) worker.objectGone()
      }
      for (const pod of this.#pods.list()) {
        const isCurrent = this.#workers.get(uidOf(pod))?.pod === pod
        if (!isCurrent && !this.#failed.has(uidOf(pod))) this.#meet(pod, outlines.has(uidOf(pod)) ? 'running' : 'new')
      }
      const uids = new Set(this.#pods.list().map(uidOf))
      for (const uid of this.#finished) if (!uids.has(uid)) this.#finished.delete(uid)
      for (const uid of new Set([...outlines.keys(), ...known]))
        if (!this.#workers.has(uid) && !this.#failed.has(uid)) this.#orphans.set(uid, running(outlines.get(uid)))
      if (!this.#removing) void this.#removeOrphans()
    } catch (error) {
      if (!this.#signal.aborted) log.warn('pods could not be listed', { why: messageOf(error) })
    }
  }

  /** One after the other, beside everything else: what cannot be ended must hold up nothing. */
  async #removeOrphans(): Promise<void> {
    const { runtime, log } = this.#context
    this.#removing = true
    for (const [uid, containers] of this.#orphans) {
      this.#orphans.delete(uid)
      if (this.#signal.aborted) break
      try {
        await Promise.all(containers.map(id => runtime.stopContainer(id, orphanGraceSeconds)))
        await removePod(this.#context, uid)
        log.info('removed what was left of a pod', { uid })
      } catch (error) {
        log.warn('what is left of a pod could not be removed', { uid, why: messageOf(error) })
      }
    }
    this.#removing = false
  }
}

const byAge = (a: Pod, b: Pod) =>
  (parseTime(a.metadata.creationTimestamp) ?? 0) - (parseTime(b.metadata.creationTimestamp) ?? 0)

/** What a look would show, in brief. */
const marks = (pod: PodOutline | undefined): string =>
  [...(pod?.sandboxes.map(s => `${s.id} ${s.ready}`) ?? []), ...(pod?.containers.map(c => `${c.id} ${c.state}`) ?? [])]
    .sort()
    .join()

const running = (pod: PodOutline | undefined): string[] =>
  pod?.containers.filter(c => c.state === 'running').map(c => c.id) ?? []
