// The queues of one priority level, and fair queuing between them by virtual time.
//
//   offer ──► executing ──► done
//     │  └──► waiting ──┬─► executing           (`started` of the request is called)
//     │                 └─► withdrawn           (timeout, client gone)
//     └─────► refused
//
// - A request occupies seats while it executes. It starts when its seats are free; one that is wider than the whole
//   level starts when nothing else executes, so that it does not wait for ever.
// - Virtual time R grows, for each queue that has requests, by the work that it gets if all are served alike: seats that
//   are in use or asked for, at most the limit, divided by the number of those queues. The queue whose next request would
//   end first in R is served next. A request counts as long as the estimate until it is done, then as long as it took.
// - A queue exists only while it has requests: one that comes again begins at the present R. So memory is bounded by the
//   requests, however many queues the level is configured to have.
// - Nothing here waits or reads a clock: times are arguments, in milliseconds, and rise.
//
// Source: apiserver pkg/util/flowcontrol/fairqueuing/queueset; KEP-1040.
import { assert } from '../../base/errors.ts'
import { Dealer } from './shuffle.ts'

/** A request as the queues see it. */
export interface Entrant {
  readonly schema: string
  readonly distinguisher: string
  /** Seats while it executes, and those that it keeps for a while after that. */
  readonly seats: number
  readonly finalSeats: number
  readonly extraMs: number
  /** Called once, when a request that has waited begins to execute. */
  readonly started: () => void
}

export type Refusal = 'queue-full' | 'concurrency-limit'

export interface Queuing {
  readonly queues: number
  readonly handSize: number
  readonly queueLengthLimit: number
}

/** A place of a request, from when it is offered until it is done. */
export interface Place {
  readonly entrant: Entrant
  /** The number of its queue, or -1 in a level without queues. */
  readonly queue: number
  readonly arrivedAt: number
  state: 'waiting' | 'executing' | 'finishing' | 'gone'
  startedAt: number
  /** R when it arrived. */
  readonly arrivedR: number
}

interface Queue {
  readonly waiting: Place[]
  executing: number
  seatsInUse: number
  nextR: number
}

/** How long a request is assumed to take until it is done. */
export const estimateMs = 3
/** Limit of the requests that wait in one level, whatever its queues allow. */
const maxWaiting = 10_000

export class Queues {
  #queuing: Queuing | undefined
  #dealer: Dealer | undefined
  #limit: number
  readonly #queues = new Map<number, Queue>()
  #waiting = 0
  #executing = 0
  #seatsInUse = 0
  #seatsWaiting = 0
  #r = 0
  #rAt: number
  /** The number of the queue that was served last. Among equals the next one is served. */
  #last = -1

  /** Without `queuing`, requests that cannot start at once are refused. */
  constructor(queuing: Queuing | undefined, limit: number, now: number) {
    this.#limit = limit
    this.#rAt = now
    this.configure(queuing)
  }

  get waiting(): number {
    return this.#waiting
  }

  get executing(): number {
    return this.#executing
  }

  get seatsInUse(): number {
    return this.#seatsInUse
  }

  /** Seats in use and asked for. */
  get demand(): number {
    return this.#seatsInUse + this.#seatsWaiting
  }

  get limit(): number {
    return this.#limit
  }

  get isIdle(): boolean {
    return !this.#waiting && !this.#executing && !this.#seatsInUse
  }

  /** Changes the configuration. Requests stay in the queues that they have. */
  configure(queuing: Queuing | undefined): void {
    const before = this.#queuing
    if (queuing && before && queuing.queues === before.queues && queuing.handSize === before.handSize) {
      this.#queuing = queuing
      return
    }
    this.#queuing = queuing
    this.#dealer = queuing && new Dealer(queuing.queues, queuing.handSize)
  }

  /** Changes the number of seats, and starts what fits now. */
  resize(limit: number, now: number): void {
    this.#advance(now)
    this.#limit = limit
    this.#startNext(now)
  }

