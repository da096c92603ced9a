// What a priority level says of its requests: how many are served at once, and how further ones wait.
import type { Of } from '../../api/kind.ts'
import { int32, string, struct } from '../../api/schema/build.ts'

export const QueuingConfiguration = struct(
  'flowcontrol.v1.QueuingConfiguration',
  'How requests are queued at a priority level.',
  {
    queues: int32({
      proto: 1,
      default: 64,
      always: true,
      doc: 'Number of queues. More queues make it less likely that flows affect each other. From 1 to 10000000. Defaults to 64.',
    }),
    handSize: int32({
      proto: 2,
      default: 8,
      always: true,
      doc: 'Number of queues that are considered for each flow, of which the shortest one is used. At most queues. Defaults to 8.',
    }),
    queueLengthLimit: int32({
      proto: 3,
      default: 50,
      always: true,
      doc: 'Maximum number of requests in a queue. Requests beyond it are rejected. Must be positive. Defaults to 50.',
    }),
  },
)
export type QueuingConfiguration = Of<typeof QueuingConfiguration>

export const LimitResponse = struct(
  'flowcontrol.v1.LimitResponse',
  'What happens to requests beyond the concurrency limit.',
  {
    type: string({
      proto: 1,
      always: true,
      required: true,
      enum: ['Queue', 'Reject'],
      doc: 'Queue lets the requests wait in queues, Reject rejects them.',
    }),
    queuing: QueuingConfiguration.field({
      proto: 2,
      doc: 'How requests are queued. Required for type Queue, and not allowed otherwise.',
    }),
  },
)
export type LimitResponse = Of<typeof LimitResponse>

export const LimitedPriorityLevelConfiguration = struct(
  'flowcontrol.v1.LimitedPriorityLevelConfiguration',
  'Concurrency limit of a priority level, and what happens beyond it.',
  {
    nominalConcurrencyShares: int32({
      proto: 1,
      default: 30,
      optional: true,
      doc: 'Share of the server’s total concurrency limit, relative to the shares of all other levels. Defaults to 30.',
    }),
    limitResponse: LimitResponse.value({ proto: 2, required: true, doc: 'What happens to requests beyond the limit.' }),
    lendablePercent: int32({
      proto: 3,
      default: 0,
      optional: true,
      doc: 'Percentage of the level’s limit that other levels can borrow, from 0 to 100. Defaults to 0.',
    }),
    borrowingLimitPercent: int32({
      proto: 4,
      optional: true,
      doc: 'Maximum that the level can borrow from others, as a percentage of its limit. Must not be negative. If unset, there is no maximum.',
    }),
  },
)
export type LimitedPriorityLevelConfiguration = Of<typeof LimitedPriorityLevelConfiguration>

export const ExemptPriorityLevelConfiguration = struct(
  'flowcontrol.v1.ExemptPriorityLevelConfiguration',
  'Share of an exempt priority level, which other levels can borrow.',
  {
    nominalConcurrencyShares: int32({
      proto: 1,
      default: 0,
      optional: true,
      doc: 'Share of the server’s total concurrency limit that is set aside. It does not limit the requests of the level. Defaults to 0.',
    }),
    lendablePercent: int32({
      proto: 2,
      default: 0,
      optional: true,
      doc: 'Percentage of the share that other levels can borrow, from 0 to 100. Defaults to 0.',
    }),
  },
)
export type ExemptPriorityLevelConfiguration = Of<typeof ExemptPriorityLevelConfiguration>

export const PriorityLevelConfigurationSpec = struct(
  'flowcontrol.v1.PriorityLevelConfigurationSpec',
  'How requests of a priority level are limited.',
  {
    type: string({
      proto: 1,
      always: true,
      required: true,
      enum: ['Exempt', 'Limited'],
      doc: 'Exempt executes requests immediately and without a limit. Limited subjects them to the limit in limited.',
    }),
    limited: LimitedPriorityLevelConfiguration.field({
      proto: 2,
      doc: 'Limit of the level. Required for type Limited, and not allowed otherwise.',
    }),
    exempt: ExemptPriorityLevelConfiguration.field({
      proto: 3,
      doc: 'Share of an exempt level. Only for type Exempt.',
    }),
  },
)
export type PriorityLevelConfigurationSpec = Of<typeof PriorityLevelConfigurationSpec>
