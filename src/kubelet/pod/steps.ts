// Carries out the steps of one pod's plan, as jobs beside each other, and keeps what the next plan depends on: the jobs
// under way, starts that failed, hooks that were run.
import type { Pod } from '../../kinds/core/pod.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import type { NodeContext } from './context.ts'
import { isMaking, Jobs, keyOf, yieldsToEnding } from './jobs.ts'
import { ContainerKills } from './kill.ts'
import type { PodMemory, PodPlan, Step } from './plan.ts'
import { settlePod } from './remove.ts'
import { Sandboxes } from './sandboxes.ts'
import { nameOf, namespaceOf } from './spec.ts'
import { ContainerStarts } from './starts.ts'
import type { PodVolumes } from './volumes.ts'

interface StepsOptions {
  context: NodeContext
  volumes: PodVolumes
  /** The pod, and what the runtime has of it, as they are now. */
  current(): { pod: Pod; seen: PodSeen }
  /** A job ended, and may have changed what the runtime has. */
  finished(): void
  /** Sandboxes are stopped and volumes taken down. */
  settled(): void
  /** The last step: removes what is left. */
  delete(): Promise<void>
}

export class PodSteps {
  readonly #options: StepsOptions
  readonly #sandboxes: Sandboxes
  readonly #starts: ContainerStarts
  readonly #kills: ContainerKills
  readonly #jobs: Jobs

  constructor(options: StepsOptions) {
    const { context, volumes, current, finished } = options
    this.#options = options
    this.#sandboxes = new Sandboxes(context, volumes)
    this.#starts = new ContainerStarts(context)
    this.#kills = new ContainerKills(context)
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

  /** What a plan depends on. */
  get memory(): Pick<PodMemory, 'busy' | 'backoffs' | 'failures' | 'sandboxRetryAt' | 'hooked'> {
    return {
      busy: this.#jobs.list,
      backoffs: this.#starts.backoffs,
      failures: this.#starts.failures,
      sandboxRetryAt: this.#sandboxes.retryAt,
      hooked: this.#kills.hooked,
    }
  }

  /** Whether a job under way creates or starts something, and leads to a look at the pod when it ends. */
  get isMaking(): boolean {
    return this.#jobs.list.some(isMaking)
  }

  /** Begins the steps of a plan, and reports the containers that wait. */
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
      case 'settle':
        return this.#settle(seen.uid)
      case 'delete':
        return this.#options.delete()
    }
  }

  async #settle(uid: string): Promise<void> {
    const { context, volumes, settled } = this.#options
    await volumes.stop()
    await settlePod(context, uid)
    settled()
  }

  /** The runtime was looked at. */
  looked(seen: PodSeen): void {
    this.#kills.keep(seen)
  }

  /** The pod changed in the API. */
  specChanged(before: Pod, pod: Pod): void {
    this.#starts.specChanged(before, pod)
  }

  /** An object the pod refers to changed: what failed for want of it may be tried again. */
  objectsChanged(): void {
    this.#starts.objectsChanged()
    if (!this.#options.current().seen.sandboxes.length) this.#sandboxes.retryNow()
  }

  /** A sandbox that waited for the node's network need not wait longer. */
  nodeReady(): void {
    this.#sandboxes.forgetFailures()
  }

  /** The pod ends, or ends sooner than it was to: what waits for another time stops, and is planned again. */
  hurry(): void {
    this.#jobs.abort(yieldsToEnding, 'the pod ends')
  }

  stop(): void {
    this.#jobs.abort(() => true, 'the worker ends')
  }
}
