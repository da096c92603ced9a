// Work that is done again whenever something has changed. A listener that notices a change only wakes the chore. The
// work never runs twice at once, and after a wake it begins at least once more, so it acts on everything that had
// changed before the wake. A failure is repeated with back-off until the work succeeds.
import type { Clock } from './clock.ts'

interface ChoreOptions {
  clock: Clock
  /** Ends the chore: nothing is begun any more. The run under way ends by itself, and `settled` waits for it. */
  signal: AbortSignal
  retryMs: { first: number; most: number }
  /** Called with each failure. It must not throw. */
  failed(error: unknown): void
}

export class Chore {
  readonly #options: ChoreOptions
  readonly #work: () => Promise<void>
  #wanted = false
  #running: Promise<void> | undefined

  constructor(options: ChoreOptions, work: () => Promise<void>) {
    this.#options = options
    this.#work = work
  }

  /** Requests a run: now, or after the present one. Several wakes before it begins are one. */
  wake(): void {
    this.#wanted = true
    this.#running ??= Promise.resolve().then(() => this.#run())
  }

  /** Resolves when no run is requested or under way; while runs fail, only when the signal aborts. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running
  }

  async #run(): Promise<void> {
    const { clock, signal, retryMs, failed } = this.#options
    let backoffMs = retryMs.first
    while (this.#wanted && !signal.aborted) {
      this.#wanted = false
      try {
        await this.#work()
        backoffMs = retryMs.first
      } catch (error) {
        if (signal.aborted) break
        failed(error)
        this.#wanted = true
        // The sleep rejects only when aborted, which the loop checks.
        await clock.sleep(backoffMs, signal).catch(() => {})
        backoffMs = Math.min(backoffMs * 2, retryMs.most)
      }
    }
    this.#running = undefined
  }
}
