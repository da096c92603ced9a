// The queue of a controller: names of objects to look at, each once, however often it was added.
//
//   add ──► waiting ──► running ──► done
//              ▲           │ added meanwhile
//   after ms ──┴───────────┘
//
// A key never runs twice at once: what is added while it runs waits until `done`.
// Source of the behaviour: client-go util/workqueue.
//
// The collections, and how they relate:
//
//   waiting   the keys that `take` will give, oldest first
//   running   the keys that were taken and are not done
//   again     those of `running` that were added meanwhile: again ⊆ running
//   timers    keys to be added later; a key may be here and in any of the others
//   failures  failures in a row of a key, until `forget`; it bounds nothing but the next wait
//
// waiting ∩ running = ∅: `add` puts a running key into `again`, and `done` moves it back to `waiting`. So an add is
// never lost: after it the key is in `waiting`, or in `again` and thereby in `waiting` at the next `done`.
//
// An example: add(a), take() = a, add(a), add(a), take() = undefined (a runs), done(a), take() = a once, done(a).
import type { Clock } from '../base/clock.ts'
import { assert } from '../base/errors.ts'
import type { Random } from '../base/random.ts'

const firstBackoffMs = 5
const maxBackoffMs = 1_000_000
/** A tenth more or less, so that what failed together is not tried again together. */
const jitter = 0.1

export class KeyQueue {
  readonly #clock: Clock
  readonly #random: Random
  readonly #onReady: () => void
  /** Ready to run, in order, with the time since when. */
  readonly #waiting = new Map<string, number>()
  readonly #onAdd: () => void
  readonly #running = new Set<string>()
  /** Added while running. */
  readonly #again = new Set<string>()
  readonly #timers = new Map<string, { at: number; cancel: () => void }>()
  readonly #failures = new Map<string, number>()

  /**
   * @param onReady a key can be taken
   * @param onAdd a key was added that was not waiting already
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

  /** Whether nothing waits and nothing runs; timers do not count. */
  get idle(): boolean {
    return this.#waiting.size === 0 && this.#running.size === 0
  }

  /** Adds the key now, unless it is waiting already. */
  add(key: string): void {
    if (this.#waiting.has(key) || this.#again.has(key)) return
    this.#onAdd()
    if (this.#running.has(key)) {
      this.#again.add(key)
      return
    }
    this.#wait(key)
  }

  #wait(key: string): void {
    this.#waiting.set(key, this.#clock.now())
    this.#onReady()
  }

  /** Adds the key after a time, unless an earlier time is set already. */
  addAfter(key: string, delayMs: number): void {
    if (delayMs <= 0) return this.add(key)
    const at = this.#clock.now() + delayMs
    const timer = this.#timers.get(key)
    if (timer && timer.at <= at) return
    timer?.cancel()
    const cancel = this.#clock.after(delayMs, () => {
      this.#timers.delete(key)
      this.add(key)
    })
    this.#timers.set(key, { at, cancel })
  }

  /** Adds the key after a wait that doubles with each failure; returns the wait. */
  retry(key: string): number {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    const base = Math.min(firstBackoffMs * 2 ** Math.min(failures, 30), maxBackoffMs)
    const delayMs = base * (1 + jitter * (2 * this.#random.float() - 1))
    this.addAfter(key, delayMs)
    return delayMs
  }

  /** The key is well: the next failure starts from the shortest wait. */
  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** The key that waits longest, and for how long it has. */
  take(): { key: string; waitedMs: number } | undefined {
    const first = this.#waiting.entries().next().value
    if (!first) return undefined
    const [key, since] = first
    this.#waiting.delete(key)
    this.#running.add(key)
    return { key, waitedMs: this.#clock.now() - since }
  }

  /** The key that `take` gave has been worked on: it may run again. */
  done(key: string): void {
    assert(this.#running.delete(key), `key ${key} is running`)
    if (this.#again.delete(key)) this.#wait(key)
  }

  /** Forgets what waits; keys that are running may still be done. */
  close(): void {
    for (const { cancel } of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#waiting.clear()
  }
}
