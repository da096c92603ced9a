// A deployment: N identical pods, and how to change them without an interruption.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { bool, int32, int64, intOrString, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { selectorColumn, templateColumns } from '../columns.ts'
import { validateRollingUpdate } from './rolling-update.ts'
import { defaultTemplate, notNegative, selectorUnchanged, validateWorkload } from './workload-rules.ts'

export const RollingUpdateDeployment = struct('apps.v1.RollingUpdateDeployment', '', {
  maxUnavailable: intOrString({ proto: 1, default: '25%', optional: true }),
  maxSurge: intOrString({ proto: 2, default: '25%', optional: true }),
})
export type RollingUpdateDeployment = Of<typeof RollingUpdateDeployment>

export const DeploymentStrategy = struct('apps.v1.DeploymentStrategy', '', {
  type: string({ proto: 1, default: 'RollingUpdate', enum: ['Recreate', 'RollingUpdate'] }),
  rollingUpdate: RollingUpdateDeployment.field({ proto: 2 }),
})
export type DeploymentStrategy = Of<typeof DeploymentStrategy>

export const DeploymentSpec = struct('apps.v1.DeploymentSpec', '', {
  replicas: int32({ proto: 1, default: 1, optional: true }),
  selector: LabelSelector.field({ proto: 2, required: true }),
  template: PodTemplateSpec.value({ proto: 3, required: true }),
  strategy: DeploymentStrategy.value({ proto: 4, retainKeys: true }),
  minReadySeconds: int32({ proto: 5 }),
  revisionHistoryLimit: int32({ proto: 6, default: 10, optional: true }),
  paused: bool({ proto: 7 }),
  progressDeadlineSeconds: int32({ proto: 9, default: 600, optional: true }),
})
export type DeploymentSpec = Of<typeof DeploymentSpec>

export const DeploymentCondition = struct('apps.v1.DeploymentCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastUpdateTime: time({ proto: 6, always: true }),
  lastTransitionTime: time({ proto: 7, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
})
export type DeploymentCondition = Of<typeof DeploymentCondition>

export const DeploymentStatus = struct('apps.v1.DeploymentStatus', '', {
  observedGeneration: int64({ proto: 1 }),
  replicas: int32({ proto: 2 }),
  updatedReplicas: int32({ proto: 3 }),
  readyReplicas: int32({ proto: 7 }),
  availableReplicas: int32({ proto: 4 }),
  unavailableReplicas: int32({ proto: 5 }),
  terminatingReplicas: int32({ proto: 9, optional: true }),
  conditions: listByKey('type', DeploymentCondition, { proto: 6, mergeKey: 'type' }),
  collisionCount: int32({ proto: 8, optional: true }),
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
  columns: [
    { name: 'Ready', type: 'string', value: o => `${o.status.readyReplicas ?? 0}/${o.spec.replicas}` },
    { name: 'Up-to-date', type: 'integer', value: '.status.updatedReplicas' },
    { name: 'Available', type: 'integer', value: '.status.availableReplicas' },
    ...(templateColumns as []),
    selectorColumn as never,
  ],
  defaults: d => {
    defaultTemplate(d)
    const { strategy } = d.spec
    if (strategy.type === 'RollingUpdate') strategy.rollingUpdate ??= { maxUnavailable: '25%', maxSurge: '25%' }
  },
  *validate({ spec }, at) {
    const { replicas, minReadySeconds, revisionHistoryLimit, progressDeadlineSeconds } = spec
    const field = at.field('spec')
    yield* notNegative({ replicas, minReadySeconds, revisionHistoryLimit, progressDeadlineSeconds }, field)
    if (progressDeadlineSeconds <= (minReadySeconds ?? 0))
      yield field
        .field('progressDeadlineSeconds')
        .invalid(progressDeadlineSeconds, 'must be greater than minReadySeconds')
    if (spec.strategy.type === 'Recreate' && spec.strategy.rollingUpdate)
      yield field
        .field('strategy', 'rollingUpdate')
        .forbidden("may not be specified when strategy `type` is 'Recreate'")
    yield* validateRollingUpdate(spec.strategy.rollingUpdate, field.field('strategy', 'rollingUpdate'))
    yield* validateWorkload(spec, field)
  },
  *validateUpdate(next, old, at) {
    yield* selectorUnchanged(next.spec.selector, old.spec.selector, at)
  },
  fields: {
    spec: DeploymentSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: DeploymentStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type Deployment = Of<typeof Deployment>
