// The jobs of one pod: each carries out one step of the pod's plan, beside the others, and can be interrupted.
import { messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'

/** What is being done for a pod. Of jobs with one key there is never more than one at a time. */
export type Job =
  | { do: 'sandbox' }
  | { do: 'start'; name: string }
  /** By container id. */
  | { do: 'kill' | 'preStop' | 'remove'; id: string }
  | { do: 'settle' }
  | { do: 'delete' }

export function keyOf(job: Job): string {
  switch (job.do) {
    case 'start':
      return `start ${job.name}`
    case 'kill':
    case 'preStop':
    case 'remove':
      return `${job.do} ${job.id}`
    default:
      return job.do
  }
}

/** Whether a job makes containers or what they need. */
export const isMaking = (job: Job): boolean => job.do === 'sandbox' || job.do === 'start'

/** Whether a job has to give way when the pod ends, or ends sooner: it waits for a time that no longer counts. */
export const yieldsToEnding = (job: Job): boolean => isMaking(job) || job.do === 'kill' || job.do === 'preStop'

/** A step that failed is planned again, but not in a tight loop. */
const retryMs = 2_000

interface JobsOptions {
  clock: Clock
  /** Called with each failure, unless the job was aborted. */
  failed(job: Job, why: string): void
  /** Called when a job is no longer under way; what it changed has to be looked at. */
  finished(): void
}

export class Jobs {
  readonly #options: JobsOptions
  readonly #running = new Map<string, { job: Job; abort: AbortController }>()

  constructor(options: JobsOptions) {
    this.#options = options
  }

  get list(): readonly Job[] {
    return [...this.#running.values()].map(({ job }) => job)
  }

  /** Begins a job, unless one with its key is under way. A failed one counts as under way for another `retryMs`. */
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
