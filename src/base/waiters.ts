// Waiting with an end to it: for a number that only grows, for somebody else's work, for no longer than so long.
import type { Clock } from './clock.ts'

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

/** Does `work` with a signal that aborts after `limitMs`, and with `signal`. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController()
  const cancel = clock.after(limitMs, () => limit.abort(new Error(`no answer within ${limitMs / 1000} seconds`)))
  try {
    return await work(AbortSignal.any([signal, limit.signal]))
  } finally {
    cancel()
  }
}

/** What `work` comes to, unless `signal` aborts first: then its reason is thrown, and the work goes on by itself. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
