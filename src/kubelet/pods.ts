// The pods of a kubelet: it keeps a worker for each pod that is bound to the node, from when the pod appears until
// nothing of it is left.
//
//   mirror of the node's pods ──changes──▶ a worker per pod ◀──events── runtime
//              └────────────── relist: what both of them missed ────────┘
//
// Changes and events wake the worker that they concern. Since either can be lost, the pods, the workers and the runtime
// are compared every half a minute. A failure while taking in a pod is retried with back-off, and affects no other pod.
// Source: kubernetes pkg/kubelet/pleg/generic.go.
import { messageOf } from '../base/errors.ts'
import type { Mirror } from '../api/mirror.ts'
import { parseTime } from '../api/time.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'
import { counts } from './metrics.ts'
import type { Admission, Rejection } from './admission/admission.ts'
import { every } from './node/node.ts'
import { type Backoff, nextBackoff } from './pod/backoff.ts'
import { type NodeContext, reportUnsynced } from './pod/context.ts'
import { graceSecondsOf, nameOf, namespaceOf, uidOf } from './pod/spec.ts'
import { removePod } from './pod/remove.ts'
import { PodWorker } from './pod/worker.ts'
import type { PodOutline } from './runtime/runtime.ts'

export type Workers = Map<string, PodWorker>

interface NodePodsOptions {
  context: NodeContext
  pods: Mirror<Pod>
  workers: Workers
  /** Decides whether the node takes a pod, and which pods end for it. */
  admit: (pod: Pod) => Admission
  /**
   * Gives a pod that is admitted the devices that it needs. Undefined if it needs nothing; otherwise the promise of the
   * reason why it cannot have them, which rejects only when the kubelet ends.
   */
  allot: (pod: Pod) => Promise<Rejection | undefined> | undefined
  /** Gives a pod the CPUs and memory that it has for itself, last of all, right before it has a worker, if not before. */
  takeRest: (pod: Pod) => Rejection | undefined
  /** Called when pods came, went or changed. */
  changed: () => void
  /** Whether `pods` has all pods of the node. Before that, what has no pod is not removed. */
  isComplete: () => boolean
  /** Called when nothing of a pod is left on the node. */
  gone: (uid: string) => void
  signal: AbortSignal
}

/** A new pod must be admitted. A running one was admitted before, and its worker first reads what the runtime has. */
type PodState = 'new' | 'running'

const relistMs = 30_000
/** The pause between tries to reach a runtime that is not up yet. */
const adoptRetryMs = 1_000
const podRetry = { firstMs: 2_000, maxMs: 120_000 }
const orphanGraceSeconds = 2
const roomPauseMs = 250
/** How long a critical pod waits at least for the pods that end for it. */
const minRoomMs = 10_000
const preempted = { reason: 'Preempting', message: 'Preempted in order to admit critical pod', isDisruption: true }

/**
 * What always holds, by the uid of a pod:
 *
 *   in the mirror, work to do     a worker, or an entry in #failed with a retry under way, or one in #waiting
 *   in the mirror, all is done    an entry in #finished: the worker has ended, a finalizer keeps the object
 *   not in the mirror             a worker that `objectGone` has notified, until everything is removed
 *   neither, but on the node      an entry in #orphans from the next relist on, and then removed
 *
 * - A uid has at most one worker. Another pod of the same name has another uid and a worker of its own, which does not
 *   wait for the former one.
 * - At the start, pods that already run are taken first; so the others are admitted only beside them. Pods that come
 *   later, since the API did not answer before, are taken in the same `order` by the one who adds them.
 * - When the signal aborts, no more changes are followed. Workers are closed by the caller.
 */
