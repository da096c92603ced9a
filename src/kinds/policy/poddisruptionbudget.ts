// A disruption budget: how many pods of an application may be taken away at once.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition, LabelSelector } from '../../api/meta.ts'
import { supported, validateSelector } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { validateCounts } from '../status-rules.ts'
import { pathSegmentErrors, percentErrors } from '../../api/names.ts'
import { int32, int64, intOrString, listByKey, map, string, struct, time } from '../../api/schema/build.ts'

export const PodDisruptionBudgetSpec = struct(
  'policy.v1.PodDisruptionBudgetSpec',
  'Limits for the voluntary disruption of pods. At most one of minAvailable and maxUnavailable can be set.',
  {
    minAvailable: intOrString({
      proto: 1,
      optional: true,
      doc: 'Number of pods, or percentage (rounded up), that must still be available after an eviction. 100% prevents all evictions.',
    }),
    selector: LabelSelector.field({
      proto: 2,
      doc: 'Selects the pods in the namespace that the budget applies to. An empty selector selects all of them, an unset one none.',
    }),
    maxUnavailable: intOrString({
      proto: 3,
      optional: true,
      doc: 'Maximum number of pods, or percentage (rounded up), that may be unavailable after an eviction. 0 prevents all evictions.',
    }),
    unhealthyPodEvictionPolicy: string({
      proto: 4,
      optional: true,
      enum: ['IfHealthyBudget', 'AlwaysAllow'],
      doc: 'When running pods that are not ready can be evicted: IfHealthyBudget only if enough pods are healthy, AlwaysAllow at any time. Defaults to IfHealthyBudget.',
    }),
  },
)
export type PodDisruptionBudgetSpec = Of<typeof PodDisruptionBudgetSpec>

export const PodDisruptionBudgetStatus = struct(
  'policy.v1.PodDisruptionBudgetStatus',
  'Most recently observed state of a PodDisruptionBudget.',
  {
    observedGeneration: int64({
      proto: 1,
      doc: 'Generation that the controller has most recently processed. Evictions are refused if it is out of date.',
    }),
    disruptedPods: map(time({}), {
      proto: 2,
      doc: 'Pods whose eviction was allowed but has not been observed yet, with the time of the eviction. After about two minutes an entry expires.',
    }),
    disruptionsAllowed: int32({ proto: 3, always: true, doc: 'Number of evictions that are currently allowed.' }),
    currentHealthy: int32({ proto: 4, always: true, doc: 'Number of healthy pods.' }),
    desiredHealthy: int32({ proto: 5, always: true, doc: 'Minimum number of healthy pods.' }),
    expectedPods: int32({ proto: 6, always: true, doc: 'Total number of pods that the budget counts.' }),
    conditions: listByKey('type', Condition, {
      proto: 7,
      mergeKey: 'type',
      doc: 'Current conditions of the budget. DisruptionAllowed is True if evictions are allowed.',
    }),
  },
)
export type PodDisruptionBudgetStatus = Of<typeof PodDisruptionBudgetStatus>

function shareErrors(value: string | number | undefined): string[] {
  if (typeof value === 'number') return value < 0 ? ['must be greater than or equal to 0'] : []
  if (value === undefined) return []
  const errors = percentErrors(value)
  if (errors.length) return errors
  return Number(value.slice(0, -1)) > 100 ? ['must not be greater than 100%'] : []
}

export const PodDisruptionBudget = defineKind({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  scope: 'Namespaced',
  conditionalUpdate: true,
  shortNames: ['pdb'],
  status: true,
  doc: 'PodDisruptionBudget limits how many pods of an application can be evicted at the same time.',
  generation: true,
  columns: [
    { name: 'Min Available', type: 'string', value: o => String(o.spec.minAvailable ?? 'N/A') },
    { name: 'Max Unavailable', type: 'string', value: o => String(o.spec.maxUnavailable ?? 'N/A') },
    { name: 'Allowed Disruptions', type: 'integer', value: o => o.status.disruptionsAllowed },
  ],
  explicit: true,
  validateName: pathSegmentErrors,
  *validate({ spec }, at) {
    const path = at.field('spec')
    if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined)
      yield path.invalid(goStruct(PodDisruptionBudgetSpec, spec), 'minAvailable and maxUnavailable cannot be both set')
    for (const name of ['minAvailable', 'maxUnavailable'] as const)
      for (const error of shareErrors(spec[name])) yield path.field(name).invalid(spec[name], error)
    yield* validateSelector(spec.selector, path.field('selector'))
    if (spec.unhealthyPodEvictionPolicy !== undefined)
      yield* supported(
        spec.unhealthyPodEvictionPolicy,
        ['AlwaysAllow', 'IfHealthyBudget'],
        path.field('unhealthyPodEvictionPolicy'),
      )
  },
  validateStatus: validateCounts({
    counts: ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'],
  }),
  fields: {
    spec: PodDisruptionBudgetSpec.value({ proto: 2, doc: 'Limits for the disruption of pods.' }),
    status: PodDisruptionBudgetStatus.value({ proto: 3, doc: 'Most recently observed state of the budget.' }),
  },
})
export type PodDisruptionBudget = Of<typeof PodDisruptionBudget>
