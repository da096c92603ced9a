// An event in the newer API group; stored as the core kind is.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct, time } from '../../api/schema/build.ts'
import { EventSource } from '../core/event.ts'
import { ObjectReference } from '../core/reference.ts'

export const EventSeries = struct('events.v1.EventSeries', '', {
  count: int32({ proto: 1, always: true }),
  lastObservedTime: microTime({ proto: 2, always: true }),
})
export type EventSeries = Of<typeof EventSeries>

export const Event = defineKind({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  shortNames: ['ev'],
  doc: 'An event in the newer API group; stored as the core kind is.',
  fields: {
    eventTime: microTime({ proto: 2, always: true }),
    series: EventSeries.field({ proto: 3 }),
    reportingController: string({ proto: 4 }),
    reportingInstance: string({ proto: 5 }),
    action: string({ proto: 6 }),
    reason: string({ proto: 7, doc: 'One CamelCase word why.' }),
    regarding: ObjectReference.value({ proto: 8 }),
    related: ObjectReference.field({ proto: 9 }),
    note: string({ proto: 10 }),
    type: string({ proto: 11 }),
    deprecatedSource: EventSource.value({ proto: 12 }),
    deprecatedFirstTimestamp: time({ proto: 13, always: true }),
    deprecatedLastTimestamp: time({ proto: 14, always: true }),
    deprecatedCount: int32({ proto: 15 }),
  },
})
export type Event = Of<typeof Event>
