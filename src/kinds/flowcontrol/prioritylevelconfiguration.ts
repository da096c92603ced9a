// How many requests of a level are served at once, and which wait.
import { keptByStatus } from '../status-rules.ts'
import { validateFixedLevel } from './fixed.ts'
import { validateLevel } from './level-rules.ts'
import { PriorityLevelConfigurationSpec } from './level-types.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct, time } from '../../api/schema/build.ts'

export const PriorityLevelConfigurationCondition = struct(
  'flowcontrol.v1.PriorityLevelConfigurationCondition',
  'One aspect of a level’s state.',
  {
    type: string({ proto: 1, required: true, doc: 'What the condition is about.' }),
    status: string({ proto: 2, doc: 'Whether it holds: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'When the status last changed.' }),
    reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
    message: string({ proto: 5, doc: 'The same for people.' }),
  },
)
export type PriorityLevelConfigurationCondition = Of<typeof PriorityLevelConfigurationCondition>

export const PriorityLevelConfigurationStatus = struct(
  'flowcontrol.v1.PriorityLevelConfigurationStatus',
  'The state of a level.',
  {
    conditions: listByKey('type', PriorityLevelConfigurationCondition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'What can be said about the state, one entry per aspect.',
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
  doc: 'How many requests of a level are served at once, and which wait.',
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
    spec: PriorityLevelConfigurationSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: PriorityLevelConfigurationStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PriorityLevelConfiguration = Of<typeof PriorityLevelConfiguration>
