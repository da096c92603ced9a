// What an autoscaler has last measured and decided: the parts of its status.
import type { Of } from '../../api/kind.ts'
import { int32, int64, list, listByKey, quantity, string, struct, time } from '../../api/schema/build.ts'
import { CrossVersionObjectReference, MetricIdentifier } from './autoscalerspec.ts'

export const MetricValueStatus = struct('autoscaling.v2.MetricValueStatus', 'Current value of a metric.', {
  value: quantity({ proto: 1, optional: true, doc: 'Current value of the metric as a whole.' }),
  averageValue: quantity({ proto: 2, optional: true, doc: 'Current value of the metric, averaged over the pods.' }),
  averageUtilization: int32({
    proto: 3,
    optional: true,
    doc: 'Current utilization, averaged over the pods, as a percentage of the resource that the pods request.',
  }),
})
export type MetricValueStatus = Of<typeof MetricValueStatus>

export const ObjectMetricStatus = struct(
  'autoscaling.v2.ObjectMetricStatus',
  'Current value of a metric that describes a single object.',
  {
    metric: MetricIdentifier.value({ proto: 1, doc: 'Name and selector of the metric.' }),
    current: MetricValueStatus.value({ proto: 2, doc: 'Current value of the metric.' }),
    describedObject: CrossVersionObjectReference.value({ proto: 3, doc: 'Object that the metric describes.' }),
  },
)
export type ObjectMetricStatus = Of<typeof ObjectMetricStatus>

export const PodsMetricStatus = struct(
  'autoscaling.v2.PodsMetricStatus',
  'Current value of a metric that describes each pod.',
  {
    metric: MetricIdentifier.value({ proto: 1, doc: 'Name and selector of the metric.' }),
    current: MetricValueStatus.value({ proto: 2, doc: 'Current value of the metric.' }),
  },
)
export type PodsMetricStatus = Of<typeof PodsMetricStatus>

export const ResourceMetricStatus = struct(
  'autoscaling.v2.ResourceMetricStatus',
  'Current use of a resource by the pods.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the resource.' }),
    current: MetricValueStatus.value({ proto: 2, doc: 'Current value of the metric.' }),
  },
)
export type ResourceMetricStatus = Of<typeof ResourceMetricStatus>

export const ExternalMetricStatus = struct(
  'autoscaling.v2.ExternalMetricStatus',
  'Current value of a metric that is not related to any object in the cluster.',
  {
    metric: MetricIdentifier.value({ proto: 1, doc: 'Name and selector of the metric.' }),
    current: MetricValueStatus.value({ proto: 2, doc: 'Current value of the metric.' }),
  },
)
export type ExternalMetricStatus = Of<typeof ExternalMetricStatus>

export const ContainerResourceMetricStatus = struct(
  'autoscaling.v2.ContainerResourceMetricStatus',
  'Current use of a resource by one container of each pod.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the resource.' }),
    current: MetricValueStatus.value({ proto: 2, doc: 'Current value of the metric.' }),
    container: string({ proto: 3, always: true, doc: 'Name of the container.' }),
  },
)
export type ContainerResourceMetricStatus = Of<typeof ContainerResourceMetricStatus>

export const MetricStatus = struct('autoscaling.v2.MetricStatus', 'Last read state of a metric.', {
  type: string({
    proto: 1,
    always: true,
    doc: 'Type of the metric: Object, Pods, Resource, ContainerResource or External.',
  }),
  object: ObjectMetricStatus.field({ proto: 2, doc: 'Metric that describes a single object.' }),
  pods: PodsMetricStatus.field({ proto: 3, doc: 'Metric that describes each pod, averaged over the pods.' }),
  resource: ResourceMetricStatus.field({ proto: 4, doc: 'Resource that the pods use.' }),
  containerResource: ContainerResourceMetricStatus.field({
    proto: 7,
    doc: 'Resource that one container of each pod uses.',
  }),
  external: ExternalMetricStatus.field({ proto: 5, doc: 'Metric that is not related to any object in the cluster.' }),
})
export type MetricStatus = Of<typeof MetricStatus>

export const HorizontalPodAutoscalerCondition = struct(
  'autoscaling.v2.HorizontalPodAutoscalerCondition',
  'One aspect of the current state of an autoscaler.',
  {
    type: string({
      proto: 1,
      always: true,
      doc: 'Type of the condition: AbleToScale, ScalingActive or ScalingLimited.',
    }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
    observedGeneration: int64({
      proto: 6,
      optional: true,
      doc: 'Generation of the autoscaler that the condition was set for.',
    }),
  },
)
export type HorizontalPodAutoscalerCondition = Of<typeof HorizontalPodAutoscalerCondition>

export const HorizontalPodAutoscalerStatus = struct(
  'autoscaling.v2.HorizontalPodAutoscalerStatus',
  'Most recently observed state of an autoscaler.',
  {
    observedGeneration: int64({
      proto: 1,
      optional: true,
      doc: 'Generation that the controller has most recently processed.',
    }),
    lastScaleTime: time({ proto: 2, optional: true, doc: 'Time when the autoscaler last changed the number of pods.' }),
    currentReplicas: int32({ proto: 3, doc: 'Current number of pods, as last observed by the autoscaler.' }),
    desiredReplicas: int32({ proto: 4, always: true, doc: 'Number of pods that the autoscaler last calculated.' }),
    currentMetrics: list(MetricStatus, { proto: 5, always: true, doc: 'Metrics as last read by the autoscaler.' }),
    conditions: listByKey('type', HorizontalPodAutoscalerCondition, {
      proto: 6,
      mergeKey: 'type',
      doc: 'Current conditions of the autoscaler.',
    }),
  },
)
export type HorizontalPodAutoscalerStatus = Of<typeof HorizontalPodAutoscalerStatus>
