// A replica set keeps N identical pods running. A Deployment stacks them to roll out a change.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { selectorColumn, templateColumns } from '../columns.ts'
import { defaultTemplate, notNegative, selectorUnchanged, validateWorkload } from './workload-rules.ts'

export const ReplicaSetSpec = struct('apps.v1.ReplicaSetSpec', '', {
  replicas: int32({ proto: 1, default: 1, optional: true }),
  minReadySeconds: int32({ proto: 4 }),
  selector: LabelSelector.field({ proto: 2, required: true }),
  template: PodTemplateSpec.value({ proto: 3 }),
})
export type ReplicaSetSpec = Of<typeof ReplicaSetSpec>

export const ReplicaSetCondition = struct('apps.v1.ReplicaSetCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
})
export type ReplicaSetCondition = Of<typeof ReplicaSetCondition>

export const ReplicaSetStatus = struct('apps.v1.ReplicaSetStatus', '', {
  replicas: int32({ proto: 1, always: true }),
  fullyLabeledReplicas: int32({ proto: 2 }),
  readyReplicas: int32({ proto: 4 }),
  availableReplicas: int32({ proto: 5 }),
  terminatingReplicas: int32({ proto: 7, optional: true }),
  observedGeneration: int64({ proto: 3 }),
  conditions: listByKey('type', ReplicaSetCondition, { proto: 6, mergeKey: 'type' }),
})
export type ReplicaSetStatus = Of<typeof ReplicaSetStatus>

export const ReplicaSet = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  scope: 'Namespaced',
  shortNames: ['rs'],
  categories: ['all'],
  status: true,
  scale: { spec: '.spec.replicas', status: '.status.replicas', selector: '.spec.selector' },
  doc: 'A replica set keeps N identical pods running. A Deployment stacks them to roll out a change.',
  generation: true,
  selectable: { 'status.replicas': rs => String(rs.status.replicas ?? 0) },
  columns: [
    { name: 'Desired', type: 'integer', value: '.spec.replicas' },
    { name: 'Current', type: 'integer', value: '.status.replicas' },
    { name: 'Ready', type: 'integer', value: '.status.readyReplicas' },
    ...(templateColumns as []),
    selectorColumn as never,
  ],
  defaults: defaultTemplate,
  *validate({ spec }, at) {
    yield* notNegative({ replicas: spec.replicas, minReadySeconds: spec.minReadySeconds }, at.field('spec'))
    yield* validateWorkload(spec, at.field('spec'))
  },
  *validateUpdate(next, old, at) {
    yield* selectorUnchanged(next.spec.selector, old.spec.selector, at)
  },
  fields: {
    spec: ReplicaSetSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: ReplicaSetStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ReplicaSet = Of<typeof ReplicaSet>
