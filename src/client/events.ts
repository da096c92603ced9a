// Events: how a component says what it did to an object. Repeats raise the count of the event that is there, many
// different messages of one reason become one event, and a component that talks too much about one object is held back.
// Source: client-go tools/record (event.go, events_cache.go).
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { KubeObject } from '../api/kind.ts'
import { timeText } from '../api/time.ts'
import { Event } from '../kinds/core/event.ts'
import type { ObjectReference } from '../kinds/core/reference.ts'
import type { Client } from './client.ts'

/** Different events remembered for counting. */
const maxRemembered = 4096
/** Events waiting to be written; more are dropped and counted in the log. */
const maxWaiting = 10_000
/** Events written at once; those of one object keep their order. */
const lanes = 8
/** One object may have this many events at once, and then one more per refill. */
const burst = 25
const refillMs = 300_000
/** This many different messages of one reason, each within the window of the one before, are combined into one event. */
const maxSimilar = 10
const maxMessageLength = 1024
const similarWindowMs = 600_000

type About = KubeObject | (ObjectReference & { readonly metadata?: undefined })

/** What was observed of an event before: the next of its kind only raises its count. */
interface Observed {
  name: string
  namespace: string
  firstTimestamp: string
  count: number
}
/** Messages of one reason about one object. */
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
  /** What it is counted by. */
  key: string
  type: string
  reason: string
  message: string
  at: string
}
interface Write extends Note {
  /** As it is with this event. */
  observed: Readonly<Observed>
}

/** When an event's name was last made, by the clock it is made from: names of one moment must differ. */
const lastNanos = new WeakMap<Clock, bigint>()

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

  /** Records an event; never fails and never waits. */
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
    // Those that are held back count, too.
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

  /** Resolves when everything recorded so far has been written. */
  async flushed(): Promise<void> {
    await Promise.all(this.#tails)
  }

  #hasToken(target: string): boolean {
    const now = this.#clock.now()
    const bucket = this.#buckets.get(target) ?? { tokens: burst, at: now }
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillMs)
    bucket.at = now
    keep(this.#buckets, target, bucket)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  /** From the tenth message on all of a group are one event, which says the newest of them. */
  #combined(group: string, note: Note): Note {
    const now = this.#clock.now()
    let similar = this.#similar.get(group)
    if (!similar || now - similar.lastAt > similarWindowMs) similar = { messages: new Set(), lastAt: now }
    similar.lastAt = now
    similar.messages.add(note.message)
    keep(this.#similar, group, similar)
    if (similar.messages.size < maxSimilar) return note
    // Any one but the newest: the set grows no further.
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
        // It has been deleted after its hour, or was held back so far: it is made, with what it has counted.
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

  /** In the order of what happened, also within one millisecond and across components. */
  #nanos(): bigint {
    const now = BigInt(Math.trunc(this.#clock.now())) * 1_000_000n
    const last = lastNanos.get(this.#clock) ?? 0n
    const next = now > last ? now : last + 1n
    lastNanos.set(this.#clock, next)
    return next
  }

  #failed({ reason }: Note, error: unknown): void {
    const fields = { reason, why: messageOf(error) }
    // Nothing can be made in a namespace that is going away: everyday.
    if (isReason(error, 'Forbidden', 'NotFound')) this.#log.debug('event not written', fields)
    else this.#log.warn('event not written', fields)
  }
}

function laneOf(target: string): number {
  let sum = 0
  for (let i = 0; i < target.length; i++) sum = (sum * 31 + target.charCodeAt(i)) >>> 0
  return sum % lanes
}

/** The newest stay when there are too many. */
function keep<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > maxRemembered) map.delete(map.keys().next().value!)
}

/** How other objects name this one. */
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
