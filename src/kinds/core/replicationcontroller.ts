// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, int64, listByKey, map, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from './podtemplatespec.ts'

export const ReplicationControllerSpec = struct('core.v1.ReplicationControllerSpec', '', {
  replicas: int32({ proto: 1, optional: true, default: 1 }),
  minReadySeconds: int32({ proto: 4, default: 0 }),
  selector: map(string({}), { proto: 2 }),
  template: PodTemplateSpec.field({ proto: 3 }),
})
export type ReplicationControllerSpec = Of<typeof ReplicationControllerSpec>

export const ReplicationControllerCondition = struct('core.v1.ReplicationControllerCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
})
export type ReplicationControllerCondition = Of<typeof ReplicationControllerCondition>

export const ReplicationControllerStatus = struct('core.v1.ReplicationControllerStatus', '', {
  replicas: int32({ proto: 1, always: true }),
  fullyLabeledReplicas: int32({ proto: 2 }),
  readyReplicas: int32({ proto: 4 }),
  availableReplicas: int32({ proto: 5 }),
  observedGeneration: int64({ proto: 3 }),
  conditions: listByKey('type', ReplicationControllerCondition, { proto: 6, mergeKey: 'type' }),
})
export type ReplicationControllerStatus = Of<typeof ReplicationControllerStatus>

export const ReplicationController = defineKind({
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  scope: 'Namespaced',
  shortNames: ['rc'],
  categories: ['all'],
  status: true,
  scale: { spec: '.spec.replicas', status: '.status.replicas', selector: '.spec.selector' },
  doc: '',
  fields: {
    spec: ReplicationControllerSpec.value({ proto: 2 }),
    status: ReplicationControllerStatus.value({ proto: 3 }),
  },
})
export type ReplicationController = Of<typeof ReplicationController>
