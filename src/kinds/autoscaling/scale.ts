// The replica count of any workload, in one shape.
import { defineKind, type Of } from '../../api/kind.ts'
import { ageColumn } from '../columns.ts'
import { int32, string, struct } from '../../api/schema/build.ts'

export const ScaleSpec = struct('autoscaling.v1.ScaleSpec', 'How many are wanted.', {
  replicas: int32({ proto: 1, doc: 'How many pods are wanted.' }),
})
export type ScaleSpec = Of<typeof ScaleSpec>

export const ScaleStatus = struct('autoscaling.v1.ScaleStatus', 'How many there are.', {
  replicas: int32({ proto: 1, always: true, doc: 'How many pods there are.' }),
  selector: string({ proto: 2, doc: 'Labels of the pods, as text.' }),
})
export type ScaleStatus = Of<typeof ScaleStatus>

export const Scale = defineKind({
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: '',
  scope: 'Namespaced',
  verbs: ['create'],
  doc: 'The replica count of any workload, in one shape.',
  columns: [
    { name: 'Desired', type: 'integer', value: o => o.spec.replicas ?? 0 },
    { name: 'Available', type: 'integer', value: o => o.status.replicas ?? 0 },
    ageColumn as never,
  ],
  fields: {
    spec: ScaleSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ScaleStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Scale = Of<typeof Scale>