  /** Takes a request in. A place that is `executing` has begun; a `waiting` one begins when `started` is called. */
  offer(entrant: Entrant, now: number): Place | Refusal {
    this.#advance(now)
    const index = this.#dealer ? this.#choose(this.#dealer.hand(entrant.schema, entrant.distinguisher)) : -1
    const queue = this.#queues.get(index) ?? { waiting: [], executing: 0, seatsInUse: 0, nextR: this.#r }
    const fits = this.#fits(entrant.seats)
    if (!this.#queuing && !fits) return 'concurrency-limit'
    const { queueLengthLimit = 1 } = this.#queuing ?? {}
    const isFull = queue.waiting.length >= queueLengthLimit && this.#seatsInUse >= this.#limit
    if (isFull || this.#waiting >= maxWaiting) return 'queue-full'
    const place: Place = {
      entrant,
      queue: index,
      arrivedAt: now,
      state: 'waiting',
      startedAt: now,
      arrivedR: this.#r,
    }
    this.#queues.set(index, queue)
    // With nobody before it, its turn has come if its seats are free.
    if (!this.#waiting && fits) {
      this.#begin(place, queue, now)
      return place
    }
    queue.waiting.push(place)
    this.#waiting++
    this.#seatsWaiting += entrant.seats
    this.#startNext(now, place)
    return place
  }

  /** Ends a request: one that has executed, or one that has given up waiting. Later calls do nothing. */
  leave(place: Place, now: number): void {
    const queue = this.#queues.get(place.queue)
    if (place.state === 'gone' || place.state === 'finishing') return
    assert(queue, 'a request is in a queue until it leaves')
    this.#advance(now)
    const { entrant } = place
    if (place.state === 'waiting') {
      queue.waiting.splice(queue.waiting.indexOf(place), 1)
      this.#waiting--
      this.#seatsWaiting -= entrant.seats
      place.state = 'gone'
    } else {
      this.#executing--
      queue.nextR += entrant.seats * (now - place.startedAt - estimateMs)
      const kept = entrant.extraMs > 0 ? entrant.finalSeats : 0
      this.#seatsInUse += kept - entrant.seats
      queue.seatsInUse += kept - entrant.seats
      place.state = kept ? 'finishing' : 'gone'
      if (!kept) queue.executing--
    }
    this.#tidy(place.queue, queue)
    this.#startNext(now)
  }

  /** Gives back what a request has kept after its end. It is called once, when its extra time is over. */
  release(place: Place, now: number): void {
    const queue = this.#queues.get(place.queue)
    if (place.state !== 'finishing') return
    assert(queue, 'a request is in a queue until it leaves')
    this.#advance(now)
    this.#seatsInUse -= place.entrant.finalSeats
    queue.seatsInUse -= place.entrant.finalSeats
    queue.executing--
    queue.nextR += place.entrant.finalSeats * place.entrant.extraMs
    place.state = 'gone'
    this.#tidy(place.queue, queue)
    this.#startNext(now)
  }

  /** The queues that have requests, by their numbers, for people who look into them. */
  dump(): { index: number; waiting: readonly Place[]; executing: number; seatsInUse: number; nextR: number }[] {
    return [...this.#queues].map(([index, queue]) => ({ index, ...queue })).sort((a, b) => a.index - b.index)
  }

  #advance(now: number): void {
    const active = this.#queues.size
    if (active) this.#r += ((now - this.#rAt) * Math.min(this.demand, this.#limit)) / active
    this.#rAt = now
  }

  /** Of the hand, the queue with the least work that waits; among equals one without requests that execute. */
  #choose(hand: readonly number[]): number {
    let best = -1
    let least = Infinity
    for (const index of hand) {
      const queue = this.#queues.get(index)
      if (!queue) return index
      const work = queue.waiting.reduce((sum, place) => sum + place.entrant.seats, 0) + queue.seatsInUse
      if (work < least) [best, least] = [index, work]
    }
    return best
  }

  #fits(seats: number): boolean {
    return this.#seatsInUse === 0 ? this.#limit > 0 : this.#seatsInUse + seats <= this.#limit
  }

  /** Starts requests as long as the next one fits. `quiet` is the one of the caller, which sees it by its state. */
  #startNext(now: number, quiet?: Place): void {
    while (this.#waiting) {
      const index = this.#nextQueue()
      const queue = this.#queues.get(index)!
      const place = queue.waiting[0]!
      if (!this.#fits(place.entrant.seats)) return
      queue.waiting.shift()
      this.#waiting--
      this.#seatsWaiting -= place.entrant.seats
      this.#last = index
      this.#begin(place, queue, now)
      if (place !== quiet) place.entrant.started()
    }
  }

  /** The queue whose first request would end first in virtual time; among equals the next after the last one served. */
  #nextQueue(): number {
    let best = -1
    let earliest = Infinity
    for (const [index, queue] of this.#queues) {
      const first = queue.waiting[0]
      if (!first) continue
      // A queue that has been idle has no claim on the time before its first request came.
      const end = Math.max(queue.nextR, first.arrivedR) + first.entrant.seats * estimateMs
      if (end < earliest || (end === earliest && this.#after(index) < this.#after(best)))
        [best, earliest] = [index, end]
    }
    return best
  }

  #after(index: number): number {
    return index > this.#last ? index - this.#last : index - this.#last + 1e9
  }

  #begin(place: Place, queue: Queue, now: number): void {
    const { seats } = place.entrant
    place.state = 'executing'
    place.startedAt = now
    queue.executing++
    queue.seatsInUse += seats
    queue.nextR = Math.max(queue.nextR, place.arrivedR) + seats * estimateMs
    this.#executing++
    this.#seatsInUse += seats
  }

  #tidy(index: number, queue: Queue): void {
    if (!queue.waiting.length && !queue.executing) this.#queues.delete(index)
  }
}
