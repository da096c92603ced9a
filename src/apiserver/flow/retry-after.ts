// When a refused client should come again: in one second, or, while many requests are refused, in up to 32.
// Source: apiserver pkg/util/flowcontrol/dropped_requests_tracker.go.

const maxSeconds = 32

/** The refused requests of one priority level, by the second. */
export class RetryAfter {
  #seconds = 1
  #raisedAt = 0
  /** Seconds with refusals, with their number, oldest first. At most `maxSeconds` and the present one are kept. */
  #history: { second: number; count: number }[] = []

  /** How long a client should wait, in seconds. */
  get seconds(): number {
    return this.#seconds
  }

  /** Notes that a request has been refused. Doubles or shortens the wait at most once a second. */
  refused(nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    const last = this.#history.at(-1)
    if (last?.second === second) {
      last.count++
      return
    }
    this.#history = this.#history.filter(past => second - past.second <= maxSeconds)
    const recent = this.#history
      .filter(past => second - past.second <= this.#seconds)
      .reduce((sum, { count }) => sum + count, 0)
    this.#history.push({ second, count: 1 })
    if (second - this.#raisedAt >= this.#seconds && recent >= 3 * this.#seconds) {
      this.#seconds = Math.min(maxSeconds, this.#seconds * 2)
      this.#raisedAt = second
    } else if (recent < this.#seconds && this.#seconds > 1) this.#seconds--
  }
}
