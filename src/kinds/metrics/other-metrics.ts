// Metrics that somebody else serves: of objects of the cluster (custom.metrics.k8s.io) and of things outside of it
// (external.metrics.k8s.io). Paths name the metric, so there is a kind for each asked for.
// Source: k8s.io/metrics/pkg/apis/{custom_metrics/v1beta2,external_metrics/v1beta1}.
import { defineKind, type ObjectOf, type Of } from '../../api/kind.ts'
import { int64, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { ObjectReference } from '../core/reference.ts'
import { MetricIdentifier } from '../autoscaling/horizontalpodautoscaler-v2.ts'

export const MetricValue = struct('custom_metrics.v1beta2.MetricValue', 'The value of a metric of one object.', {
  describedObject: ObjectReference.value({ proto: 1, doc: 'The object.' }),
  metric: MetricIdentifier.value({ proto: 2, doc: 'The metric.' }),
  timestamp: time({ proto: 3, always: true, doc: 'When it was measured.' }),
  windowSeconds: int64({ proto: 4, optional: true, doc: 'How long it was measured for.' }),
  value: quantity({ proto: 5, always: true, doc: 'The value.' }),
})
export type MetricValue = Of<typeof MetricValue>

const custom = {
  group: 'custom.metrics.k8s.io',
  version: 'v1beta2',
  kind: 'MetricValueList',
  verbs: ['get'],
  doc: 'Values of a metric of some objects.',
  fields: { items: list(MetricValue, { proto: 2, always: true, doc: 'The values.' }) },
} as const

/** The kind behind `/apis/custom.metrics.k8s.io/v1beta2/namespaces/NS/RESOURCE/NAME/METRIC`; the metric is the subresource. */
export const customMetricKind = (resource: string) => defineKind({ ...custom, plural: resource, scope: 'Namespaced' })
export type MetricValueList = ObjectOf<ReturnType<typeof customMetricKind>>

export const ExternalMetricValue = struct('external_metrics.v1beta1.ExternalMetricValue', 'The value of a metric.', {
  metricName: string({ proto: 1, always: true, doc: 'Its name.' }),
  metricLabels: map(string({}), { proto: 2, always: true, doc: 'Labels that tell its values apart.' }),
  timestamp: time({ proto: 3, always: true, doc: 'When it was measured.' }),
  window: int64({ proto: 4, optional: true, doc: 'Seconds it was measured for.' }),
  value: quantity({ proto: 5, always: true, doc: 'The value.' }),
})
export type ExternalMetricValue = Of<typeof ExternalMetricValue>

/** The kind behind `/apis/external.metrics.k8s.io/v1beta1/namespaces/NS/METRIC`. */
export const externalMetricKind = (metric: string) =>
  defineKind({
    group: 'external.metrics.k8s.io',
    version: 'v1beta1',
    kind: 'ExternalMetricValueList',
    plural: metric,
    scope: 'Namespaced',
    verbs: ['list'],
    doc: 'Values of a metric.',
    fields: { items: list(ExternalMetricValue, { proto: 2, always: true, doc: 'The values.' }) },
  })
export type ExternalMetricValueList = ObjectOf<ReturnType<typeof externalMetricKind>>
