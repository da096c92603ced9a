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
  'How many pods must stay when pods are evicted.',
  {
    minAvailable: intOrString({
      proto: 1,
      optional: true,
      doc: 'Pods that must stay healthy, as a number or a share such as 50%.',
    }),
    selector: LabelSelector.field({ proto: 2, doc: 'Labels of the pods; an empty one means all of the namespace.' }),
    maxUnavailable: intOrString({
      proto: 3,
      optional: true,
      doc: 'Pods that may be away, as a number or a share; not together with minAvailable.',
    }),
    unhealthyPodEvictionPolicy: string({
      proto: 4,
      optional: true,
      enum: ['IfHealthyBudget', 'AlwaysAllow'],
      doc: 'Whether pods that are not ready can always be evicted, or within the budget only.',
    }),
  },
)
export type PodDisruptionBudgetSpec = Of<typeof PodDisruptionBudgetSpec>

export const PodDisruptionBudgetStatus = struct(
  'policy.v1.PodDisruptionBudgetStatus',
  'How many evictions the budget allows now.',
  {
    observedGeneration: int64({ proto: 1, doc: 'The generation this was computed for.' }),
    disruptedPods: map(time({}), { proto: 2, doc: 'Pods being evicted, with the time it was allowed.' }),
    disruptionsAllowed: int32({ proto: 3, always: true, doc: 'Evictions allowed now.' }),
    currentHealthy: int32({ proto: 4, always: true, doc: 'Healthy pods.' }),
    desiredHealthy: int32({ proto: 5, always: true, doc: 'Healthy pods that must stay.' }),
    expectedPods: int32({ proto: 6, always: true, doc: 'Pods that the budget counts.' }),
    conditions: listByKey('type', Condition, {
      proto: 7,
      mergeKey: 'type',
      doc: 'What can be said about the state, one entry per aspect.',
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
  doc: 'A disruption budget: how many pods of an application may be taken away at once.',
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
    spec: PodDisruptionBudgetSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: PodDisruptionBudgetStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PodDisruptionBudget = Of<typeof PodDisruptionBudget>
