// Events: short notes on what happened to a pod or node, for `kubectl describe`. The same note again raises its
// count; a storm of different notes about one object is folded into one, and a steady stream is thinned out.
// Source: kubernetes client-go tools/record (events_cache.go).
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { timeText } from '../api/time.ts'
import type { Client } from '../client/index.ts'
import { Event } from '../kinds/core/event.ts'

export interface Involved {
  kind: string
  apiVersion: string
  namespace?: string
  name: string
  uid: string
  resourceVersion?: string
  fieldPath?: string
}

export interface EventRecorder {
  event(about: Involved, type: 'Normal' | 'Warning', reason: string, message: string): void
  /** Resolves when everything recorded so far was sent (or given up). */
  flush(): Promise<void>
}

const maxQueued = 1000
const maxKnown = 4096
/** More notes than this about one object and reason within ten minutes are folded into one. */
const similarBurst = 10
const similarMs = 600_000
/** Notes about one object: 25 at once, then one every five minutes. */
const objectBurst = 25
const objectRefillMs = 300_000
const maxMessageLength = 1024

interface Known {
  name: string
  namespace: string
  count: number
  firstMs: number
}

interface Bucket {
  tokens: number
  atMs: number
}

interface Note {
  about: Involved
  type: string
  reason: string
  message: string
  atMs: number
}

export function makeEventRecorder(o: {
  client: Client
  component: string
  host: string
  clock: Clock
  random: Random
  log: Log
}): EventRecorder {
  const { client, clock, log } = o
  const known = new Map<string, Known>()
  const similar = new Map<string, { messages: Set<string>; sinceMs: number }>()
  const buckets = new Map<string, Bucket>()
  const queue: Note[] = []
  let sending: Promise<void> | undefined
  let lastNanos = 0n

  const send = async (note: Note): Promise<void> => {
    const folded = fold(similar, note)
    const key = JSON.stringify([
      folded.about.kind,
      folded.about.uid,
      folded.about.name,
      folded.about.fieldPath,
      folded.type,
      folded.reason,
      folded.message,
    ])
    if (!take(buckets, `${note.about.kind}/${note.about.uid}`, note.atMs)) return
    const before = known.get(key)
    const stamp = timeText(note.atMs)
    if (before) {
      before.count++
      try {
        await client.patch(Event, before, 'strategic', {
          count: before.count,
          lastTimestamp: stamp,
          message: folded.message,
        })
        return
      } catch (error) {
        // It lived out its hour: begin again.
        if (!isReason(error, 'NotFound')) throw error
        known.delete(key)
      }
    }
    // In the order of what happened, also within one millisecond.
    lastNanos = BigInt(note.atMs) * 1_000_000n > lastNanos ? BigInt(note.atMs) * 1_000_000n : lastNanos + 1n
    const name = `${note.about.name}.${lastNanos.toString(16)}`
    const namespace = note.about.namespace ?? 'default'
    await client.create(Event, {
      metadata: { name, namespace },
      involvedObject: { ...note.about, ...(note.about.kind === 'Node' && { namespace: '' }) },
      type: note.type,
      reason: note.reason,
      message: folded.message,
      source: { component: o.component, host: o.host },
      reportingComponent: o.component,
      reportingInstance: o.host,
      firstTimestamp: stamp,
      lastTimestamp: stamp,
      count: 1,
    })
    bound(known, maxKnown)
    known.set(key, { name, namespace, count: 1, firstMs: note.atMs })
  }
  const drain = async () => {
    for (let note = queue.shift(); note; note = queue.shift()) {
      try {
        await send(note)
      } catch (error) {
        // An event is not worth more than the try: the namespace may be going away.
        log.debug('event not written', { reason: note.reason, why: messageOf(error) })
      }
    }
    sending = undefined
  }
  return {
    event(about, type, reason, message) {
      if (queue.length >= maxQueued) return
      queue.push({ about, type, reason, message: message.slice(0, maxMessageLength), atMs: clock.now() })
      sending ??= Promise.resolve().then(drain)
    },
    async flush() {
      await sending
    },
  }
}

function fold(similar: Map<string, { messages: Set<string>; sinceMs: number }>, note: Note): Note {
  const key = JSON.stringify([note.about.kind, note.about.uid, note.type, note.reason])
  let group = similar.get(key)
  if (!group || note.atMs - group.sinceMs > similarMs) {
    bound(similar, maxKnown)
    similar.set(key, (group = { messages: new Set(), sinceMs: note.atMs }))
  }
  if (group.messages.size < similarBurst) group.messages.add(note.message)
  return group.messages.has(note.message)
    ? note
    : { ...note, message: `(combined from similar events): ${note.message}` }
}

function take(buckets: Map<string, Bucket>, key: string, now: number): boolean {
  let bucket = buckets.get(key)
  if (!bucket) {
    bound(buckets, maxKnown)
    buckets.set(key, (bucket = { tokens: objectBurst, atMs: now }))
  }
  bucket.tokens = Math.min(objectBurst, bucket.tokens + (now - bucket.atMs) / objectRefillMs)
  bucket.atMs = now
  if (bucket.tokens < 1) return false
  bucket.tokens--
  return true
}

// The oldest go first: maps keep the order of insertion.
function bound(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size < limit) return
    map.delete(key)
  }
}
