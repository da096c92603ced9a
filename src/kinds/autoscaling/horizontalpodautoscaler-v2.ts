// Scales a workload by what is measured of it.
import { type Autoscaler, autoscalerColumns } from './autoscaler-columns.ts'
import { completeAutoscaler, validateAutoscaler } from './autoscaler-rules.ts'
import { validateCounts } from '../status-rules.ts'
import { defineKind, type KubeObject, type Of } from '../../api/kind.ts'
import { HorizontalPodAutoscalerSpec } from './autoscalerspec.ts'
import { HorizontalPodAutoscalerStatus } from './autoscalerstatus.ts'

export const HorizontalPodAutoscaler = defineKind({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  scope: 'Namespaced',
  shortNames: ['hpa'],
  categories: ['all'],
  status: true,
  doc: 'HorizontalPodAutoscaler adjusts the number of pods of a workload to metrics such as CPU utilization.',
  columns: autoscalerColumns((o: KubeObject & Autoscaler) => o),
  defaults: o => completeAutoscaler(o.spec),
  explicit: true,
  *validate(o, at) {
    yield* validateAutoscaler(o.spec, at.field('spec'))
  },
  validateStatus: validateCounts({ counts: ['currentReplicas', 'desiredReplicas'] }),
  fields: {
    spec: HorizontalPodAutoscalerSpec.value({ proto: 2, required: true, doc: 'Desired behavior of the autoscaler.' }),
    status: HorizontalPodAutoscalerStatus.value({ proto: 3, doc: 'Most recently observed state of the autoscaler.' }),
  },
})
export type HorizontalPodAutoscaler = Of<typeof HorizontalPodAutoscaler>
