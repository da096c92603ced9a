// The state that attempts share: the parts of the scheduler on which every attempt acts, the node at which the next
// search begins, and the number of bindings under way.
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

/** The parts that are not needed for a decision itself. */
export interface Outside {
  extenders: readonly Extender[]
  waiting: WaitingRoom
  reporter: Reporter
}

/** The parts of the scheduler that an attempt uses. */
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
  /** Is called when a pod is taken off the node on which it was assumed. */
  released(pod: PodInfo, node: string): void
}

export class Attempts {
  readonly parts: Parts
  /** The place in the list of nodes at which the next search begins, so that all nodes have their turn. */
  #start = 0
  #binding = 0

  constructor(parts: Parts) {
    this.parts = parts
  }

  /** The number of bindings under way. */
  get binding(): number {
    return this.#binding
  }

  /** Counts a binding as under way until it has been written or has failed. */
  async bindingOf<T>(binding: Promise<T>): Promise<T> {
    this.#binding++
    try {
      return await binding
    } finally {
      this.#binding--
    }
  }

  /** The options of a decision by this profile. */
  decideOptions(profile: Profile): DecideOptions {
    const { snapshot, random, nominations } = this.parts
    return { profile, snapshot, random, nominations, start: this.#start }
  }

  /** Finds nodes. The next search begins after the last node that was asked. */
  find(pod: PodInfo, options: DecideOptions): Found {
    const found = findNodes(pod, options)
    this.#start = found.total ? (this.#start + found.looked) % found.total : 0
    return found
  }

  /** Reports the result and the duration of an attempt. */
  ended(result: Result, profile: Profile, ms: number): void {
    const labels = { result, profile: profile.schedulerName }
    scheduleAttempts.add(labels)
    attemptSeconds.observe(ms / 1000, labels)
    this.parts.onAttempt?.(result, ms)
  }
}
