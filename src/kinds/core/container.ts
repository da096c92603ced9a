// A container: image, command, environment, ports, resources, mounts, probes.
import type { Of } from '../../api/kind.ts'
import { bool, inline, int32, list, listByKey, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Lifecycle, Probe } from './probe.ts'
import { ConfigMapKeySelector, LocalObjectReference, SecretKeySelector } from './reference.ts'
import { SecurityContext } from './securitycontext.ts'
import { ObjectFieldSelector, ResourceFieldSelector } from './volume.ts'

export const ContainerPort = struct('core.v1.ContainerPort', '', {
  name: string({ proto: 1 }),
  hostPort: int32({ proto: 2 }),
  containerPort: int32({ proto: 3, always: true }),
  protocol: string({ proto: 4, default: 'TCP', enum: ['TCP', 'UDP', 'SCTP'] }),
  hostIP: string({ proto: 5 }),
})
export type ContainerPort = Of<typeof ContainerPort>

export const FileKeySelector = struct('core.v1.FileKeySelector', '', {
  volumeName: string({ proto: 1, always: true, required: true }),
  path: string({ proto: 2, always: true, required: true }),
  key: string({ proto: 3, always: true, required: true }),
  optional: bool({ proto: 4, optional: true, default: false }),
})
export type FileKeySelector = Of<typeof FileKeySelector>

export const EnvVarSource = struct('core.v1.EnvVarSource', '', {
  fieldRef: ObjectFieldSelector.field({ proto: 1 }),
  resourceFieldRef: ResourceFieldSelector.field({ proto: 2 }),
  configMapKeyRef: ConfigMapKeySelector.field({ proto: 3 }),
  secretKeyRef: SecretKeySelector.field({ proto: 4 }),
  fileKeyRef: FileKeySelector.field({ proto: 5 }),
})
export type EnvVarSource = Of<typeof EnvVarSource>

export const EnvVar = struct('core.v1.EnvVar', '', {
  name: string({ proto: 1, always: true }),
  value: string({ proto: 2 }),
  valueFrom: EnvVarSource.field({ proto: 3 }),
})
export type EnvVar = Of<typeof EnvVar>

export const ResourceClaim = struct('core.v1.ResourceClaim', '', {
  name: string({ proto: 1, always: true }),
  request: string({ proto: 2 }),
})
export type ResourceClaim = Of<typeof ResourceClaim>

export const ResourceRequirements = struct('core.v1.ResourceRequirements', '', {
  limits: map(quantity({}), { proto: 1 }),
  requests: map(quantity({}), { proto: 2 }),
  claims: listByKey('name', ResourceClaim, { proto: 3 }),
})
export type ResourceRequirements = Of<typeof ResourceRequirements>

export const VolumeMount = struct('core.v1.VolumeMount', '', {
  name: string({ proto: 1, always: true }),
  readOnly: bool({ proto: 2 }),
  recursiveReadOnly: string({ proto: 7, optional: true }),
  mountPath: string({ proto: 3, always: true }),
  subPath: string({ proto: 4 }),
  mountPropagation: string({ proto: 5, optional: true, enum: ['None', 'HostToContainer', 'Bidirectional'] }),
  subPathExpr: string({ proto: 6 }),
  bindMountOptions: list(string({}), { proto: 8, listType: 'set' }),
})
export type VolumeMount = Of<typeof VolumeMount>

export const ConfigMapEnvSource = struct('core.v1.ConfigMapEnvSource', '', {
  ...inline(LocalObjectReference, 1),
  optional: bool({ proto: 2, optional: true }),
})
export type ConfigMapEnvSource = Of<typeof ConfigMapEnvSource>

export const SecretEnvSource = struct('core.v1.SecretEnvSource', '', {
  ...inline(LocalObjectReference, 1),
  optional: bool({ proto: 2, optional: true }),
})
export type SecretEnvSource = Of<typeof SecretEnvSource>

export const EnvFromSource = struct('core.v1.EnvFromSource', '', {
  prefix: string({ proto: 1 }),
  configMapRef: ConfigMapEnvSource.field({ proto: 2 }),
  secretRef: SecretEnvSource.field({ proto: 3 }),
})
export type EnvFromSource = Of<typeof EnvFromSource>

export const VolumeDevice = struct('core.v1.VolumeDevice', '', {
  name: string({ proto: 1, always: true }),
  devicePath: string({ proto: 2, always: true }),
})
export type VolumeDevice = Of<typeof VolumeDevice>

export const ContainerResizePolicy = struct('core.v1.ContainerResizePolicy', '', {
  resourceName: string({ proto: 1, always: true }),
  restartPolicy: string({ proto: 2, always: true }),
})
export type ContainerResizePolicy = Of<typeof ContainerResizePolicy>

