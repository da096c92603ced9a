// A stateful set: numbered pods with names, addresses and volumes that stay theirs.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, int64, intOrString, list, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PersistentVolumeClaim } from '../core/persistentvolumeclaim.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { templateColumns } from '../columns.ts'
import { defaultTemplate, notNegative, validateWorkload } from './workload-rules.ts'

export const RollingUpdateStatefulSetStrategy = struct('apps.v1.RollingUpdateStatefulSetStrategy', '', {
  partition: int32({ proto: 1, default: 0, optional: true }),
  maxUnavailable: intOrString({ proto: 2, optional: true }),
})
export type RollingUpdateStatefulSetStrategy = Of<typeof RollingUpdateStatefulSetStrategy>

export const StatefulSetUpdateStrategy = struct('apps.v1.StatefulSetUpdateStrategy', '', {
  type: string({ proto: 1, default: 'RollingUpdate', enum: ['RollingUpdate', 'OnDelete', 'Recreate'] }),
  rollingUpdate: RollingUpdateStatefulSetStrategy.field({ proto: 2 }),
})
export type StatefulSetUpdateStrategy = Of<typeof StatefulSetUpdateStrategy>

export const StatefulSetPersistentVolumeClaimRetentionPolicy = struct(
  'apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy',
  '',
  {
    whenDeleted: string({ proto: 1 }),
    whenScaled: string({ proto: 2 }),
  },
)
export type StatefulSetPersistentVolumeClaimRetentionPolicy = Of<typeof StatefulSetPersistentVolumeClaimRetentionPolicy>

export const StatefulSetOrdinals = struct('apps.v1.StatefulSetOrdinals', '', {
  start: int32({ proto: 1, always: true }),
})
export type StatefulSetOrdinals = Of<typeof StatefulSetOrdinals>

export const StatefulSetSpec = struct('apps.v1.StatefulSetSpec', '', {
  replicas: int32({ proto: 1, default: 1, optional: true }),
  selector: LabelSelector.field({ proto: 2, required: true }),
  template: PodTemplateSpec.value({ proto: 3, required: true }),
  volumeClaimTemplates: list(PersistentVolumeClaim.schema, { proto: 4 }),
  serviceName: string({ proto: 5, always: true }),
  podManagementPolicy: string({ proto: 6, default: 'OrderedReady', enum: ['OrderedReady', 'Parallel'] }),
  updateStrategy: StatefulSetUpdateStrategy.value({ proto: 7 }),
  revisionHistoryLimit: int32({ proto: 8, default: 10, optional: true }),
  minReadySeconds: int32({ proto: 9 }),
  persistentVolumeClaimRetentionPolicy: StatefulSetPersistentVolumeClaimRetentionPolicy.field({
    proto: 10,
    default: { whenDeleted: 'Retain', whenScaled: 'Retain' },
  }),
  ordinals: StatefulSetOrdinals.field({ proto: 11 }),
})
export type StatefulSetSpec = Of<typeof StatefulSetSpec>

export const StatefulSetCondition = struct('apps.v1.StatefulSetCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
})
export type StatefulSetCondition = Of<typeof StatefulSetCondition>

export const StatefulSetStatus = struct('apps.v1.StatefulSetStatus', '', {
  observedGeneration: int64({ proto: 1 }),
  replicas: int32({ proto: 2, always: true }),
  readyReplicas: int32({ proto: 3 }),
  currentReplicas: int32({ proto: 4 }),
  updatedReplicas: int32({ proto: 5 }),
  currentRevision: string({ proto: 6 }),
  updateRevision: string({ proto: 7 }),
  collisionCount: int32({ proto: 9, optional: true }),
  conditions: listByKey('type', StatefulSetCondition, { proto: 10, mergeKey: 'type' }),
  availableReplicas: int32({ proto: 11, always: true }),
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
