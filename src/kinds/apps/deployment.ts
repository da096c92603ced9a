// DESCRIBE
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { bool, int32, int64, intOrString, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { PodTemplateSpec } from '../core/podtemplatespec.ts'

export const RollingUpdateDeployment = struct('apps.v1.RollingUpdateDeployment', '', {
  maxUnavailable: intOrString({ proto: 1, optional: true }),
  maxSurge: intOrString({ proto: 2, optional: true }),
})
export type RollingUpdateDeployment = Of<typeof RollingUpdateDeployment>

export const DeploymentStrategy = struct('apps.v1.DeploymentStrategy', '', {
  type: string({ proto: 1, enum: ['Recreate', 'RollingUpdate'] }),
  rollingUpdate: RollingUpdateDeployment.field({ proto: 2 }),
})
export type DeploymentStrategy = Of<typeof DeploymentStrategy>

export const DeploymentSpec = struct('apps.v1.DeploymentSpec', '', {
  replicas: int32({ proto: 1, optional: true }),
  selector: LabelSelector.field({ proto: 2, required: true }),
  template: PodTemplateSpec.value({ proto: 3, required: true }),
  strategy: DeploymentStrategy.value({ proto: 4, retainKeys: true }),
  minReadySeconds: int32({ proto: 5 }),
  revisionHistoryLimit: int32({ proto: 6, optional: true }),
  paused: bool({ proto: 7 }),
  progressDeadlineSeconds: int32({ proto: 9, optional: true }),
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
  doc: '',
  fields: {
    spec: DeploymentSpec.value({ proto: 2, required: true }),
    status: DeploymentStatus.value({ proto: 3 }),
  },
})
export type Deployment = Of<typeof Deployment>
