// What an autoscaler scales, by which metrics and how fast: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, list, quantity, string, struct } from '../../api/schema/build.ts'

export const CrossVersionObjectReference = struct(
  'autoscaling.v2.CrossVersionObjectReference',
  'Reference to an object in the same namespace.',
  {
    kind: string({ proto: 1, always: true, doc: 'Kind of the referenced object.' }),
    name: string({ proto: 2, always: true, doc: 'Name of the referenced object.' }),
    apiVersion: string({ proto: 3, doc: 'API group and version of the referenced object.' }),
  },
)
export type CrossVersionObjectReference = Of<typeof CrossVersionObjectReference>

export const MetricTarget = struct('autoscaling.v2.MetricTarget', 'Target value of a metric.', {
  type: string({ proto: 1, always: true, doc: 'How the target is expressed: Utilization, Value or AverageValue.' }),
  value: quantity({ proto: 2, optional: true, doc: 'Target value of the metric as a whole.' }),
  averageValue: quantity({ proto: 3, optional: true, doc: 'Target value of the metric, averaged over the pods.' }),
  averageUtilization: int32({
    proto: 4,
    optional: true,
    doc: 'Target utilization, averaged over the pods, as a percentage of the resource that the pods request. Only for resource metrics.',
  }),
})
export type MetricTarget = Of<typeof MetricTarget>

export const MetricIdentifier = struct('autoscaling.v2.MetricIdentifier', 'Name and selector of a metric.', {
  name: string({ proto: 1, always: true, doc: 'Name of the metric.' }),
  selector: LabelSelector.field({ proto: 2, doc: 'Selects metrics by their labels. If unset, only the name is used.' }),
})
export type MetricIdentifier = Of<typeof MetricIdentifier>

export const ObjectMetricSource = struct(
  'autoscaling.v2.ObjectMetricSource',
  'Metric that describes a single object, such as requests per second of an Ingress.',
  {
    describedObject: CrossVersionObjectReference.value({ proto: 1, doc: 'Object that the metric describes.' }),
    target: MetricTarget.value({ proto: 2, doc: 'Target value of the metric, as Value or AverageValue.' }),
    metric: MetricIdentifier.value({ proto: 3, doc: 'Name and selector of the metric.' }),
  },
)
export type ObjectMetricSource = Of<typeof ObjectMetricSource>

export const PodsMetricSource = struct(
  'autoscaling.v2.PodsMetricSource',
  'Metric that describes each pod, averaged over the pods.',
  {
    metric: MetricIdentifier.value({ proto: 1, doc: 'Name and selector of the metric.' }),
    target: MetricTarget.value({ proto: 2, doc: 'Target value of the metric, as AverageValue.' }),
  },
)
export type PodsMetricSource = Of<typeof PodsMetricSource>

export const ResourceMetricSource = struct(
  'autoscaling.v2.ResourceMetricSource',
  'Resource that the pods use, such as CPU. All containers of a pod are added together.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the resource: cpu or memory.' }),
    target: MetricTarget.value({ proto: 2, doc: 'Target value of the metric, as Utilization or AverageValue.' }),
  },
)
export type ResourceMetricSource = Of<typeof ResourceMetricSource>

export const ExternalMetricSource = struct(
  'autoscaling.v2.ExternalMetricSource',
  'Metric that is not related to any object in the cluster, such as the length of a queue in a cloud service.',
  {
    metric: MetricIdentifier.value({ proto: 1, doc: 'Name and selector of the metric.' }),
    target: MetricTarget.value({ proto: 2, doc: 'Target value of the metric, as Value or AverageValue.' }),
  },
)
export type ExternalMetricSource = Of<typeof ExternalMetricSource>

export const ContainerResourceMetricSource = struct(
  'autoscaling.v2.ContainerResourceMetricSource',
  'Resource that one container of each pod uses, such as CPU.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the resource: cpu or memory.' }),
    target: MetricTarget.value({ proto: 2, doc: 'Target value of the metric, as Utilization or AverageValue.' }),
    container: string({ proto: 3, always: true, doc: 'Name of the container.' }),
  },
)
export type ContainerResourceMetricSource = Of<typeof ContainerResourceMetricSource>