export const ContainerRestartRuleOnExitCodes = struct('core.v1.ContainerRestartRuleOnExitCodes', '', {
  operator: string({ proto: 1, required: true }),
  values: list(int32({}), { proto: 2, listType: 'set' }),
})
export type ContainerRestartRuleOnExitCodes = Of<typeof ContainerRestartRuleOnExitCodes>

export const ContainerRestartRule = struct('core.v1.ContainerRestartRule', '', {
  action: string({ proto: 1, required: true }),
  exitCodes: ContainerRestartRuleOnExitCodes.field({ proto: 2 }),
})
export type ContainerRestartRule = Of<typeof ContainerRestartRule>

export const Container = struct('core.v1.Container', '', {
  name: string({ proto: 1, always: true }),
  image: string({ proto: 2 }),
  command: list(string({}), { proto: 3 }),
  args: list(string({}), { proto: 4 }),
  workingDir: string({ proto: 5 }),
  ports: listByKey(['containerPort', 'protocol'], ContainerPort, { proto: 6, mergeKey: 'containerPort' }),
  envFrom: list(EnvFromSource, { proto: 19 }),
  env: listByKey('name', EnvVar, { proto: 7, mergeKey: 'name' }),
  resources: ResourceRequirements.value({ proto: 8 }),
  resizePolicy: list(ContainerResizePolicy, { proto: 23 }),
  restartPolicy: string({ proto: 24, optional: true }),
  restartPolicyRules: list(ContainerRestartRule, { proto: 25 }),
  volumeMounts: listByKey('mountPath', VolumeMount, { proto: 9, mergeKey: 'mountPath' }),
  volumeDevices: listByKey('devicePath', VolumeDevice, { proto: 21, mergeKey: 'devicePath' }),
  livenessProbe: Probe.field({ proto: 10 }),
  readinessProbe: Probe.field({ proto: 11 }),
  startupProbe: Probe.field({ proto: 22 }),
  lifecycle: Lifecycle.field({ proto: 12 }),
  terminationMessagePath: string({ proto: 13, default: '/dev/termination-log' }),
  terminationMessagePolicy: string({ proto: 20, default: 'File', enum: ['File', 'FallbackToLogsOnError'] }),
  imagePullPolicy: string({ proto: 14, enum: ['Always', 'Never', 'IfNotPresent'] }),
  securityContext: SecurityContext.field({ proto: 15 }),
  stdin: bool({ proto: 16 }),
  stdinOnce: bool({ proto: 17 }),
  tty: bool({ proto: 18 }),
})
export type Container = Of<typeof Container>

export const EphemeralContainerCommon = struct('core.v1.EphemeralContainerCommon', '', {
  name: string({ proto: 1, always: true }),
  image: string({ proto: 2 }),
  command: list(string({}), { proto: 3 }),
  args: list(string({}), { proto: 4 }),
  workingDir: string({ proto: 5 }),
  ports: listByKey(['containerPort', 'protocol'], ContainerPort, { proto: 6, mergeKey: 'containerPort' }),
  envFrom: list(EnvFromSource, { proto: 19 }),
  env: listByKey('name', EnvVar, { proto: 7, mergeKey: 'name' }),
  resources: ResourceRequirements.value({ proto: 8 }),
  resizePolicy: list(ContainerResizePolicy, { proto: 23 }),
  restartPolicy: string({ proto: 24, optional: true }),
  restartPolicyRules: list(ContainerRestartRule, { proto: 25 }),
  volumeMounts: listByKey('mountPath', VolumeMount, { proto: 9, mergeKey: 'mountPath' }),
  volumeDevices: listByKey('devicePath', VolumeDevice, { proto: 21, mergeKey: 'devicePath' }),
  livenessProbe: Probe.field({ proto: 10 }),
  readinessProbe: Probe.field({ proto: 11 }),
  startupProbe: Probe.field({ proto: 22 }),
  lifecycle: Lifecycle.field({ proto: 12 }),
  terminationMessagePath: string({ proto: 13, default: '/dev/termination-log' }),
  terminationMessagePolicy: string({ proto: 20, default: 'File', enum: ['File', 'FallbackToLogsOnError'] }),
  imagePullPolicy: string({ proto: 14, enum: ['Always', 'Never', 'IfNotPresent'] }),
  securityContext: SecurityContext.field({ proto: 15 }),
  stdin: bool({ proto: 16 }),
  stdinOnce: bool({ proto: 17 }),
  tty: bool({ proto: 18 }),
})
export type EphemeralContainerCommon = Of<typeof EphemeralContainerCommon>

export const EphemeralContainer = struct('core.v1.EphemeralContainer', '', {
  ...inline(EphemeralContainerCommon, 1),
  targetContainerName: string({ proto: 2 }),
})
export type EphemeralContainer = Of<typeof EphemeralContainer>
