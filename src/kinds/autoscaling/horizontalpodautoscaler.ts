// The older form of the autoscaler: by CPU alone.
import { type Autoscaler, autoscalerColumns } from './autoscaler-columns.ts'
import { autoscalerView } from './conversion.ts'
import { defineKind, type KubeObject, type Of } from '../../api/kind.ts'
import { int32, int64, string, struct, time } from '../../api/schema/build.ts'

export const CrossVersionObjectReference = struct(
  'autoscaling.v1.CrossVersionObjectReference',
  'Reference to an object in the same namespace.',
  {
    kind: string({ proto: 1, always: true, doc: 'Kind of the referenced object.' }),
    name: string({ proto: 2, always: true, doc: 'Name of the referenced object.' }),
    apiVersion: string({ proto: 3, doc: 'API group and version of the referenced object.' }),
  },
  { atomic: true },
)
export type CrossVersionObjectReference = Of<typeof CrossVersionObjectReference>

export const HorizontalPodAutoscalerSpec = struct(
  'autoscaling.v1.HorizontalPodAutoscalerSpec',
  'Desired behavior of an autoscaler.',
  {
    scaleTargetRef: CrossVersionObjectReference.value({
      proto: 1,
      doc: 'Object to scale, such as a Deployment. It must have a scale subresource.',
    }),
    minReplicas: int32({ proto: 2, optional: true, doc: 'Minimum number of pods. At least 1. Defaults to 1.' }),
    maxReplicas: int32({
      proto: 3,
      always: true,
      required: true,
      doc: 'Maximum number of pods. Cannot be less than minReplicas.',
    }),
    targetCPUUtilizationPercentage: int32({
      proto: 4,
      optional: true,
      doc: 'Target CPU utilization, averaged over the pods, as a percentage of the CPU that the pods request. Defaults to 80 if there are no other metrics.',
    }),
  },
)
export type HorizontalPodAutoscalerSpec = Of<typeof HorizontalPodAutoscalerSpec>

export const HorizontalPodAutoscalerStatus = struct(
  'autoscaling.v1.HorizontalPodAutoscalerStatus',
  'Most recently observed state of an autoscaler.',
  {
    observedGeneration: int64({
      proto: 1,
      optional: true,
      doc: 'Generation that the controller has most recently processed.',
    }),
    lastScaleTime: time({ proto: 2, optional: true, doc: 'Time when the autoscaler last changed the number of pods.' }),
    currentReplicas: int32({
      proto: 3,
      always: true,
      doc: 'Current number of pods, as last observed by the autoscaler.',
    }),
    desiredReplicas: int32({ proto: 4, always: true, doc: 'Number of pods that the autoscaler last calculated.' }),
    currentCPUUtilizationPercentage: int32({
      proto: 5,
      optional: true,
      doc: 'Current CPU utilization, averaged over the pods, as a percentage of the CPU that the pods request.',
    }),
  },
)
export type HorizontalPodAutoscalerStatus = Of<typeof HorizontalPodAutoscalerStatus>

export const HorizontalPodAutoscaler = defineKind({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  scope: 'Namespaced',
  categories: ['all'],
  shortNames: ['hpa'],
  status: true,
  doc: 'HorizontalPodAutoscaler adjusts the number of pods of a workload to their CPU utilization. Version v2 supports other metrics as well.',
  view: autoscalerView,
  columns: autoscalerColumns((o: KubeObject) => autoscalerView.toStored(o) as Autoscaler),
  fields: {
    spec: HorizontalPodAutoscalerSpec.value({ proto: 2, required: true, doc: 'Desired behavior of the autoscaler.' }),
    status: HorizontalPodAutoscalerStatus.value({ proto: 3, doc: 'Most recently observed state of the autoscaler.' }),
  },
})
export type HorizontalPodAutoscaler = Of<typeof HorizontalPodAutoscaler>
