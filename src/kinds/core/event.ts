// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct, time } from '../../api/schema/build.ts'
import { ObjectReference } from './reference.ts'

export const EventSource = struct('core.v1.EventSource', '', {
  component: string({ proto: 1 }),
  host: string({ proto: 2 }),
})
export type EventSource = Of<typeof EventSource>

export const EventSeries = struct('core.v1.EventSeries', '', {
  count: int32({ proto: 1 }),
  lastObservedTime: microTime({ proto: 2, always: true }),
})
export type EventSeries = Of<typeof EventSeries>

export const Event = defineKind({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  shortNames: ['ev'],
  doc: '',
  fields: {
    involvedObject: ObjectReference.value({ proto: 2 }),
    reason: string({ proto: 3 }),
    message: string({ proto: 4 }),
    source: EventSource.value({ proto: 5 }),
    firstTimestamp: time({ proto: 6, always: true }),
    lastTimestamp: time({ proto: 7, always: true }),
    count: int32({ proto: 8 }),
    type: string({ proto: 9 }),
    eventTime: microTime({ proto: 10, always: true }),
    series: EventSeries.field({ proto: 11 }),
    action: string({ proto: 12 }),
    related: ObjectReference.field({ proto: 13 }),
    reportingComponent: string({ proto: 14, always: true }),
    reportingInstance: string({ proto: 15, always: true }),
  },
})
export type Event = Of<typeof Event>
