// A priority class: how much a pod matters, as a number.
import { defineKind, type Of } from '../../api/kind.ts'
import { supported } from '../../api/checks.ts'
import { unchanged } from '../unchanged.ts'
import { bool, int32, string } from '../../api/schema/build.ts'
import { ageColumn } from '../columns.ts'

/** Classes with this prefix are the cluster's own. */
const systemClasses: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
}
const highestUserPriority = 1_000_000_000

export const PriorityClass = defineKind({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  scope: 'Cluster',
  createOnUpdate: true,
  shortNames: ['pc'],
  doc: 'PriorityClass defines a priority for pods by name.',
  generation: true,
  columns: [
    { name: 'Value', type: 'integer', value: '.value' },
    { name: 'Global-Default', type: 'boolean', value: o => o.globalDefault ?? false },
    ageColumn,
    { name: 'PreemptionPolicy', type: 'string', value: o => o.preemptionPolicy ?? 'PreemptLowerPriority' },
  ],
  explicit: true,
  *validate({ metadata: { name = '' }, value, preemptionPolicy }, at) {
    const system = systemClasses[name]
    if (name.startsWith('system-') && system === undefined)
      yield at
        .field('metadata', 'name')
        .forbidden(
          "priority class names with 'system-' prefix are reserved for system use only. error: ".concat(
            `${name} is not a known system priority class`,
          ),
        )
    else if (system !== undefined && value !== system)
      yield at
        .field('metadata', 'name')
        .forbidden(
          `priority class names with 'system-' prefix are reserved for system use only. error: value of ${name} PriorityClass must be ${system}`,
        )
    else if (system === undefined && value > highestUserPriority)
      yield at.field('value').forbidden(`maximum allowed value of a user defined priority is ${highestUserPriority}`)
    if (preemptionPolicy !== undefined)
      yield* supported(preemptionPolicy, ['PreemptLowerPriority', 'Never'], at.field('preemptionPolicy'))
  },
  *validateUpdate(next, old, at) {
    if (next.value !== old.value) yield at.field('value').forbidden('may not be changed in an update.')
    yield* unchanged(next, old, ['preemptionPolicy'], at)
  },
  fields: {
    value: int32({
      proto: 2,
      always: true,
      doc: 'Priority of pods with this class. A higher value means a higher priority. At most 1000000000, except for system classes. Cannot be changed.',
    }),
    globalDefault: bool({
      proto: 3,
      doc: 'If true, pods without a priority class get this one. If there are several, the one with the lowest value is used. Defaults to false.',
    }),
    description: string({ proto: 4, doc: 'Human-readable description of when to use the class.' }),
    preemptionPolicy: string({
      proto: 5,
      default: 'PreemptLowerPriority',
      optional: true,
      enum: ['PreemptLowerPriority', 'Never'],
      doc: 'PreemptLowerPriority allows pods with this class to preempt pods with a lower priority, Never does not. Cannot be changed. Defaults to PreemptLowerPriority.',
    }),
  },
})
export type PriorityClass = Of<typeof PriorityClass>
