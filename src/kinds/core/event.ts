// An event: something worth telling happened to an object. Kept for an hour.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct, time } from '../../api/schema/build.ts'
import { ObjectReference } from './reference.ts'
import { age } from '../../api/table.ts'

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
  doc: 'An event: something worth telling happened to an object. Kept for an hour.',
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
      value: o => `${(o.involvedObject.kind ?? '').toLowerCase()}/${o.involvedObject.name ?? ''}`,
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
    { name: 'Count', type: 'string', value: o => String(o.series?.count ?? o.count ?? 1), wide: true },
    { name: 'Name', type: 'string', value: '.metadata.name', wide: true },
  ],
  fields: {
    involvedObject: ObjectReference.value({ proto: 2 }),
    reason: string({ proto: 3, doc: 'One CamelCase word why.' }),
    message: string({ proto: 4, doc: 'The same for people.' }),
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
