// EventRateLimit: no more events are written than limits allow: in all, of a namespace, of a user, or of one source about
// one object. It is off unless somebody enables it, and then needs a configuration.
// Source: plugin/pkg/admission/eventratelimit. Unlike upstream, events of events.k8s.io count too, which otherwise would
// be a way around the limits.
import type { Clock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import type { Event } from '../../kinds/core/event.ts'
import type { AdmissionPlugin } from './chain.ts'
import type { AdmissionRequest } from './request.ts'

export const limitTypes = ['Server', 'Namespace', 'User', 'SourceAndObject'] as const

export interface EventLimit {
  type: (typeof limitTypes)[number]
  /** Events per second in the long run. */
  qps: number
  /** Events at once. */
  burst: number
  /** How many namespaces, users, or sources and objects are kept apart. The one unused longest is forgotten first. */
  cacheSize: number
}

export function eventRateLimit(clock: Clock, limits: readonly EventLimit[]): AdmissionPlugin {
  const limiters = limits.map(limit => new Limiter(clock, limit))
  return {
    name: 'EventRateLimit',
    validate(request) {
      const { type, operation } = request
      if ((type !== 'CREATE' && type !== 'UPDATE') || operation.subresource) return
      const { kind } = operation
      if (kind.plural !== 'events' || !['', 'events.k8s.io'].includes(kind.group)) return
      // Each limit counts the event, also when another one refuses it. The last refusal is the answer.
      const refused = limiters.map(limiter => limiter.refusal(request)).filter(text => text !== undefined)
      if (refused.length) throw new StatusError('TooManyRequests', refused.at(-1)!)
    },
  }
}

const keys: Readonly<Record<EventLimit['type'], (request: AdmissionRequest) => string>> = {
  Server: () => '',
  Namespace: ({ operation }) => operation.namespace,
  User: ({ operation }) => operation.user.name,
  SourceAndObject: ({ object }) => {
    // Events of both groups are stored in one form, in which they reach admission.
    const { source, involvedObject: of } = object as Event
    return [source?.component, source?.host, of?.kind, of?.namespace, of?.name, of?.uid, of?.apiVersion].join('')
  },
}

/** Token buckets, one for each key. */
class Limiter {
  readonly #clock: Clock
  readonly #limit: EventLimit
  /** In the order of their last use. */
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor(clock: Clock, limit: EventLimit) {
    this.#clock = clock
    this.#limit = limit
  }

  /** Takes a token. Returns why there is none. */
  refusal(request: AdmissionRequest): string | undefined {
    const { type, qps, burst, cacheSize } = this.#limit
    const key = keys[type](request)
    const now = this.#clock.steady()
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: now }
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.atMs) * qps) / 1000)
    const isThere = tokens >= 1
    this.#buckets.delete(key)
    this.#buckets.set(key, { tokens: isThere ? tokens - 1 : tokens, atMs: now })
    if (this.#buckets.size > cacheSize) this.#buckets.delete(this.#buckets.keys().next().value!)
    return isThere ? undefined : `Too many requests: limit reached on type ${type} for key ${key}`
  }
}
