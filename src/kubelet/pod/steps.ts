// Carries out the steps of one pod's plan as jobs that run at the same time, and keeps what the next plan depends on:
// the jobs under way, the starts that failed, the hooks that were run.
import type { Pod } from '../../kinds/core/pod.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import type { NodeContext } from './context.ts'
import { isMaking, Jobs, keyOf, yieldsToEnding } from './jobs.ts'
import { ContainerKills } from './kill.ts'
import type { PodMemory, PodPlan, Step } from './plan.ts'
import type { PodResize } from './resize.ts'
import { settlePod } from './remove.ts'
import { Sandboxes } from './sandboxes.ts'
import { nameOf, namespaceOf } from './spec.ts'
import { ContainerStarts } from './starts.ts'
import type { PodVolumes } from './volumes.ts'

interface StepsOptions {
  context: NodeContext
  volumes: PodVolumes
  resize: PodResize
  /** The newest pod and what the runtime has of it. */
  current(): { pod: Pod; seen: PodSeen }
  /** Called when a job ended, which may have changed what the runtime has. */
  finished(): void
  /** Called when the sandboxes are stopped and the volumes unmounted. */
  settled(): void
  /** The last step: removes everything that is left of the pod. */
  delete(): Promise<void>
}

export class PodSteps {
  readonly #options: StepsOptions
  readonly #sandboxes: Sandboxes
  readonly #starts: ContainerStarts
  readonly #kills: ContainerKills
  readonly #resize: PodResize
  readonly #jobs: Jobs

  constructor(options: StepsOptions) {
    const { context, volumes, resize, current, finished } = options
    this.#options = options
    this.#resize = resize
    this.#sandboxes = new Sandboxes(context, volumes)
    this.#kills = new ContainerKills(context)
    this.#starts = new ContainerStarts(context, this.#kills)
    this.#jobs = new Jobs({
      clock: context.clock,
      failed(job, why) {
        const { pod } = current()
        const about = { pod: nameOf(pod), namespace: namespaceOf(pod), step: keyOf(job), why }
        context.log.warn('pod step failed', about)
      },
      finished,
    })
  }

  /** Moves the ends of all pauses, since the time has been set on by `ms`. */
  shift(ms: number): void {
    for (const part of [this.#sandboxes, this.#starts, this.#resize]) part.shift(ms)
  }

  /** What the next plan depends on. The maps are live. */
  get memory(): Pick<
    PodMemory,
    'busy' | 'backoffs' | 'failures' | 'sandboxRetryAt' | 'obstacle' | 'hooked' | 'resize'
  > {
    return {
      busy: this.#jobs.list,
      backoffs: this.#starts.backoffs,
      failures: this.#starts.failures,
      sandboxRetryAt: this.#sandboxes.retryAt,
      obstacle: this.#sandboxes.obstacle,
      hooked: this.#kills.hooked,
      resize: this.#resize.memory,
    }
  }

  /** Whether a job under way creates or starts something. Its end leads to another round. */
  get isMaking(): boolean {
    return this.#jobs.list.some(isMaking)
  }

  /** Begins the steps of a plan that are not under way, and records events for the containers that wait. */
  carryOut({ steps, waiting }: PodPlan): void {
    const { pod, seen } = this.#options.current()
    this.#starts.reportWaiting(pod, seen, waiting)
    for (const step of steps) this.#jobs.begin(step, signal => this.#carryOutOne(step, signal))
  }

  #carryOutOne(step: Step, signal: AbortSignal): Promise<void> {
    const { context, current } = this.#options
    const { pod, seen } = current()
    switch (step.do) {
      case 'sandbox':
        return this.#sandboxes.make(pod, step, signal)
      case 'start':
        return this.#starts.start(pod, seen, step, signal)
      case 'kill':
        return this.#kills.kill(pod, seen, step, signal)
      case 'preStop':
        return this.#kills.preStop(pod, seen, step, signal)
      case 'remove':
        return context.runtime.removeContainer(step.id)
      case 'removeSandbox':
        return context.runtime.removeSandbox(step.id)
      case 'resize':
        return this.#resize.apply(pod, step, signal)
      case 'settle':
        return this.#settle(seen.uid, signal)
      case 'delete':
        return this.#options.delete()
    }
  }

  async #settle(uid: string, signal: AbortSignal): Promise<void> {
    const { context, volumes, settled } = this.#options
    await volumes.stop()
    await settlePod(context, uid, signal)
    settled()
  }

  /** To be called with each new state of the pod in the runtime. */
  observe(seen: PodSeen): void {
    this.#kills.keep(seen)
    this.#resize.keep(seen)
  }

  /** To be called when the pod changed in the API. */
  specChanged(before: Pod, pod: Pod): void {
    this.#starts.specChanged(before, pod)
  }

  /** To be called when an object changed to which the pod refers. What may have failed because of it is tried again. */
  objectsChanged(): void {
    this.#starts.objectsChanged()
    if (!this.#options.current().seen.sandboxes.length) this.#sandboxes.retryNow()
  }

  /** To be called when the node's network is ready. A sandbox that waits for it is tried at once. */
  nodeReady(): void {
    this.#sandboxes.forgetFailures()
  }

  /** To be called when the pod has to end, or to end earlier. Aborts the jobs that this makes obsolete. */
  abortObsolete(): void {
    this.#jobs.abort(yieldsToEnding, 'the pod ends')
  }

  stop(): void {
    this.#jobs.abort(() => true, 'the worker ends')
  }
}
