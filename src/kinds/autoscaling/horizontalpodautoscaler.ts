// The older form of the autoscaler: by CPU alone.
import { autoscalerColumns } from './autoscaler-columns.ts'
import { autoscalerView } from './conversion.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, int64, string, struct, time } from '../../api/schema/build.ts'

export const CrossVersionObjectReference = struct(
  'autoscaling.v1.CrossVersionObjectReference',
  'Points to an object in the same namespace.',
  {
    kind: string({ proto: 1, always: true, doc: 'Kind of the object.' }),
    name: string({ proto: 2, always: true, doc: 'Name of the object.' }),
    apiVersion: string({ proto: 3, doc: 'Group and version of the object.' }),
  },
  { atomic: true },
)
export type CrossVersionObjectReference = Of<typeof CrossVersionObjectReference>

export const HorizontalPodAutoscalerSpec = struct(
  'autoscaling.v1.HorizontalPodAutoscalerSpec',
  'What is scaled, and by what.',
  {
    scaleTargetRef: CrossVersionObjectReference.value({ proto: 1, doc: 'The object to scale, such as a Deployment.' }),
    minReplicas: int32({ proto: 2, optional: true, doc: 'Fewest pods.' }),
    maxReplicas: int32({ proto: 3, always: true, required: true, doc: 'Most pods.' }),
    targetCPUUtilizationPercentage: int32({
      proto: 4,
      optional: true,
      doc: 'Average use of CPU to aim at, in percent of what the pods request.',
    }),
  },
)
export type HorizontalPodAutoscalerSpec = Of<typeof HorizontalPodAutoscalerSpec>

export const HorizontalPodAutoscalerStatus = struct(
  'autoscaling.v1.HorizontalPodAutoscalerStatus',
  'What an autoscaler did and saw.',
  {
    observedGeneration: int64({ proto: 1, optional: true, doc: 'The generation this was computed for.' }),
    lastScaleTime: time({ proto: 2, optional: true, doc: 'When it last changed the number of pods.' }),
    currentReplicas: int32({ proto: 3, always: true, doc: 'How many pods there are.' }),
    desiredReplicas: int32({ proto: 4, always: true, doc: 'How many pods it wants.' }),
    currentCPUUtilizationPercentage: int32({
      proto: 5,
      optional: true,
      doc: 'Average use of CPU, in percent of what the pods request.',
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
  doc: 'The older form of the autoscaler: by CPU alone.',
  view: autoscalerView,
  columns: autoscalerColumns(autoscalerView.toStored as never) as never,
  fields: {
    spec: HorizontalPodAutoscalerSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: HorizontalPodAutoscalerStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type HorizontalPodAutoscaler = Of<typeof HorizontalPodAutoscaler>
