// The worker of one pod. In each round it reads what the runtime has, plans, writes the status, and begins the steps of
// the plan as jobs, which run in the background. Between rounds it waits until the pod changes, the runtime reports
// something, a job ends or a timer is due.
//
//   pod changed, runtime event, probe, job ended, timer ──wake──▶ round: read (if anything may have changed)
//                                                                        ▼
//                                                                   planPod ──▶ status ──▶ StatusWriter
//                                                                        └────▶ steps ──▶ Jobs
//
// Two rounds never overlap. The states of a pod are in life.ts, and what is done in each of them in plan.ts.
import { sameJson } from '../../api/equal.ts'
import { JumpDetector } from '../../base/clock.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import { counts } from '../metrics.ts'
import type { Rejection } from '../admission/admission.ts'
import { PodProbes } from '../probes/probes.ts'
import type { Pending } from '../resize/decide.ts'
import { withGranted, withReported } from '../resize/granted.ts'
import type { Resizing } from '../resize/resizes.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import { type NodeContext, podEvent, reportUnsynced, resourceHealth } from './context.ts'
import {
  advance,
  type Cause,
  ended,
  endingOf,
  finished,
  hasLessTime,
  isLiving,
  type Life,
  settled,
  shifted,
} from './life.ts'
import { pastDeadline, planPod, type PodMemory, type PodPlan } from './plan.ts'
import { PodResize } from './resize.ts'
import { deleteObject, removePod } from './remove.ts'
import { Rounds } from './rounds.ts'
import { graceSecondsOf, type ReadContainer, uidOf } from './spec.ts'
import { PodSteps } from './steps.ts'
import { isReported, podStatus } from './status.ts'
import { StatusWriter } from './status-writer.ts'
import { PodVolumes } from './volumes.ts'

/** Why a pod is evicted, for its status and its event. */
interface Eviction {
  reason: string
  message: string
  /** Whether the pod gets the condition DisruptionTarget, since it is not to blame. */
  isDisruption: boolean
  /** Whether there is an event of it. Default true. */
  isReported?: boolean
}

/** The shortest grace period of a pod whose object is gone. */
const minGraceSeconds = 2

/**
 * What always holds:
 *
 * - Of the pod, its life and what the runtime has of it, a round uses one consistent state: it awaits only the
 *   runtime's answer, before it plans.
 * - What happens during a round leads to another one; nothing that wakes a worker is lost. A round that fails is
 *   repeated with back-off.
 * - A step that is under way is not begun a second time. A step that failed is planned again, with a pause.
 * - `done` is called once, after everything on the node is removed and the object is deleted. After `close` it is not
 *   called, and no further step begins.
 */
export class PodWorker implements Resizing {
  readonly uid: string
  /** The pod of the API. */
  #wanted: Pod
  /** The same with the resources that the node granted. */
  #pod: Pod
  #seen: PodSeen
  #plan: PodPlan | undefined
  #life: Life = { is: 'alive', finishedAtMs: undefined }
  /** What must be read before the next plan. `adopted`: a former kubelet's pod, which this one has not read yet. */
  #toLook: 'nothing' | 'pod' | 'adopted'
  readonly #context: NodeContext
  readonly #done: () => void
  readonly #startedAt: number
  readonly #jumps: JumpDetector
  readonly #probes: PodProbes
  readonly #statuses: StatusWriter
  readonly #volumes: PodVolumes
  readonly #steps: PodSteps
  readonly #resize: PodResize
  readonly #rounds: Rounds
  /** Whether it is known to have been Running. */
  #hasRun: boolean
  readonly #listeners = new Set<() => void>()

