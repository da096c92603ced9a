// Taints devices by a rule.
import { keptByStatus } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'
import { DeviceTaint } from './types.ts'

export const DeviceTaintSelector = struct('resource.v1.DeviceTaintSelector', 'Selects devices.', {
  driver: string({ proto: 2, optional: true, doc: 'Driver of the devices.' }),
  pool: string({ proto: 3, optional: true, doc: 'Pool of the devices.' }),
  device: string({ proto: 4, optional: true, doc: 'Name of the device in its pool.' }),
})
export type DeviceTaintSelector = Of<typeof DeviceTaintSelector>

export const DeviceTaintRuleSpec = struct('resource.v1.DeviceTaintRuleSpec', 'Which devices get a taint.', {
  deviceSelector: DeviceTaintSelector.field({ proto: 1, doc: 'The devices.' }),
  taint: DeviceTaint.value({ proto: 2, required: true, doc: 'The taint.' }),
})
export type DeviceTaintRuleSpec = Of<typeof DeviceTaintRuleSpec>

export const DeviceTaintRuleStatus = struct(
  'resource.v1.DeviceTaintRuleStatus',
  'How far the taint has taken effect.',
  {
    conditions: listByKey('type', Condition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'What can be said about the state, one entry per aspect.',
    }),
  },
)
export type DeviceTaintRuleStatus = Of<typeof DeviceTaintRuleStatus>

export const DeviceTaintRule = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceTaintRule',
  plural: 'devicetaintrules',
  scope: 'Cluster',
  returnsDeleted: true,
  status: true,
  statusKeeps: keptByStatus,
  doc: 'Taints devices by a rule.',
  fields: {
    spec: DeviceTaintRuleSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: DeviceTaintRuleStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type DeviceTaintRule = Of<typeof DeviceTaintRule>
