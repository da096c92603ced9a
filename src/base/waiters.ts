// Waits that always end: until a growing number has reached a value, until other work is done or a signal aborts, or
// for a limited time.
import type { Clock } from './clock.ts'

interface Waiter {
  target: number
  resolve(): void
  reject(reason: unknown): void
}

/**
 * Waits for a number that only grows, each for a target of its own. Every wait ends by `reach`, by `fail` or by its
 * signal, and leaves no listener on the signal behind. The caller keeps the number itself, and does not wait for a
 * target that has been reached already.
 */
export class Waiters {
  #waiting: Waiter[] = []
  #failure: { reason: unknown } | undefined

  /** Resolves when the number reaches `target`. Rejects with the reason of the signal or of `fail`. */
  wait(target: number, signal?: AbortSignal): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.reason)
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

  /** Ends all waits whose target is at most `value`. */
  reach(value: number): void {
    if (!this.#waiting.length) return
    const ready = this.#waiting.filter(waiter => waiter.target <= value)
    if (!ready.length) return
    this.#waiting = this.#waiting.filter(waiter => waiter.target > value)
    for (const waiter of ready) waiter.resolve()
  }

  /** Rejects all waits, and those to come, because the number will not grow any more. */
  fail(reason: unknown): void {
    this.#failure ??= { reason }
    for (const waiter of this.#waiting.splice(0)) waiter.reject(reason)
  }
}

/**
 * A signal that aborts with the first of several. `release` must be called once it is not needed any more, unless it ends
 * together with all of them.
 *
 * It is not AbortSignal.any, which Node.js lets forget its sources at a garbage collection as long as nobody listens to
 * it: code that only looks at `aborted` then goes on for ever.
 */
export function joined(...sources: (AbortSignal | undefined)[]): { signal: AbortSignal; release(): void } {
  const all = sources.filter(source => source !== undefined)
  const controller = new AbortController()
  const release = () => {
    for (const source of all) source.removeEventListener('abort', onAbort)
  }
  const onAbort = () => {
    release()
    controller.abort(all.find(source => source.aborted)?.reason)
  }
  if (all.some(source => source.aborted)) onAbort()
  else for (const source of all) source.addEventListener('abort', onAbort, { once: true })
  return { signal: controller.signal, release }
}

/** Runs `work` with a signal that aborts with the first of several. */
export async function withJoined<T>(
  sources: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, release } = joined(...sources)
  try {
    return await work(signal)
  } finally {
    release()
  }
}

/**
 * Runs `work` with a signal that aborts after `limitMs`, or when `signal` does. Returns what `work` returns: a `work`
 * that ignores its signal is not cut short.
 */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController()
  const cancel = clock.after(limitMs, () => limit.abort(new Error(`no answer within ${limitMs / 1000} seconds`)))
  try {
    return await withJoined([signal, limit.signal], work)
  } finally {
    cancel()
  }
}

/** The same for a `work` that may ignore its signal: it goes on without a reader then. */
export const cutShort = <T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => within(clock, limitMs, signal, limit => orAborted(work(limit), limit))

/** The result of `work`. When `signal` aborts first, rejects with its reason, and the work goes on without a reader. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/**
 * The results of all works, once all of them have ended. Throws the failure of the first in the list that failed then, and
 * not before, so that nothing is still under way after it.
 */
export async function allEnded<T>(works: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(works)
  return results.map(result => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}
