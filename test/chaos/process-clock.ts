// A clock of one process among others in a test: its time may be set, and its timers wait while it is paused, as those of a
// process that was stopped by SIGSTOP do.
import type { Clock } from '../../src/base/clock.ts'

export class ProcessClock implements Clock {
  readonly #base: Clock
  #aheadMs = 0
  /** Timers that became due while the process was paused, in order; undefined while it runs. */
  #due: (() => void)[] | undefined

  constructor(base: Clock) {
    this.#base = base
  }

  now(): number {
    return this.#base.now() + this.#aheadMs
  }

  steady(): number {
    return this.#base.steady()
  }

  after(delayMs: number, fn: () => void): () => void {
    let isCancelled = false
    const fire = () => {
      if (isCancelled) return
      if (this.#due) this.#due.push(fire)
      else fn()
    }
    const cancel = this.#base.after(delayMs, fire)
    return () => {
      isCancelled = true
      cancel()
    }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        cancel()
        reject(signal!.reason)
      }
      const cancel = this.after(delayMs, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  set(ms: number): void {
    this.#aheadMs += ms
  }

  pause(): void {
    this.#due ??= []
  }

  /** Fires what became due, one after the other: between two of them promises may settle, as in a real process. */
  resume(): void {
    const due = this.#due ?? []
    this.#due = undefined
    for (const fire of due) this.#base.after(0, fire)
  }
}
