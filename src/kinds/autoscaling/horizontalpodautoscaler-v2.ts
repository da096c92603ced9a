// Scales a workload by what is measured of it.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, list, listByKey, quantity, string, struct, time } from '../../api/schema/build.ts'

export const CrossVersionObjectReference = struct('autoscaling.v2.CrossVersionObjectReference', '', {
  kind: string({ proto: 1, always: true }),
  name: string({ proto: 2, always: true }),
  apiVersion: string({ proto: 3 }),
})
export type CrossVersionObjectReference = Of<typeof CrossVersionObjectReference>

export const MetricTarget = struct('autoscaling.v2.MetricTarget', '', {
  type: string({ proto: 1, always: true }),
  value: quantity({ proto: 2, optional: true }),
  averageValue: quantity({ proto: 3, optional: true }),
  averageUtilization: int32({ proto: 4, optional: true }),
})
export type MetricTarget = Of<typeof MetricTarget>

export const MetricIdentifier = struct('autoscaling.v2.MetricIdentifier', '', {
  name: string({ proto: 1, always: true }),
  selector: LabelSelector.field({ proto: 2 }),
})
export type MetricIdentifier = Of<typeof MetricIdentifier>

export const ObjectMetricSource = struct('autoscaling.v2.ObjectMetricSource', '', {
  describedObject: CrossVersionObjectReference.value({ proto: 1 }),
  target: MetricTarget.value({ proto: 2 }),
  metric: MetricIdentifier.value({ proto: 3 }),
})
export type ObjectMetricSource = Of<typeof ObjectMetricSource>

export const PodsMetricSource = struct('autoscaling.v2.PodsMetricSource', '', {
  metric: MetricIdentifier.value({ proto: 1 }),
  target: MetricTarget.value({ proto: 2 }),
})
export type PodsMetricSource = Of<typeof PodsMetricSource>

export const ResourceMetricSource = struct('autoscaling.v2.ResourceMetricSource', '', {
  name: string({ proto: 1, always: true }),
  target: MetricTarget.value({ proto: 2 }),
})
export type ResourceMetricSource = Of<typeof ResourceMetricSource>

export const ExternalMetricSource = struct('autoscaling.v2.ExternalMetricSource', '', {
  metric: MetricIdentifier.value({ proto: 1 }),
  target: MetricTarget.value({ proto: 2 }),
})
export type ExternalMetricSource = Of<typeof ExternalMetricSource>

export const ContainerResourceMetricSource = struct('autoscaling.v2.ContainerResourceMetricSource', '', {
  name: string({ proto: 1, always: true }),
  target: MetricTarget.value({ proto: 2 }),
  container: string({ proto: 3, always: true }),
})
export type ContainerResourceMetricSource = Of<typeof ContainerResourceMetricSource>

export const MetricSpec = struct('autoscaling.v2.MetricSpec', '', {
  type: string({ proto: 1, always: true }),
  object: ObjectMetricSource.field({ proto: 2 }),
  pods: PodsMetricSource.field({ proto: 3 }),
  resource: ResourceMetricSource.field({ proto: 4 }),
  containerResource: ContainerResourceMetricSource.field({ proto: 7 }),
  external: ExternalMetricSource.field({ proto: 5 }),
})
export type MetricSpec = Of<typeof MetricSpec>

export const HPAScalingPolicy = struct('autoscaling.v2.HPAScalingPolicy', '', {
  type: string({ proto: 1, always: true }),
  value: int32({ proto: 2, always: true }),
  periodSeconds: int32({ proto: 3, always: true }),
})
export type HPAScalingPolicy = Of<typeof HPAScalingPolicy>

export const HPAScalingRules = struct('autoscaling.v2.HPAScalingRules', '', {
  stabilizationWindowSeconds: int32({ proto: 3, optional: true }),
  selectPolicy: string({ proto: 1, optional: true }),
  policies: list(HPAScalingPolicy, { proto: 2 }),
  tolerance: quantity({ proto: 4, optional: true }),
})
export type HPAScalingRules = Of<typeof HPAScalingRules>

export const HorizontalPodAutoscalerBehavior = struct('autoscaling.v2.HorizontalPodAutoscalerBehavior', '', {
  scaleUp: HPAScalingRules.field({ proto: 1 }),
  scaleDown: HPAScalingRules.field({ proto: 2 }),
})
export type HorizontalPodAutoscalerBehavior = Of<typeof HorizontalPodAutoscalerBehavior>

