// Work that has to be done again whenever something changed: the loop "wanted, running, again". Whoever notices a
// change only wakes it; it never runs twice at once, and sees everything that was there when it began.
//
//            wake                    work done, not woken meanwhile
//   idle ───────────► running ───────────────────────────────────────► idle
//                      │   ▲
//        woken meanwhile,  │
//        or failed: after a pause
import type { Clock } from './clock.ts'

interface Retry {
  clock: Clock
  /** The pause after a failure doubles from the first to the longest. */
  firstMs: number
  mostMs: number
  /** Called with each failure; it must not throw. */
  failed(error: unknown): void
}

interface ChoreOptions {
  /** Ends it; what runs is awaited by `settled`. */
  signal?: AbortSignal
  /** How it is repeated until it succeeds. Without it the work deals with its failures; one that escapes is a defect. */
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

  /** There is something to do, again. The work begins in a later microtask, so that changes that come together are one. */
  wake(): void {
    this.#wanted = true
    this.#running ??= Promise.resolve().then(() => this.#run())
  }

  /** Resolves when nothing is left to do, or at the end. */
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
        // Rejects only when aborted, which the loop's condition sees.
        await retry.clock.sleep(pauseMs, signal).catch(() => {})
        pauseMs = Math.min(pauseMs * 2, retry.mostMs)
      }
    }
    this.#running = undefined
  }
}
