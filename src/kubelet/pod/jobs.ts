// The jobs of one pod. Each carries out one step of the pod's plan. Jobs run at the same time, and can be aborted.
import { messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'

/** A job by what it does. There is never more than one job with the same key at a time. */
export type Job =
  | { do: 'sandbox' }
  | { do: 'start'; name: string }
  /** By container id. */
  | { do: 'kill' | 'preStop' | 'remove' | 'removeSandbox'; id: string }
  /** Changes resources of running containers. */
  | { do: 'resize' }
  | { do: 'settle' }
  | { do: 'delete' }

export function keyOf(job: Job): string {
  switch (job.do) {
    case 'start':
      return `start ${job.name}`
    case 'kill':
    case 'preStop':
    case 'remove':
    case 'removeSandbox':
      return `${job.do} ${job.id}`
    default:
      return job.do
  }
}

/** Whether a job creates containers or what they need. */
export const isMaking = (job: Job): boolean => job.do === 'sandbox' || job.do === 'start'

/**
 * Whether a job must be aborted when the pod has to end, or to end earlier: it creates what is not needed any more, or
 * waits for a grace period that has been shortened.
 */
export const yieldsToEnding = (job: Job): boolean => isMaking(job) || job.do === 'kill' || job.do === 'preStop'

/** The pause before a step that failed is planned again. */
const retryMs = 2_000

interface JobsOptions {
  clock: Clock
  /** Called with each failure of a job that was not aborted. */
  failed(job: Job, why: string): void
  /** Called when a job is no longer under way. The pod must be read again then, since the job may have changed it. */
  finished(): void
}

/**
 * `begin` returns at once. A job counts as under way until its work ends, so an aborted job stays in `list` until it
 * has stopped; a job that failed stays for another `retryMs`, which keeps the plan from repeating the step in a tight
 * loop.
 */
export class Jobs {
  readonly #options: JobsOptions
  readonly #running = new Map<string, { job: Job; abort: AbortController }>()

  constructor(options: JobsOptions) {
    this.#options = options
  }

  get list(): readonly Job[] {
    return [...this.#running.values()].map(({ job }) => job)
  }

  /** Begins a job, unless one with its key is under way. */
  begin(job: Job, work: (signal: AbortSignal) => Promise<void>): void {
    const key = keyOf(job)
    if (this.#running.has(key)) return
    const abort = new AbortController()
    this.#running.set(key, { job, abort })
    const finish = () => {
      this.#running.delete(key)
      this.#options.finished()
    }
    work(abort.signal).then(finish, error => {
      if (abort.signal.aborted) return finish()
      this.#options.failed(job, messageOf(error))
      this.#options.clock.after(retryMs, finish)
    })
  }

  abort(which: (job: Job) => boolean, why: string): void {
    for (const { job, abort } of this.#running.values()) if (which(job)) abort.abort(new Error(why))
  }
}
