// Scales a workload by what is measured of it.
import { autoscalerColumns } from './autoscaler-columns.ts'
import { completeAutoscaler, validateAutoscaler } from './autoscaler-rules.ts'
import { validateCounts } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, list, listByKey, quantity, string, struct, time } from '../../api/schema/build.ts'

export const CrossVersionObjectReference = struct(
  'autoscaling.v2.CrossVersionObjectReference',
  'Points to an object in the same namespace.',
  {
    kind: string({ proto: 1, always: true, doc: 'Kind of the object.' }),
    name: string({ proto: 2, always: true, doc: 'Name of the object.' }),
    apiVersion: string({ proto: 3, doc: 'Group and version of the object.' }),
  },
)
export type CrossVersionObjectReference = Of<typeof CrossVersionObjectReference>

export const MetricTarget = struct('autoscaling.v2.MetricTarget', 'The value that a metric should have.', {
  type: string({ proto: 1, always: true, doc: 'Utilization, Value or AverageValue.' }),
  value: quantity({ proto: 2, optional: true, doc: 'The value itself.' }),
  averageValue: quantity({ proto: 3, optional: true, doc: 'The value divided by the number of pods.' }),
  averageUtilization: int32({
    proto: 4,
    optional: true,
    doc: 'Average over the pods, in percent of what they request.',
  }),
})
export type MetricTarget = Of<typeof MetricTarget>

export const MetricIdentifier = struct('autoscaling.v2.MetricIdentifier', 'Names a metric.', {
  name: string({ proto: 1, always: true, doc: 'Its name.' }),
  selector: LabelSelector.field({ proto: 2, doc: 'Labels that narrow it down.' }),
})
export type MetricIdentifier = Of<typeof MetricIdentifier>

export const ObjectMetricSource = struct('autoscaling.v2.ObjectMetricSource', 'A metric of one object.', {
  describedObject: CrossVersionObjectReference.value({ proto: 1, doc: 'The object.' }),
  target: MetricTarget.value({ proto: 2, doc: 'The value it should have.' }),
  metric: MetricIdentifier.value({ proto: 3, doc: 'The metric.' }),
})
export type ObjectMetricSource = Of<typeof ObjectMetricSource>

export const PodsMetricSource = struct('autoscaling.v2.PodsMetricSource', 'A metric averaged over the pods.', {
  metric: MetricIdentifier.value({ proto: 1, doc: 'The metric.' }),
  target: MetricTarget.value({ proto: 2, doc: 'The average it should have.' }),
})
export type PodsMetricSource = Of<typeof PodsMetricSource>

export const ResourceMetricSource = struct('autoscaling.v2.ResourceMetricSource', 'Use of a resource by the pods.', {
  name: string({ proto: 1, always: true, doc: 'The resource, such as cpu.' }),
  target: MetricTarget.value({ proto: 2, doc: 'The value it should have.' }),
})
export type ResourceMetricSource = Of<typeof ResourceMetricSource>

export const ExternalMetricSource = struct(
  'autoscaling.v2.ExternalMetricSource',
  'A metric that belongs to no object of the cluster.',
  {
    metric: MetricIdentifier.value({ proto: 1, doc: 'The metric.' }),
    target: MetricTarget.value({ proto: 2, doc: 'The value it should have.' }),
  },
)
export type ExternalMetricSource = Of<typeof ExternalMetricSource>

export const ContainerResourceMetricSource = struct(
  'autoscaling.v2.ContainerResourceMetricSource',
  'Use of a resource by one container of the pods.',
  {
    name: string({ proto: 1, always: true, doc: 'The resource, such as cpu.' }),
    target: MetricTarget.value({ proto: 2, doc: 'The value it should have.' }),
    container: string({ proto: 3, always: true, doc: 'Name of the container.' }),
  },
)
export type ContainerResourceMetricSource = Of<typeof ContainerResourceMetricSource>

export const MetricSpec = struct('autoscaling.v2.MetricSpec', 'A metric to scale by.', {
  type: string({ proto: 1, always: true, doc: 'Object, Pods, Resource, ContainerResource or External.' }),
  object: ObjectMetricSource.field({ proto: 2, doc: 'A metric of one object.' }),
  pods: PodsMetricSource.field({ proto: 3, doc: 'A metric averaged over the pods.' }),
  resource: ResourceMetricSource.field({ proto: 4, doc: 'Use of a resource by the pods.' }),
  containerResource: ContainerResourceMetricSource.field({
    proto: 7,
    doc: 'Use of a resource by one container of the pods.',
  }),
  external: ExternalMetricSource.field({ proto: 5, doc: 'A metric that belongs to no object of the cluster.' }),
})
export type MetricSpec = Of<typeof MetricSpec>

