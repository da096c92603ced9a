// Deletes Events an hour after they were last recorded. In Kubernetes their keys in etcd expire after --event-ttl.
import { parseTime } from '../api/time.ts'
import { Event } from '../kinds/core/event.ts'
import { defineController } from './harness.ts'

const ttlMs = 3_600_000

export const eventTtlController = defineController({
  name: 'event-ttl-controller',
  reconciles: Event,
  async reconcile(event, ctx) {
    const again = lastRecorded(event) + ttlMs - ctx.now()
    if (again > 0) return { again }
    await ctx.delete(Event, event)
  },
})

function lastRecorded({ metadata, ...event }: Event): number {
  const times = [metadata.creationTimestamp, event.lastTimestamp, event.eventTime, event.series?.lastObservedTime]
  return Math.max(...times.map(time => parseTime(time) ?? 0))
}
