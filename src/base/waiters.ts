// Waiting for a number that only grows: a revision that is applied, a log that gets longer.

interface Waiter {
  target: number
  resolve(): void
  reject(reason: unknown): void
}

/** Those who wait, each for a value of their own. Nobody is left behind: every wait ends in `reach`, `fail` or its signal. */
export class Waiters {
  #waiting: Waiter[] = []

  /** Resolves when the value reaches `target`; rejects with the signal's reason, or that of `fail`. */
  wait(target: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const done = (end: () => void) => {
        signal?.removeEventListener('abort', onAbort)
        end()
      }
      const waiter: Waiter = {
        target,
        resolve: () => done(resolve),
        reject: reason => done(() => reject(reason)),
      }
      const onAbort = () => {
        this.#waiting = this.#waiting.filter(other => other !== waiter)
        waiter.reject(signal!.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(waiter)
    })
  }

  /** The value is `value` now. */
  reach(value: number): void {
    if (!this.#waiting.length) return
    const ready = this.#waiting.filter(waiter => waiter.target <= value)
    if (!ready.length) return
    this.#waiting = this.#waiting.filter(waiter => waiter.target > value)
    for (const waiter of ready) waiter.resolve()
  }

  /** The value will not grow any more. */
  fail(reason: unknown): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(reason)
  }
}
