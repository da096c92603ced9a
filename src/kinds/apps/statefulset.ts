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

export const StatefulSetCondition = struct('apps.v1.StatefulSetCondition', 'One aspect of a StatefulSet’s state.', {
  type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
  status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
  lastTransitionTime: time({ proto: 3, always: true, doc: 'When the status last changed.' }),
  reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
  message: string({ proto: 5, doc: 'The same for people.' }),
})
export type StatefulSetCondition = Of<typeof StatefulSetCondition>

export const StatefulSetStatus = struct('apps.v1.StatefulSetStatus', 'What a StatefulSet is.', {
  observedGeneration: int64({ proto: 1, doc: 'The generation this was computed for.' }),
  replicas: int32({ proto: 2, always: true, doc: 'Its pods.' }),
  readyReplicas: int32({ proto: 3, doc: 'Its pods that are ready.' }),
  currentReplicas: int32({ proto: 4, doc: 'Its pods of the revision it comes from.' }),
  updatedReplicas: int32({ proto: 5, doc: 'Its pods of the revision it goes to.' }),
  currentRevision: string({ proto: 6, doc: 'Name of the revision it comes from.' }),
  updateRevision: string({ proto: 7, doc: 'Name of the revision it goes to.' }),
  collisionCount: int32({
    proto: 9,
    optional: true,
    doc: 'How often the name of a revision was taken; makes the next one differ.',
  }),
  conditions: listByKey('type', StatefulSetCondition, {
    proto: 10,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
  }),
  availableReplicas: int32({ proto: 11, always: true, doc: 'Its pods that have been ready for minReadySeconds.' }),
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
  doc: 'A stateful set: numbered pods with names, addresses and volumes that stay theirs.',
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
    spec: StatefulSetSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: StatefulSetStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type StatefulSet = Of<typeof StatefulSet>
