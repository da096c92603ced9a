// Locks by name: what is done under one name follows each other, and different names do not wait for each other.
import { orAborted } from './waiters.ts'

export class Locks {
  /** By name, the end of the last work that has the lock or waits for it. */
  readonly #last = new Map<string, Promise<void>>()

  /**
   * Runs `work` after all earlier work of the name. When the signal aborts while it waits, it rejects with the signal's
   * reason, and `work` does not run.
   */
  async run<T>(name: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const turn = before ? waitFor(before, signal) : Promise.resolve()
    const result = turn.then(work)
    // What comes next waits for the earlier work too, also if this one gives up its place.
    const end = Promise.allSettled([before, result]).then(() => {
      if (this.#last.get(name) === end) this.#last.delete(name)
    })
    this.#last.set(name, end)
    return result
  }
}

const waitFor = (before: Promise<void>, signal: AbortSignal | undefined) =>
  signal ? orAborted(before, signal) : before
