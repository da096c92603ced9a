// A priority class: how much a pod matters, as a number.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int32, string } from '../../api/schema/build.ts'
import { ageColumn } from '../columns.ts'

export const PriorityClass = defineKind({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  scope: 'Cluster',
  shortNames: ['pc'],
  doc: 'A priority class: how much a pod matters, as a number.',
  generation: true,
  columns: [
    { name: 'Value', type: 'integer', value: '.value' },
    { name: 'Global-Default', type: 'boolean', value: o => o.globalDefault ?? false },
    ageColumn as never,
    { name: 'PreemptionPolicy', type: 'string', value: o => o.preemptionPolicy ?? 'PreemptLowerPriority' },
  ],
  fields: {
    value: int32({ proto: 2, always: true, doc: 'The priority; higher goes first.' }),
    globalDefault: bool({ proto: 3, doc: 'True to give this to pods without a class.' }),
    description: string({ proto: 4, doc: 'What the class is for.' }),
    preemptionPolicy: string({ proto: 5, optional: true, doc: 'PreemptLowerPriority, or Never to wait for room.' }),
  },
})
export type PriorityClass = Of<typeof PriorityClass>