export const HPAScalingPolicy = struct('autoscaling.v2.HPAScalingPolicy', 'How fast the number of pods may change.', {
  type: string({ proto: 1, always: true, doc: 'Pods or Percent.' }),
  value: int32({ proto: 2, always: true, doc: 'The most it may change by, within periodSeconds.' }),
  periodSeconds: int32({ proto: 3, always: true, doc: 'Seconds that are looked at; at most 1800.' }),
})
export type HPAScalingPolicy = Of<typeof HPAScalingPolicy>

export const HPAScalingRules = struct('autoscaling.v2.HPAScalingRules', 'How scaling goes in one direction.', {
  stabilizationWindowSeconds: int32({
    proto: 3,
    optional: true,
    doc: 'Seconds of earlier advice to keep to, so that the number does not swing; at most 3600.',
  }),
  selectPolicy: string({ proto: 1, optional: true, doc: 'Max or Min of the policies, or Disabled.' }),
  policies: list(HPAScalingPolicy, { proto: 2, doc: 'How fast the number may change.' }),
  tolerance: quantity({
    proto: 4,
    optional: true,
    doc: 'How far from its target a metric may be without scaling, such as 0.1.',
  }),
})
export type HPAScalingRules = Of<typeof HPAScalingRules>

export const HorizontalPodAutoscalerBehavior = struct(
  'autoscaling.v2.HorizontalPodAutoscalerBehavior',
  'How scaling goes.',
  {
    scaleUp: HPAScalingRules.field({ proto: 1, doc: 'Rules for more pods.' }),
    scaleDown: HPAScalingRules.field({ proto: 2, doc: 'Rules for fewer pods.' }),
  },
)
export type HorizontalPodAutoscalerBehavior = Of<typeof HorizontalPodAutoscalerBehavior>

export const HorizontalPodAutoscalerSpec = struct(
  'autoscaling.v2.HorizontalPodAutoscalerSpec',
  'What is scaled, and by what.',
  {
    scaleTargetRef: CrossVersionObjectReference.value({ proto: 1, doc: 'The object to scale, such as a Deployment.' }),
    minReplicas: int32({ proto: 2, default: 1, optional: true, doc: 'Fewest pods.' }),
    maxReplicas: int32({ proto: 3, always: true, required: true, doc: 'Most pods.' }),
    metrics: list(MetricSpec, { proto: 4, doc: 'Metrics to scale by; the one that asks for most pods counts.' }),
    behavior: HorizontalPodAutoscalerBehavior.field({ proto: 5, doc: 'How fast scaling goes.' }),
  },
)
export type HorizontalPodAutoscalerSpec = Of<typeof HorizontalPodAutoscalerSpec>

export const MetricValueStatus = struct('autoscaling.v2.MetricValueStatus', 'The value that a metric has.', {
  value: quantity({ proto: 1, optional: true, doc: 'The value itself.' }),
  averageValue: quantity({ proto: 2, optional: true, doc: 'The value divided by the number of pods.' }),
  averageUtilization: int32({
    proto: 3,
    optional: true,
    doc: 'Average over the pods, in percent of what they request.',
  }),
})
export type MetricValueStatus = Of<typeof MetricValueStatus>

export const ObjectMetricStatus = struct('autoscaling.v2.ObjectMetricStatus', 'A metric of one object.', {
  metric: MetricIdentifier.value({ proto: 1, doc: 'The metric.' }),
  current: MetricValueStatus.value({ proto: 2, doc: 'The value it has.' }),
  describedObject: CrossVersionObjectReference.value({ proto: 3, doc: 'The object.' }),
})
export type ObjectMetricStatus = Of<typeof ObjectMetricStatus>

export const PodsMetricStatus = struct('autoscaling.v2.PodsMetricStatus', 'A metric averaged over the pods.', {
  metric: MetricIdentifier.value({ proto: 1, doc: 'The metric.' }),
  current: MetricValueStatus.value({ proto: 2, doc: 'The value it has.' }),
})
export type PodsMetricStatus = Of<typeof PodsMetricStatus>

