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
  'Desired state of a ReplicationController.',
  {
    replicas: int32({ proto: 1, optional: true, default: 1, doc: 'Desired number of pods. Defaults to 1.' }),
    minReadySeconds: int32({
      proto: 4,
      doc: 'Seconds that a new pod must be ready, without a container crashing, to count as available. Defaults to 0.',
    }),
    selector: map(string({}), {
      proto: 2,
      atomic: true,
      doc: 'Labels of the pods that the controller manages. Must match the labels of the template. Defaults to them.',
    }),
    template: PodTemplateSpec.field({ proto: 3, doc: 'Template of the pods that are created when there are too few.' }),
  },
)
export type ReplicationControllerSpec = Of<typeof ReplicationControllerSpec>

export const ReplicationControllerCondition = struct(
  'core.v1.ReplicationControllerCondition',
  'One aspect of the current state of a ReplicationController.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition, such as ReplicaFailure.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type ReplicationControllerCondition = Of<typeof ReplicationControllerCondition>

export const ReplicationControllerStatus = struct(
  'core.v1.ReplicationControllerStatus',
  'Most recently observed state of a ReplicationController.',
  {
    replicas: int32({ proto: 1, always: true, doc: 'Number of pods that the controller manages.' }),
    fullyLabeledReplicas: int32({ proto: 2, doc: 'Number of pods that have all labels of the template.' }),
    readyReplicas: int32({ proto: 4, doc: 'Number of pods that are ready.' }),
    availableReplicas: int32({ proto: 5, doc: 'Number of pods that have been ready for at least minReadySeconds.' }),
    observedGeneration: int64({ proto: 3, doc: 'Generation that the controller has most recently processed.' }),
    conditions: listByKey('type', ReplicationControllerCondition, {
      proto: 6,
      mergeKey: 'type',
      doc: 'Current conditions of the ReplicationController.',
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
  doc: 'ReplicationController keeps a set number of identical pods running. It is the predecessor of ReplicaSet and Deployment.',
  generation: true,
  returnsDeleted: true,
  selectable: { 'status.replicas': rc => String(rc.status.replicas ?? 0) },
  columns: [
    { name: 'Desired', type: 'integer', value: '.spec.replicas' },
    { name: 'Current', type: 'integer', value: '.status.replicas' },
    { name: 'Ready', type: 'integer', value: '.status.readyReplicas' },
    ...(templateColumns as []),
    selectorColumn,
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
    spec: ReplicationControllerSpec.value({ proto: 2, doc: 'Desired state of the ReplicationController.' }),
    status: ReplicationControllerStatus.value({
      proto: 3,
      doc: 'Most recently observed state of the ReplicationController.',
    }),
  },
})
export type ReplicationController = Of<typeof ReplicationController>
