// A replication controller keeps N identical pods running; the older form of ReplicaSet.
import { asGiven } from '../../api/schema/empties.ts'
import { warnOfName, warnOfTemplate } from './pod-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, int64, listByKey, map, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from './podtemplatespec.ts'
import { selectorColumn, templateColumns } from '../columns.ts'
import { matchesPairs } from '../../api/labels.ts'
import { notNegative } from '../../api/checks.ts'
import { dnsSubdomainErrors } from '../../api/names.ts'
import { validateLasting } from '../apps/workload-rules.ts'
import { defaultPodSpec } from './pod-defaults.ts'
import { validateCounts } from '../status-rules.ts'

export const ReplicationControllerSpec = struct(
  'core.v1.ReplicationControllerSpec',
  'What a ReplicationController is to be.',
  {
    replicas: int32({ proto: 1, optional: true, default: 1, doc: 'How many pods are wanted.' }),
    minReadySeconds: int32({ proto: 4, doc: 'Seconds a pod must be ready to count as available.' }),
    selector: map(string({}), { proto: 2, atomic: true, doc: 'Labels of its pods; otherwise those of the template.' }),
    template: PodTemplateSpec.field({ proto: 3, doc: 'The pod to make.' }),
  },
)
export type ReplicationControllerSpec = Of<typeof ReplicationControllerSpec>

export const ReplicationControllerCondition = struct(
  'core.v1.ReplicationControllerCondition',
  'One aspect of a ReplicationController’s state.',
  {
    type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
    status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'When the status last changed.' }),
    reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
    message: string({ proto: 5, doc: 'The same for people.' }),
  },
)
export type ReplicationControllerCondition = Of<typeof ReplicationControllerCondition>

export const ReplicationControllerStatus = struct(
  'core.v1.ReplicationControllerStatus',
  'What a ReplicationController is.',
  {
    replicas: int32({ proto: 1, always: true, doc: 'Its pods.' }),
    fullyLabeledReplicas: int32({ proto: 2, doc: 'Its pods with all labels of the template.' }),
    readyReplicas: int32({ proto: 4, doc: 'Its pods that are ready.' }),
    availableReplicas: int32({ proto: 5, doc: 'Its pods that have been ready for minReadySeconds.' }),
    observedGeneration: int64({ proto: 3, doc: 'The generation this was computed for.' }),
    conditions: listByKey('type', ReplicationControllerCondition, {
      proto: 6,
      mergeKey: 'type',
      doc: 'What can be said about the state, one entry per aspect.',
    }),
  },
)
export type ReplicationControllerStatus = Of<typeof ReplicationControllerStatus>

export const ReplicationController = defineKind({
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  scope: 'Namespaced',
  orphansByDefault: {},
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
  explicit: true,
  validateName: name => dnsSubdomainErrors(name, 'bytes'),
  *warnings({ metadata, spec }, old, at) {
    if (!old) yield* warnOfName(metadata.name, 'Pod names and hostnames', at)
    if (spec.template && metadata.generation !== old?.metadata.generation)
      yield* warnOfTemplate(spec.template, at.field('spec', 'template'))
  },
  *validate({ spec }, at) {
    yield* notNegative({ replicas: spec.replicas, minReadySeconds: spec.minReadySeconds }, at.field('spec'))
    if (!Object.keys(spec.selector ?? {}).length) yield at.field('spec', 'selector').required()
    if (!spec.template) return yield at.field('spec', 'template').required()
    if (!matchesPairs(spec.selector, spec.template.metadata.labels))
      yield at
        .field('spec', 'template', 'metadata', 'labels')
        .invalid(asGiven(spec.template.metadata, 'labels'), '`selector` does not match template `labels`')
    yield* validateLasting(spec.template, 'ReplicationController', at.field('spec', 'template'))
  },
  validateStatus: validateCounts({
    counts: ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'],
    within: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
    ready: 'readyReplicas',
  }),
  fields: {
    spec: ReplicationControllerSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ReplicationControllerStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ReplicationController = Of<typeof ReplicationController>
