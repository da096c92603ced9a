// Taints devices by a rule.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'
import { DeviceTaint } from './types.ts'

export const DeviceTaintSelector = struct('resource.v1.DeviceTaintSelector', '', {
  driver: string({ proto: 2, optional: true }),
  pool: string({ proto: 3, optional: true }),
  device: string({ proto: 4, optional: true }),
})
export type DeviceTaintSelector = Of<typeof DeviceTaintSelector>

export const DeviceTaintRuleSpec = struct('resource.v1.DeviceTaintRuleSpec', '', {
  deviceSelector: DeviceTaintSelector.field({ proto: 1 }),
  taint: DeviceTaint.value({ proto: 2, required: true }),
})
export type DeviceTaintRuleSpec = Of<typeof DeviceTaintRuleSpec>

export const DeviceTaintRuleStatus = struct('resource.v1.DeviceTaintRuleStatus', '', {
  conditions: listByKey('type', Condition, { proto: 1, mergeKey: 'type' }),
})
export type DeviceTaintRuleStatus = Of<typeof DeviceTaintRuleStatus>

export const DeviceTaintRule = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceTaintRule',
  plural: 'devicetaintrules',
  scope: 'Cluster',
  status: true,
  doc: 'Taints devices by a rule.',
  fields: {
    spec: DeviceTaintRuleSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: DeviceTaintRuleStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type DeviceTaintRule = Of<typeof DeviceTaintRule>