export const HorizontalPodAutoscalerSpec = struct('autoscaling.v2.HorizontalPodAutoscalerSpec', '', {
  scaleTargetRef: CrossVersionObjectReference.value({ proto: 1 }),
  minReplicas: int32({ proto: 2, default: 1, optional: true }),
  maxReplicas: int32({ proto: 3, always: true, required: true }),
  metrics: list(MetricSpec, { proto: 4 }),
  behavior: HorizontalPodAutoscalerBehavior.field({ proto: 5 }),
})
export type HorizontalPodAutoscalerSpec = Of<typeof HorizontalPodAutoscalerSpec>

export const MetricValueStatus = struct('autoscaling.v2.MetricValueStatus', '', {
  value: quantity({ proto: 1, optional: true }),
  averageValue: quantity({ proto: 2, optional: true }),
  averageUtilization: int32({ proto: 3, optional: true }),
})
export type MetricValueStatus = Of<typeof MetricValueStatus>

export const ObjectMetricStatus = struct('autoscaling.v2.ObjectMetricStatus', '', {
  metric: MetricIdentifier.value({ proto: 1 }),
  current: MetricValueStatus.value({ proto: 2 }),
  describedObject: CrossVersionObjectReference.value({ proto: 3 }),
})
export type ObjectMetricStatus = Of<typeof ObjectMetricStatus>

export const PodsMetricStatus = struct('autoscaling.v2.PodsMetricStatus', '', {
  metric: MetricIdentifier.value({ proto: 1 }),
  current: MetricValueStatus.value({ proto: 2 }),
})
export type PodsMetricStatus = Of<typeof PodsMetricStatus>

export const ResourceMetricStatus = struct('autoscaling.v2.ResourceMetricStatus', '', {
  name: string({ proto: 1, always: true }),
  current: MetricValueStatus.value({ proto: 2 }),
})
export type ResourceMetricStatus = Of<typeof ResourceMetricStatus>

export const ExternalMetricStatus = struct('autoscaling.v2.ExternalMetricStatus', '', {
  metric: MetricIdentifier.value({ proto: 1 }),
  current: MetricValueStatus.value({ proto: 2 }),
})
export type ExternalMetricStatus = Of<typeof ExternalMetricStatus>

export const ContainerResourceMetricStatus = struct('autoscaling.v2.ContainerResourceMetricStatus', '', {
  name: string({ proto: 1, always: true }),
  current: MetricValueStatus.value({ proto: 2 }),
  container: string({ proto: 3, always: true }),
})
export type ContainerResourceMetricStatus = Of<typeof ContainerResourceMetricStatus>

export const MetricStatus = struct('autoscaling.v2.MetricStatus', '', {
  type: string({ proto: 1, always: true }),
  object: ObjectMetricStatus.field({ proto: 2 }),
  pods: PodsMetricStatus.field({ proto: 3 }),
  resource: ResourceMetricStatus.field({ proto: 4 }),
  containerResource: ContainerResourceMetricStatus.field({ proto: 7 }),
  external: ExternalMetricStatus.field({ proto: 5 }),
})
export type MetricStatus = Of<typeof MetricStatus>

export const HorizontalPodAutoscalerCondition = struct('autoscaling.v2.HorizontalPodAutoscalerCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
  observedGeneration: int64({ proto: 6, optional: true }),
})
export type HorizontalPodAutoscalerCondition = Of<typeof HorizontalPodAutoscalerCondition>

export const HorizontalPodAutoscalerStatus = struct('autoscaling.v2.HorizontalPodAutoscalerStatus', '', {
  observedGeneration: int64({ proto: 1, optional: true }),
  lastScaleTime: time({ proto: 2, optional: true }),
  currentReplicas: int32({ proto: 3 }),
  desiredReplicas: int32({ proto: 4, always: true }),
  currentMetrics: list(MetricStatus, { proto: 5, always: true }),
  conditions: listByKey('type', HorizontalPodAutoscalerCondition, { proto: 6, mergeKey: 'type' }),
})
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
  fields: {
    spec: HorizontalPodAutoscalerSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: HorizontalPodAutoscalerStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type HorizontalPodAutoscaler = Of<typeof HorizontalPodAutoscaler>