  /**
   * @param runs whether the runtime may have something of the pod already
   * @param done called when nothing of the pod is left on the node
   */
  constructor(context: NodeContext, pod: Pod, runs: boolean, done: () => void) {
    this.uid = uidOf(pod)
    this.#wanted = pod
    this.#pod = runs ? withReported(pod) : pod
    this.#seen = { uid: this.uid, sandboxes: [], containers: [] }
    this.#toLook = runs ? 'adopted' : 'nothing'
    this.#hasRun = runs
    this.#context = context
    this.#done = done
    this.#startedAt = context.clock.now()
    this.#jumps = new JumpDetector(context.clock)
    this.#rounds = new Rounds({
      clock: context.clock,
      round: () => this.#round(),
      failed: error => reportUnsynced(context, this.#pod, error),
    })
    this.#probes = new PodProbes(context, () => this.wake())
    this.#statuses = new StatusWriter(context, pod)
    this.#volumes = new PodVolumes(context, () =>
      this.#life.is === 'alive' && this.#seen.sandboxes.length ? this.#pod : undefined,
    )
    this.#resize = new PodResize(context, pod)
    this.#steps = new PodSteps({
      context,
      volumes: this.#volumes,
      resize: this.#resize,
      current: () => ({ pod: this.#pod, seen: this.#seen }),
      finished: () => this.runtimeChanged(),
      settled: () => {
        if (isLiving(this.#life)) this.#life = settled(this.#life)
      },
      delete: () => this.#delete(),
    })
    this.update(pod)
  }

  /** The pod of the API. */
  get wanted(): Pod {
    return this.#wanted
  }

  /** The pod with the resources that the node granted, on which the worker works. */
  get pod(): Pod {
    return this.#pod
  }

  /** Whether the pod does not use resources of the node, because it has ended or was rejected. */
  get over(): boolean {
    return endingOf(this.#life)?.why === 'rejected' || isTerminal(this.#pod) || this.#plan?.state.state === 'ended'
  }

  /** Why the pod has to end, if it has to. */
  get ending(): Cause | undefined {
    return endingOf(this.#life)
  }

  get probes(): Pick<PodProbes, 'counts'> {
    return this.#probes
  }

  get seen(): PodSeen {
    return this.#seen
  }

  get plan(): PodPlan | undefined {
    return this.#plan
  }

  /** Calls `changed` in each round, when the plan is new. Returns a function that ends this. */
  listen(changed: () => void): () => void {
    this.#listeners.add(changed)
    return () => this.#listeners.delete(changed)
  }

  /** To be called with the pod when it changed in the API. */
  update(pod: Pod): void {
    const before = this.#pod
    this.#wanted = pod
    this.#pod = withGranted(pod, before)
    if (this.#pod === pod) this.#resize.unwanted()
    this.#statuses.observe(pod)
    this.#steps.specChanged(before, pod)
    if (pod.metadata.deletionTimestamp) this.#end({ why: 'deleted' }, graceSecondsOf(pod))
    const shown = ({ metadata }: Pod) => [metadata.labels, metadata.annotations]
    if (before !== pod && !sameJson(shown(before), shown(pod))) this.#volumes.refresh()
    this.wake()
  }

  /** To be called when the node grants what the pod asks for. */
  grant(): void {
    this.#pod = this.#wanted
    this.#resize.granted(this.#pod)
    this.wake()
  }

  /** To be called when the node does not grant it. */
  refuse(pending: Pending): void {
    this.#resize.refused(this.#wanted, pending)
    this.wake()
  }

  /** To be called when the pod is not in the API any more. */
  objectGone(): void {
    this.#end({ why: 'deleted' }, Math.max(minGraceSeconds, graceSecondsOf(this.#pod)), true)
    this.wake()
  }

  /** To be called if the node does not admit the pod. It fails, and nothing is created for it. */
  reject({ reason, message }: Rejection): void {
    podEvent(this.#context, this.#pod, 'Warning', reason, message)
    this.#end({ why: 'rejected', reason, message: `Pod was rejected: ${message}` }, 0)
    this.wake()
  }

  /**
   * Ends the pod for the sake of the node or of other pods: it fails, with an event if there is news in it. A pod that is ending already may
   * have less time from now on, and nothing else changes.
   */
  evict(
    { reason, message, isDisruption, isReported = true }: Eviction,
    graceSeconds = graceSecondsOf(this.#pod),
  ): void {
    if (isReported) podEvent(this.#context, this.#pod, 'Warning', reason, message)
    this.#end({ why: 'failed', reason, message, isDisruption }, graceSeconds)
    this.wake()
  }

  /** To be called when its containers may have changed in the runtime. */
  runtimeChanged(topic?: string): void {
    // The end of the job that creates or starts something leads to a round anyway.
    if ((topic === 'created' || topic === 'started') && this.#steps.isMaking) return
    if (this.#toLook === 'nothing') this.#toLook = 'pod'
    this.wake()
  }

  /** To be called when the node's network is ready. A sandbox that waits for it is tried at once. */
  nodeReady(): void {
    this.#steps.nodeReady()
    this.wake()
  }

  /** To be called when an object changed to which the pod refers: files are written, and what failed is tried again. */
  objectsChanged(): void {
    this.#steps.objectsChanged()
    this.#volumes.refresh()
    this.wake()
  }

  /** Begins a round, as soon as the one under way has ended. */
  wake(): void {
    if (isLiving(this.#life)) this.#rounds.wake()
  }

  /** Ends the work on the pod. Its containers go on running. */
  close(): void {
    if (isLiving(this.#life)) this.#stop('closed')
  }

  #stop(is: 'gone' | 'closed'): void {
    this.#life = advance<Life>(this.#life, { is })
    this.#probes.stop()
    this.#statuses.close()
    this.#context.objects.release(this.uid)
    this.#rounds.stop()
    void this.#volumes.stop()
    this.#steps.stop()
  }

  #end(cause: Cause, graceSeconds: number, objectGone = false): void {
    const before = this.#life
    if (!isLiving(before)) return
    this.#life = ended(before, { ...cause, sinceMs: this.#context.clock.now(), graceSeconds, objectGone })
    if (hasLessTime(this.#life, before)) this.#steps.abortObsolete()
  }

  /** Returns when the next round is due, if nothing happens before. */
  async #round(): Promise<number | undefined> {
    if (this.#toLook !== 'nothing') await this.#look()
    this.#followClock()
    const now = this.#context.clock.now()
    this.#checkDeadline(now)
    if (!isLiving(this.#life)) return undefined
    this.#probes.sync(this.#pod, this.#seen, endingOf(this.#life) !== undefined)
    const { condemned, notStarted } = this.#probes
    const memory = { ...this.#steps.memory, life: this.#life, condemned, notStarted }
    const plan = planPod(this.#pod, this.#seen, memory, now)
    this.#plan = plan
    const isApplied = !plan.unequal.length && !memory.busy.some(job => job.do === 'resize')
    this.#resize.planned(this.#pod, isApplied)
    if (plan.state.state === 'ending') this.#life = finished(this.#life, now)
    for (const changed of this.#listeners) changed()
    this.#writeStatus(plan, memory, now)
    this.#steps.carryOut(plan)
    return plan.againAt
  }

  /** When the time has been set, grace periods and pauses go on as long as they would have. */
  #followClock(): void {
    const ms = this.#jumps.look()
    if (!ms) return
    if (isLiving(this.#life)) this.#life = shifted(this.#life, ms)
    this.#steps.shift(ms)
  }

  async #look(): Promise<void> {
    const { runtime } = this.#context
    const looked = this.#toLook
    // A change during the read requires another read, and so does a failure.
    this.#toLook = 'nothing'
    try {
      this.#seen = await runtime.pod(this.uid)
    } catch (error) {
      this.#toLook = looked
      throw error
    }
    this.#steps.observe(this.#seen)
    // The former kubelet set up the volumes. From now on this one keeps their files up to date.
    if (looked === 'adopted' && runtime.real) this.#volumes.refresh()
  }

  #checkDeadline(now: number): void {
    const cause = this.#life.is === 'alive' ? pastDeadline(this.#pod, now) : undefined
    if (!cause) return
    podEvent(this.#context, this.#pod, 'Normal', cause.reason, cause.message)
    this.#end(cause, graceSecondsOf(this.#pod))
  }

  #writeStatus(plan: PodPlan, memory: PodMemory, now: number): void {
    if (!isReported(this.#pod, memory)) return
    const { facts, runtimeName, dra } = this.#context
    const pod = this.#pod
    const held = {
      holdsClaims: dra?.manager.holds(this.uid) ?? false,
      healthOf: (container: ReadContainer) => resourceHealth(this.#context, pod, container),
    }
    const looked = { pod, seen: this.#seen, plan, memory, now, startedAtMs: this.#startedAt }
    const { notReady } = this.#probes
    const resize = this.over ? [] : this.#resize.conditions
    const status = podStatus({ ...looked, ...held, notReady, resize, nodeIPs: facts.nodeIPs, runtimeName })
    if (status.phase === 'Running' && !this.#hasRun) counts.podRuns(now - this.#startedAt)
    this.#hasRun ||= status.phase === 'Running'
    this.#statuses.write(status)
  }

  async #delete(): Promise<void> {
    // Of an object that is gone nobody reads the status, and its writes may fail for ever.
    if (!endingOf(this.#life)?.objectGone) await this.#statuses.flush()
    await removePod(this.#context, this.uid)
    if (!endingOf(this.#life)?.objectGone) await deleteObject(this.#context, this.#pod)
    if (!isLiving(this.#life)) return
    this.#stop('gone')
    this.#done()
  }
}
