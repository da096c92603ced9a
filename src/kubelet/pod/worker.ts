// One pod's worker: looks at what the runtime has, plans, writes the status and carries the plan's steps out as jobs
// that run beside it. It sleeps until the pod changes, the runtime reports something, a job ends or a timer is due.
import { isReason, messageOf } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { sandboxConfig } from '../config/configs.ts'
import type { Rejection } from '../admission.ts'
import { VolumeFailure } from '../host.ts'
import { PodProbes } from '../probes/probes.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import { type Backoff, backoffKey, nextBackoff } from './backoff.ts'
import { type NodeContext, podEvent, reportUnsynced } from './context.ts'
import { StartFailure } from './start-failure.ts'
import { killContainer, runPreStop } from './kill.ts'
import { deadlineOf, type Ending, planPod, type PodPlan, type Step } from './plan.ts'
import {
  containerHash,
  findContainer,
  graceSecondsOf,
  mainContainers,
  initContainers,
  isTerminal,
  nameOf,
  namespaceOf,
  newest,
  onHostNetwork,
  uidOf,
} from './spec.ts'
import { VolumeRefresher } from './refresher.ts'
import { removePod } from './remove.ts'
import { startContainer } from './start.ts'
import { podStatus } from './status.ts'
import { StatusWriter } from './status-writer.ts'

const sandboxRetry = { firstMs: 500, mostMs: 120_000 }
const roundRetryMs = 2_000
const roundRetry = { firstMs: 1_000, mostMs: 10_000 }
/** A pod whose object is gone gets at least this long after SIGTERM. */
const leastGraceSeconds = 2

export class PodWorker {
  readonly uid: string
  #pod: Pod
  #seen: PodSeen
  #plan: PodPlan | undefined
  readonly #context: NodeContext
  readonly #probes: PodProbes
  readonly #statuses: StatusWriter
  readonly #refresher: VolumeRefresher
  readonly #done: () => void
  readonly #startedAt: number
  readonly #busy = new Map<string, AbortController>()
  readonly #backoffs = new Map<string, Backoff>()
  readonly #failures = new Map<string, { reason: string; message: string; retryAt: number }>()
  readonly #announced = new Set<string>()
  readonly #hooked = new Set<string>()
  readonly #listeners = new Set<() => void>()
  #lastWaiting = new Map<string, string>()
  #sandboxBackoff: Backoff | undefined
  #roundBackoff: Backoff | undefined
  #sandboxRetryAt = 0
  #ending: Ending | undefined
  #outcomeAtMs: number | undefined
  #settled = false
  #gone = false
  #closed = false
  #dirty = false
  #running = false
  /** The runtime may have something else of it than `#seen` says. */
  #stale: boolean
  /** Taken over from a former kubelet, and not yet seen. */
  #adopting: boolean
  #cancelTimer: (() => void) | undefined

