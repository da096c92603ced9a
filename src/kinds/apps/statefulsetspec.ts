// What a StatefulSet is to be: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, intOrString, list, string, struct } from '../../api/schema/build.ts'
import { PersistentVolumeClaim } from '../core/persistentvolumeclaim.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'

export const RollingUpdateStatefulSetStrategy = struct(
  'apps.v1.RollingUpdateStatefulSetStrategy',
  'Limits for a rolling update of a StatefulSet.',
  {
    partition: int32({
      proto: 1,
      default: 0,
      optional: true,
      doc: 'Ordinal at which pods are partitioned: only pods with this ordinal or a higher one are updated. Defaults to 0.',
    }),
    maxUnavailable: intOrString({
      proto: 2,
      optional: true,
      doc: 'Maximum number of pods, or percentage of the desired number (rounded down), that may be unavailable during an update. Less than 1 counts as 1. Defaults to 1.',
    }),
  },
)
export type RollingUpdateStatefulSetStrategy = Of<typeof RollingUpdateStatefulSetStrategy>

export const StatefulSetUpdateStrategy = struct(
  'apps.v1.StatefulSetUpdateStrategy',
  'How the pods of a StatefulSet are replaced after its template has changed.',
  {
    type: string({
      proto: 1,
      default: 'RollingUpdate',
      enum: ['RollingUpdate', 'OnDelete', 'Recreate'],
      doc: 'RollingUpdate replaces the pods in order, from the highest ordinal to the lowest. OnDelete replaces a pod only after it has been deleted. Recreate replaces all pods at once. Defaults to RollingUpdate.',
    }),
    rollingUpdate: RollingUpdateStatefulSetStrategy.field({
      proto: 2,
      doc: 'Limits for a rolling update. Only for type RollingUpdate.',
    }),
  },
)
export type StatefulSetUpdateStrategy = Of<typeof StatefulSetUpdateStrategy>

export const StatefulSetPersistentVolumeClaimRetentionPolicy = struct(
  'apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy',
  'What happens to the claims from volumeClaimTemplates.',
  {
    whenDeleted: string({
      proto: 1,
      doc: 'What happens to the claims when the StatefulSet is deleted: Retain keeps them, Delete deletes them. Defaults to Retain.',
    }),
    whenScaled: string({
      proto: 2,
      doc: 'What happens to the claims of surplus pods when the StatefulSet is scaled down: Retain keeps them, Delete deletes them. Defaults to Retain.',
    }),
  },
)
export type StatefulSetPersistentVolumeClaimRetentionPolicy = Of<typeof StatefulSetPersistentVolumeClaimRetentionPolicy>

export const StatefulSetOrdinals = struct(
  'apps.v1.StatefulSetOrdinals',
  'How the pods of a StatefulSet are numbered.',
  {
    start: int32({ proto: 1, always: true, doc: 'Ordinal of the first pod. Must not be negative. Defaults to 0.' }),
  },
)
export type StatefulSetOrdinals = Of<typeof StatefulSetOrdinals>

export const StatefulSetSpec = struct('apps.v1.StatefulSetSpec', 'Desired state of a StatefulSet.', {
  replicas: int32({ proto: 1, default: 1, optional: true, doc: 'Desired number of pods. Defaults to 1.' }),
  selector: LabelSelector.field({
    proto: 2,
    required: true,
    doc: 'Labels of the pods that the StatefulSet manages. Must match the labels of the template. Cannot be changed.',
  }),
  template: PodTemplateSpec.value({
    proto: 3,
    required: true,
    doc: 'Template of the pods. Each pod is named after the StatefulSet with its ordinal, as in web-0. restartPolicy must be Always.',
  }),
  volumeClaimTemplates: list(PersistentVolumeClaim.schema, {
    proto: 4,
    doc: 'Templates of claims that are created for each pod and found again when the pod is replaced. A template takes precedence over a volume of the same name. Cannot be changed.',
  }),
  serviceName: string({
    proto: 5,
    always: true,
    doc: 'Name of the headless service that gives the pods their DNS names, as in web-0.name.namespace.svc. It must be created separately. Cannot be changed.',
  }),
  podManagementPolicy: string({
    proto: 6,
    default: 'OrderedReady',
    enum: ['OrderedReady', 'Parallel'],
    doc: 'OrderedReady creates pods one after the other, each once the one before is ready, and deletes them in reverse order. Parallel creates and deletes them all at once. Cannot be changed. Defaults to OrderedReady.',
  }),
  updateStrategy: StatefulSetUpdateStrategy.value({
    proto: 7,
    doc: 'How pods are replaced after the template has changed.',
  }),
  revisionHistoryLimit: int32({
    proto: 8,
    default: 10,
    optional: true,
    doc: 'Number of old revisions to keep for a rollback. Defaults to 10.',
  }),
  minReadySeconds: int32({
    proto: 9,
    doc: 'Seconds that a new pod must be ready, without a container crashing, to count as available. Defaults to 0.',
  }),
  persistentVolumeClaimRetentionPolicy: StatefulSetPersistentVolumeClaimRetentionPolicy.field({
    proto: 10,
    default: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    doc: 'What happens to the claims of pods that are no longer needed. By default, all are retained.',
  }),
  ordinals: StatefulSetOrdinals.field({
    proto: 11,
    doc: 'How the pods are numbered. By default, the ordinals start at 0.',
  }),
})
export type StatefulSetSpec = Of<typeof StatefulSetSpec>
