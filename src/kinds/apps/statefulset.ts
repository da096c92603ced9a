// A stateful set: numbered pods with names, addresses and volumes that stay theirs.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, intOrString, list, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PersistentVolumeClaim } from '../core/persistentvolumeclaim.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { templateColumns } from '../columns.ts'
import { defaultTemplate, notNegative, validateWorkload } from './workload-rules.ts'

export const RollingUpdateStatefulSetStrategy = struct(
  'apps.v1.RollingUpdateStatefulSetStrategy',
  'Which pods of a StatefulSet a rolling update replaces.',
  {
    partition: int32({ proto: 1, default: 0, optional: true, doc: 'Pods with a lower number keep the old template.' }),
    maxUnavailable: intOrString({
      proto: 2,
      optional: true,
      doc: 'Most pods that may be away, as a number or a share such as 10%.',
    }),
  },
)
export type RollingUpdateStatefulSetStrategy = Of<typeof RollingUpdateStatefulSetStrategy>

export const StatefulSetUpdateStrategy = struct(
  'apps.v1.StatefulSetUpdateStrategy',
  'How the pods of a StatefulSet are replaced.',
  {
    type: string({
      proto: 1,
      default: 'RollingUpdate',
      enum: ['RollingUpdate', 'OnDelete', 'Recreate'],
      doc: 'RollingUpdate from the highest number down, Recreate all at once, or OnDelete by hand.',
    }),
    rollingUpdate: RollingUpdateStatefulSetStrategy.field({ proto: 2, doc: 'Settings for RollingUpdate.' }),
  },
)
export type StatefulSetUpdateStrategy = Of<typeof StatefulSetUpdateStrategy>

export const StatefulSetPersistentVolumeClaimRetentionPolicy = struct(
  'apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy',
  'What becomes of claims whose pod is no longer wanted.',
  {
    whenDeleted: string({ proto: 1, doc: 'Retain or Delete, when the StatefulSet is deleted.' }),
    whenScaled: string({ proto: 2, doc: 'Retain or Delete, when it gets fewer replicas.' }),
  },
)
export type StatefulSetPersistentVolumeClaimRetentionPolicy = Of<typeof StatefulSetPersistentVolumeClaimRetentionPolicy>

export const StatefulSetOrdinals = struct(
  'apps.v1.StatefulSetOrdinals',
  'How the pods of a StatefulSet are numbered.',
  {
    start: int32({ proto: 1, always: true, doc: 'Number of the first pod.' }),
  },
)
export type StatefulSetOrdinals = Of<typeof StatefulSetOrdinals>

export const StatefulSetSpec = struct('apps.v1.StatefulSetSpec', 'What a StatefulSet is to be.', {
  replicas: int32({ proto: 1, default: 1, optional: true, doc: 'How many pods are wanted.' }),
  selector: LabelSelector.field({
    proto: 2,
    required: true,
    doc: 'Labels of its pods; must fit those of the template; cannot change.',
  }),
  template: PodTemplateSpec.value({
    proto: 3,
    required: true,
    doc: 'The pod to make; each gets the set’s name and a number.',
  }),
  volumeClaimTemplates: list(PersistentVolumeClaim.schema, {
    proto: 4,
    doc: 'Claims made for each pod, which finds them again when it comes back.',
  }),
  serviceName: string({ proto: 5, always: true, doc: 'Service that gives the pods their domain names.' }),
  podManagementPolicy: string({
    proto: 6,
    default: 'OrderedReady',
    enum: ['OrderedReady', 'Parallel'],
    doc: 'OrderedReady makes one pod after the other; Parallel makes all at once.',
  }),
  updateStrategy: StatefulSetUpdateStrategy.value({
    proto: 7,
    doc: 'How pods are replaced after a change of the template.',
  }),
  revisionHistoryLimit: int32({
    proto: 8,
    default: 10,
    optional: true,
    doc: 'How many old templates are kept to go back to.',
  }),
  minReadySeconds: int32({ proto: 9, doc: 'Seconds a pod must be ready to count as available.' }),
  persistentVolumeClaimRetentionPolicy: StatefulSetPersistentVolumeClaimRetentionPolicy.field({
    proto: 10,
    default: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    doc: 'What becomes of claims whose pod is no longer wanted.',
  }),
  ordinals: StatefulSetOrdinals.field({ proto: 11, doc: 'How the pods are numbered.' }),
})
export type StatefulSetSpec = Of<typeof StatefulSetSpec>

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
    if (s.spec.updateStrategy.type === 'RollingUpdate') s.spec.updateStrategy.rollingUpdate ??= { partition: 0 }
    for (const claim of s.spec.volumeClaimTemplates ?? []) claim.status = { phase: 'Pending' } as typeof claim.status
  },
  *validate({ spec }, at) {
    yield* notNegative(
      {
        replicas: spec.replicas,
        minReadySeconds: spec.minReadySeconds,
        revisionHistoryLimit: spec.revisionHistoryLimit,
      },
      at.field('spec'),
    )
    yield* validateWorkload(spec, at.field('spec'))
  },
  *validateUpdate(next, old, at) {
    const fixed = ({
      spec: {
        replicas: _r,
        template: _t,
        updateStrategy: _u,
        ordinals: _o,
        persistentVolumeClaimRetentionPolicy: _p,
        minReadySeconds: _m,
        revisionHistoryLimit: _h,
        ...rest
      },
    }: typeof next) => JSON.stringify(rest)
    if (fixed(next) !== fixed(old))
      yield at
        .field('spec')
        .forbidden(
          "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        )
  },
  fields: {
    spec: StatefulSetSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: StatefulSetStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type StatefulSet = Of<typeof StatefulSet>
