// An event in the newer API group; stored as the core kind is.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct, time } from '../../api/schema/build.ts'
import { eventView } from './conversion.ts'
import { EventSource } from '../core/event.ts'
import { ObjectReference } from '../core/reference.ts'

export const EventSeries = struct('events.v1.EventSeries', 'Series of repetitions of the same event.', {
  count: int32({ proto: 1, always: true, doc: 'Number of times the event has occurred in the series.' }),
  lastObservedTime: microTime({ proto: 2, always: true, doc: 'Time when the event last occurred.' }),
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
  doc: 'Event reports a change or a problem of an object in the cluster, for people to read. Events are deleted after one hour.',
  view: eventView,
  fields: {
    eventTime: microTime({ proto: 2, always: true, doc: 'Time when the event first occurred.' }),
    series: EventSeries.field({ proto: 3, doc: 'Repetitions of the event. Not set if it occurred only once.' }),
    reportingController: string({
      proto: 4,
      doc: 'Name of the controller that reported the event, such as kubernetes.io/kubelet. Required for new events.',
    }),
    reportingInstance: string({
      proto: 5,
      doc: 'Name of the instance of the controller, such as kubelet-xyz. At most 128 characters. Required for new events.',
    }),
    action: string({
      proto: 6,
      doc: 'Action that was taken or that failed, such as Binding. At most 128 characters. Required for new events.',
    }),
    reason: string({
      proto: 7,
      doc: 'Machine-readable reason in CamelCase for the action, such as FailedScheduling. At most 128 characters. Required for new events.',
    }),
    regarding: ObjectReference.value({ proto: 8, doc: 'Object that the event is about.' }),
    related: ObjectReference.field({
      proto: 9,
      doc: 'Second object that is involved in the event, for more complex actions.',
    }),
    note: string({ proto: 10, doc: 'Human-readable description of what happened. At most 1024 characters.' }),
    type: string({ proto: 11, doc: 'Type of the event: Normal or Warning.' }),
    deprecatedSource: EventSource.value({
      proto: 12,
      doc: 'Deprecated: counterpart of source in the core version of the kind.',
    }),
    deprecatedFirstTimestamp: time({
      proto: 13,
      always: true,
      doc: 'Deprecated: counterpart of firstTimestamp in the core version of the kind.',
    }),
    deprecatedLastTimestamp: time({
      proto: 14,
      always: true,
      doc: 'Deprecated: counterpart of lastTimestamp in the core version of the kind.',
    }),
    deprecatedCount: int32({ proto: 15, doc: 'Deprecated: counterpart of count in the core version of the kind.' }),
  },
})
export type Event = Of<typeof Event>
