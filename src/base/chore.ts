// Work that is done again whenever something has changed. A listener that notices a change only wakes the chore. The
// work never runs twice at once, and after a wake it begins at least once more, so it acts on everything that had
// changed before the wake.
//
//           wake                     done, not woken meanwhile
//   idle ───────────► running ───────────────────────────────────► idle
//                      │   ▲
//       woken meanwhile,   │
//       or after a failure and a pause
import type { Clock } from './clock.ts'

interface Retry {
  clock: Clock
  /** The pause after a failure doubles from the first to the longest. */
  firstMs: number
  maxMs: number
  /** Called with each failure. It must not throw. */
  failed(error: unknown): void
}

interface ChoreOptions {
  /** Ends the chore: nothing is begun any more. The run under way ends by itself, and `settled` waits for it. */
  signal?: AbortSignal
  /** How a failure is repeated until the work succeeds. Without it the work must not fail. */
  retry?: Retry
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

  /** Requests a run: soon, or after the present one. Several wakes before it begins are one. */
  wake(): void {
    this.#wanted = true
    this.#running ??= Promise.resolve().then(() => this.#run())
  }

  /** Resolves when no run is requested or under way; while runs fail, only when the signal aborts. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running
  }

  async #run(): Promise<void> {
    const { signal, retry } = this.#options
    let pauseMs = retry?.firstMs ?? 0
    while (this.#wanted && !signal?.aborted) {
      this.#wanted = false
      try {
        await this.#work()
        pauseMs = retry?.firstMs ?? 0
      } catch (error) {
        if (signal?.aborted) break
        if (!retry) throw error
        retry.failed(error)
        this.#wanted = true
        // The sleep rejects only when aborted, which the loop checks.
        await retry.clock.sleep(pauseMs, signal).catch(() => {})
        pauseMs = Math.min(pauseMs * 2, retry.maxMs)
      }
    }
    this.#running = undefined
  }
}
