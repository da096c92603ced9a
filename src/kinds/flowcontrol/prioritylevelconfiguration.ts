// How many requests of a level are served at once, and which wait.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const QueuingConfiguration = struct('flowcontrol.v1.QueuingConfiguration', '', {
  queues: int32({ proto: 1, always: true }),
  handSize: int32({ proto: 2, always: true }),
  queueLengthLimit: int32({ proto: 3, always: true }),
})
export type QueuingConfiguration = Of<typeof QueuingConfiguration>

export const LimitResponse = struct('flowcontrol.v1.LimitResponse', '', {
  type: string({ proto: 1, always: true, required: true }),
  queuing: QueuingConfiguration.field({ proto: 2 }),
})
export type LimitResponse = Of<typeof LimitResponse>

export const LimitedPriorityLevelConfiguration = struct('flowcontrol.v1.LimitedPriorityLevelConfiguration', '', {
  nominalConcurrencyShares: int32({ proto: 1, optional: true }),
  limitResponse: LimitResponse.value({ proto: 2, required: true }),
  lendablePercent: int32({ proto: 3, optional: true }),
  borrowingLimitPercent: int32({ proto: 4, optional: true }),
})
export type LimitedPriorityLevelConfiguration = Of<typeof LimitedPriorityLevelConfiguration>

export const ExemptPriorityLevelConfiguration = struct('flowcontrol.v1.ExemptPriorityLevelConfiguration', '', {
  nominalConcurrencyShares: int32({ proto: 1, optional: true }),
  lendablePercent: int32({ proto: 2, optional: true }),
})
export type ExemptPriorityLevelConfiguration = Of<typeof ExemptPriorityLevelConfiguration>

export const PriorityLevelConfigurationSpec = struct('flowcontrol.v1.PriorityLevelConfigurationSpec', '', {
  type: string({ proto: 1, always: true, required: true }),
  limited: LimitedPriorityLevelConfiguration.field({ proto: 2 }),
  exempt: ExemptPriorityLevelConfiguration.field({ proto: 3 }),
})
export type PriorityLevelConfigurationSpec = Of<typeof PriorityLevelConfigurationSpec>

export const PriorityLevelConfigurationCondition = struct('flowcontrol.v1.PriorityLevelConfigurationCondition', '', {
  type: string({ proto: 1, required: true }),
  status: string({ proto: 2 }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
})
export type PriorityLevelConfigurationCondition = Of<typeof PriorityLevelConfigurationCondition>

export const PriorityLevelConfigurationStatus = struct('flowcontrol.v1.PriorityLevelConfigurationStatus', '', {
  conditions: listByKey('type', PriorityLevelConfigurationCondition, { proto: 1, mergeKey: 'type' }),
})
export type PriorityLevelConfigurationStatus = Of<typeof PriorityLevelConfigurationStatus>

export const PriorityLevelConfiguration = defineKind({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  scope: 'Cluster',
  status: true,
  doc: 'How many requests of a level are served at once, and which wait.',
  fields: {
    spec: PriorityLevelConfigurationSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: PriorityLevelConfigurationStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PriorityLevelConfiguration = Of<typeof PriorityLevelConfiguration>
