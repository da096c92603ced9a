// A deployment: N identical pods, and how to change them without an interruption.
import { warnOfWorkload } from '../core/pod-warnings.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { bool, int32, int64, intOrString, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { selectorColumn, templateColumns } from '../columns.ts'
import { validateRollingUpdate } from './rolling-update.ts'
import { notNegative } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { defaultTemplate, selectorUnchanged, validateLasting, validateSelection } from './workload-rules.ts'

import { validateCounts } from '../status-rules.ts'

export const RollingUpdateDeployment = struct(
  'apps.v1.RollingUpdateDeployment',
  'Limits for a rolling update of a Deployment.',
  {
    maxUnavailable: intOrString({
      proto: 1,
      default: '25%',
      optional: true,
      doc: 'Maximum number of pods, or percentage of the desired number (rounded down), that may be unavailable during an update. Cannot be 0 if maxSurge is 0. Defaults to 25%.',
    }),
    maxSurge: intOrString({
      proto: 2,
      default: '25%',
      optional: true,
      doc: 'Maximum number of pods, or percentage of the desired number (rounded up), that may exist above the desired number during an update. Cannot be 0 if maxUnavailable is 0. Defaults to 25%.',
    }),
  },
)
export type RollingUpdateDeployment = Of<typeof RollingUpdateDeployment>

export const DeploymentStrategy = struct(
  'apps.v1.DeploymentStrategy',
  'How the pods of a Deployment are replaced after its template has changed.',
  {
    type: string({
      proto: 1,
      default: 'RollingUpdate',
      enum: ['Recreate', 'RollingUpdate'],
      doc: 'RollingUpdate replaces the pods gradually. Recreate deletes all old pods before new ones are created. Defaults to RollingUpdate.',
    }),
    rollingUpdate: RollingUpdateDeployment.field({
      proto: 2,
      doc: 'Limits for a rolling update. Only for type RollingUpdate.',
    }),
  },
)
export type DeploymentStrategy = Of<typeof DeploymentStrategy>

export const DeploymentSpec = struct('apps.v1.DeploymentSpec', 'Desired state of a Deployment.', {
  replicas: int32({ proto: 1, default: 1, optional: true, doc: 'Desired number of pods. Defaults to 1.' }),
  selector: LabelSelector.field({
    proto: 2,
    required: true,
    doc: 'Labels of the pods that the Deployment manages. Must match the labels of the template. Cannot be changed.',
  }),
  template: PodTemplateSpec.value({
    proto: 3,
    required: true,
    doc: 'Template of the pods. A change starts a rollout. restartPolicy must be Always.',
  }),
  strategy: DeploymentStrategy.value({
    proto: 4,
    retainKeys: true,
    doc: 'How pods are replaced after the template has changed.',
  }),
  minReadySeconds: int32({
    proto: 5,
    doc: 'Seconds that a new pod must be ready, without a container crashing, to count as available. Defaults to 0.',
  }),
  revisionHistoryLimit: int32({
    proto: 6,
    default: 10,
    optional: true,
    doc: 'Number of old ReplicaSets to keep for a rollback. Defaults to 10.',
  }),
  paused: bool({
    proto: 7,
    doc: 'If true, changes of the template do not start a rollout until the field is unset. Defaults to false.',
  }),
  progressDeadlineSeconds: int32({
    proto: 9,
    default: 600,
    optional: true,
    doc: 'Seconds without progress after which a rollout is reported as failed in the condition Progressing. It is not rolled back. Must be greater than minReadySeconds. Defaults to 600.',
  }),
})
export type DeploymentSpec = Of<typeof DeploymentSpec>

