// Which requests belong to which priority level.
import { keptByStatus } from '../status-rules.ts'
import { ageColumn } from '../columns.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct, time } from '../../api/schema/build.ts'
import { validateFixedSchema } from './fixed.ts'
import { FlowSchemaSpec } from './flowschemaspec.ts'
import { validateSchema } from './schema-rules.ts'

export const FlowSchemaCondition = struct(
  'flowcontrol.v1.FlowSchemaCondition',
  'One aspect of the current state of a FlowSchema.',
  {
    type: string({ proto: 1, required: true, doc: 'Type of the condition, such as Dangling.' }),
    status: string({ proto: 2, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type FlowSchemaCondition = Of<typeof FlowSchemaCondition>

export const FlowSchemaStatus = struct(
  'flowcontrol.v1.FlowSchemaStatus',
  'Most recently observed state of a FlowSchema.',
  {
    conditions: listByKey('type', FlowSchemaCondition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'Current conditions of the FlowSchema. Dangling is True if its priority level does not exist.',
    }),
  },
)
export type FlowSchemaStatus = Of<typeof FlowSchemaStatus>

export const FlowSchema = defineKind({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  scope: 'Cluster',
  status: true,
  statusKeeps: keptByStatus,
  doc: 'FlowSchema assigns API requests to a priority level, and groups them into flows that share it fairly.',
  generation: true,
  columns: [
    { name: 'PriorityLevel', type: 'string', value: o => o.spec.priorityLevelConfiguration.name },
    { name: 'MatchingPrecedence', type: 'string', value: o => o.spec.matchingPrecedence },
    { name: 'DistinguisherMethod', type: 'string', value: o => o.spec.distinguisherMethod?.type ?? '<none>' },
    ageColumn,
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
    spec: FlowSchemaSpec.value({
      proto: 2,
      required: true,
      doc: 'Requests that the FlowSchema matches, and their priority level.',
    }),
    status: FlowSchemaStatus.value({ proto: 3, doc: 'Most recently observed state of the FlowSchema.' }),
  },
})
export type FlowSchema = Of<typeof FlowSchema>
