// How many requests of a level are served at once, and which wait.
import { keptByStatus } from '../status-rules.ts'
import { validateFixedLevel } from './fixed.ts'
import { validateLevel } from './level-rules.ts'
import { PriorityLevelConfigurationSpec } from './level-types.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct, time } from '../../api/schema/build.ts'

export const PriorityLevelConfigurationCondition = struct(
  'flowcontrol.v1.PriorityLevelConfigurationCondition',
  'One aspect of the current state of a PriorityLevelConfiguration.',
  {
    type: string({ proto: 1, required: true, doc: 'Type of the condition.' }),
    status: string({ proto: 2, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type PriorityLevelConfigurationCondition = Of<typeof PriorityLevelConfigurationCondition>

export const PriorityLevelConfigurationStatus = struct(
  'flowcontrol.v1.PriorityLevelConfigurationStatus',
  'Most recently observed state of a PriorityLevelConfiguration.',
  {
    conditions: listByKey('type', PriorityLevelConfigurationCondition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'Current conditions of the PriorityLevelConfiguration.',
    }),
  },
)
export type PriorityLevelConfigurationStatus = Of<typeof PriorityLevelConfigurationStatus>

export const PriorityLevelConfiguration = defineKind({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  scope: 'Cluster',
  status: true,
  statusKeeps: keptByStatus,
  doc: 'PriorityLevelConfiguration limits how many API requests of a priority level are executed at the same time, and how others are queued.',
  generation: true,
  columns: [
    { name: 'Type', type: 'string', value: o => o.spec.type },
    {
      name: 'NominalConcurrencyShares',
      type: 'string',
      value: o => (o.spec.limited ?? o.spec.exempt)?.nominalConcurrencyShares ?? '<none>',
    },
    { name: 'Queues', type: 'string', value: o => o.spec.limited?.limitResponse.queuing?.queues ?? '<none>' },
    { name: 'HandSize', type: 'string', value: o => o.spec.limited?.limitResponse.queuing?.handSize ?? '<none>' },
    {
      name: 'QueueLengthLimit',
      type: 'string',
      value: o => o.spec.limited?.limitResponse.queuing?.queueLengthLimit ?? '<none>',
    },
  ],
  explicit: true,
  *validate({ metadata: { name = '' }, spec }, at) {
    yield* validateLevel(name, spec, at.field('spec'))
    yield* validateFixedLevel(name, spec, at.field('spec'))
  },
  fields: {
    spec: PriorityLevelConfigurationSpec.value({
      proto: 2,
      required: true,
      doc: 'How requests of the level are limited.',
    }),
    status: PriorityLevelConfigurationStatus.value({
      proto: 3,
      doc: 'Most recently observed state of the PriorityLevelConfiguration.',
    }),
  },
})
export type PriorityLevelConfiguration = Of<typeof PriorityLevelConfiguration>
