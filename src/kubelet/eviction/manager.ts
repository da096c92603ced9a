// Watches what a node has left, and evicts pods when it becomes too little. A round every ten seconds:
//
//   measure ─▶ planPressure ─▶ conditions of the node ─▶ taints by the node controller, admission on the node
//                   │
//                   ▼ a threshold is met, and its grace period is over
//              reclaim what no pod uses: dead containers, unused images ─▶ enough? ─▶ done
//                   ▼ not enough
//              measure the pods ─▶ rankPods ─▶ the first that is not critical is evicted ─▶ wait until it has ended
//
// Limits of single pods on the disk are checked in the same rounds, for pods that have some. While nothing is short and
// no pod has such a limit, a round is a handful of system calls.
// Source: kubernetes pkg/kubelet/eviction/eviction_manager.go.
import { messageOf } from '../../base/errors.ts'
import { cutShort } from '../../base/waiters.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isCritical } from '../admission/critical.ts'
import { every } from '../node/node.ts'
import { untilEnded } from '../on-node.ts'
import { type NodeContext, nodeEvent } from '../pod/context.ts'
import { graceSecondsOf, nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { Workers } from '../pods.ts'
import { counts } from '../metrics.ts'
import { limitExceeded, limitsOf } from './limits.ts'
import type { Meter } from './meter.ts'
import { isMet, noPressure, planPressure, type PressurePlan, type PressureState } from './plan.ts'
import { evictionMessage, isWorthwhile, type Measured, rankPods } from './rank.ts'
import { type Condition, meanings, type Observations, type Threshold } from './signals.ts'

interface EvictionSettings {
  thresholds: readonly Threshold[]
  transitionMs: number
  /** The most time that a pod gets which is evicted for a soft threshold. */
  maxPodGraceSeconds: number
  /** Whether the limits of pods on the disk are enforced. */
  localLimits: boolean
  /** Whether others use the node's disk, too. Then pods that hardly use it are not evicted for it. */
  isShared: boolean
}

interface EvictionOptions {
  context: NodeContext
  nodeName: string
  workers: Workers
  meter: Meter
  settings: EvictionSettings
  /** Removes what no pod uses: dead containers and unused images. */
  reclaim: () => Promise<void>
  /** Called when the conditions of the node changed. */
  onChange: () => void
  signal: AbortSignal
}

const everyMs = 10_000
/** The time that a round may take to measure the node; a hang ends the round. */
const observeMs = 10_000
const usageMs = 60_000
const reclaimMs = 120_000
/** The time of a pod that is evicted for a hard threshold or for a limit of its own. */
const immediateSeconds = 1
/** How long the next round waits for an evicted pod to end. */
const cleanupMs = 30_000
const cleanupPauseMs = 1_000
/** How long a node leaves it to a larger one of the same machine to evict pods. */
const patienceMs = 30_000
/** Walks through volumes take at most this part of the time. */
const walkShare = 20

/**
 * What always holds: a round never overlaps another, at most one pod is evicted for a threshold in a round, critical
 * and static pods never. A failure ends its round and is logged; the next round comes in its time.
 */
export class EvictionManager {
  readonly #options: EvictionOptions
  #state: PressureState = noPressure
  #conditions: readonly Condition[] = []
  #hasImageFs = false
  #isImageFsRead = false
  /** Before this time the limits of pods are not measured again. */
  #limitsAt = 0
  #isBusy = false

  constructor(options: EvictionOptions) {
    this.#options = options
  }

  /** The conditions that the node reports, sorted. */
  get conditions(): readonly Condition[] {
    return this.#conditions
  }

  /**
   * Measures once, so that a node that starts under pressure takes no pods. It may call `onChange`. Never throws.
   */
  async look(): Promise<void> {
    await this.#guarded(async () => {
      await this.#plan()
    })
  }

  start(): void {
    const { context, signal } = this.#options
    void every(context.clock, everyMs, signal, () => this.#guarded(() => this.#round()))
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    const { context, signal } = this.#options
    try {
      await work()
    } catch (error) {
      if (!signal.aborted) context.log.warn('the node could not be measured', { why: messageOf(error) })
    }
  }

  async #plan(): Promise<PressurePlan & { observed: Observations }> {
    const { context, settings, onChange } = this.#options
    if (!this.#isImageFsRead) {
      this.#hasImageFs = await this.#bounded(observeMs, () => this.#options.meter.hasImageFs())
      this.#isImageFsRead = true
    }
    const observed = await this.#observe()
    const now = context.clock.steady()
    const plan = planPressure(settings.thresholds, observed, this.#state, now, settings.transitionMs)
    this.#state = plan.state
    const isChanged = plan.conditions.join() !== this.#conditions.join()
    this.#conditions = plan.conditions
    if (isChanged) onChange()
    return { ...plan, observed }
  }

  #observe(): Promise<Observations> {
    return this.#bounded(observeMs, () => this.#options.meter.observe())
  }

  async #round(): Promise<void> {
    const { urgent, observed } = await this.#plan()
    if (await this.#checkLimits()) return
    const [threshold] = urgent
    if (!threshold) return
    const { resource } = meanings[threshold.signal]
    this.#event('EvictionThresholdMet', `Attempting to reclaim ${resource}`)
    if (await this.#reclaimed(threshold)) return
    if (await this.#leftToOthers(threshold)) return
    await this.#evictOne(threshold, urgent, observed)
  }

  /** Frees what no pod uses. Returns whether that was enough for all thresholds. */
  async #reclaimed({ signal: short }: Threshold): Promise<boolean> {
    const { settings, reclaim } = this.#options
    const isOnNode = this.#hasImageFs && short.startsWith('nodefs.')
    // Images and dead containers do not use memory, nor a file system that they are not on.
    if (meanings[short].condition !== 'DiskPressure' || isOnNode) return false
    await this.#bounded(reclaimMs, () => reclaim())
    const after = await this.#observe()
    return !settings.thresholds.some(threshold => isMet(threshold, after, true))
  }

  /**
   * Whether another node of the machine has to evict first, since it uses more of what they share. After a while this
   * node does so, too: the pods of the other one may all be critical, or within their requests.
   */
  async #leftToOthers(threshold: Threshold): Promise<boolean> {
    const { context, meter } = this.#options
    const since = (this.#state.metSince.get(threshold) ?? Number.NEGATIVE_INFINITY) + threshold.graceMs
    if (context.clock.steady() - since >= patienceMs) return false
    const { resource } = meanings[threshold.signal]
    return !(await this.#bounded(observeMs, () => meter.isLargest(resource)))
  }

  async #evictOne(threshold: Threshold, urgent: readonly Threshold[], observed: Observations): Promise<void> {
    const { context, settings } = this.#options
    const { resource } = meanings[threshold.signal]
    const pods = this.#active()
    const measured = await this.#measure(pods, {
      containers: resource !== 'pids',
      processes: resource === 'pids',
      volumes: resource === 'ephemeral-storage' || resource === 'inodes',
      logs: resource === 'ephemeral-storage' || resource === 'inodes',
    })
    for (const entry of rankPods(measured, threshold, this.#hasImageFs)) {
      if (settings.isShared && !isWorthwhile(entry, threshold, this.#hasImageFs)) continue
      const most = Math.min(settings.maxPodGraceSeconds, graceSecondsOf(entry.pod))
      const graceSeconds = threshold.graceMs === 0 ? immediateSeconds : most
      const message = evictionMessage(entry, threshold, urgent, observed)
      if (!this.#evict(entry.pod, message, graceSeconds, true)) continue
      counts.evicted(threshold.signal)
      await this.#ended([entry.pod])
      return
    }
    context.log.warn('no pod can be evicted', { resource })
  }

  /** Evicts the pods that exceed limits of their own. Returns whether there were any. */
  async #checkLimits(): Promise<boolean> {
    const { context, settings } = this.#options
    const { clock } = context
    const from = clock.steady()
    if (!settings.localLimits || from < this.#limitsAt) return false
    const evicted: Pod[] = []
    for (const hasStorage of [true, false]) {
      const pods = this.#active().filter(pod => {
        const limits = limitsOf(pod)
        return limits.hasStorage === hasStorage && (hasStorage || limits.hasVolumes)
      })
      if (!pods.length) continue
      const wanted = { containers: hasStorage, processes: false, volumes: true, logs: hasStorage }
      for (const { pod, use } of await this.#measure(pods, wanted)) {
        const excess = use && limitExceeded(pod, use, this.#hasImageFs)
        if (!excess || !this.#evict(pod, excess.message, immediateSeconds, false)) continue
        counts.evicted(excess.signal)
        evicted.push(pod)
      }
    }
    this.#limitsAt = clock.steady() + (clock.steady() - from) * walkShare
    if (evicted.length) await this.#ended(evicted)
    return evicted.length > 0
  }

  async #measure(pods: readonly Pod[], wanted: Parameters<Meter['usage']>[1]): Promise<Measured[]> {
    const uses = await this.#bounded(usageMs, limit => this.#options.meter.usage(pods, wanted, limit))
    return pods.map(pod => ({ pod, use: uses.get(uidOf(pod)) }))
  }

  /**
   * Runs work that touches the machine, and stops to wait for it after a time. While it has not ended, nothing else is
   * begun: it may hold a thread of the process.
   */
  async #bounded<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { context, signal } = this.#options
    if (this.#isBusy) throw new Error('the last measurement has not ended yet')
    this.#isBusy = true
    return cutShort(context.clock, ms, signal, limit => work(limit).finally(() => (this.#isBusy = false)))
  }

  /** The pods that may have something running and are not about to end. */
  #active(): Pod[] {
    return [...this.#options.workers.values()].filter(worker => !worker.over && !worker.ending).map(({ pod }) => pod)
  }

  #evict(pod: Pod, message: string, graceSeconds: number, isDisruption: boolean): boolean {
    const { context, workers } = this.#options
    const worker = workers.get(uidOf(pod))
    if (!worker || isCritical(pod)) return false
    context.log.info('a pod is evicted', { pod: nameOf(pod), namespace: namespaceOf(pod), why: message.trim() })
    worker.evict({ reason: 'Evicted', message, isDisruption }, graceSeconds)
    return true
  }

  /** Waits until the pods have ended, so that the next round measures the node without them. */
  async #ended(pods: readonly Pod[]): Promise<void> {
    const { context, workers, signal } = this.#options
    await untilEnded(pods, workers, { clock: context.clock, mostMs: cleanupMs, pauseMs: cleanupPauseMs, signal })
  }

  #event(reason: string, message: string): void {
    const { context, nodeName } = this.#options
    nodeEvent(context, nodeName, 'Warning', reason, message)
  }
}
