// The health of a part of the control plane; kept for old tools.
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'

export const ComponentCondition = struct('core.v1.ComponentCondition', 'One aspect of a component’s state.', {
  type: string({ proto: 1, always: true, doc: 'Always Healthy.' }),
  status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
  message: string({ proto: 3, doc: 'The same for people.' }),
  error: string({ proto: 4, doc: 'What went wrong.' }),
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
  doc: 'The health of a part of the control plane; kept for old tools.',
  fields: {
    conditions: listByKey('type', ComponentCondition, {
      proto: 2,
      mergeKey: 'type',
      doc: 'What can be said about the state, one entry per aspect.',
    }),
  },
})
export type ComponentStatus = Of<typeof ComponentStatus>