export const ResourceMetricStatus = struct('autoscaling.v2.ResourceMetricStatus', 'Use of a resource by the pods.', {
  name: string({ proto: 1, always: true, doc: 'The resource.' }),
  current: MetricValueStatus.value({ proto: 2, doc: 'The value it has.' }),
})
export type ResourceMetricStatus = Of<typeof ResourceMetricStatus>

export const ExternalMetricStatus = struct(
  'autoscaling.v2.ExternalMetricStatus',
  'A metric that belongs to no object of the cluster.',
  {
    metric: MetricIdentifier.value({ proto: 1, doc: 'The metric.' }),
    current: MetricValueStatus.value({ proto: 2, doc: 'The value it has.' }),
  },
)
export type ExternalMetricStatus = Of<typeof ExternalMetricStatus>

export const ContainerResourceMetricStatus = struct(
  'autoscaling.v2.ContainerResourceMetricStatus',
  'Use of a resource by one container of the pods.',
  {
    name: string({ proto: 1, always: true, doc: 'The resource.' }),
    current: MetricValueStatus.value({ proto: 2, doc: 'The value it has.' }),
    container: string({ proto: 3, always: true, doc: 'Name of the container.' }),
  },
)
export type ContainerResourceMetricStatus = Of<typeof ContainerResourceMetricStatus>

export const MetricStatus = struct('autoscaling.v2.MetricStatus', 'A metric as it was last read.', {
  type: string({ proto: 1, always: true, doc: 'Object, Pods, Resource, ContainerResource or External.' }),
  object: ObjectMetricStatus.field({ proto: 2, doc: 'A metric of one object.' }),
  pods: PodsMetricStatus.field({ proto: 3, doc: 'A metric averaged over the pods.' }),
  resource: ResourceMetricStatus.field({ proto: 4, doc: 'Use of a resource by the pods.' }),
  containerResource: ContainerResourceMetricStatus.field({
    proto: 7,
    doc: 'Use of a resource by one container of the pods.',
  }),
  external: ExternalMetricStatus.field({ proto: 5, doc: 'A metric that belongs to no object of the cluster.' }),
})
export type MetricStatus = Of<typeof MetricStatus>

export const HorizontalPodAutoscalerCondition = struct(
  'autoscaling.v2.HorizontalPodAutoscalerCondition',
  'One aspect of an autoscaler’s state.',
  {
    type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
    status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'When the status last changed.' }),
    reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
    message: string({ proto: 5, doc: 'The same for people.' }),
    observedGeneration: int64({ proto: 6, optional: true, doc: 'The generation this was computed for.' }),
  },
)
export type HorizontalPodAutoscalerCondition = Of<typeof HorizontalPodAutoscalerCondition>

export const HorizontalPodAutoscalerStatus = struct(
  'autoscaling.v2.HorizontalPodAutoscalerStatus',
  'What an autoscaler did and saw.',
  {
    observedGeneration: int64({ proto: 1, optional: true, doc: 'The generation this was computed for.' }),
    lastScaleTime: time({ proto: 2, optional: true, doc: 'When it last changed the number of pods.' }),
    currentReplicas: int32({ proto: 3, doc: 'How many pods there are.' }),
    desiredReplicas: int32({ proto: 4, always: true, doc: 'How many pods it wants.' }),
    currentMetrics: list(MetricStatus, { proto: 5, always: true, doc: 'The metrics as last read.' }),
    conditions: listByKey('type', HorizontalPodAutoscalerCondition, {
      proto: 6,
      mergeKey: 'type',
      doc: 'What can be said about the state, one entry per aspect.',
    }),
  },
)
export type HorizontalPodAutoscalerStatus = Of<typeof HorizontalPodAutoscalerStatus>

export const HorizontalPodAutoscaler = defineKind({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  scope: 'Namespaced',
  shortNames: ['hpa'],
  categories: ['all'],
  status: true,
  doc: 'Scales a workload by what is measured of it.',
  columns: autoscalerColumns(o => o) as never,
  defaults: o => completeAutoscaler(o.spec),
  explicit: true,
  *validate(o, at) {
    yield* validateAutoscaler(o.spec, at.field('spec'))
  },
  validateStatus: validateCounts({ counts: ['currentReplicas', 'desiredReplicas'] }),
  fields: {
    spec: HorizontalPodAutoscalerSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: HorizontalPodAutoscalerStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type HorizontalPodAutoscaler = Of<typeof HorizontalPodAutoscaler>