  /** @param runs whether the runtime may have something of the pod already */
  constructor(context: NodeContext, pod: Pod, runs: boolean, done: () => void) {
    this.uid = uidOf(pod)
    this.#pod = pod
    this.#seen = { uid: this.uid, sandboxes: [], containers: [] }
    this.#stale = runs
    this.#adopting = runs
    this.#context = context
    this.#done = done
    this.#startedAt = context.clock.now()
    this.#probes = new PodProbes(context, () => this.wake())
    this.#statuses = new StatusWriter(context, pod)
    this.#refresher = new VolumeRefresher(context, () =>
      !this.#closed && this.#seen.sandboxes.length && !this.#ending && !this.#settled ? this.#pod : undefined,
    )
    this.update(pod)
  }

  get pod(): Pod {
    return this.#pod
  }

  /** Whether it takes nothing of the node any more, or never did. */
  get over(): boolean {
    return this.#ending?.rejected === true || isTerminal(this.#pod)
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
    // With another image it may be tried at once.
    for (const container of [...initContainers(pod), ...mainContainers(pod)]) {
      const old = findContainer(before, container.name)?.container
      if (old && containerHash(old) !== containerHash(container)) this.#failures.delete(container.name)
    }
    if (pod.metadata.deletionTimestamp)
      this.#end({ why: 'deleted', sinceMs: this.#context.clock.now(), graceSeconds: graceSecondsOf(pod) })
    const shown = ({ metadata }: Pod) => [metadata.labels, metadata.annotations]
    if (before !== pod && !sameJson(shown(before), shown(pod))) this.#refresher.refresh()
    this.wake()
  }

  /** The pod is no longer in the API. */
  objectGone(): void {
    this.#gone = true
    this.#end({
      why: 'deleted',
      sinceMs: this.#context.clock.now(),
      graceSeconds: Math.max(leastGraceSeconds, graceSecondsOf(this.#pod)),
    })
    this.wake()
  }

  /** Ends the pod as Failed, as eviction does. */
  evict(reason: string, message: string, graceSeconds: number): void {
    this.#end({ why: 'failed', reason, message, sinceMs: this.#context.clock.now(), graceSeconds })
    this.wake()
  }

  /** The node does not take the pod: it fails before anything is made for it. */
  reject({ reason, message }: Rejection): void {
    podEvent(this.#context, this.#pod, 'Warning', reason, message)
    this.#end({
      why: 'failed',
      rejected: true,
      reason,
      message: `Pod was rejected: ${message}`,
      sinceMs: this.#context.clock.now(),
      graceSeconds: 0,
    })
    this.wake()
  }

  /** Something happened to its containers, or may have. */
  heard(topic?: string): void {
    // Whoever creates or starts something looks at it afterwards.
    const making = (topic === 'created' || topic === 'started') && [...this.#busy.keys()].some(isMaking)
    if (making) return
    this.#stale = true
    this.wake()
  }

  /** The node has a network now: a sandbox that waited for it need not wait longer. */
  nodeReady(): void {
    this.#sandboxRetryAt = 0
    this.#sandboxBackoff = undefined
    this.wake()
  }

  /** An object it refers to changed: what failed for want of it may be tried again, files are written anew. */
  objectsChanged(): void {
    for (const [name, failure] of this.#failures)
      if (failure.reason === 'CreateContainerConfigError') this.#failures.delete(name)
    if (!this.#seen.sandboxes.length) this.#sandboxRetryAt = 0
    this.#refresher.refresh()
    this.wake()
  }

  /** Looks at everything again, as soon as it can. */
  wake(): void {
    this.#dirty = true
    if (this.#running || this.#closed) return
    this.#running = true
    void Promise.resolve().then(() => this.#rounds())
  }

  /** Stops working on the pod; what runs goes on running. */
  close(): void {
    this.#closed = true
    this.#probes.stop()
    this.#statuses.close()
    this.#context.objects.release(this.uid)
    this.#cancelTimer?.()
    this.#refresher.stop()
    for (const job of this.#busy.values()) job.abort(new Error('the kubelet ends'))
  }

  // A later ending only counts when it leaves less time.
  #end(ending: Ending): void {
    const before = this.#ending
    if (before) {
      if (before.why === 'failed' && ending.why === 'deleted' && this.#settled) return
      if (ending.sinceMs + ending.graceSeconds * 1000 >= before.sinceMs + before.graceSeconds * 1000) return
      this.#ending = { ...before, sinceMs: ending.sinceMs, graceSeconds: ending.graceSeconds }
    } else this.#ending = ending
    for (const [job, abort] of this.#busy)
      if (isMaking(job) || /^(kill|preStop)/.test(job)) abort.abort(new Error('the pod ends'))
  }

  async #rounds(): Promise<void> {
    while (this.#dirty && !this.#closed) {
      this.#dirty = false
      try {
        await this.#round()
        this.#roundBackoff = undefined
      } catch (error) {
        if (this.#closed) break
        reportUnsynced(this.#context, this.#pod, error)
        this.#roundBackoff = nextBackoff(
          this.#context.clock.now(),
          this.#roundBackoff,
          this.#context.clock.now(),
          roundRetry,
        )
        this.#setTimer(this.#context.clock.now() + this.#roundBackoff.delayMs)
      }
    }
    this.#running = false
  }

  async #round(): Promise<void> {
    const { clock, facts } = this.#context
    if (this.#stale) await this.#look()
    const now = clock.now()
    const deadline = deadlineOf(this.#pod)
    if (deadline !== undefined && now >= deadline && !this.#ending && !isTerminal(this.#pod)) {
      const message = 'Pod was active on the node longer than the specified deadline'
      podEvent(this.#context, this.#pod, 'Normal', 'DeadlineExceeded', message)
      this.#end({
        why: 'failed',
        reason: 'DeadlineExceeded',
        message,
        sinceMs: now,
        graceSeconds: graceSecondsOf(this.#pod),
      })
    }
    this.#probes.sync(this.#pod, this.#seen, this.#ending !== undefined)
    const memory = {
      busy: new Set(this.#busy.keys()),
      backoffs: this.#backoffs,
      failures: this.#failures,
      sandboxRetryAt: this.#sandboxRetryAt,
      condemned: this.#probes.condemned,
      notStarted: this.#probes.notStarted,
      ending: this.#ending,
      outcomeAtMs: this.#outcomeAtMs,
      hooked: this.#hooked,
      settled: this.#settled,
      gone: this.#gone,
    }
    const plan = planPod(this.#pod, this.#seen, memory, now)
    this.#plan = plan
    if (plan.state.state === 'ending') this.#outcomeAtMs ??= now
    this.#tellWaiting(plan)
    for (const changed of this.#listeners) changed()
    // Once its containers are being removed the last status stands, as does that of a pod that was refused long ago.
    const wasRefused = isTerminal(this.#pod) && !this.#pod.status.containerStatuses && !this.#ending
    if (!this.#gone && !this.#busy.has('delete') && !wasRefused) {
      const { notReady } = this.#probes
      this.#statuses.write(
        podStatus({
          pod: this.#pod,
          seen: this.#seen,
          plan,
          memory,
          notReady,
          startedAtMs: this.#startedAt,
          nodeIPs: facts.nodeIPs,
          runtimeName: this.#context.runtimeName,
          now,
        }),
      )
    }
    for (const step of plan.steps) this.#begin(step)
    this.#setTimer(plan.againAt)
  }

  async #look(): Promise<void> {
    const { runtime } = this.#context
    // What happens while it is looked at needs another look; so does what could not be looked at.
    this.#stale = false
    try {
      this.#seen = await runtime.pod(this.uid)
    } catch (error) {
      this.#stale = true
      throw error
    }
    // A former kubelet made its volumes; this one keeps them current.
    if (this.#adopting && runtime.real) this.#refresher.refresh()
    this.#adopting = false
  }

  #setTimer(at: number | undefined): void {
    this.#cancelTimer?.()
    this.#cancelTimer =
      at === undefined
        ? undefined
        : this.#context.clock.after(Math.max(0, at - this.#context.clock.now()), () => this.wake())
  }

  #tellWaiting(plan: PodPlan): void {
    const next = new Map<string, string>()
    for (const [name, { event }] of plan.waiting) {
      if (!event) continue
      const key = `${event} ${newest(this.#seen, name)?.id}`
      next.set(name, key)
      if (this.#lastWaiting.get(name) !== key) podEvent(this.#context, this.#pod, 'Warning', 'BackOff', event, name)
    }
    this.#lastWaiting = next
  }

  #begin(step: Step): void {
    switch (step.do) {
      case 'sandbox':
        return this.#job('sandbox', signal => this.#makeSandbox(step, signal))
      case 'start':
        return this.#job(`start:${step.name}`, signal => this.#start(step, signal))
      case 'kill': {
        const announce = !this.#announced.has(step.container.id)
        this.#announced.add(step.container.id)
        return this.#job(`kill:${step.container.id}`, signal =>
          killContainer(this.#context, this.#pod, this.#seen.sandboxes[0]?.ips[0], step, signal, announce),
        )
      }
      case 'preStop': {
        const { id, name } = step.container
        podEvent(this.#context, this.#pod, 'Normal', 'Killing', step.message, name)
        this.#announced.add(id)
        this.#hooked.add(id)
        return this.#job(`preStop:${id}`, signal =>
          runPreStop(this.#context, this.#pod, this.#seen.sandboxes[0]?.ips[0], step, signal),
        )
      }
      case 'remove':
        return this.#job(`remove:${step.id}`, () => this.#context.runtime.removeContainer(step.id))
      case 'settle':
        return this.#job('settle', () => this.#settle())
      case 'delete':
        return this.#job('delete', () => this.#delete())
    }
  }

  #job(key: string, work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#busy.has(key)) return
    const abort = new AbortController()
    this.#busy.set(key, abort)
    const finish = () => {
      this.#busy.delete(key)
      this.heard()
    }
    work(abort.signal).then(finish, error => {
      if (!abort.signal.aborted)
        this.#context.log.warn('pod step failed', {
          pod: nameOf(this.#pod),
          namespace: namespaceOf(this.#pod),
          step: key,
          why: messageOf(error),
        })
      // What failed is tried again, but not in a tight loop.
      if (abort.signal.aborted) return finish()
      this.#context.clock.after(roundRetryMs, finish)
    })
  }

  async #makeSandbox(step: Extract<Step, { do: 'sandbox' }>, signal: AbortSignal): Promise<void> {
    const { runtime, host, place, networkProblem, clock } = this.#context
    const pod = this.#pod
    const fail = (reason: string, message: string) => {
      if (signal.aborted) return
      podEvent(this.#context, pod, 'Warning', reason, message)
      this.#sandboxBackoff = nextBackoff(clock.now(), this.#sandboxBackoff, clock.now(), sandboxRetry)
      this.#sandboxRetryAt = clock.now() + this.#sandboxBackoff.delayMs
    }
    const problem = networkProblem()
    if (problem && !onHostNetwork(pod)) return fail('NetworkNotReady', `network is not ready: ${problem}`)
    try {
      await host.setUp(pod, signal)
    } catch (error) {
      if (!(error instanceof VolumeFailure)) return fail('FailedMount', messageOf(error))
      return fail('FailedMount', `MountVolume.SetUp failed for volume "${error.volume}" : ${error.message}`)
    }
    if (runtime.real && pod.spec.volumes?.some(v => v.projected)) this.#refresher.plan(clock.now() + firstRefreshMs)
    try {
      if (step.replaces) {
        podEvent(
          this.#context,
          pod,
          'Normal',
          'SandboxChanged',
          'Pod sandbox changed, it will be killed and re-created.',
        )
        await runtime.stopSandbox(step.replaces)
      }
      signal.throwIfAborted()
      await runtime.createSandbox(sandboxConfig(pod, step.attempt, place), await this.#handler(), signal)
      this.#sandboxBackoff = undefined
      this.#sandboxRetryAt = 0
    } catch (error) {
      fail('FailedCreatePodSandBox', `Failed to create pod sandbox: ${messageOf(error)}`)
    }
  }

  async #handler(): Promise<string> {
    const name = this.#pod.spec.runtimeClassName
    return name ? this.#context.runtimeHandler(name) : ''
  }

  async #start(step: Extract<Step, { do: 'start' }>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    const sandbox = this.#seen.sandboxes.find(s => s.ready)
    if (!sandbox) return
    const container = findContainer(this.#pod, step.name)?.container
    if (step.after && container) {
      const key = backoffKey(container)
      this.#backoffs.set(key, nextBackoff(clock.now(), this.#backoffs.get(key), step.after.finishedAtMs))
    }
    try {
      await startContainer(this.#context, { pod: this.#pod, seen: this.#seen, sandbox, step, signal })
      this.#failures.delete(step.name)
    } catch (error) {
      if (signal.aborted) return
      const failure =
        error instanceof StartFailure
          ? error
          : new StartFailure('CreateContainerError', messageOf(error), roundRetryMs, error)
      this.#failures.set(step.name, {
        reason: failure.reason,
        message: failure.message,
        retryAt: clock.now() + failure.retryMs,
      })
      if (!(error instanceof StartFailure))
        this.#context.log.error('container could not be started', {
          pod: nameOf(this.#pod),
          container: step.name,
          error,
        })
    }
  }

  async #settle(): Promise<void> {
    const { runtime, host, objects, images } = this.#context
    const seen = await runtime.pod(this.uid)
    for (const sandbox of seen.sandboxes) await runtime.stopSandbox(sandbox.id)
    this.#refresher.stop()
    await host.tearDown(this.uid)
    objects.release(this.uid)
    images.forget(this.uid)
    this.#settled = true
  }

  async #delete(): Promise<void> {
    const { client } = this.#context
    await this.#statuses.flush()
    await removePod(this.#context, this.uid)
    if (!this.#gone) {
      try {
        await client.delete(
          Pod,
          { namespace: namespaceOf(this.#pod), name: nameOf(this.#pod) },
          { gracePeriodSeconds: 0, uid: this.uid },
        )
      } catch (error) {
        // Gone, or another pod of the same name is there by now.
        if (!isReason(error, 'NotFound', 'Conflict')) throw error
      }
    }
    this.close()
    this.#done()
  }
}

/** Whether a job makes containers or what they need. */
const isMaking = (job: string) => job === 'sandbox' || job.startsWith('start:')

/** A token's own renewal time becomes known with the first refresh. */
const firstRefreshMs = 300_000
