// An event: something worth telling happened to an object. Kept for an hour.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct, time } from '../../api/schema/build.ts'
import { pathSegmentErrors } from '../../api/names.ts'
import { validateEvent } from './event-rules.ts'
import { ObjectReference } from './reference.ts'
import { age } from '../../api/table.ts'

export const EventSource = struct('core.v1.EventSource', 'Who reported an event.', {
  component: string({ proto: 1, doc: 'Program that reported it.' }),
  host: string({ proto: 2, doc: 'Node the program runs on.' }),
})
export type EventSource = Of<typeof EventSource>

export const EventSeries = struct('core.v1.EventSeries', 'How often an event came again.', {
  count: int32({ proto: 1, doc: 'How many times it happened.' }),
  lastObservedTime: microTime({ proto: 2, always: true, doc: 'When it last happened.' }),
})
export type EventSeries = Of<typeof EventSeries>

export const Event = defineKind({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  createOnUpdate: true,
  shortNames: ['ev'],
  doc: 'An event: something worth telling happened to an object. Kept for an hour.',
  explicit: true,
  validateName: pathSegmentErrors,
  finalizers: 'any',
  validate: validateEvent,
  selectable: {
    'involvedObject.kind': e => e.involvedObject.kind ?? '',
    'involvedObject.namespace': e => e.involvedObject.namespace ?? '',
    'involvedObject.name': e => e.involvedObject.name ?? '',
    'involvedObject.uid': e => e.involvedObject.uid ?? '',
    'involvedObject.apiVersion': e => e.involvedObject.apiVersion ?? '',
    'involvedObject.resourceVersion': e => e.involvedObject.resourceVersion ?? '',
    'involvedObject.fieldPath': e => e.involvedObject.fieldPath ?? '',
    reason: e => e.reason ?? '',
    reportingComponent: e => e.reportingComponent || e.source.component || '',
    source: e => e.source.component || e.reportingComponent || '',
    type: e => e.type ?? '',
  },
  columns: [
    {
      name: 'Last Seen',
      type: 'string',
      value: (o, now) => age(o.series?.lastObservedTime ?? o.lastTimestamp ?? o.eventTime ?? o.firstTimestamp, now),
    },
    { name: 'Type', type: 'string', value: o => o.type ?? '' },
    { name: 'Reason', type: 'string', value: o => o.reason ?? '' },
    {
      name: 'Object',
      type: 'string',
      value: ({ involvedObject: { kind = '', name } }) => (name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase()),
    },
    { name: 'Subobject', type: 'string', value: o => o.involvedObject.fieldPath ?? '', wide: true },
    {
      name: 'Source',
      type: 'string',
      value: o =>
        [o.source.component || o.reportingComponent, o.source.host || o.reportingInstance].filter(Boolean).join(', '),
      wide: true,
    },
    { name: 'Message', type: 'string', value: o => (o.message ?? '').trim() },
    { name: 'First Seen', type: 'string', value: (o, now) => age(o.firstTimestamp ?? o.eventTime, now), wide: true },
    { name: 'Count', type: 'string', value: o => o.series?.count ?? (o.count || 1), wide: true },
    { name: 'Name', type: 'string', value: '.metadata.name', wide: true },
  ],
  fields: {
    involvedObject: ObjectReference.value({ proto: 2, doc: 'Object the event is about.' }),
    reason: string({ proto: 3, doc: 'One CamelCase word why.' }),
    message: string({ proto: 4, doc: 'The same for people.' }),
    source: EventSource.value({ proto: 5, doc: 'Who reported it; the old form.' }),
    firstTimestamp: time({ proto: 6, always: true, doc: 'When it first happened; the old form.' }),
    lastTimestamp: time({ proto: 7, always: true, doc: 'When it last happened; the old form.' }),
    count: int32({ proto: 8, doc: 'How many times it happened; the old form.' }),
    type: string({ proto: 9, doc: 'Normal or Warning.' }),
    eventTime: microTime({ proto: 10, always: true, doc: 'When it first happened.' }),
    series: EventSeries.field({ proto: 11, doc: 'How often it came again.' }),
    action: string({ proto: 12, doc: 'What was done.' }),
    related: ObjectReference.field({ proto: 13, doc: 'A second object that had a part in it.' }),
    reportingComponent: string({ proto: 14, always: true, doc: 'Program that reported it.' }),
    reportingInstance: string({ proto: 15, always: true, doc: 'Which instance of the program.' }),
  },
})
export type Event = Of<typeof Event>
