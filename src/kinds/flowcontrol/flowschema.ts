// Which requests belong to which priority level.
import { keptByStatus } from '../status-rules.ts'
import { ageColumn } from '../columns.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct, time } from '../../api/schema/build.ts'
import { validateFixedSchema } from './fixed.ts'
import { FlowSchemaSpec } from './flowschemaspec.ts'
import { validateSchema } from './schema-rules.ts'

export const FlowSchemaCondition = struct('flowcontrol.v1.FlowSchemaCondition', 'One aspect of a schema’s state.', {
  type: string({ proto: 1, required: true, doc: 'What the condition is about.' }),
  status: string({ proto: 2, doc: 'Whether it holds: True, False or Unknown.' }),
  lastTransitionTime: time({ proto: 3, always: true, doc: 'When the status last changed.' }),
  reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
  message: string({ proto: 5, doc: 'The same for people.' }),
})
export type FlowSchemaCondition = Of<typeof FlowSchemaCondition>

export const FlowSchemaStatus = struct('flowcontrol.v1.FlowSchemaStatus', 'The state of a schema.', {
  conditions: listByKey('type', FlowSchemaCondition, {
    proto: 1,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
  }),
})
export type FlowSchemaStatus = Of<typeof FlowSchemaStatus>

export const FlowSchema = defineKind({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  scope: 'Cluster',
  status: true,
  statusKeeps: keptByStatus,
  doc: 'Which requests belong to which priority level.',
  generation: true,
  columns: [
    { name: 'PriorityLevel', type: 'string', value: o => o.spec.priorityLevelConfiguration.name },
    { name: 'MatchingPrecedence', type: 'string', value: o => o.spec.matchingPrecedence },
    { name: 'DistinguisherMethod', type: 'string', value: o => o.spec.distinguisherMethod?.type ?? '<none>' },
    ageColumn as never,
    {
      name: 'MissingPL',
      type: 'string',
      value: o => o.status.conditions?.find(c => c.type === 'Dangling')?.status ?? '?',
    },
  ],
  explicit: true,
  *validate({ metadata: { name = '' }, spec }, at) {
    yield* validateSchema(name, spec, at.field('spec'))
    yield* validateFixedSchema(name, spec, at.field('spec'))
  },
  fields: {
    spec: FlowSchemaSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: FlowSchemaStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type FlowSchema = Of<typeof FlowSchema>
