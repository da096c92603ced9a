// A replication controller keeps N identical pods running; the older form of ReplicaSet.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, int64, listByKey, map, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from './podtemplatespec.ts'
import { selectorColumn, templateColumns } from '../columns.ts'
import { matchesPairs } from '../../api/labels.ts'
import { notNegative, validateTemplate } from '../apps/workload-rules.ts'
import { defaultPodSpec } from './pod-defaults.ts'

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
  doc: 'A replication controller keeps N identical pods running; the older form of ReplicaSet.',
  generation: true,
  returnsDeleted: true,
  selectable: { 'status.replicas': rc => String(rc.status.replicas ?? 0) },
  columns: [
    { name: 'Desired', type: 'integer', value: '.spec.replicas' },
    { name: 'Current', type: 'integer', value: '.status.replicas' },
    { name: 'Ready', type: 'integer', value: '.status.readyReplicas' },
    ...(templateColumns as []),
    selectorColumn as never,
  ],
  defaults: rc => {
    rc.spec.replicas ??= 1
    if (!rc.spec.template) return
    defaultPodSpec(rc.spec.template.spec)
    const labels = rc.spec.template.metadata.labels
    if (labels && !Object.keys(rc.spec.selector ?? {}).length) rc.spec.selector = { ...labels }
    if (labels && !Object.keys(rc.metadata.labels ?? {}).length) rc.metadata.labels = { ...labels }
  },
  *validate({ spec }, at) {
    yield* notNegative({ replicas: spec.replicas, minReadySeconds: spec.minReadySeconds }, at.field('spec'))
    if (!Object.keys(spec.selector ?? {}).length) yield at.field('spec', 'selector').required()
    if (!spec.template) return yield at.field('spec', 'template').required()
    if (!matchesPairs(spec.selector, spec.template.metadata.labels))
      yield at
        .field('spec', 'template', 'metadata', 'labels')
        .invalid(spec.template.metadata.labels ?? null, '`selector` does not match template `labels`')
    yield* validateTemplate(spec.template, at.field('spec', 'template'))
  },
  fields: {
    spec: ReplicationControllerSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ReplicationControllerStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ReplicationController = Of<typeof ReplicationController>
