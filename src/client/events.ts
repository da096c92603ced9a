// Events: how a component says what it did to an object. Repeats are counted on the event that is already there
// instead of written anew, and a component that talks too much about one object is held back.
// Source: client-go tools/record (event.go, events_cache.go).
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { KubeObject } from '../api/kind.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
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
/** This many different messages of one reason within the window are combined into one event. */
const maxSimilar = 10
const similarWindowMs = 600_000

type About = DeepReadonly<KubeObject> | (DeepReadonly<ObjectReference> & { readonly metadata?: undefined })

interface Remembered {
  name: string
  namespace: string
  count: number
}
interface Similar {
  messages: Set<string>
  since: number
}
interface Bucket {
  tokens: number
  at: number
}

export class EventRecorder {
  readonly #client: Client
  readonly #clock: Clock
  readonly #log: Log
  readonly #source: { component: string; host?: string }
  readonly #remembered = new Map<string, Remembered>()
  readonly #similar = new Map<string, Similar>()
  readonly #buckets = new Map<string, Bucket>()
  readonly #tails: Promise<void>[] = Array.from({ length: lanes }, () => Promise.resolve())
  #waiting = 0
  #sequence = 0

  constructor(client: Client, source: { component: string; host?: string }) {
    this.#client = client
    this.#clock = client.clock
    this.#log = client.log
    this.#source = source
  }

  /** Tells; never fails and never waits. */
  event(object: About, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const about = referenceTo(object)
    const target = `${about.kind}/${about.namespace ?? ''}/${about.name}/${about.uid ?? ''}`
    if (!this.#mayTell(target)) return
    if (this.#waiting >= maxWaiting) {
      this.#log.warn('too many events waiting, one dropped', { reason, message })
      return
    }
    const text = this.#combined(`${target}/${type}/${reason}`, message)
    this.#waiting++
    const lane = laneOf(target)
    this.#tails[lane] = this.#tails[lane]!.then(() => this.#write(about, target, type, reason, text))
      .catch((error: unknown) => this.#log.warn('event not written', { reason, why: messageOf(error) }))
      .finally(() => void this.#waiting--)
  }

  /** Resolves when everything told so far has been written. */
  async flushed(): Promise<void> {
    await Promise.all(this.#tails)
  }

  #mayTell(target: string): boolean {
    const now = this.#clock.now()
    const bucket = this.#buckets.get(target) ?? { tokens: burst, at: now }
    const refilled = Math.floor((now - bucket.at) / refillMs)
    if (refilled > 0) {
      bucket.tokens = Math.min(burst, bucket.tokens + refilled)
      bucket.at = now
    }
    keep(this.#buckets, target, bucket)
    if (bucket.tokens === 0) return false
    bucket.tokens--
    return true
  }

  #combined(group: string, message: string): string {
    const now = this.#clock.now()
    let similar = this.#similar.get(group)
    if (!similar || now - similar.since > similarWindowMs) similar = { messages: new Set(), since: now }
    if (similar.messages.size < maxSimilar) similar.messages.add(message)
    keep(this.#similar, group, similar)
    return similar.messages.size < maxSimilar || similar.messages.has(message)
      ? message
      : `(combined from similar events): ${message}`
  }

  async #write(about: ObjectReference, target: string, type: string, reason: string, message: string): Promise<void> {
    const key = `${target}/${type}/${reason}/${message}`
    const now = timeText(this.#clock.now())
    const known = this.#remembered.get(key)
    if (known) {
      known.count++
      try {
        await this.#client.patch(Event, known, 'merge', { count: known.count, lastTimestamp: now })
        return
      } catch (error) {
        // It has been deleted after its hour: tell it anew.
        if (!isReason(error, 'NotFound')) throw error
      }
    }
    const namespace = about.namespace || 'default'
    const stamp = BigInt(this.#clock.now()) * 1_000_000n + BigInt(this.#sequence++ % 1_000_000)
    const name = `${about.name}.${stamp.toString(16)}`
    keep(this.#remembered, key, { name, namespace, count: 1 })
    await this.#client.create(Event, {
      metadata: { name, namespace },
      involvedObject: about,
      type,
      reason,
      message,
      source: this.#source,
      reportingComponent: this.#source.component,
      reportingInstance: this.#source.host ?? '',
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    })
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
  const { kind, apiVersion, metadata } = object as DeepReadonly<KubeObject>
  return {
    kind,
    apiVersion,
    name: metadata.name ?? '',
    ...(metadata.namespace && { namespace: metadata.namespace }),
    ...(metadata.uid && { uid: metadata.uid }),
    ...(metadata.resourceVersion && { resourceVersion: metadata.resourceVersion }),
  }
}
