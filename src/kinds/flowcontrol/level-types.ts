// What a priority level says of its requests: how many are served at once, and how further ones wait.
import type { Of } from '../../api/kind.ts'
import { int32, string, struct } from '../../api/schema/build.ts'

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
