// An event in the newer API group; stored as the core kind is.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct, time } from '../../api/schema/build.ts'
import { eventView } from './conversion.ts'
import { EventSource } from '../core/event.ts'
import { ObjectReference } from '../core/reference.ts'

export const EventSeries = struct('events.v1.EventSeries', 'How often an event came again.', {
  count: int32({ proto: 1, always: true, doc: 'How many times it happened.' }),
  lastObservedTime: microTime({ proto: 2, always: true, doc: 'When it last happened.' }),
})
export type EventSeries = Of<typeof EventSeries>

export const Event = defineKind({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  createOnUpdate: true,
  shortNames: ['ev'],
  doc: 'An event in the newer API group; stored as the core kind is.',
  view: eventView,
  fields: {
    eventTime: microTime({ proto: 2, always: true, doc: 'When it first happened.' }),
    series: EventSeries.field({ proto: 3, doc: 'How often it came again.' }),
    reportingController: string({ proto: 4, doc: 'Program that reported it.' }),
    reportingInstance: string({ proto: 5, doc: 'Which instance of the program.' }),
    action: string({ proto: 6, doc: 'What was done.' }),
    reason: string({ proto: 7, doc: 'One CamelCase word why.' }),
    regarding: ObjectReference.value({ proto: 8, doc: 'Object the event is about.' }),
    related: ObjectReference.field({ proto: 9, doc: 'A second object that had a part in it.' }),
    note: string({ proto: 10, doc: 'What happened, for people.' }),
    type: string({ proto: 11, doc: 'Normal or Warning.' }),
    deprecatedSource: EventSource.value({ proto: 12, doc: 'Who reported it; the old form.' }),
    deprecatedFirstTimestamp: time({ proto: 13, always: true, doc: 'When it first happened; the old form.' }),
    deprecatedLastTimestamp: time({ proto: 14, always: true, doc: 'When it last happened; the old form.' }),
    deprecatedCount: int32({ proto: 15, doc: 'How many times it happened; the old form.' }),
  },
})
export type Event = Of<typeof Event>
