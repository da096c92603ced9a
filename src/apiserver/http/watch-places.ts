// How many watches there may be at once. One that waits costs the server little, but never nothing, and a client may
// open as many as it likes, so the ones beyond the limit are refused.
import { StatusError } from '../../base/errors.ts'
import { gauge } from '../../base/metrics.ts'

const retryAfterSeconds = 5
const open = gauge('kutter_apiserver_watches', 'Watches that clients have open.')

export class WatchPlaces {
  readonly #limit: number
  #taken = 0

  constructor(limit = Infinity) {
    this.#limit = limit
  }

  /** Takes a place until the signal aborts, when the client has gone or been answered. Throws TooManyRequests. */
  take(signal: AbortSignal): void {
    if (signal.aborted) return
    if (this.#taken >= this.#limit)
      throw new StatusError(
        'TooManyRequests',
        `this server has ${this.#limit} watches already, which is its limit; please try again later`,
        { details: { retryAfterSeconds } },
      )
    this.#add(1)
    signal.addEventListener('abort', () => this.#add(-1), { once: true })
  }

  #add(count: number): void {
    this.#taken += count
    open.set(this.#taken)
  }
}
