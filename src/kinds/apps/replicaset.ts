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

export const ReplicaSetSpec = struct('apps.v1.ReplicaSetSpec', 'What a ReplicaSet is to be.', {
  replicas: int32({ proto: 1, default: 1, optional: true, doc: 'How many pods are wanted.' }),
  minReadySeconds: int32({ proto: 4, doc: 'Seconds a pod must be ready to count as available.' }),
  selector: LabelSelector.field({
    proto: 2,
    required: true,
    doc: 'Labels of its pods; must fit those of the template; cannot change.',
  }),
  template: PodTemplateSpec.value({ proto: 3, doc: 'The pod to make.' }),
})
export type ReplicaSetSpec = Of<typeof ReplicaSetSpec>

export const ReplicaSetCondition = struct('apps.v1.ReplicaSetCondition', 'One aspect of a ReplicaSet’s state.', {
  type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
  status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
  lastTransitionTime: time({ proto: 3, always: true, doc: 'When the status last changed.' }),
  reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
  message: string({ proto: 5, doc: 'The same for people.' }),
})
export type ReplicaSetCondition = Of<typeof ReplicaSetCondition>

export const ReplicaSetStatus = struct('apps.v1.ReplicaSetStatus', 'What a ReplicaSet is.', {
  replicas: int32({ proto: 1, always: true, doc: 'Its pods.' }),
  fullyLabeledReplicas: int32({ proto: 2, doc: 'Its pods with all labels of the template.' }),
  readyReplicas: int32({ proto: 4, doc: 'Its pods that are ready.' }),
  availableReplicas: int32({ proto: 5, doc: 'Its pods that have been ready for minReadySeconds.' }),
  terminatingReplicas: int32({ proto: 7, optional: true, doc: 'Its pods that are being deleted.' }),
  observedGeneration: int64({ proto: 3, doc: 'The generation this was computed for.' }),
  conditions: listByKey('type', ReplicaSetCondition, {
    proto: 6,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
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
  doc: 'A replica set keeps N identical pods running. A Deployment stacks them to roll out a change.',
  generation: true,
  columns: [
    { name: 'Desired', type: 'integer', value: '.spec.replicas' },
    { name: 'Current', type: 'integer', value: '.status.replicas' },
    { name: 'Ready', type: 'integer', value: '.status.readyReplicas' },
    ...(templateColumns as []),
    selectorColumn as never,
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
    spec: ReplicaSetSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: ReplicaSetStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ReplicaSet = Of<typeof ReplicaSet>
