// A replica set keeps N identical pods running. A Deployment stacks them to roll out a change.
import { warnOfWorkload } from '../core/pod-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { selectorColumn, templateColumns } from '../columns.ts'
import { notNegative } from '../../api/checks.ts'
import { defaultTemplate, selectorUnchanged, validateLasting, validateSelection } from './workload-rules.ts'
import { validateCounts } from '../status-rules.ts'

export const ReplicaSetSpec = struct('apps.v1.ReplicaSetSpec', 'Desired state of a ReplicaSet.', {
  replicas: int32({ proto: 1, default: 1, optional: true, doc: 'Desired number of pods. Defaults to 1.' }),
  minReadySeconds: int32({
    proto: 4,
    doc: 'Seconds that a new pod must be ready, without a container crashing, to count as available. Defaults to 0.',
  }),
  selector: LabelSelector.field({
    proto: 2,
    required: true,
    doc: 'Labels of the pods that the ReplicaSet manages. Must match the labels of the template. Cannot be changed.',
  }),
  template: PodTemplateSpec.value({
    proto: 3,
    doc: 'Template of the pods that are created when there are too few. A change does not affect existing pods.',
  }),
})
export type ReplicaSetSpec = Of<typeof ReplicaSetSpec>

export const ReplicaSetCondition = struct(
  'apps.v1.ReplicaSetCondition',
  'One aspect of the current state of a ReplicaSet.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition, such as ReplicaFailure.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type ReplicaSetCondition = Of<typeof ReplicaSetCondition>

export const ReplicaSetStatus = struct('apps.v1.ReplicaSetStatus', 'Most recently observed state of a ReplicaSet.', {
  replicas: int32({ proto: 1, always: true, doc: 'Number of pods that are not terminating.' }),
  fullyLabeledReplicas: int32({
    proto: 2,
    doc: 'Number of pods, not terminating, that have all labels of the template.',
  }),
  readyReplicas: int32({ proto: 4, doc: 'Number of pods, not terminating, that are ready.' }),
  availableReplicas: int32({
    proto: 5,
    doc: 'Number of pods, not terminating, that have been ready for at least minReadySeconds.',
  }),
  terminatingReplicas: int32({ proto: 7, optional: true, doc: 'Number of pods that are terminating.' }),
  observedGeneration: int64({ proto: 3, doc: 'Generation that the controller has most recently processed.' }),
  conditions: listByKey('type', ReplicaSetCondition, {
    proto: 6,
    mergeKey: 'type',
    doc: 'Current conditions of the ReplicaSet.',
  }),
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
  doc: 'ReplicaSet keeps a set number of identical pods running. It is usually managed by a Deployment.',
  generation: true,
  columns: [
    { name: 'Desired', type: 'integer', value: '.spec.replicas' },
    { name: 'Current', type: 'integer', value: '.status.replicas' },
    { name: 'Ready', type: 'integer', value: '.status.readyReplicas' },
    ...(templateColumns as []),
    selectorColumn,
  ],
  defaults: defaultTemplate,
  explicit: true,
  warnings: warnOfWorkload,
  *validate({ spec }, at) {
    yield* notNegative({ replicas: spec.replicas, minReadySeconds: spec.minReadySeconds }, at.field('spec'))
    yield* validateSelection(spec, { kind: 'deployment', broken: 'invalid label selector' }, at.field('spec'))
    yield* validateLasting(spec.template, 'ReplicaSet', at.field('spec', 'template'))
  },
  *validateUpdate(next, old, at) {
    yield* selectorUnchanged(next.spec.selector, old.spec.selector, at)
  },
  validateStatus: validateCounts({
    counts: [
      'replicas',
      'fullyLabeledReplicas',
      'readyReplicas',
      'availableReplicas',
      'observedGeneration',
      'terminatingReplicas',
    ],
    within: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
    ready: 'readyReplicas',
  }),
  fields: {
    spec: ReplicaSetSpec.value({ proto: 2, required: true, doc: 'Desired state of the ReplicaSet.' }),
    status: ReplicaSetStatus.value({ proto: 3, doc: 'Most recently observed state of the ReplicaSet.' }),
  },
})
export type ReplicaSet = Of<typeof ReplicaSet>
