// What a StatefulSet is to be: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, intOrString, list, string, struct } from '../../api/schema/build.ts'
import { PersistentVolumeClaim } from '../core/persistentvolumeclaim.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'

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
