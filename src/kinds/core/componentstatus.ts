// The health of a part of the control plane; kept for old tools.
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'

export const ComponentCondition = struct('core.v1.ComponentCondition', 'Health of a component of the control plane.', {
  type: string({ proto: 1, always: true, doc: 'Type of the condition. Always Healthy.' }),
  status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
  message: string({ proto: 3, doc: 'Human-readable message with details about the health of the component.' }),
  error: string({ proto: 4, doc: 'Error that the health check returned.' }),
})
export type ComponentCondition = Of<typeof ComponentCondition>

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
  fields: {
    conditions: listByKey('type', ComponentCondition, {
      proto: 2,
      mergeKey: 'type',
      doc: 'Current conditions of the component.',
    }),
  },
})
export type ComponentStatus = Of<typeof ComponentStatus>