export class NodePods {
  readonly #context: NodeContext
  readonly #pods: Mirror<Pod>
  readonly #workers: Workers
  readonly #admit: NodePodsOptions['admit']
  readonly #allot: NodePodsOptions['allot']
  readonly #takeRest: NodePodsOptions['takeRest']
  readonly #podsChanged: () => void
  readonly #isComplete: NodePodsOptions['isComplete']
  readonly #gone: NodePodsOptions['gone']
  readonly #signal: AbortSignal
  /** The uids of pods that a former kubelet left on the node and that have not been met yet. */
  #left = new Set<string>()
  /** Pods for which a worker could not be created or updated, by uid. */
  readonly #failed = new Map<string, { backoff: Backoff; state: PodState }>()
  /** The uids of pods of which only the object is left, which a finalizer may keep. */
  readonly #finished = new Set<string>()
  /** The uids of pods that wait: for others that end to make room for them, or for their devices. */
  readonly #waiting = new Set<string>()
  /** Whether pods whose devices were decided got them, by uid, until they are admitted. */
  readonly #allotted = new Map<string, Rejection | undefined>()
  /** The running containers of pods that have no object, by uid. */
  readonly #orphans = new Map<string, readonly string[]>()
  #removing = false
  /** By the steady clock. */
  #relistedAt: number | undefined

  constructor({ context, pods, workers, admit, allot, takeRest, changed, isComplete, gone, signal }: NodePodsOptions) {
    this.#context = context
    this.#pods = pods
    this.#workers = workers
    this.#admit = admit
    this.#allot = allot
    this.#takeRest = takeRest
    this.#podsChanged = changed
    this.#isComplete = isComplete
    this.#gone = gone
    this.#signal = signal
  }

