// Ends the containers of one pod: preStop hook, SIGTERM, and SIGKILL when the grace period is over. The time of the
// hook is part of the grace period.
// Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer, executePreStopHook).
import { messageOf } from '../../base/errors.ts'
import { joined, orAborted } from '../../base/waiters.ts'
import { type NodeContext, podEvent } from './context.ts'
import { runHook } from './hooks.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import type { StepTo } from './plan.ts'
import { findContainer } from './spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

/** The time that a container has after SIGTERM even if its hook used up the grace period. */
const minGraceSeconds = 2

export class ContainerKills {
  readonly #context: NodeContext
  /** The ids of containers that have a Killing event. */
  readonly #reported = new Set<string>()
  readonly #hooked = new Set<string>()

  constructor(context: NodeContext) {
    this.#context = context
  }

  /** The ids of containers whose preStop hook was begun before it was their turn to end. */
  get hooked(): ReadonlySet<string> {
    return this.#hooked
  }

  /** Drops the ids of containers that the runtime does not have any more. */
  keep(seen: PodSeen): void {
    const ids = new Set(seen.containers.map(container => container.id))
    for (const set of [this.#reported, this.#hooked]) for (const id of set) if (!ids.has(id)) set.delete(id)
  }

  /** Resolves when the container has ended. */
  async kill(pod: Pod, seen: PodSeen, step: StepTo<'kill'>, signal: AbortSignal): Promise<void> {
    const { clock, runtime } = this.#context
    if (!this.#reported.has(step.id)) this.#report(pod, step)
    const from = clock.steady()
    if (step.preStop) await this.#runPreStop(pod, seen, step, signal)
    const left = step.graceSeconds - Math.floor((clock.steady() - from) / 1000)
    await runtime.stopContainer(step.id, step.graceSeconds === 0 ? 0 : Math.max(minGraceSeconds, left), signal)
  }

  /** Runs the hook of a container that will be ended later. */
  async preStop(pod: Pod, seen: PodSeen, step: StepTo<'preStop'>, signal: AbortSignal): Promise<void> {
    this.#report(pod, step)
    this.#hooked.add(step.id)
    await this.#runPreStop(pod, seen, step, signal)
  }

  #report(pod: Pod, { id, name, message }: StepTo<'kill' | 'preStop'>): void {
    podEvent(this.#context, pod, 'Normal', 'Killing', message, name)
    this.#reported.add(id)
  }

  /** Runs the container's hook, if it has one, within the grace period. Throws only when `signal` aborts. */
  async #runPreStop(
    pod: Pod,
    seen: PodSeen,
    { id, name, graceSeconds }: StepTo<'kill' | 'preStop'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log } = this.#context
    const container = findContainer(pod, name)?.container
    const hook = container?.lifecycle?.preStop
    if (!hook || graceSeconds <= 0) return
    const limit = new AbortController()
    const cancel = clock.after(graceSeconds * 1000, () =>
      limit.abort(new Error(`hook did not finish within ${graceSeconds} seconds`)),
    )
    const { signal: either, release } = joined(signal, limit.signal)
    const podIP = seen.sandboxes[0]?.ips[0]
    try {
      await orAborted(runHook(this.#context, { pod, container, id, hook, podIP, signal: either }), either)
    } catch (error) {
      signal.throwIfAborted()
      if (!limit.signal.aborted)
        podEvent(this.#context, pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', name)
      log.debug('preStop hook failed', { pod: pod.metadata.name, container: name, why: messageOf(error) })
    } finally {
      cancel()
      release()
    }
  }
}
