// The replica count of any workload, in one shape.
import { defineKind, type Of } from '../../api/kind.ts'
import { ageColumn } from '../columns.ts'
import { int32, string, struct } from '../../api/schema/build.ts'

export const ScaleSpec = struct('autoscaling.v1.ScaleSpec', 'Desired size of a workload.', {
  replicas: int32({ proto: 1, doc: 'Desired number of pods.' }),
})
export type ScaleSpec = Of<typeof ScaleSpec>

export const ScaleStatus = struct('autoscaling.v1.ScaleStatus', 'Current size of a workload.', {
  replicas: int32({ proto: 1, always: true, doc: 'Current number of pods.' }),
  selector: string({ proto: 2, doc: 'Selector of the pods in its serialized form, such as app=web.' }),
})
export type ScaleStatus = Of<typeof ScaleStatus>

export const Scale = defineKind({
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: '',
  scope: 'Namespaced',
  verbs: ['create'],
  doc: 'Scale is the scale subresource of a workload. It reads and changes the number of pods, whatever the kind.',
  columns: [
    { name: 'Desired', type: 'integer', value: o => o.spec.replicas ?? 0 },
    { name: 'Available', type: 'integer', value: o => o.status.replicas ?? 0 },
    ageColumn,
  ],
  fields: {
    spec: ScaleSpec.value({ proto: 2, doc: 'Desired size of the workload.' }),
    status: ScaleStatus.value({ proto: 3, doc: 'Current size of the workload.' }),
  },
})
export type Scale = Of<typeof Scale>
