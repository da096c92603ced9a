// Taints devices by a rule.
import { keptByStatus } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'
import { DeviceTaint } from './types.ts'

export const DeviceTaintSelector = struct(
  'resource.v1.DeviceTaintSelector',
  'Selects devices. A device must match all fields that are set. An empty selector matches all devices.',
  {
    driver: string({ proto: 2, optional: true, doc: 'Name of the driver of the devices.' }),
    pool: string({
      proto: 3,
      optional: true,
      doc: 'Name of the pool of the devices. Usually set together with driver.',
    }),
    device: string({ proto: 4, optional: true, doc: 'Name of the device. Usually set together with driver and pool.' }),
  },
)
export type DeviceTaintSelector = Of<typeof DeviceTaintSelector>

export const DeviceTaintRuleSpec = struct(
  'resource.v1.DeviceTaintRuleSpec',
  'Devices that are tainted, and their taint.',
  {
    deviceSelector: DeviceTaintSelector.field({
      proto: 1,
      doc: 'Selects the devices that are tainted. If unset, no devices are.',
    }),
    taint: DeviceTaint.value({ proto: 2, required: true, doc: 'Taint that is applied to the selected devices.' }),
  },
)
export type DeviceTaintRuleSpec = Of<typeof DeviceTaintRuleSpec>

export const DeviceTaintRuleStatus = struct(
  'resource.v1.DeviceTaintRuleStatus',
  'Most recently observed state of a DeviceTaintRule.',
  {
    conditions: listByKey('type', Condition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'Current conditions of the rule. EvictionInProgress is True while pods are being evicted because of the taint.',
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
  doc: 'DeviceTaintRule adds a taint to all devices that it selects.',
  // A taint begins when it is first written.
  prepare: ({ spec }, _old, now) => {
    spec.taint.timeAdded ??= now
  },
  fields: {
    spec: DeviceTaintRuleSpec.value({ proto: 2, required: true, doc: 'Devices that are tainted, and their taint.' }),
    status: DeviceTaintRuleStatus.value({ proto: 3, doc: 'Most recently observed state of the rule.' }),
  },
})
export type DeviceTaintRule = Of<typeof DeviceTaintRule>
