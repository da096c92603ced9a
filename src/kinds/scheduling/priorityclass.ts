// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int32, string } from '../../api/schema/build.ts'

export const PriorityClass = defineKind({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  scope: 'Cluster',
  shortNames: ['pc'],
  doc: '',
  fields: {
    value: int32({ proto: 2, always: true }),
    globalDefault: bool({ proto: 3 }),
    description: string({ proto: 4 }),
    preemptionPolicy: string({ proto: 5, optional: true }),
  },
})
export type PriorityClass = Of<typeof PriorityClass>
