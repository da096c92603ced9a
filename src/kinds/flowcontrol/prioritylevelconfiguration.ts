// How many requests of a level are served at once, and which wait.
import { keptByStatus } from '../status-rules.ts'
import { validateLevel } from './level-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const QueuingConfiguration = struct('flowcontrol.v1.QueuingConfiguration', 'How requests wait.', {
  queues: int32({ proto: 1, default: 64, always: true, doc: 'How many queues there are.' }),
  handSize: int32({ proto: 2, default: 8, always: true, doc: 'How many of them each flow may use.' }),
  queueLengthLimit: int32({
    proto: 3,
    default: 50,
    always: true,
    doc: 'Most requests in a queue; further ones are refused.',
  }),
})
export type QueuingConfiguration = Of<typeof QueuingConfiguration>

export const LimitResponse = struct('flowcontrol.v1.LimitResponse', 'What happens to requests above the limit.', {
  type: string({ proto: 1, always: true, required: true, enum: ['Queue', 'Reject'], doc: 'Queue or Reject.' }),
  queuing: QueuingConfiguration.field({ proto: 2, doc: 'How they wait.' }),
})
export type LimitResponse = Of<typeof LimitResponse>

export const LimitedPriorityLevelConfiguration = struct(
  'flowcontrol.v1.LimitedPriorityLevelConfiguration',
  'A level whose requests are limited.',
  {
    nominalConcurrencyShares: int32({
      proto: 1,
      default: 30,
      optional: true,
      doc: 'Its share of the requests the server handles at a time, against the other levels’.',
    }),
    limitResponse: LimitResponse.value({ proto: 2, required: true, doc: 'What happens to requests above the limit.' }),
    lendablePercent: int32({
      proto: 3,
      default: 0,
      optional: true,
      doc: 'How much of its share others may borrow, in percent.',
    }),
    borrowingLimitPercent: int32({
      proto: 4,
      optional: true,
      doc: 'How much it may borrow, in percent of its share; unset for no limit.',
    }),
  },
)
export type LimitedPriorityLevelConfiguration = Of<typeof LimitedPriorityLevelConfiguration>

export const ExemptPriorityLevelConfiguration = struct(
  'flowcontrol.v1.ExemptPriorityLevelConfiguration',
  'A level whose requests never wait.',
  {
    nominalConcurrencyShares: int32({
      proto: 1,
      default: 0,
      optional: true,
      doc: 'Its share, which others may borrow from.',
    }),
    lendablePercent: int32({
      proto: 2,
      default: 0,
      optional: true,
      doc: 'How much of its share others may borrow, in percent.',
    }),
  },
)
export type ExemptPriorityLevelConfiguration = Of<typeof ExemptPriorityLevelConfiguration>

export const PriorityLevelConfigurationSpec = struct(
  'flowcontrol.v1.PriorityLevelConfigurationSpec',
  'How requests of a level are limited.',
  {
    type: string({ proto: 1, always: true, required: true, enum: ['Exempt', 'Limited'], doc: 'Limited or Exempt.' }),
    limited: LimitedPriorityLevelConfiguration.field({ proto: 2, doc: 'Settings of a limited level.' }),
    exempt: ExemptPriorityLevelConfiguration.field({ proto: 3, doc: 'Settings of an exempt level.' }),
  },
)
export type PriorityLevelConfigurationSpec = Of<typeof PriorityLevelConfigurationSpec>

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
  validate: ({ metadata, spec }, at) => validateLevel(metadata.name ?? '', spec, at.field('spec')),
  fields: {
    spec: PriorityLevelConfigurationSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: PriorityLevelConfigurationStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PriorityLevelConfiguration = Of<typeof PriorityLevelConfiguration>
