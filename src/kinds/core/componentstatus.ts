// The health of a part of the control plane; kept for old tools.
// Source of the columns: pkg/printers/internalversion/printers.go (printComponentStatus).
import { type Column, defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'

export const ComponentCondition = struct('core.v1.ComponentCondition', 'Health of a component of the control plane.', {
  type: string({ proto: 1, always: true, doc: 'Type of the condition. Always Healthy.' }),
  status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
  message: string({ proto: 3, doc: 'Human-readable message with details about the health of the component.' }),
  error: string({ proto: 4, doc: 'Error that the health check returned.' }),
})
export type ComponentCondition = Of<typeof ComponentCondition>

type HasConditions = { readonly conditions?: readonly ComponentCondition[] }

const healthOf = ({ conditions }: HasConditions) => conditions?.find(condition => condition.type === 'Healthy')

const columns: readonly Column<HasConditions>[] = [
  {
    name: 'Status',
    type: 'string',
    value: object => ({ True: 'Healthy', False: 'Unhealthy' })[healthOf(object)?.status ?? ''] ?? 'Unknown',
    doc: 'Health of the component.',
  },
  { name: 'Message', type: 'string', value: o => healthOf(o)?.message ?? '', doc: 'What the health check says.' },
  { name: 'Error', type: 'string', value: o => healthOf(o)?.error ?? '', doc: 'Why the health check failed.' },
]

export const ComponentStatus = defineKind({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  scope: 'Cluster',
  deprecated: 'v1 ComponentStatus is deprecated in v1.19+',
  shortNames: ['cs'],
  verbs: ['get', 'list'],
  doc: 'Deprecated: ComponentStatus reports the health of a component of the control plane, for old clients.',
  age: false,
  columns,
  fields: {
    conditions: listByKey('type', ComponentCondition, {
      proto: 2,
      mergeKey: 'type',
      doc: 'Current conditions of the component.',
    }),
  },
})
export type ComponentStatus = Of<typeof ComponentStatus>
