// The older form of the autoscaler: by CPU alone.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, int64, string, struct, time } from '../../api/schema/build.ts'

export const CrossVersionObjectReference = struct('autoscaling.v1.CrossVersionObjectReference', '', {
  kind: string({ proto: 1, always: true }),
  name: string({ proto: 2, always: true }),
  apiVersion: string({ proto: 3 }),
})
export type CrossVersionObjectReference = Of<typeof CrossVersionObjectReference>

export const HorizontalPodAutoscalerSpec = struct('autoscaling.v1.HorizontalPodAutoscalerSpec', '', {
  scaleTargetRef: CrossVersionObjectReference.value({ proto: 1 }),
  minReplicas: int32({ proto: 2, optional: true }),
  maxReplicas: int32({ proto: 3, always: true, required: true }),
  targetCPUUtilizationPercentage: int32({ proto: 4, optional: true }),
})
export type HorizontalPodAutoscalerSpec = Of<typeof HorizontalPodAutoscalerSpec>

export const HorizontalPodAutoscalerStatus = struct('autoscaling.v1.HorizontalPodAutoscalerStatus', '', {
  observedGeneration: int64({ proto: 1, optional: true }),
  lastScaleTime: time({ proto: 2, optional: true }),
  currentReplicas: int32({ proto: 3, always: true }),
  desiredReplicas: int32({ proto: 4, always: true }),
  currentCPUUtilizationPercentage: int32({ proto: 5, optional: true }),
})
export type HorizontalPodAutoscalerStatus = Of<typeof HorizontalPodAutoscalerStatus>

export const HorizontalPodAutoscaler = defineKind({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  scope: 'Namespaced',
  shortNames: ['hpa'],
  status: true,
  doc: 'The older form of the autoscaler: by CPU alone.',
  fields: {
    spec: HorizontalPodAutoscalerSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: HorizontalPodAutoscalerStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type HorizontalPodAutoscaler = Of<typeof HorizontalPodAutoscaler>
