// Metrics that somebody else serves: of objects of the cluster (custom.metrics.k8s.io) and of things outside of it
// (external.metrics.k8s.io). Paths name the metric, so there is a kind for each asked for.
// Source: k8s.io/metrics/pkg/apis/{custom_metrics/v1beta2,external_metrics/v1beta1}.
import { defineKind, type ObjectOf, type Of } from '../../api/kind.ts'
import { int64, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { ObjectReference } from '../core/reference.ts'
import { MetricIdentifier } from '../autoscaling/autoscalerspec.ts'

export const MetricValue = struct('custom_metrics.v1beta2.MetricValue', 'Value of a metric that describes an object.', {
  describedObject: ObjectReference.value({ proto: 1, doc: 'Object that the metric describes.' }),
  metric: MetricIdentifier.value({ proto: 2, doc: 'Name and selector of the metric.' }),
  timestamp: time({ proto: 3, always: true, doc: 'Time when the metric was measured.' }),
  windowSeconds: int64({
    proto: 4,
    optional: true,
    doc: 'Length of the measurement window in seconds. Unset or 0 if the value is instantaneous.',
  }),
  value: quantity({ proto: 5, always: true, doc: 'Value of the metric for the object.' }),
})
export type MetricValue = Of<typeof MetricValue>

/** Both versions are the same in what is read of them. Adapters serve one or the other. */
export type CustomMetricsVersion = 'v1beta1' | 'v1beta2'

const custom = {
  group: 'custom.metrics.k8s.io',
  kind: 'MetricValueList',
  verbs: ['get'],
  doc: 'MetricValueList is a list of values of a metric for some objects.',
  fields: { items: list(MetricValue, { proto: 2, always: true, doc: 'Values of the metric, one for each object.' }) },
} as const

/** The kind behind `/apis/custom.metrics.k8s.io/v1beta2/namespaces/NS/RESOURCE/NAME/METRIC`; the metric is the subresource. */
export const customMetricKind = (resource: string, version: CustomMetricsVersion = 'v1beta2') =>
  defineKind({ ...custom, version, plural: resource, scope: 'Namespaced' })
export type MetricValueList = ObjectOf<ReturnType<typeof customMetricKind>>

/** The kind behind `/apis/external.metrics.k8s.io/v1beta1/namespaces/NS/METRIC`, a list of values. */
export const externalMetricKind = (metric: string) =>
  defineKind({
    group: 'external.metrics.k8s.io',
    version: 'v1beta1',
    kind: 'ExternalMetricValue',
    plural: metric,
    scope: 'Namespaced',
    verbs: ['list'],
    doc: 'ExternalMetricValue is a value of a metric that is not related to any object in the cluster.',
    fields: {
      metricName: string({ proto: 1, always: true, doc: 'Name of the metric.' }),
      metricLabels: map(string({}), { proto: 2, always: true, doc: 'Labels that identify the metric’s time series.' }),
      timestamp: time({ proto: 3, always: true, doc: 'Time when the metric was measured.' }),
      window: int64({
        proto: 4,
        optional: true,
        doc: 'Length of the measurement window in seconds. Unset or 0 if the value is instantaneous.',
      }),
      value: quantity({ proto: 5, always: true, doc: 'Value of the metric.' }),
    },
  })
export type ExternalMetricValue = ObjectOf<ReturnType<typeof externalMetricKind>>
