// Creates the sandbox of one pod, after everything that must exist before it: volumes, directories, the control group,
// and what drivers prepare for its claims.
// After a failure it waits half a second, and then twice as long each time, up to two minutes and two seconds.
import { messageOf } from '../../base/errors.ts'
import { sandboxConfig } from '../config/configs.ts'
import { VolumeFailure } from '../host.ts'
import { counts } from '../metrics.ts'
import { UnservedVolume } from '../volumes/served-by.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { type Backoff, nextBackoff } from './backoff.ts'
import { type NodeContext, podEvent } from './context.ts'
import type { StepTo } from './plan.ts'
import { onHostNetwork } from './spec.ts'
import type { PodVolumes } from './volumes.ts'

// Source: goroutinemap/exponentialbackoff.
const retry = { firstMs: 500, maxMs: 122_000 }

export class Sandboxes {
  readonly #context: NodeContext
  readonly #volumes: PodVolumes
  #backoff: Backoff | undefined
  /** The time before which nothing is tried, in ms since the epoch. */
  #retryAt = 0
  #obstacle = ''

  constructor(context: NodeContext, volumes: PodVolumes) {
    this.#context = context
    this.#volumes = volumes
  }

  /** Why the pod waits for what no try will bring, such as a volume that nothing serves; otherwise ''. */
  get obstacle(): string {
    return this.#obstacle
  }

  get retryAt(): number {
    return this.#retryAt
  }

  /** Moves the end of the wait, since the time has been set on by `ms`. */
  shift(ms: number): void {
    this.#retryAt += ms
  }

  /** Ends the wait, since what was missing may exist now. The next failure waits twice as long as the last one. */
  retryNow(): void {
    this.#retryAt = 0
  }

  /** Ends the wait, since the cause of the failures is over. The next failure waits as long as the first one. */
  forgetFailures(): void {
    this.#retryAt = 0
    this.#backoff = undefined
  }

  /** Does not throw: a failure becomes an event, and sets the time of the next try. */
  async make(pod: Pod, step: StepTo<'sandbox'>, signal: AbortSignal): Promise<void> {
    const { runtime, settings, networkProblem, runtimeHandler } = this.#context
    const problem = networkProblem()
    if (problem && !onHostNetwork(pod))
      return this.#failed(pod, 'NetworkNotReady', `network is not ready: ${problem}`, signal)
    try {
      await this.#volumes.setUp(pod, signal)
    } catch (error) {
      const isVolume = error instanceof VolumeFailure
      const message = isVolume ? error.eventMessage : messageOf(error)
      this.#obstacle = isVolume && error.cause instanceof UnservedVolume ? message : ''
      return this.#failed(pod, isVolume ? error.reason : 'FailedMount', message, signal)
    }
    try {
      await this.#context.dra?.manager.prepare(pod, signal)
    } catch (error) {
      const message = `Failed to prepare dynamic resources: ${messageOf(error)}`
      return this.#failed(pod, 'FailedPrepareDynamicResources', message, signal)
    }
    try {
      if (step.replaces) {
        const message = 'Pod sandbox changed, it will be killed and re-created.'
        podEvent(this.#context, pod, 'Normal', 'SandboxChanged', message)
        await runtime.stopSandbox(step.replaces)
      }
      signal.throwIfAborted()
      const className = pod.spec.runtimeClassName
      const handler = className ? await runtimeHandler(className) : ''
      // A pod that relies on it must not run without it.
      if (pod.spec.hostUsers === false && !onHostNetwork(pod))
        throw new Error("can't set `spec.hostUsers: false`, runtime does not support user namespaces")
      await runtime.createSandbox(sandboxConfig(pod, step.attempt, settings), handler, signal)
      counts.sandbox()
      this.#obstacle = ''
      this.forgetFailures()
    } catch (error) {
      counts.sandboxFailed()
      this.#failed(pod, 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${messageOf(error)}`, signal)
    }
  }

  #failed(pod: Pod, reason: string, message: string, signal: AbortSignal): void {
    if (signal.aborted) return
    podEvent(this.#context, pod, 'Warning', reason, message)
    const now = this.#context.clock.now()
    this.#backoff = nextBackoff(now, this.#backoff, now, retry)
    this.#retryAt = now + this.#backoff.delayMs
  }
}
