// The health of a part of the control plane; kept for old tools.
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'

export const ComponentCondition = struct('core.v1.ComponentCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  message: string({ proto: 3 }),
  error: string({ proto: 4 }),
})
export type ComponentCondition = Of<typeof ComponentCondition>

export const ComponentStatus = defineKind({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  scope: 'Cluster',
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
