// Starts the containers of one pod, and keeps for the next plan which starts failed and why, and the back-offs.
import { messageOf } from '../../base/errors.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { counts } from '../metrics.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import { type Backoff, backoffKey, nextBackoff } from './backoff.ts'
import { type NodeContext, podEvent } from './context.ts'
import type { ContainerKills } from './kill.ts'
import type { PodPlan, StartProblem, StepTo } from './plan.ts'
import { containerHash, findContainer, initContainers, mainContainers, nameOf, newest } from './spec.ts'
import { startContainer } from './start.ts'
import { StartFailure } from './start-failure.ts'

const retryMs = 2_000

export class ContainerStarts {
  readonly #context: NodeContext
  readonly #backoffs = new Map<string, Backoff>()
  readonly #failures = new Map<string, StartProblem>()
  /** The last BackOff event of each container that waits, by name, with the id of its newest container. */
  #reported = new Map<string, string>()

  readonly #kills: Pick<ContainerKills, 'kill'>

  constructor(context: NodeContext, kills: Pick<ContainerKills, 'kill'>) {
    this.#context = context
    this.#kills = kills
  }

  /** By `backoffKey`. */
  get backoffs(): ReadonlyMap<string, Backoff> {
    return this.#backoffs
  }

  /** By container name. */
  get failures(): ReadonlyMap<string, StartProblem> {
    return this.#failures
  }

  /** Moves the ends of pauses, since the time has been set on by `ms`. Those of restarts go by the times of containers. */
  shift(ms: number): void {
    for (const [name, failure] of this.#failures)
      this.#failures.set(name, { ...failure, retryAt: failure.retryAt + ms })
  }

  /** Drops the failures of containers whose image changed, so that they are tried at once. */
  specChanged(before: Pod, pod: Pod): void {
    for (const container of [...initContainers(pod), ...mainContainers(pod)]) {
      const old = findContainer(before, container.name)?.container
      if (old && containerHash(old) !== containerHash(container)) this.#failures.delete(container.name)
    }
  }

  /** Drops the failures that an object may have caused, such as a missing ConfigMap. */
  objectsChanged(): void {
    for (const [name, { reason }] of this.#failures)
      if (reason === 'CreateContainerConfigError') this.#failures.delete(name)
  }

  /** Starts a container in the pod's sandbox, if there is one. Does not throw: the failure is kept in `failures`. */
  async start(pod: Pod, seen: PodSeen, step: StepTo<'start'>, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context
    const sandbox = seen.sandboxes.find(s => s.ready)
    if (!sandbox) return
    const container = findContainer(pod, step.name)?.container
    if (step.after && container) {
      const key = backoffKey(container)
      this.#backoffs.set(key, nextBackoff(clock.now(), this.#backoffs.get(key), step.after.finishedAtMs))
    }
    try {
      await startContainer(this.#context, { pod, seen, sandbox, step, signal }, this.#kills)
      this.#failures.delete(step.name)
      counts.container(step.role)
    } catch (error) {
      if (signal.aborted) return
      const expected = error instanceof StartFailure
      if (!expected) log.error('container could not be started', { pod: nameOf(pod), container: step.name, error })
      const { reason, message, retryMs: pauseMs } = expected ? error : unexpected(error)
      counts.container(step.role, reason)
      this.#failures.set(step.name, { reason, message, retryAt: clock.now() + pauseMs })
    }
  }

  /** Records a BackOff event for each container that begins to wait for its next start. */
  reportWaiting(pod: Pod, seen: PodSeen, waiting: PodPlan['waiting']): void {
    const reported = new Map<string, string>()
    for (const [name, { event }] of waiting) {
      if (!event) continue
      const mark = `${event} ${newest(seen, name)?.id}`
      reported.set(name, mark)
      if (this.#reported.get(name) !== mark) podEvent(this.#context, pod, 'Warning', 'BackOff', event, name)
    }
    this.#reported = reported
  }
}

const unexpected = (error: unknown) => new StartFailure('CreateContainerError', messageOf(error), retryMs, error)
