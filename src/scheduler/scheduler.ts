// The scheduler at work: keeps the snapshot and the queue current from mirrors, decides pod after pod, and writes the
// decisions while the next ones are being made.
//
//   mirrors ─► snapshot, queue        decide ─► assume ─► bind (in the background) ─► confirmed by the mirror
//                                        └─► no node: condition, event, preemption, sleep until a wake-up
import { type Clock, settle } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import type { MirrorChange } from '../api/mirror.ts'
import { timeText } from '../api/time.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import { Binding } from '../kinds/core/binding.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { PodDisruptionBudget } from '../kinds/policy/poddisruptionbudget.ts'
import { decide, type Decision } from './decide.ts'
import { type DecisionReport, Decisions } from './decisions.ts'
import type { Plugin } from './framework.ts'
import { type Pod as PodObject, PodInfo } from './info.ts'
import { ownSelectors } from './own-selector.ts'
import { type Eviction, planPreemption } from './preempt.ts'
import { SchedulingQueue } from './queue.ts'
import { Snapshot } from './snapshot.ts'

const attempts = counter('kutter_scheduler_attempts_total', 'Scheduling attempts by result.')
/** Decisions between two looks at everything else this process does. */
const podsPerTurn = 64
/** Bindings being written at once. */
const maxBinding = 512
const schedulerName = 'default-scheduler'

export interface SchedulerOptions {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  plugins: readonly Plugin[]
}

export class SchedulerLoop {
  readonly #options: SchedulerOptions
  readonly #snapshot: Snapshot
  readonly #queue: SchedulingQueue
  readonly #recorder: EventRecorder
  readonly #decisions = new Decisions()
  /** Pods that others were evicted for, by the node they will get. */
  readonly #nominations = new Map<string, Map<string, PodInfo>>()
  #start = 0
  #binding = 0
  #running = false

