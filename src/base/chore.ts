// Work that has to be done again whenever something changed. Whoever notices a change only wakes it; it never runs
// twice at once, sees everything that was there when it began, and is repeated with back-off until it succeeds.
import type { Clock } from './clock.ts'

interface ChoreOptions {
  clock: Clock
  /** Ends it; what runs is awaited by `settled`. */
  signal: AbortSignal
  retryMs: { first: number; most: number }
  /** Called with each failure; it must not throw. */
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

  /** There is something to do, again. */
  wake(): void {
    this.#wanted = true
    this.#running ??= Promise.resolve().then(() => this.#run())
  }

  /** Resolves when nothing is left to do, or at the end. */
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
        // Rejects only when aborted, which the loop's condition sees.
        await clock.sleep(backoffMs, signal).catch(() => {})
        backoffMs = Math.min(backoffMs * 2, retryMs.most)
      }
    }
    this.#running = undefined
  }
}