export const MetricSpec = struct(
  'autoscaling.v2.MetricSpec',
  'Metric that determines the number of pods. Exactly the field that type names must be set.',
  {
    type: string({
      proto: 1,
      always: true,
      doc: 'Type of the metric: Object, Pods, Resource, ContainerResource or External.',
    }),
    object: ObjectMetricSource.field({ proto: 2, doc: 'Metric that describes a single object.' }),
    pods: PodsMetricSource.field({ proto: 3, doc: 'Metric that describes each pod, averaged over the pods.' }),
    resource: ResourceMetricSource.field({ proto: 4, doc: 'Resource that the pods use.' }),
    containerResource: ContainerResourceMetricSource.field({
      proto: 7,
      doc: 'Resource that one container of each pod uses.',
    }),
    external: ExternalMetricSource.field({ proto: 5, doc: 'Metric that is not related to any object in the cluster.' }),
  },
)
export type MetricSpec = Of<typeof MetricSpec>

export const HPAScalingPolicy = struct(
  'autoscaling.v2.HPAScalingPolicy',
  'Limit for the change of the number of pods within a period.',
  {
    type: string({ proto: 1, always: true, doc: 'Unit of value: Pods or Percent of the current number.' }),
    value: int32({ proto: 2, always: true, doc: 'Maximum change within the period. Must be greater than 0.' }),
    periodSeconds: int32({
      proto: 3,
      always: true,
      doc: 'Length of the period in seconds, from 1 to 1800 (30 minutes).',
    }),
  },
)
export type HPAScalingPolicy = Of<typeof HPAScalingPolicy>

export const HPAScalingRules = struct('autoscaling.v2.HPAScalingRules', 'Scaling behavior in one direction.', {
  stabilizationWindowSeconds: int32({
    proto: 3,
    optional: true,
    doc: 'Seconds for which earlier recommendations are taken into account, to avoid frequent changes. At most 3600. Defaults to 0 for scaling up and 300 for scaling down.',
  }),
  selectPolicy: string({
    proto: 1,
    optional: true,
    doc: 'Which of the policies is used: Max (the largest change), Min (the smallest) or Disabled (no scaling in this direction). Defaults to Max.',
  }),
  policies: list(HPAScalingPolicy, {
    proto: 2,
    doc: 'Limits for the change. At least one is required. By default, up by 4 pods or 100% in 15 seconds, and down by 100% in 15 seconds.',
  }),
  tolerance: quantity({
    proto: 4,
    optional: true,
    doc: 'Ratio by which a metric may differ from its target without scaling, such as 0.05. Defaults to 0.1.',
  }),
})
export type HPAScalingRules = Of<typeof HPAScalingRules>

export const HorizontalPodAutoscalerBehavior = struct(
  'autoscaling.v2.HorizontalPodAutoscalerBehavior',
  'Scaling behavior in both directions.',
  {
    scaleUp: HPAScalingRules.field({ proto: 1, doc: 'Behavior when the number of pods is increased.' }),
    scaleDown: HPAScalingRules.field({ proto: 2, doc: 'Behavior when the number of pods is decreased.' }),
  },
)
export type HorizontalPodAutoscalerBehavior = Of<typeof HorizontalPodAutoscalerBehavior>

export const HorizontalPodAutoscalerSpec = struct(
  'autoscaling.v2.HorizontalPodAutoscalerSpec',
  'Desired behavior of an autoscaler.',
  {
    scaleTargetRef: CrossVersionObjectReference.value({
      proto: 1,
      doc: 'Object to scale, such as a Deployment. It must have a scale subresource.',
    }),
    minReplicas: int32({
      proto: 2,
      default: 1,
      optional: true,
      doc: 'Minimum number of pods. At least 1. Defaults to 1.',
    }),
    maxReplicas: int32({
      proto: 3,
      always: true,
      required: true,
      doc: 'Maximum number of pods. Cannot be less than minReplicas.',
    }),
    metrics: list(MetricSpec, {
      proto: 4,
      doc: 'Metrics that determine the number of pods. The one that requires the most pods takes precedence. Defaults to an average CPU utilization of 80%.',
    }),
    behavior: HorizontalPodAutoscalerBehavior.field({ proto: 5, doc: 'Scaling behavior in each direction.' }),
  },
)
export type HorizontalPodAutoscalerSpec = Of<typeof HorizontalPodAutoscalerSpec>
