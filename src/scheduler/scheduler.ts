// The scheduling loop: keeps the snapshot and the queue up to date from mirrors, decides on one pod after the other,
// and writes decisions while the next ones are made.
//
//   mirrors ─► snapshot, queue        decide ─► assume ─► bind (in the background) ─► confirmed by the mirror
//                                        └─► no node: condition, event, preemption, sleep until a wake-up
import { Chore } from '../base/chore.ts'
import { type Clock, settle } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { sameJson } from '../api/equal.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { Item, type MirrorChange } from '../api/mirror.ts'
import type { Client } from '../client/index.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'
import { Attempt } from './attempt.ts'
import { Attempts, type Outside } from './attempts.ts'
import type { SchedulerConfig } from './config.ts'
import { type DecisionReport, Decisions, type Explanation } from './decisions.ts'
import { Extender } from './extender.ts'
import { PodInfo } from './info.ts'
import { leftOut, pendingPods } from './metrics.ts'
import { Nominations } from './nominations.ts'
import { ownSelectors } from './own-selector.ts'
import type { Profile } from './profile.ts'
import { makeProfiles } from './profiles.ts'
import { type Place, sameKind, SchedulingQueue } from './queue.ts'
import { Reporter } from './reporter.ts'
import { Snapshot } from './snapshot.ts'
import { WaitingRoom } from './waiting.ts'

/** The most decisions in a row, after which other work of the process has its turn. */
const podsPerTurn = 64
/** The most bindings under way. */
const maxBinding = 512
/** The pause after a failure of the loop itself. */
const interruptedMs = 1_000

export interface SchedulerOptions {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  config: SchedulerConfig
  /** Is called with the result and duration of each attempt, from the queue to its end. */
  onAttempt?: (result: 'scheduled' | 'unschedulable' | 'error', ms: number) => void
}

export class SchedulerLoop {
  readonly #options: SchedulerOptions
  readonly #profiles: ReadonlyMap<string, Profile>
  readonly #snapshot: Snapshot
  readonly #queue: SchedulingQueue
  readonly #nominations: Nominations
  readonly #decisions = new Decisions()
  readonly #outside: Outside
  readonly #attempts: Attempts
  readonly #startedAt: number
  readonly #scheduling: Chore

