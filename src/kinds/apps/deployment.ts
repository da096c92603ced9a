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
  'How far a rolling update of a Deployment may stray from the wanted number of pods.',
  {
    maxUnavailable: intOrString({
      proto: 1,
      default: '25%',
      optional: true,
      doc: 'Most pods that may be missing, as a number or a share such as 25%.',
    }),
    maxSurge: intOrString({
      proto: 2,
      default: '25%',
      optional: true,
      doc: 'Most pods that may be too many, as a number or a share.',
    }),
  },
)
export type RollingUpdateDeployment = Of<typeof RollingUpdateDeployment>

export const DeploymentStrategy = struct('apps.v1.DeploymentStrategy', 'How the pods of a Deployment are replaced.', {
  type: string({
    proto: 1,
    default: 'RollingUpdate',
    enum: ['Recreate', 'RollingUpdate'],
    doc: 'RollingUpdate, or Recreate to stop all old pods first.',
  }),
  rollingUpdate: RollingUpdateDeployment.field({ proto: 2, doc: 'Settings for RollingUpdate.' }),
})
export type DeploymentStrategy = Of<typeof DeploymentStrategy>

export const DeploymentSpec = struct('apps.v1.DeploymentSpec', 'What a Deployment is to be.', {
  replicas: int32({ proto: 1, default: 1, optional: true, doc: 'How many pods are wanted.' }),
  selector: LabelSelector.field({
    proto: 2,
    required: true,
    doc: 'Labels of its pods; must fit those of the template; cannot change.',
  }),
  template: PodTemplateSpec.value({ proto: 3, required: true, doc: 'The pod to make.' }),
  strategy: DeploymentStrategy.value({
    proto: 4,
    retainKeys: true,
    doc: 'How pods are replaced after a change of the template.',
  }),
  minReadySeconds: int32({ proto: 5, doc: 'Seconds a pod must be ready to count as available.' }),
  revisionHistoryLimit: int32({
    proto: 6,
    default: 10,
    optional: true,
    doc: 'How many old ReplicaSets are kept to go back to.',
  }),
  paused: bool({ proto: 7, doc: 'True to hold rollouts back.' }),
  progressDeadlineSeconds: int32({
    proto: 9,
    default: 600,
    optional: true,
    doc: 'Seconds without progress after which a rollout is reported as failed.',
  }),
})
export type DeploymentSpec = Of<typeof DeploymentSpec>

export const DeploymentCondition = struct('apps.v1.DeploymentCondition', 'One aspect of a Deployment’s state.', {
  type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
  status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
  lastUpdateTime: time({ proto: 6, always: true, doc: 'When the condition was last written.' }),
  lastTransitionTime: time({ proto: 7, always: true, doc: 'When the status last changed.' }),
  reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
  message: string({ proto: 5, doc: 'The same for people.' }),
})
export type DeploymentCondition = Of<typeof DeploymentCondition>

export const DeploymentStatus = struct('apps.v1.DeploymentStatus', 'What a Deployment is.', {
  observedGeneration: int64({ proto: 1, doc: 'The generation this was computed for.' }),
  replicas: int32({ proto: 2, doc: 'Its pods.' }),
  updatedReplicas: int32({ proto: 3, doc: 'Its pods of the current template.' }),
  readyReplicas: int32({ proto: 7, doc: 'Its pods that are ready.' }),
  availableReplicas: int32({ proto: 4, doc: 'Its pods that have been ready for minReadySeconds.' }),
  unavailableReplicas: int32({ proto: 5, doc: 'Pods that are missing or not available.' }),
  terminatingReplicas: int32({ proto: 9, optional: true, doc: 'Its pods that are being deleted.' }),
  conditions: listByKey('type', DeploymentCondition, {
    proto: 6,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
  }),
  collisionCount: int32({
    proto: 8,
    optional: true,
    doc: 'How often the name of a ReplicaSet was taken; makes the next one differ.',
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
  doc: 'A deployment: N identical pods, and how to change them without an interruption.',
  generation: true,
  statusKeeps: ['labels'],
  columns: [
    { name: 'Ready', type: 'string', value: o => `${o.status.readyReplicas ?? 0}/${o.spec.replicas}` },
    { name: 'Up-to-date', type: 'string', value: o => o.status.updatedReplicas ?? 0 },
    { name: 'Available', type: 'string', value: o => o.status.availableReplicas ?? 0 },
    ...(templateColumns as []),
    selectorColumn as never,
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
    spec: DeploymentSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: DeploymentStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Deployment = Of<typeof Deployment>
