// One pod's worker: looks at what the runtime has, plans, writes the status and carries the plan's steps out as jobs
// that run beside it. It sleeps until the pod changes, the runtime reports something, a job ends or a timer is due.
//
//   pod changed, runtime event, probe, job ended, timer ──wake──▶ round: look (if anything may have changed)
//                                                                        ▼
//                                                                   planPod ──▶ status ──▶ StatusWriter
//                                                                        └────▶ steps ──▶ Jobs
//
// Rounds never overlap, and jobs change nothing that a round reads but through this class, on the one thread. Which
// states the pod goes through stands in life.ts, what is done in which state in plan.ts.
import { sameJson } from '../../api/equal.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import type { Rejection } from '../admission.ts'
import { PodProbes } from '../probes/probes.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import { type NodeContext, podEvent, reportUnsynced } from './context.ts'
import { advance, type Cause, ended, endingOf, finished, hasLessTime, isLiving, type Life, settled } from './life.ts'
import { pastDeadline, planPod, type PodMemory, type PodPlan } from './plan.ts'
import { deleteObject, removePod } from './remove.ts'
import { Rounds } from './rounds.ts'
import { graceSecondsOf, uidOf } from './spec.ts'
import { PodSteps } from './steps.ts'
import { podStatus } from './status.ts'
import { StatusWriter } from './status-writer.ts'
import { PodVolumes } from './volumes.ts'

/** A pod whose object is gone gets at least this long after SIGTERM. */
const leastGraceSeconds = 2

export class PodWorker {
  readonly uid: string
  #pod: Pod
  #seen: PodSeen
  #plan: PodPlan | undefined
  #life: Life = { is: 'alive', finishedAtMs: undefined }
  /** What is to be looked at before the next plan; `adopted`: a former kubelet's pod, not seen yet. */
  #toLook: 'nothing' | 'pod' | 'adopted'
  readonly #context: NodeContext
  readonly #done: () => void
  readonly #startedAt: number
  readonly #probes: PodProbes
  readonly #statuses: StatusWriter
  readonly #volumes: PodVolumes
  readonly #steps: PodSteps
  readonly #rounds: Rounds
  readonly #listeners = new Set<() => void>()