  constructor(options: SchedulerOptions) {
    const { client, clock, random, log, signal, config } = options
    this.#options = options
    this.#startedAt = clock.now()
    const failed = (error: unknown) => log.error('scheduling failed and will be retried', { error })
    const retry = { clock, firstMs: interruptedMs, maxMs: interruptedMs, failed }
    this.#scheduling = new Chore({ signal, retry }, () => this.#run())
    const waiting = new WaitingRoom(clock)
    const forgetAnswers = () => {
      for (const { answers } of this.#profiles.values()) answers.clear()
    }
    this.#profiles = makeProfiles(config, { client, clock, random, log, signal, waiting, forgetAnswers })
    const namespaces = client.mirror(Namespace)
    this.#snapshot = new Snapshot({
      namespaceLabels: name => namespaces.get(undefined, name)?.metadata.labels,
      ownSelector: ownSelectors(client, signal),
    })
    this.#nominations = new Nominations(this.#snapshot)
    this.#queue = new SchedulingQueue({
      clock,
      profiles: this.#profiles,
      initialBackoffMs: config.podInitialBackoffMs,
      maxBackoffMs: config.podMaxBackoffMs,
      onReady: () => this.#scheduling.wake(),
      onFailure: (info, error) => this.#podLeftOut(info.pod, error),
    })
    const extenders = config.extenders.map(extender => new Extender(extender, signal))
    this.#outside = { extenders, waiting, reporter: new Reporter({ client, clock, log, signal }) }
    this.#attempts = new Attempts({
      ...options,
      ...this.#outside,
      snapshot: this.#snapshot,
      queue: this.#queue,
      nominations: this.#nominations,
      decisions: this.#decisions,
      released: (pod, node) => this.#released(pod, node),
    })
  }

  /** Takes over all existing objects and follows their changes, until the signal aborts. */
  start(): void {
    const { client, signal } = this.#options
    const stops: (() => void)[] = []
    const follow = <T extends KubeObject>(kind: Kind<T>, apply: (change: MirrorChange<T>) => void) => {
      const applyAndWake = (change: MirrorChange<T>) => {
        apply(change)
        this.#queue.wake(kind, change)
      }
      stops.push(client.mirror(kind).follow(applyAndWake, 'scheduler'))
    }
    follow(Node, change => this.#tryNode(change))
    follow(Pod, change => this.#tryPod(change))
    follow(Namespace, ({ type }) => type === 'MODIFIED' && this.#snapshot.forgetCounters())
    for (const kind of this.#otherKinds()) follow(kind, () => {})
    const stop = () => {
      for (const unsubscribe of stops) unsubscribe()
      this.#queue.close()
    }
    signal.addEventListener('abort', stop, { once: true })
  }

  lastDecision(podKey: string): DecisionReport | undefined {
    return this.#decisions.report(podKey)
  }

  waiting(): Record<Place, number> {
    return this.#queue.counts()
  }

  /** A report about a pod, for people. */
  explain(namespace: string, name: string): Explanation {
    const pod = this.#options.client.mirror(Pod).get(namespace, name)
    return this.#decisions.explain(`${namespace}/${name}`, pod, {
      queued: pod && this.#queue.find(pod.metadata.uid ?? ''),
      held: pod !== undefined && this.#outside.waiting.has(pod.metadata.uid ?? ''),
      schedulerNames: [...this.#profiles.keys()],
      startedAt: this.#startedAt,
    })
  }

  /** The kinds that only wake pods, because of a plugin. */
  #otherKinds(): AnyKind[] {
    const followed: readonly AnyKind[] = [Node, Pod, Namespace]
    const kinds: AnyKind[] = []
    for (const { plugins } of this.#profiles.values())
      for (const { wakeOn } of plugins)
        for (const { kind } of wakeOn)
          if (![...followed, ...kinds].some(other => sameKind(other, kind))) kinds.push(kind)
    return kinds
  }

  /** A node that the snapshot cannot hold, for example with an invalid quantity, is left out until it changes. */
  #tryNode(change: MirrorChange<Node>): void {
    try {
      this.#applyNode(change)
    } catch (error) {
      const node = change.item.object
      leftOut.add({ kind: 'Node' })
      this.#options.log.error('node left out', { node: node.metadata.name, error })
      this.#snapshot.removeNode(node.metadata.name ?? '')
      this.#outside.reporter.nodeLeftOut(node, `node left out: ${messageOf(error)}`)
    }
  }

  /** A pod that the snapshot cannot hold is left out until it changes, and its condition has the reason. */
  #tryPod(change: MirrorChange<Pod>): void {
    try {
      this.#applyPod(change)
    } catch (error) {
      const pod = change.item.object
      this.#forget(pod.metadata.uid ?? '')
      this.#podLeftOut(pod, error)
    }
  }

  #podLeftOut(pod: Pod, error: unknown): void {
    const { namespace = '', name, uid = '' } = pod.metadata
    const key = `${namespace}/${name}`
    leftOut.add({ kind: 'Pod' })
    this.#options.log.error('pod left out', { pod: key, error })
    if (pod.spec?.nodeName) return
    const message = messageOf(error)
    void this.#outside.reporter.refused({ pod, key, namespace, uid }, { reason: 'SchedulerError', message })
  }

  #applyNode({ type, item }: MirrorChange<Node>): void {
    if (type === 'DELETED') this.#snapshot.removeNode(item.object.metadata.name ?? '')
    else this.#snapshot.setNode(item.object)
  }

  #applyPod({ type, item, before }: MirrorChange<Pod>): void {
    const pod = item.object
    const uid = pod.metadata.uid ?? ''
    // Another uid under the same name means that the former pod was deleted.
    if (before && before.object.metadata.uid !== uid) this.#forget(before.object.metadata.uid ?? '')
    if (type === 'DELETED' || isTerminal(pod)) this.#forget(uid)
    else if (pod.spec.nodeName) this.#settled(pod, uid, before?.object)
    else if (!this.#profiles.has(pod.spec.schedulerName)) return
    else if (pod.metadata.deletionTimestamp) this.#forget(uid)
    else this.#pending(new PodInfo(pod), before?.object)
  }

  #pending(info: PodInfo, before: Pod | undefined): void {
    const nominated = info.pod.status.nominatedNodeName
    if (nominated) this.#nominations.set(info, nominated)
    else if (before?.status.nominatedNodeName) this.#nominations.delete(info.uid)
    this.#queue.set(info, !before || matters(info.pod, before))
  }

  #settled(pod: Pod, uid: string, before: Pod | undefined): void {
    this.#queue.remove(uid)
    this.#nominations.delete(uid)
    // Of a pod's status only the allocated resources matter to the snapshot.
    const known = this.#snapshot.where(uid)
    if (known && !known.assumed && before?.spec.nodeName && !matters(pod, before)) return
    if (known?.assumed && known.node === pod.spec.nodeName && this.#snapshot.confirm(uid, pod)) return
    this.#snapshot.setPod(new PodInfo(pod), pod.spec.nodeName!)
  }

  #forget(uid: string): void {
    this.#queue.remove(uid)
    this.#snapshot.removePod(uid)
    this.#nominations.delete(uid)
    this.#outside.waiting.reject(uid, 'scheduler', 'the pod was deleted or has ended')
  }

  /** Wakes pods as if this pod, which was assumed on a node, had been deleted from it. */
  #released({ pod, uid }: PodInfo, node: string): void {
    const item: Item = new Item<Pod>({ ...pod, spec: { ...pod.spec, nodeName: node } }, 0)
    this.#queue.wake(Pod, { type: 'DELETED', item, before: item }, uid)
  }

  /** Decides on one pod after the other until none is active. */
  async #run(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      for (let i = 0; i < podsPerTurn && this.#attempts.binding < maxBinding; i++) {
        const taken = this.#queue.take()
        if (!taken) return this.#publish()
        const work = new Attempt(this.#attempts, taken).run()
        if (work) await work
      }
      this.#publish()
      await settle(1)
    }
  }

  #publish(): void {
    const { deciding: _, ...counts } = this.#queue.counts()
    for (const [queue, count] of Object.entries(counts)) pendingPods.set(count, { queue })
  }
}

/** Whether a change of a pod may change where it can run, or how much it uses there. */
function matters(pod: Pod, before: Pod): boolean {
  return (
    differ(pod.spec, before.spec) ||
    differ(pod.metadata.labels, before.metadata.labels) ||
    pod.metadata.deletionTimestamp !== before.metadata.deletionTimestamp ||
    (pod.status.containerStatuses !== before.status.containerStatuses && differ(given(pod), given(before)))
  )
}

/** Whether two values differ. Equal ones are often the same object, which is checked first since it is fast. */
const differ = (a: unknown, b: unknown): boolean => a !== b && !sameJson(a, b)
const given = ({ status }: Pod) =>
  status.containerStatuses?.map(c => [c.name, c.resources?.requests, c.allocatedResources])
