// How much is begun in one turn of the event loop. The server has one thread: all requests that have seats may be begun
// at once, and then a short request waits until the work of all those before it is done. So only a few seats' worth is
// begun in a turn, and the flows that wait for more take turns. Each turn also reads what has arrived meanwhile.
//
//   free in this turn, nobody waits ──► at once
//   otherwise ──► waits for a turn: one request of each flow, round after round
//
// Only requests that have seats wait here, so their number is bounded by those.

/** What is begun in one turn, in seats. A request that is worth more is alone in its turn. */
const seatsPerTurn = 4

interface Waiting {
  readonly seats: number
  readonly begin: () => void
}

export class Turns {
  readonly #later: (run: () => void) => void
  readonly #flows = new Map<string, Waiting[]>()
  #left = seatsPerTurn
  #isScheduled = false

  /** @param later calls a function in the next turn */
  constructor(later: (run: () => void) => void) {
    this.#later = later
  }

  /** Resolves when a request of a flow may begin; undefined if it may at once. */
  next(flow: string, seats: number): Promise<void> | undefined {
    this.#schedule()
    if (!this.#flows.size && this.#fits(seats)) {
      this.#left -= seats
      return undefined
    }
    return new Promise(begin => {
      const waiting = this.#flows.get(flow)
      if (waiting) waiting.push({ seats, begin })
      else this.#flows.set(flow, [{ seats, begin }])
    })
  }

  #fits(seats: number): boolean {
    return seats <= this.#left || this.#left === seatsPerTurn
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#later(() => this.#turn())
  }

  #turn(): void {
    this.#isScheduled = false
    this.#left = seatsPerTurn
    for (;;) {
      const [first] = this.#flows
      if (!first) return
      this.#schedule()
      const [flow, waiting] = first
      const { seats, begin } = waiting[0]!
      if (!this.#fits(seats)) return
      waiting.shift()
      // A flow that has had its turn goes to the end.
      this.#flows.delete(flow)
      if (waiting.length) this.#flows.set(flow, waiting)
      this.#left -= seats
      begin()
    }
  }
}
