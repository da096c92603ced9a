// The rounds of one pod's worker. A round runs when the worker is woken, and at the time that the last round returned;
// two rounds never overlap. A round that failed is repeated after one second, and then after twice as long each time,
// up to ten seconds.
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { counts } from '../metrics.ts'
import { type Backoff, nextBackoff } from './backoff.ts'

const retry = { firstMs: 1_000, maxMs: 10_000 }

interface RoundsOptions {
  clock: Clock
  /** Runs one round. Returns when the next one is due if nothing happens before, in ms since the epoch. */
  round(): Promise<number | undefined>
  failed(error: unknown): void
}

export class Rounds {
  readonly #options: RoundsOptions
  readonly #stop = new AbortController()
  readonly #chore = new Chore({ signal: this.#stop.signal }, () => this.#roundOrRetry())
  #backoff: Backoff | undefined
  #cancelTimer: (() => void) | undefined

  constructor(options: RoundsOptions) {
    this.#options = options
  }

  wake(): void {
    this.#chore.wake()
  }

  /** Begins no further round; one that is under way ends by itself. */
  stop(): void {
    this.#stop.abort()
    this.#cancelTimer?.()
  }

  async #roundOrRetry(): Promise<void> {
    const { clock, round, failed } = this.#options
    const from = clock.steady()
    try {
      this.#wakeAt(await round())
      this.#backoff = undefined
    } catch (error) {
      if (this.#stop.signal.aborted) return
      failed(error)
      this.#backoff = nextBackoff(clock.steady(), this.#backoff, clock.steady(), retry)
      this.#wakeAt(clock.now() + this.#backoff.delayMs)
    } finally {
      counts.round(clock.steady() - from)
    }
  }

  #wakeAt(at: number | undefined): void {
    const { clock } = this.#options
    this.#cancelTimer?.()
    const isNeeded = at !== undefined && !this.#stop.signal.aborted
    this.#cancelTimer = isNeeded ? clock.after(Math.max(0, at - clock.now()), () => this.wake()) : undefined
  }
}