  /** Takes over what a former kubelet left running, and follows pods and runtime from then on. */
  async start(): Promise<void> {
    const there = await this.#firstOutline()
    this.#left = new Set(there.map(pod => pod.uid))
    for (const pod of this.#pods.list().sort(this.order)) this.#meetNew(pod)
    const stop = this.#pods.subscribeEach(({ type, item }) => this.#changed(type, item.object), 'kubelet')
    this.#signal.addEventListener('abort', stop, { once: true })
    const { runtime, clock, log } = this.#context
    runtime
      .watch((uid, event) => this.#notify(uid, event?.topic), this.#signal)
      .catch((error: unknown) => this.#signal.aborted || log.error('events of the runtime are not followed', { error }))
    void every(clock, relistMs, this.#signal, () => this.relist())
  }

  /**
   * The order in which pods are taken: running ones first, so that the others are admitted only if they fit beside
   * them, and then the oldest.
   */
  readonly order = (a: Pod, b: Pod): number =>
    Number(this.#left.has(uidOf(b))) - Number(this.#left.has(uidOf(a))) || byAge(a, b)

  async #firstOutline(): Promise<readonly PodOutline[]> {
    const { runtime, clock, log } = this.#context
    for (;;) {
      try {
        return await runtime.outline()
      } catch (error) {
        this.#signal.throwIfAborted()
        log.warn('the pods of the container runtime could not be listed, will be retried', { why: messageOf(error) })
      }
      await clock.sleep(adoptRetryMs, this.#signal)
    }
  }

  #changed(type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: Pod): void {
    if (type === 'DELETED') {
      this.#finished.delete(uidOf(pod))
      return this.#workers.get(uidOf(pod))?.objectGone()
    }
    // When a pod was replaced by another of its name, the mirror reports one change for both.
    if (!this.#workers.has(uidOf(pod)))
      for (const old of this.#workers.values())
        if (nameOf(old.pod) === nameOf(pod) && namespaceOf(old.pod) === namespaceOf(pod)) old.objectGone()
    this.#meetNew(pod)
    // The change may be a resize, or the end of a pod whose resources are free now.
    this.#podsChanged()
  }

  #meetNew(pod: Pod): void {
    this.#meet(pod, this.#left.delete(uidOf(pod)) ? 'running' : 'new')
  }

  #meet(pod: Pod, state: PodState): void {
    if (this.#finished.has(uidOf(pod))) return
    // A pod that is deleted while it waits for room needs none.
    if (this.#waiting.has(uidOf(pod)) && !isOver(pod)) return
    const worker = this.#workers.get(uidOf(pod))
    this.#try(pod, state, () => (worker ? worker.update(pod) : this.#take(pod, state)))
  }

  /** Creates a worker. A pod that the node does not take gets one too, which writes the rejection. */
  #take(pod: Pod, state: PodState): void {
    const settled = state === 'running' || isOver(pod)
    const { rejection: refused, victims } = settled ? { rejection: undefined, victims: [] } : this.#admit(pod)
    if (victims.length) {
      void this.#makeRoom(pod, victims)
      return
    }
    const devices = settled || refused || this.#allotted.has(uidOf(pod)) ? undefined : this.#allot(pod)
    if (devices) {
      void this.#awaitDevices(pod, devices)
      return
    }
    const rejection = refused ?? this.#allotted.get(uidOf(pod)) ?? (settled ? undefined : this.#takeRest(pod))
    this.#allotted.delete(uidOf(pod))
    const worker = new PodWorker(this.#context, pod, state === 'running', () => {
      this.#workers.delete(worker.uid)
      if (this.#current(pod)) this.#finished.add(worker.uid)
      this.#gone(worker.uid)
      this.#podsChanged()
    })
    this.#workers.set(worker.uid, worker)
    if (rejection) worker.reject(rejection)
  }

  /** Ends pods for the sake of a critical one, which is taken when they have ended, or have had the time to. */
  async #makeRoom(pod: Pod, victims: readonly Pod[]): Promise<void> {
    const { clock, log } = this.#context
    const uid = uidOf(pod)
    this.#waiting.add(uid)
    log.info('pods end so that a critical pod fits', { pod: nameOf(pod), victims: victims.map(nameOf) })
    for (const victim of victims) {
      this.#workers.get(uidOf(victim))?.evict(preempted)
      counts.preempted()
    }
    const graceMs = Math.max(...victims.map(graceSecondsOf)) * 1_500
    const until = clock.steady() + Math.max(minRoomMs, graceMs)
    const isLeft = () => victims.some(victim => this.#workers.get(uidOf(victim))?.over === false)
    // The sleep rejects only after an abort, for which the loop checks.
    while (isLeft() && clock.steady() < until && !this.#signal.aborted)
      await clock.sleep(roomPauseMs, this.#signal).catch(() => {})
    this.#waiting.delete(uid)
    const current = this.#signal.aborted ? undefined : this.#current(pod)
    if (current) this.#meet(current, 'new')
  }

  /** Waits for the devices of a pod, and takes it then. It is admitted again, since others were taken meanwhile. */
  async #awaitDevices(pod: Pod, devices: Promise<Rejection | undefined>): Promise<void> {
    const uid = uidOf(pod)
    this.#waiting.add(uid)
    try {
      this.#allotted.set(uid, await devices)
    } catch (error) {
      if (this.#signal.aborted) return
      const message = `Allocate failed due to ${messageOf(error)}, which is unexpected`
      this.#allotted.set(uid, { reason: 'UnexpectedAdmissionError', message })
    }
    this.#waiting.delete(uid)
    const current = this.#signal.aborted ? undefined : this.#current(pod)
    if (current) this.#meet(current, 'new')
    // It has ended before it began, or waits for something else.
    if (!this.#waiting.has(uid)) this.#allotted.delete(uid)
  }

  /** Runs `work`. A failure is reported and retried with back-off, and stays with this pod. */
  #try(pod: Pod, state: PodState, work: () => void): void {
    const uid = uidOf(pod)
    try {
      work()
      this.#failed.delete(uid)
    } catch (error) {
      reportUnsynced(this.#context, pod, error)
      const { clock } = this.#context
      const before = this.#failed.get(uid)
      const backoff = nextBackoff(clock.steady(), before?.backoff, clock.steady(), podRetry)
      this.#failed.set(uid, { backoff, state: before?.state ?? state })
      clock.after(backoff.delayMs, () => this.#retry(pod))
    }
  }

  #retry(before: Pod): void {
    const pod = this.#signal.aborted ? undefined : this.#current(before)
    const failed = this.#failed.get(uidOf(before))
    if (!pod) this.#failed.delete(uidOf(before))
    else if (failed) this.#meet(pod, failed.state)
  }

  /** The newest state of the same pod. Undefined when it was deleted or replaced. */
  #current(pod: Pod): Pod | undefined {
    const now = this.#pods.get(namespaceOf(pod), nameOf(pod))
    return now && uidOf(now) === uidOf(pod) ? now : undefined
  }

  #notify(uid: string | undefined, topic: string | undefined): void {
    if (uid !== undefined) return this.#workers.get(uid)?.runtimeChanged(topic)
    for (const worker of this.#workers.values()) worker.runtimeChanged()
  }

  /** Compares pods, workers and runtime. To be called when all pods have been added; else it comes in its time. */
  async relist(): Promise<void> {
    const { runtime, host, dra, clock, log } = this.#context
    const from = clock.steady()
    try {
      const there = await runtime.outline()
      const known = [...(await host.known()), ...(dra?.manager.pods() ?? [])]
      // From here on nothing is awaited, so that workers and pods do not change during the comparison.
      const outlines = new Map(there.map(pod => [pod.uid, pod]))
      for (const worker of this.#workers.values()) {
        if (marks(worker.seen) !== marks(outlines.get(worker.uid))) worker.runtimeChanged()
        if (!this.#current(worker.pod)) worker.objectGone()
      }
      for (const pod of this.#pods.list()) {
        const isCurrent = this.#workers.get(uidOf(pod))?.wanted === pod
        if (!isCurrent && !this.#failed.has(uidOf(pod)) && !this.#waiting.has(uidOf(pod)))
          this.#meet(pod, outlines.has(uidOf(pod)) ? 'running' : 'new')
      }
      if (!this.#isComplete()) return
      const uids = new Set(this.#pods.list().map(uidOf))
      for (const uid of this.#finished) if (!uids.has(uid)) this.#finished.delete(uid)
      for (const uid of new Set([...outlines.keys(), ...known]))
        if (!this.#isWorkedOn(uid)) this.#orphans.set(uid, running(outlines.get(uid)))
      if (!this.#removing) void this.#removeOrphans()
      const at = clock.steady()
      counts.relist(at - from, this.#relistedAt === undefined ? undefined : at - this.#relistedAt, clock.now())
      this.#relistedAt = at
    } catch (error) {
      if (!this.#signal.aborted) log.warn('pods could not be listed', { why: messageOf(error) })
    }
  }

  #isWorkedOn = (uid: string): boolean => this.#workers.has(uid) || this.#failed.has(uid) || this.#waiting.has(uid)

  /** Removes the remains of pods one after the other, in the background, so that one that hangs delays nothing else. */
  async #removeOrphans(): Promise<void> {
    const { runtime, log } = this.#context
    this.#removing = true
    for (const [uid, containers] of this.#orphans) {
      this.#orphans.delete(uid)
      if (this.#signal.aborted) break
      // Others took their time, and the pod has come meanwhile.
      if (this.#isWorkedOn(uid)) continue
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

/** Whether a pod is not admitted any more: it has ended, or is to end. */
const isOver = (pod: Pod): boolean => isTerminal(pod) || pod.metadata.deletionTimestamp !== undefined

const byAge = (a: Pod, b: Pod) =>
  (parseTime(a.metadata.creationTimestamp) ?? 0) - (parseTime(b.metadata.creationTimestamp) ?? 0)

/** The states of a pod's parts as text, for comparison. */
const marks = (pod: PodOutline | undefined): string =>
  [...(pod?.sandboxes.map(s => `${s.id} ${s.ready}`) ?? []), ...(pod?.containers.map(c => `${c.id} ${c.state}`) ?? [])]
    .sort()
    .join()

const running = (pod: PodOutline | undefined): string[] =>
  pod?.containers.filter(c => c.state === 'running').map(c => c.id) ?? []