  /**
   * @param runs whether the runtime may have something of the pod already
   * @param done called when nothing of the pod is left on the node
   */
  constructor(context: NodeContext, pod: Pod, runs: boolean, done: () => void) {
    this.uid = uidOf(pod)
    this.#pod = pod
    this.#seen = { uid: this.uid, sandboxes: [], containers: [] }
    this.#toLook = runs ? 'adopted' : 'nothing'
    this.#context = context
    this.#done = done
    this.#startedAt = context.clock.now()
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
    this.#steps = new PodSteps({
      context,
      volumes: this.#volumes,
      current: () => ({ pod: this.#pod, seen: this.#seen }),
      finished: () => this.runtimeChanged(),
      settled: () => {
        if (isLiving(this.#life)) this.#life = settled(this.#life)
      },
      delete: () => this.#delete(),
    })
    this.update(pod)
  }

  get pod(): Pod {
    return this.#pod
  }

  /** Whether it takes nothing of the node any more, or never did. */
  get over(): boolean {
    return endingOf(this.#life)?.why === 'rejected' || isTerminal(this.#pod)
  }

  get seen(): PodSeen {
    return this.#seen
  }

  get plan(): PodPlan | undefined {
    return this.#plan
  }

  /** Calls `changed` after each look at the pod; returns how to stop. */
  listen(changed: () => void): () => void {
    this.#listeners.add(changed)
    return () => this.#listeners.delete(changed)
  }

  /** The pod changed in the API. */
  update(pod: Pod): void {
    const before = this.#pod
    this.#pod = pod
    this.#statuses.observe(pod)
    this.#steps.specChanged(before, pod)
    if (pod.metadata.deletionTimestamp) this.#end({ why: 'deleted' }, graceSecondsOf(pod))
    const shown = ({ metadata }: Pod) => [metadata.labels, metadata.annotations]
    if (before !== pod && !sameJson(shown(before), shown(pod))) this.#volumes.refresh()
    this.wake()
  }

  /** The pod is no longer in the API. */
  objectGone(): void {
    this.#end({ why: 'deleted' }, Math.max(leastGraceSeconds, graceSecondsOf(this.#pod)), true)
    this.wake()
  }

  /** The node does not take the pod: it fails before anything is made for it. */
  reject({ reason, message }: Rejection): void {
    podEvent(this.#context, this.#pod, 'Warning', reason, message)
    this.#end({ why: 'rejected', reason, message: `Pod was rejected: ${message}` }, 0)
    this.wake()
  }

  /** Something happened to its containers, or may have. */
  runtimeChanged(topic?: string): void {
    // A job that creates or starts something leads to a look when it ends.
    if ((topic === 'created' || topic === 'started') && this.#steps.isMaking) return
    if (this.#toLook === 'nothing') this.#toLook = 'pod'
    this.wake()
  }

  /** The node has a network now: a sandbox that waited for it need not wait longer. */
  nodeReady(): void {
    this.#steps.nodeReady()
    this.wake()
  }

  /** An object it refers to changed: what failed for want of it may be tried again, files are written again. */
  objectsChanged(): void {
    this.#steps.objectsChanged()
    this.#volumes.refresh()
    this.wake()
  }

  /** Looks at everything again, as soon as it can. */
  wake(): void {
    if (isLiving(this.#life)) this.#rounds.wake()
  }

  /** Stops working on the pod; what runs goes on running. */
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
    if (hasLessTime(this.#life, before)) this.#steps.hurry()
  }

  /** Returns when the next round is due, if nothing happens before. */
  async #round(): Promise<number | undefined> {
    if (this.#toLook !== 'nothing') await this.#look()
    const now = this.#context.clock.now()
    this.#checkDeadline(now)
    if (!isLiving(this.#life)) return undefined
    this.#probes.sync(this.#pod, this.#seen, endingOf(this.#life) !== undefined)
    const { condemned, notStarted } = this.#probes
    const memory = { ...this.#steps.memory, life: this.#life, condemned, notStarted }
    const plan = planPod(this.#pod, this.#seen, memory, now)
    this.#plan = plan
    if (plan.state.state === 'ending') this.#life = finished(this.#life, now)
    for (const changed of this.#listeners) changed()
    this.#writeStatus(plan, memory, now)
    this.#steps.carryOut(plan)
    return plan.againAt
  }

  async #look(): Promise<void> {
    const { runtime } = this.#context
    const looked = this.#toLook
    // What happens while it is looked at needs another look; so does what could not be looked at.
    this.#toLook = 'nothing'
    try {
      this.#seen = await runtime.pod(this.uid)
    } catch (error) {
      this.#toLook = looked
      throw error
    }
    this.#steps.looked(this.#seen)
    // A former kubelet made its volumes; this one keeps them current.
    if (looked === 'adopted' && runtime.real) this.#volumes.refresh()
  }

  #checkDeadline(now: number): void {
    const cause = this.#life.is === 'alive' ? pastDeadline(this.#pod, now) : undefined
    if (!cause) return
    podEvent(this.#context, this.#pod, 'Normal', cause.reason, cause.message)
    this.#end(cause, graceSecondsOf(this.#pod))
  }

  #writeStatus(plan: PodPlan, memory: PodMemory, now: number): void {
    const ending = endingOf(memory.life)
    // Once its containers are being removed the last status stands, as does that of a pod that was refused long ago.
    const wasRefused = isTerminal(this.#pod) && !this.#pod.status.containerStatuses && !ending
    if (ending?.objectGone || wasRefused || memory.busy.some(job => job.do === 'delete')) return
    this.#statuses.write(
      podStatus({
        pod: this.#pod,
        seen: this.#seen,
        plan,
        memory,
        notReady: this.#probes.notReady,
        startedAtMs: this.#startedAt,
        nodeIPs: this.#context.facts.nodeIPs,
        runtimeName: this.#context.runtimeName,
        now,
      }),
    )
  }

  async #delete(): Promise<void> {
    await this.#statuses.flush()
    await removePod(this.#context, this.uid)
    if (!endingOf(this.#life)?.objectGone) await deleteObject(this.#context, this.#pod)
    if (!isLiving(this.#life)) return
    this.#stop('gone')
    this.#done()
  }
}