export const DeploymentCondition = struct(
  'apps.v1.DeploymentCondition',
  'One aspect of the current state of a Deployment.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition: Available, Progressing or ReplicaFailure.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastUpdateTime: time({ proto: 6, always: true, doc: 'Time when the condition was last updated.' }),
    lastTransitionTime: time({ proto: 7, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type DeploymentCondition = Of<typeof DeploymentCondition>

export const DeploymentStatus = struct('apps.v1.DeploymentStatus', 'Most recently observed state of a Deployment.', {
  observedGeneration: int64({ proto: 1, doc: 'Generation that the controller has most recently processed.' }),
  replicas: int32({ proto: 2, doc: 'Number of pods that are not terminating.' }),
  updatedReplicas: int32({ proto: 3, doc: 'Number of pods, not terminating, of the current template.' }),
  readyReplicas: int32({ proto: 7, doc: 'Number of pods, not terminating, that are ready.' }),
  availableReplicas: int32({
    proto: 4,
    doc: 'Number of pods, not terminating, that have been ready for at least minReadySeconds.',
  }),
  unavailableReplicas: int32({ proto: 5, doc: 'Number of pods that are missing or not available.' }),
  terminatingReplicas: int32({ proto: 9, optional: true, doc: 'Number of pods that are terminating.' }),
  conditions: listByKey('type', DeploymentCondition, {
    proto: 6,
    mergeKey: 'type',
    doc: 'Current conditions of the Deployment.',
  }),
  collisionCount: int32({
    proto: 8,
    optional: true,
    doc: 'Number of name collisions of ReplicaSets. The controller uses it to find a free name.',
  }),
})
export type DeploymentStatus = Of<typeof DeploymentStatus>

export const Deployment = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  scope: 'Namespaced',
  shortNames: ['deploy'],
  categories: ['all'],
  status: true,
  scale: { spec: '.spec.replicas', status: '.status.replicas', selector: '.spec.selector' },
  doc: 'Deployment runs a set number of identical pods, and rolls out changes of them gradually.',
  generation: true,
  statusKeeps: ['labels'],
  columns: [
    { name: 'Ready', type: 'string', value: o => `${o.status.readyReplicas ?? 0}/${o.spec.replicas}` },
    { name: 'Up-to-date', type: 'string', value: o => o.status.updatedReplicas ?? 0 },
    { name: 'Available', type: 'string', value: o => o.status.availableReplicas ?? 0 },
    ...(templateColumns as []),
    selectorColumn,
  ],
  defaults: d => {
    defaultTemplate(d)
    const { strategy } = d.spec
    if (strategy.type === 'RollingUpdate') strategy.rollingUpdate ??= { maxUnavailable: '25%', maxSurge: '25%' }
  },
  explicit: true,
  warnings: warnOfWorkload,
  *validate({ spec }, at) {
    const { replicas, minReadySeconds, revisionHistoryLimit, progressDeadlineSeconds } = spec
    const field = at.field('spec')
    yield* notNegative({ replicas, minReadySeconds, revisionHistoryLimit, progressDeadlineSeconds }, field)
    if (progressDeadlineSeconds <= (minReadySeconds ?? 0))
      yield field
        .field('progressDeadlineSeconds')
        .invalid(progressDeadlineSeconds, 'must be greater than minReadySeconds')
    const { type, rollingUpdate } = spec.strategy
    const strategies = ['Recreate', 'RollingUpdate']
    if (type === 'Recreate' && rollingUpdate)
      yield field
        .field('strategy', 'rollingUpdate')
        .forbidden("may not be specified when strategy `type` is 'Recreate'")
    if (type === 'RollingUpdate') yield* validateRollingUpdate(rollingUpdate, field.field('strategy', 'rollingUpdate'))
    if (!strategies.includes(type))
      yield field.field('strategy').notSupported(goStruct(DeploymentStrategy, spec.strategy), strategies)
    yield* validateSelection(spec, { kind: 'deployment', broken: 'invalid label selector' }, field)
    yield* validateLasting(spec.template, 'ReplicaSet', field.field('template'))
  },
  *validateUpdate(next, old, at) {
    yield* selectorUnchanged(next.spec.selector, old.spec.selector, at)
  },
  validateStatus: validateCounts({
    counts: [
      'observedGeneration',
      'replicas',
      'updatedReplicas',
      'readyReplicas',
      'availableReplicas',
      'unavailableReplicas',
      'terminatingReplicas',
    ],
    within: ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
    ready: 'readyReplicas',
  }),
  fields: {
    spec: DeploymentSpec.value({ proto: 2, required: true, doc: 'Desired state of the Deployment.' }),
    status: DeploymentStatus.value({ proto: 3, doc: 'Most recently observed state of the Deployment.' }),
  },
})
export type Deployment = Of<typeof Deployment>
