// One priority level as it is at the moment: its configuration, its limits, its queues, and what it has asked for since
// the seats were last divided.
import type { PriorityLevelConfiguration } from '../../kinds/flowcontrol/prioritylevelconfiguration.ts'
import { Queues, type Queuing } from './queues.ts'
import { RetryAfter } from './retry-after.ts'
import { type Claim, type Demand, type Limits, nextDemand } from './shares.ts'

export type LevelObject = Pick<PriorityLevelConfiguration, 'metadata' | 'spec'>

export class Level {
  readonly name: string
  readonly retryAfter = new RetryAfter()
  /** Undefined in an exempt level. */
  readonly queues: Queues | undefined
  /** The requests that execute in an exempt level. */
  exempted = 0
  /** Whether the configuration has gone, so that the level ends when its requests have. */
  quiescing = false
  #object: LevelObject
  #limits: Limits = { nominal: 0, min: 0, max: 0 }
  #demand: Demand = { highest: 0, smoothed: 0 }
  readonly #period: Integrator

  constructor(object: LevelObject, now: number) {
    this.name = object.metadata.name ?? ''
    this.#object = object
    this.#period = new Integrator(now)
    if (object.spec.type !== 'Exempt') this.queues = new Queues(queuingOf(object), 0, now)
  }

  get object(): LevelObject {
    return this.#object
  }

  get limits(): Limits {
    return this.#limits
  }

  get isIdle(): boolean {
    return !this.exempted && (this.queues?.isIdle ?? true)
  }

  /** Takes a new configuration. An exempt level stays exempt, by validation. */
  configure(object: LevelObject): void {
    this.#object = object
    this.quiescing = false
    this.queues?.configure(queuingOf(object))
  }

  /** Begins with new shares. */
  limit(limits: Limits, now: number): void {
    if (limits.nominal === this.#limits.nominal && limits.min === this.#limits.min && limits.max === this.#limits.max)
      return
    this.#limits = limits
    this.queues?.resize(limits.nominal, now)
  }

  /** Notes how many seats are in use and asked for. */
  noteDemand(now: number): void {
    this.#period.set(this.queues?.demand ?? this.exempted, now)
  }

  /** What the level brings to the next division of seats. Begins a new period. */
  claim(now: number): Claim {
    this.#demand = nextDemand(this.#demand, this.#period.next(now))
    return { ...this.#limits, ...this.#demand, exempt: !this.queues }
  }
}

function queuingOf({ spec }: LevelObject): Queuing | undefined {
  const { type, queuing } = spec.limited?.limitResponse ?? {}
  if (type !== 'Queue') return undefined
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = queuing ?? {}
  return { queues, handSize, queueLengthLimit }
}

/** The mean, the deviation and the maximum of a number over the time in which it had its values. */
class Integrator {
  #value = 0
  #since: number
  #begun: number
  #sum = 0
  #squares = 0
  #most = 0

  constructor(now: number) {
    this.#since = this.#begun = now
  }

  set(value: number, now: number): void {
    const ms = now - this.#since
    this.#sum += this.#value * ms
    this.#squares += this.#value * this.#value * ms
    this.#since = now
    this.#value = value
    if (value > this.#most) this.#most = value
  }

  /** The figures of the period that ends now. */
  next(now: number): { mean: number; deviation: number; most: number } {
    this.set(this.#value, now)
    const ms = now - this.#begun
    const mean = ms ? this.#sum / ms : this.#value
    const deviation = ms ? Math.sqrt(Math.max(0, this.#squares / ms - mean * mean)) : 0
    const most = this.#most
    this.#begun = now
    this.#sum = this.#squares = 0
    this.#most = this.#value
    return { mean, deviation, most }
  }
}