  constructor(options: SchedulerOptions) {
    const { client, clock, plugins, signal } = options
    this.#options = options
    const namespaces = client.mirror(Namespace)
    this.#snapshot = new Snapshot({
      namespaceLabels: name => namespaces.get(undefined, name)?.metadata.labels,
      ownSelector: ownSelectors(client, signal),
    })
    this.#queue = new SchedulingQueue(clock, plugins, () => this.#pump())
    this.#recorder = new EventRecorder(client, { component: schedulerName })
  }

  /** Takes over what is there and follows what comes. */
  start(): void {
    const { client, signal, plugins } = this.#options
    const kinds = new Set<AnyKind>([Node, Pod, Namespace, ...plugins.flatMap(p => p.wakeOn.map(w => w.kind))])
    const stops: (() => void)[] = []
    for (const kind of kinds) {
      const mirror = client.mirror(kind as Kind<KubeObject>)
      for (const item of mirror.items()) this.#apply(kind, { type: 'ADDED', item, before: undefined })
      stops.push(mirror.subscribe(changes => changes.forEach(change => this.#apply(kind, change))))
    }
    const stop = () => {
      for (const unsubscribe of stops) unsubscribe()
      this.#queue.close()
    }
    signal.addEventListener('abort', stop, { once: true })
  }

  lastDecision(podKey: string): DecisionReport | undefined {
    return this.#decisions.report(podKey)
  }

  waiting(): ReturnType<SchedulingQueue['counts']> {
    return this.#queue.counts()
  }

  #apply(kind: AnyKind, change: MirrorChange): void {
    if (kind === Node) this.#applyNode(change as unknown as MirrorChange<Node>)
    else if (kind === Pod) this.#applyPod(change as unknown as MirrorChange<Pod>)
    else if (kind === Namespace && change.type === 'MODIFIED') this.#snapshot.forgetCounters()
    this.#queue.wake(kind, change)
  }

  #applyNode({ type, item }: MirrorChange<Node>): void {
    if (type === 'DELETED') this.#snapshot.removeNode(item.object.metadata.name ?? '')
    else this.#snapshot.setNode(item.object)
  }

  #applyPod({ type, item, before }: MirrorChange<Pod>): void {
    const pod = item.object
    const uid = pod.metadata.uid ?? ''
    // A pod of the same name but another UID: the one before has gone.
    if (before && before.object.metadata.uid !== uid) this.#forget(before.object.metadata.uid ?? '')
    const ended = pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed'
    if (type === 'DELETED' || ended) this.#forget(uid)
    else if (pod.spec.nodeName) this.#settled(pod, uid, before?.object)
    else if (pod.spec.schedulerName !== schedulerName) return
    else if (pod.metadata.deletionTimestamp) this.#forget(uid)
    else this.#queue.set(new PodInfo(pod), !before || matters(pod, before.object))
  }

  #settled(pod: PodObject, uid: string, before: PodObject | undefined): void {
    this.#queue.remove(uid)
    this.#nominate(uid, undefined)
    // What a pod's status says does not count for the snapshot.
    const known = this.#snapshot.where(uid)
    if (known && !known.assumed && before?.spec.nodeName && !matters(pod, before)) return
    this.#snapshot.setPod(new PodInfo(pod), pod.spec.nodeName!)
  }

  #forget(uid: string): void {
    this.#queue.remove(uid)
    this.#snapshot.removePod(uid)
    this.#nominate(uid, undefined)
  }

  #nominate(uid: string, to: { node: string; pod: PodInfo } | undefined): void {
    for (const [node, pods] of this.#nominations) {
      pods.delete(uid)
      if (pods.size === 0) this.#nominations.delete(node)
    }
    if (!to) return
    const pods = this.#nominations.get(to.node) ?? new Map<string, PodInfo>()
    pods.set(uid, to.pod)
    this.#nominations.set(to.node, pods)
  }

  #pump(): void {
    if (this.#running) return
    this.#running = true
    queueMicrotask(() => {
      this.#run().catch((error: unknown) => this.#options.log.error('scheduling stopped', { error }))
    })
  }

  async #run(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      for (let i = 0; i < podsPerTurn && this.#binding < maxBinding; i++) {
        const pod = this.#queue.take()
        if (!pod) {
          // In the same step as the look at the queue: what comes next starts a new run.
          this.#running = false
          return
        }
        this.#one(pod)
      }
      await settle(1)
    }
  }

  #one(pod: PodInfo): void {
    const { random, clock, log, plugins } = this.#options
    try {
      const decision = decide(pod, {
        plugins,
        random,
        snapshot: this.#snapshot,
        nominations: this.#nominations,
        start: this.#start,
      })
      this.#start = decision.total ? (this.#start + decision.looked) % decision.total : 0
      const { outcome } = decision
      if (outcome.type === 'node') {
        this.#decisions.add(clock.now(), decision)
        this.#snapshot.setPod(pod, outcome.node.name, true)
        void this.#bind(pod, outcome.node.name)
      } else this.#refuse(pod, decision, outcome)
    } catch (error) {
      log.error('decision failed', { pod: pod.key, error })
      attempts.add({ result: 'error' })
      this.#queue.failed(pod.uid)
    }
  }

  async #bind(pod: PodInfo, node: string): Promise<void> {
    const { client, log, signal } = this.#options
    const name = pod.pod.metadata.name ?? ''
    const { namespace, uid } = pod
    this.#binding++
    try {
      await client.createUnder(Pod, { namespace, name }, 'binding', Binding, {
        metadata: { name, namespace, uid },
        target: { kind: 'Node', name: node },
      })
      attempts.add({ result: 'scheduled' })
      this.#recorder.event(pod.pod, 'Normal', 'Scheduled', `Successfully assigned ${pod.key} to ${node}`)
    } catch (error) {
      if (signal.aborted) return
      if (this.#snapshot.where(uid)?.assumed) this.#snapshot.removePod(uid)
      attempts.add({ result: 'error' })
      if (isReason(error, 'NotFound')) this.#queue.remove(uid)
      else this.#queue.failed(uid)
      log.warn('binding failed', { pod: pod.key, node, why: messageOf(error) })
    } finally {
      this.#binding--
    }
  }

  #refuse(pod: PodInfo, decision: Decision, outcome: Extract<Decision['outcome'], { type: 'none' }>): void {
    const { clock, client, plugins } = this.#options
    const preemption = planPreemption(
      pod,
      decision.refusals,
      this.#snapshot,
      plugins,
      client.mirror(PodDisruptionBudget).list(),
    )
    const message = 'why' in preemption ? outcome.message + preemption.why : outcome.message
    this.#decisions.add(clock.now(), decision, message)
    attempts.add({ result: 'unschedulable' })
    this.#queue.unschedulable(pod.uid, outcome.blockedBy)
    this.#recorder.event(pod.pod, 'Warning', 'FailedScheduling', message)
    const eviction = 'eviction' in preemption ? preemption.eviction : undefined
    if (eviction) this.#nominate(pod.uid, { node: eviction.node.name, pod })
    this.#tell(pod, message, eviction).catch((error: unknown) => {
      if (isReason(error, 'NotFound') || this.#options.signal.aborted) return
      this.#options.log.warn('pod condition not written', { pod: pod.key, why: messageOf(error) })
    })
  }

  async #tell(pod: PodInfo, message: string, eviction: Eviction | undefined): Promise<void> {
    const { clock, client } = this.#options
    const old = pod.pod.status.conditions?.find(c => c.type === 'PodScheduled')
    const nominatedNodeName = eviction?.node.name
    if (!eviction && old?.status === 'False' && old.message === message) return
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastProbeTime: null,
      lastTransitionTime: old?.status === 'False' ? old.lastTransitionTime : timeText(clock.now()),
    }
    const ref = { namespace: pod.namespace, name: pod.pod.metadata.name ?? '' }
    const status = { conditions: [condition], ...(nominatedNodeName && { nominatedNodeName }) }
    await client.patch(Pod, ref, 'strategic', { status }, { subresource: 'status' })
    if (eviction) await Promise.all(eviction.victims.map(victim => this.#evict(victim, pod, eviction.node.name)))
  }

  async #evict(victim: PodInfo, pod: PodInfo, node: string): Promise<void> {
    const { clock, client } = this.#options
    const ref = { namespace: victim.namespace, name: victim.pod.metadata.name ?? '' }
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${schedulerName}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: timeText(clock.now()),
    }
    try {
      await client.patch(Pod, ref, 'strategic', { status: { conditions: [condition] } }, { subresource: 'status' })
      await client.delete(Pod, ref, { uid: victim.uid })
      this.#recorder.event(victim.pod, 'Normal', 'Preempted', `Preempted by pod ${pod.uid} on node ${node}`)
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
    }
  }
}

/** Whether a change of a pod can change where it may run. */
function matters(pod: PodObject, before: PodObject): boolean {
  return (
    (pod.spec !== before.spec && JSON.stringify(pod.spec) !== JSON.stringify(before.spec)) ||
    JSON.stringify(pod.metadata.labels) !== JSON.stringify(before.metadata.labels) ||
    pod.metadata.deletionTimestamp !== before.metadata.deletionTimestamp
  )
}
