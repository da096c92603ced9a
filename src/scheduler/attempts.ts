// What outlives a single attempt: the parts of the scheduler that every attempt acts on, the node at which the next
// search begins, and how many bindings are being written.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { type DecideOptions, findNodes, type Found } from './decide.ts'
import type { Decisions } from './decisions.ts'
import type { Extender } from './extender.ts'
import type { PodInfo } from './info.ts'
import { attemptSeconds, scheduleAttempts } from './metrics.ts'
import type { Nominations } from './nominations.ts'
import type { Profile } from './profile.ts'
import type { SchedulingQueue } from './queue.ts'
import type { Reporter } from './reporter.ts'
import type { Snapshot } from './snapshot.ts'
import type { WaitingRoom } from './waiting.ts'

export type Result = 'scheduled' | 'unschedulable' | 'error'

/** What lies outside the decision. */
export interface Outside {
  extenders: readonly Extender[]
  waiting: WaitingRoom
  reporter: Reporter
}

/** The parts of the scheduler, as one attempt uses them. */
export interface Parts extends Outside {
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  snapshot: Snapshot
  queue: SchedulingQueue
  nominations: Nominations
  decisions: Decisions
  onAttempt?: (result: Result, ms: number) => void
  /** The pod gives up the node it was given. */
  released(pod: PodInfo, node: string): void
}

export class Attempts {
  readonly parts: Parts
  /** Where in the snapshot the next search begins, so that every node is looked at in turn. */
  #start = 0
  #binding = 0

  constructor(parts: Parts) {
    this.parts = parts
  }

  /** How many bindings are being written. */
  get binding(): number {
    return this.#binding
  }

  /** Counts a binding until it is written or has failed. */
  async bindingOf<T>(binding: Promise<T>): Promise<T> {
    this.#binding++
    try {
      return await binding
    } finally {
      this.#binding--
    }
  }

  /** What a decision by this profile is made on. */
  decideOptions(profile: Profile): DecideOptions {
    const { snapshot, random, nominations } = this.parts
    return { profile, snapshot, random, nominations, start: this.#start }
  }

  /** Looks for nodes, and lets the next search begin after the last one that was asked. */
  find(pod: PodInfo, options: DecideOptions): Found {
    const found = findNodes(pod, options)
    this.#start = found.total ? (this.#start + found.looked) % found.total : 0
    return found
  }

  /** Reports how an attempt ended, and how long it took. */
  ended(result: Result, profile: Profile, ms: number): void {
    const labels = { result, profile: profile.schedulerName }
    scheduleAttempts.add(labels)
    attemptSeconds.observe(ms / 1000, labels)
    this.parts.onAttempt?.(result, ms)
  }
}
