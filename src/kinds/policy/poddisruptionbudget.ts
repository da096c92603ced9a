// A disruption budget: how many pods of an application may be taken away at once.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition, LabelSelector } from '../../api/meta.ts'
import { int32, int64, intOrString, listByKey, map, string, struct, time } from '../../api/schema/build.ts'

export const PodDisruptionBudgetSpec = struct('policy.v1.PodDisruptionBudgetSpec', '', {
  minAvailable: intOrString({ proto: 1, optional: true }),
  selector: LabelSelector.field({ proto: 2 }),
  maxUnavailable: intOrString({ proto: 3, optional: true }),
  unhealthyPodEvictionPolicy: string({ proto: 4, optional: true, enum: ['IfHealthyBudget', 'AlwaysAllow'] }),
})
export type PodDisruptionBudgetSpec = Of<typeof PodDisruptionBudgetSpec>

export const PodDisruptionBudgetStatus = struct('policy.v1.PodDisruptionBudgetStatus', '', {
  observedGeneration: int64({ proto: 1 }),
  disruptedPods: map(time({}), { proto: 2 }),
  disruptionsAllowed: int32({ proto: 3, always: true }),
  currentHealthy: int32({ proto: 4, always: true }),
  desiredHealthy: int32({ proto: 5, always: true }),
  expectedPods: int32({ proto: 6, always: true }),
  conditions: listByKey('type', Condition, { proto: 7, mergeKey: 'type' }),
})
export type PodDisruptionBudgetStatus = Of<typeof PodDisruptionBudgetStatus>

export const PodDisruptionBudget = defineKind({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  scope: 'Namespaced',
  shortNames: ['pdb'],
  status: true,
  doc: 'A disruption budget: how many pods of an application may be taken away at once.',
  generation: true,
  columns: [
    { name: 'Min Available', type: 'string', value: o => String(o.spec.minAvailable ?? 'N/A') },
    { name: 'Max Unavailable', type: 'string', value: o => String(o.spec.maxUnavailable ?? 'N/A') },
    { name: 'Allowed Disruptions', type: 'integer', value: o => o.status.disruptionsAllowed },
  ],
  fields: {
    spec: PodDisruptionBudgetSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: PodDisruptionBudgetStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PodDisruptionBudget = Of<typeof PodDisruptionBudget>
