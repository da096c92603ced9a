// Events: how a component reports what it did to an object. A repeated event raises the count of the one that exists,
// many different messages with one reason become one event, and the rate of events about one object is limited.
// Source: client-go tools/record (event.go, events_cache.go).
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { KubeObject } from '../api/kind.ts'
import { timeText } from '../api/time.ts'
import { Event } from '../kinds/core/event.ts'
import type { ObjectReference } from '../kinds/core/reference.ts'
import type { Client } from './client.ts'

/** Limit of events that are remembered for counting; the oldest are forgotten first. */
const maxRemembered = 4096
/** Limit of events that wait to be written; further ones are dropped, with a line in the log. */
const maxWaiting = 10_000
/** How many events are written at the same time. Those about one object share a lane, so they keep their order. */
const lanes = 8
/** How many events one object may have at once. After that one more is allowed in each `refillMs`. */
const burst = 25
const refillMs = 300_000
/**
 * From this many different messages with one reason on, each within the window of the previous one, they are combined.
 */
const maxSimilar = 10
const maxMessageLength = 1024
const similarWindowMs = 600_000

type About = KubeObject | (ObjectReference & { readonly metadata?: undefined })

/** An event that has been recorded before, whose repetition only raises its count. */
interface Observed {
  name: string
  namespace: string
  firstTimestamp: string
  count: number
}
/** The different messages with one reason about one object. */
interface Similar {
  messages: Set<string>
  lastAt: number
}
interface Bucket {
  tokens: number
  at: number
}
interface Note {
  about: ObjectReference
  /** Equal for events that are counted together. */
  key: string
  type: string
  reason: string
  message: string
  at: string
}
interface Write extends Note {
  /** The count and the name at the time of this event. */
  observed: Readonly<Observed>
}

/** The time in the last name of an event, for each clock: two names of the same moment must differ. */
const lastNanos = new WeakMap<Clock, bigint>()

/**
 * Records events of one component. Recording never waits and never fails: events are written in the background, and one
 * that cannot be written is logged and given up. `flushed` waits for those that were recorded so far.
 */
export class EventRecorder {
  readonly #client: Client
  readonly #clock: Clock
  readonly #log: Log
  readonly #source: { component: string; host?: string }
  readonly #observed = new Map<string, Observed>()
  readonly #similar = new Map<string, Similar>()
  readonly #buckets = new Map<string, Bucket>()
  /** Ends of queues. A Chore would write only the newest state of something; here every event is written. */
  readonly #tails: Promise<void>[] = Array.from({ length: lanes }, () => Promise.resolve())
  #waiting = 0

  constructor(client: Client, source: { component: string; host?: string }) {
    this.#client = client
    this.#clock = client.clock
    this.#log = client.log
    this.#source = source
  }

  /** Records an event about an object. */
  event(object: About, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const about = referenceTo(object)
    const target = `${about.kind}/${about.namespace ?? ''}/${about.name}/${about.uid ?? ''}/${about.apiVersion}`
    const text = message.slice(0, maxMessageLength)
    const note = this.#combined(`${target}/${type}/${reason}`, {
      about,
      key: `${target}/${about.fieldPath ?? ''}/${type}/${reason}/${text}`,
      type,
      reason,
      message: text,
      at: timeText(this.#clock.now()),
    })
    // An event that the limit holds back is counted, and its count is written with the next one.
    const write = { ...note, observed: { ...this.#observe(note) } }
    if (!this.#hasToken(target)) return
    if (this.#waiting >= maxWaiting) {
      this.#log.warn('too many events waiting, one dropped', { reason, message })
      return
    }
    this.#waiting++
    const lane = laneOf(target)
    this.#tails[lane] = this.#tails[lane]!.then(() => this.#write(write))
      .catch((error: unknown) => this.#failed(write, error))
      .finally(() => void this.#waiting--)
  }

  /** Resolves when the events recorded so far have been written or given up. */
  async flushed(): Promise<void> {
    await Promise.all(this.#tails)
  }

  #hasToken(target: string): boolean {
    const now = this.#clock.steady()
    const bucket = this.#buckets.get(target) ?? { tokens: burst, at: now }
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillMs)
    bucket.at = now
    keep(this.#buckets, target, bucket)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  /** Replaces a note by that of its group from the tenth message on. The event of a group has its newest message. */
  #combined(group: string, note: Note): Note {
    const now = this.#clock.steady()
    let similar = this.#similar.get(group)
    if (!similar || now - similar.lastAt > similarWindowMs) similar = { messages: new Set(), lastAt: now }
    similar.lastAt = now
    similar.messages.add(note.message)
    keep(this.#similar, group, similar)
    if (similar.messages.size < maxSimilar) return note
    // The oldest message makes room, so the set stays at its limit.
    similar.messages.delete(similar.messages.values().next().value!)
    return { ...note, key: group, message: `(combined from similar events): ${note.message}` }
  }

  #observe({ about, key, at }: Note): Observed {
    const before = this.#observed.get(key)
    const observed = before ?? {
      name: `${about.name}.${this.#nanos().toString(16)}`,
      namespace: about.namespace || 'default',
      firstTimestamp: at,
      count: 0,
    }
    observed.count++
    keep(this.#observed, key, observed)
    return observed
  }

  async #write({ about, type, reason, message, at, observed }: Write): Promise<void> {
    const { name, namespace, firstTimestamp, count } = observed
    if (count > 1) {
      try {
        await this.#client.patch(Event, observed, 'merge', { count, lastTimestamp: at, message })
        return
      } catch (error) {
        // The event was deleted after an hour, or held back until now. It is created with its present count.
        if (!isReason(error, 'NotFound')) throw error
      }
    }
    await this.#client.create(Event, {
      metadata: { name, namespace },
      involvedObject: about,
      type,
      reason,
      message,
      source: this.#source,
      reportingComponent: this.#source.component,
      reportingInstance: this.#source.host ?? '',
      firstTimestamp,
      lastTimestamp: at,
      count,
    })
  }

  /**
   * The time in nanoseconds, greater than all before it: names of events sort as they happened, also within a
   * millisecond.
   */
  #nanos(): bigint {
    const now = BigInt(Math.trunc(this.#clock.now())) * 1_000_000n
    const last = lastNanos.get(this.#clock) ?? 0n
    const next = now > last ? now : last + 1n
    lastNanos.set(this.#clock, next)
    return next
  }

  #failed({ reason }: Note, error: unknown): void {
    const fields = { reason, why: messageOf(error) }
    // In a terminating namespace nothing can be created, which is normal.
    if (isReason(error, 'Forbidden', 'NotFound')) this.#log.debug('cannot write an event', fields)
    else this.#log.warn('cannot write an event', fields)
  }
}

function laneOf(target: string): number {
  let sum = 0
  for (let i = 0; i < target.length; i++) sum = (sum * 31 + target.charCodeAt(i)) >>> 0
  return sum % lanes
}

/** Sets an entry as the newest one, and drops the oldest when there are too many. */
function keep<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > maxRemembered) map.delete(map.keys().next().value!)
}

/** A reference to an object, as events have it. */
export function referenceTo(object: About): ObjectReference {
  if (!object.metadata) return object as ObjectReference
  const { kind, apiVersion, metadata } = object as KubeObject
  return {
    kind,
    apiVersion,
    name: metadata.name ?? '',
    ...(metadata.namespace && { namespace: metadata.namespace }),
    ...(metadata.uid && { uid: metadata.uid }),
    ...(metadata.resourceVersion && { resourceVersion: metadata.resourceVersion }),
  }
}
