// An event: something worth telling happened to an object. Kept for an hour.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct, time } from '../../api/schema/build.ts'
import { pathSegmentErrors } from '../../api/names.ts'
import { validateEvent } from './event-rules.ts'
import { ObjectReference } from './reference.ts'
import { age } from '../../api/table.ts'

export const EventSource = struct('core.v1.EventSource', 'Component that reported an event.', {
  component: string({ proto: 1, doc: 'Name of the component, such as kubelet.' }),
  host: string({ proto: 2, doc: 'Name of the node where the component runs.' }),
})
export type EventSource = Of<typeof EventSource>

export const EventSeries = struct('core.v1.EventSeries', 'Series of repetitions of the same event.', {
  count: int32({ proto: 1, doc: 'Number of times the event has occurred in the series.' }),
  lastObservedTime: microTime({ proto: 2, always: true, doc: 'Time when the event last occurred.' }),
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
  doc: 'Event reports a change or a problem of an object in the cluster, for people to read. Events are deleted after one hour.',
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
    involvedObject: ObjectReference.value({ proto: 2, doc: 'Object that the event is about.' }),
    reason: string({ proto: 3, doc: 'Machine-readable reason in CamelCase for the event, such as FailedScheduling.' }),
    message: string({ proto: 4, doc: 'Human-readable description of what happened.' }),
    source: EventSource.value({
      proto: 5,
      doc: 'Component that reported the event. Older counterpart of reportingComponent.',
    }),
    firstTimestamp: time({
      proto: 6,
      always: true,
      doc: 'Time when the event first occurred. Older counterpart of eventTime.',
    }),
    lastTimestamp: time({
      proto: 7,
      always: true,
      doc: 'Time when the event last occurred. Older counterpart of series.lastObservedTime.',
    }),
    count: int32({ proto: 8, doc: 'Number of times the event has occurred. Older counterpart of series.count.' }),
    type: string({ proto: 9, doc: 'Type of the event: Normal or Warning.' }),
    eventTime: microTime({ proto: 10, always: true, doc: 'Time when the event first occurred.' }),
    series: EventSeries.field({ proto: 11, doc: 'Repetitions of the event. Not set if it occurred only once.' }),
    action: string({ proto: 12, doc: 'Action that was taken or that failed, such as Binding.' }),
    related: ObjectReference.field({
      proto: 13,
      doc: 'Second object that is involved in the event, for more complex actions.',
    }),
    reportingComponent: string({
      proto: 14,
      always: true,
      doc: 'Name of the component that reported the event, such as kubernetes.io/kubelet.',
    }),
    reportingInstance: string({
      proto: 15,
      always: true,
      doc: 'Name of the instance of the component, such as the name of its node or pod.',
    }),
  },
})
export type Event = Of<typeof Event>
