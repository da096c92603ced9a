// A stateful set: numbered pods with names, addresses and volumes that stay theirs.
import { warnOfTemplate } from '../core/pod-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import { int32, int64, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { StatefulSetSpec } from './statefulsetspec.ts'
import { templateColumns } from '../columns.ts'
import { defaultTemplate } from './workload-rules.ts'
import { validateStatefulSet, validateStatefulSetUpdate } from './statefulset-rules.ts'
import { validateCounts } from '../status-rules.ts'

export const StatefulSetCondition = struct(
  'apps.v1.StatefulSetCondition',
  'One aspect of the current state of a StatefulSet.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type StatefulSetCondition = Of<typeof StatefulSetCondition>

export const StatefulSetStatus = struct('apps.v1.StatefulSetStatus', 'Most recently observed state of a StatefulSet.', {
  observedGeneration: int64({ proto: 1, doc: 'Generation that the controller has most recently processed.' }),
  replicas: int32({ proto: 2, always: true, doc: 'Number of pods that the controller has created.' }),
  readyReplicas: int32({ proto: 3, doc: 'Number of pods that are ready.' }),
  currentReplicas: int32({ proto: 4, doc: 'Number of pods of the revision in currentRevision.' }),
  updatedReplicas: int32({ proto: 5, doc: 'Number of pods of the revision in updateRevision.' }),
  currentRevision: string({ proto: 6, doc: 'Name of the ControllerRevision that pods are being updated from.' }),
  updateRevision: string({ proto: 7, doc: 'Name of the ControllerRevision that pods are being updated to.' }),
  collisionCount: int32({
    proto: 9,
    optional: true,
    doc: 'Number of name collisions of ControllerRevisions. The controller uses it to find a free name.',
  }),
  conditions: listByKey('type', StatefulSetCondition, {
    proto: 10,
    mergeKey: 'type',
    doc: 'Current conditions of the StatefulSet.',
  }),
  availableReplicas: int32({
    proto: 11,
    always: true,
    doc: 'Number of pods that have been ready for at least minReadySeconds.',
  }),
})
export type StatefulSetStatus = Of<typeof StatefulSetStatus>

export const StatefulSet = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  scope: 'Namespaced',
  shortNames: ['sts'],
  categories: ['all'],
  status: true,
  scale: { spec: '.spec.replicas', status: '.status.replicas', selector: '.spec.selector' },
  doc: 'StatefulSet runs a set number of pods, each with a stable name and number, a stable DNS name and volumes of its own.',
  generation: true,
  columns: [
    { name: 'Ready', type: 'string', value: o => `${o.status.readyReplicas ?? 0}/${o.spec.replicas}` },
    ...(templateColumns as []),
  ],
  defaults: s => {
    defaultTemplate(s)
    const retention = s.spec.persistentVolumeClaimRetentionPolicy
    retention.whenDeleted ||= 'Retain'
    retention.whenScaled ||= 'Retain'
    if (s.spec.updateStrategy.type === 'RollingUpdate') s.spec.updateStrategy.rollingUpdate ??= { partition: 0 }
    for (const claim of s.spec.volumeClaimTemplates ?? [])
      Object.assign(claim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', status: { phase: 'Pending' } })
  },
  explicit: true,
  validateName: dnsLabelErrors,
  *warnings({ metadata, spec }, old, at) {
    if (metadata.generation !== old?.metadata.generation)
      yield* warnOfTemplate(spec.template, at.field('spec', 'template'))
    if ((spec.revisionHistoryLimit ?? 0) < 0)
      yield 'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended'
  },
  validate: ({ spec }, at) => validateStatefulSet(spec, at.field('spec')),
  validateUpdate: (next, old, at) => validateStatefulSetUpdate(next.spec, old.spec, at.field('spec')),
  validateStatus: validateCounts({
    counts: [
      'replicas',
      'readyReplicas',
      'currentReplicas',
      'updatedReplicas',
      'availableReplicas',
      'observedGeneration',
    ],
    within: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'],
    ready: 'status.readyReplicas',
  }),
  fields: {
    spec: StatefulSetSpec.value({ proto: 2, required: true, doc: 'Desired state of the StatefulSet.' }),
    status: StatefulSetStatus.value({ proto: 3, doc: 'Most recently observed state of the StatefulSet.' }),
  },
})
export type StatefulSet = Of<typeof StatefulSet>
