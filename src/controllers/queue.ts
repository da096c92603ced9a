// The queue of a controller: the keys to reconcile, each once, however often it was added.
//
//   add ──► waiting ──► running ──► done
//              ▲           │ added meanwhile
//   after ms ──┴───────────┘
//
// A key never runs twice at once: a key that is added while it runs waits until `done`.
// Source of the behaviour: client-go util/workqueue.
//
// The collections, and how they relate:
//
//   waiting   the keys that `take` will give, oldest first
//   running   the keys that were taken and are not done
//   rerun     those of `running` that were added meanwhile: rerun ⊆ running
//   timers    keys to be added later; a key may be here and in any of the others
//   failures  failures in a row of a key, until `forget`; they only determine the next wait
//
// waiting ∩ running = ∅: `add` puts a running key into `rerun`, and `done` moves it back to `waiting`. So an add is
// never lost: after it the key is in `waiting`, or in `rerun` until the next `done` moves it there.
//
// A key that is added runs at once, even if a timer or a back-off is set for it; the timer then leads to one more run.
// Every collection has at most one entry for each key, so the number of objects limits them.
//
// An example: add(a), take() = a, add(a), add(a), take() = undefined (a runs), done(a), take() = a once, done(a).
import type { Clock } from '../base/clock.ts'
import { assert } from '../base/errors.ts'
import type { Random } from '../base/random.ts'

const firstBackoffMs = 5
const maxBackoffMs = 1_000_000
/** A wait is up to a tenth longer or shorter, so that keys that failed together are not retried together. */
const jitter = 0.1

export class KeyQueue {
  readonly #clock: Clock
  readonly #random: Random
  readonly #onReady: () => void
  /** The keys in order, each with the time at which it was added. */
  readonly #waiting = new Map<string, number>()
  readonly #onAdd: () => void
  readonly #running = new Set<string>()
  readonly #rerun = new Set<string>()
  readonly #timers = new Map<string, { at: number; cancel: () => void }>()
  readonly #failures = new Map<string, number>()
  #closed = false

  /**
   * @param onReady is called whenever a key can be taken
   * @param onAdd is called whenever a key is added that was not waiting
   */
  constructor(clock: Clock, random: Random, onReady: () => void, onAdd: () => void = () => {}) {
    this.#onAdd = onAdd
    this.#clock = clock
    this.#random = random
    this.#onReady = onReady
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Whether no key waits or runs. Timers do not count. */
  get idle(): boolean {
    return this.#waiting.size === 0 && this.#running.size === 0
  }

  /** Adds the key now, unless it waits already. */
  add(key: string): void {
    if (this.#closed || this.#waiting.has(key) || this.#rerun.has(key)) return
    this.#onAdd()
    if (this.#running.has(key)) {
      this.#rerun.add(key)
      return
    }
    this.#wait(key)
  }

  #wait(key: string): void {
    this.#waiting.set(key, this.#clock.steady())
    this.#onReady()
  }

  /** Adds the key after a time, unless an earlier time is set already. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return
    if (delayMs <= 0) return this.add(key)
    const at = this.#clock.steady() + delayMs
    const timer = this.#timers.get(key)
    if (timer && timer.at <= at) return
    timer?.cancel()
    const cancel = this.#clock.after(delayMs, () => {
      this.#timers.delete(key)
      this.add(key)
    })
    this.#timers.set(key, { at, cancel })
  }

  /** Adds the key after a wait that doubles with each failure. Returns the wait in ms. */
  retry(key: string): number {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    const base = Math.min(firstBackoffMs * 2 ** Math.min(failures, 30), maxBackoffMs)
    const delayMs = base * (1 + jitter * (2 * this.#random.float() - 1))
    this.addAfter(key, delayMs)
    return delayMs
  }

  /** Ends the back-off of a key: its next failure starts with the shortest wait. */
  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** The key that has waited longest, and for how long. The caller must pass it to `done`. */
  take(): { key: string; waitedMs: number } | undefined {
    const first = this.#waiting.entries().next().value
    if (!first) return undefined
    const [key, since] = first
    this.#waiting.delete(key)
    this.#running.add(key)
    return { key, waitedMs: this.#clock.steady() - since }
  }

  /** Allows a key that `take` gave to run again. */
  done(key: string): void {
    assert(this.#running.delete(key), `key ${key} is running`)
    if (this.#rerun.delete(key)) this.#wait(key)
  }

  /** Drops all waiting keys and all timers, and adds no more keys. `done` may still be called for running keys. */
  close(): void {
    this.#closed = true
    this.#rerun.clear()
    for (const { cancel } of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#waiting.clear()
  }
}
