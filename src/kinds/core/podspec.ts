// What a pod is to be.
import type { Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Affinity, Toleration, TopologySpreadConstraint } from './affinity.ts'
import { Container, EphemeralContainer, ResourceRequirements } from './container.ts'
import { LocalObjectReference } from './reference.ts'
import { AppArmorProfile, SELinuxOptions, SeccompProfile, WindowsSecurityContextOptions } from './securitycontext.ts'
import { EvictionResponder } from './types.ts'
import { Volume } from './volume.ts'

export const Sysctl = struct('core.v1.Sysctl', '', {
  name: string({ proto: 1, always: true }),
  value: string({ proto: 2, always: true }),
})
export type Sysctl = Of<typeof Sysctl>

export const PodSecurityContext = struct('core.v1.PodSecurityContext', '', {
  seLinuxOptions: SELinuxOptions.field({ proto: 1 }),
  windowsOptions: WindowsSecurityContextOptions.field({ proto: 8 }),
  runAsUser: int64({ proto: 2, optional: true }),
  runAsGroup: int64({ proto: 6, optional: true }),
  runAsNonRoot: bool({ proto: 3, optional: true }),
  supplementalGroups: list(int64({}), { proto: 4 }),
  supplementalGroupsPolicy: string({ proto: 12, optional: true, enum: ['Merge', 'Strict'] }),
  fsGroup: int64({ proto: 5, optional: true }),
  sysctls: list(Sysctl, { proto: 7 }),
  fsGroupChangePolicy: string({ proto: 9, optional: true, enum: ['OnRootMismatch', 'Always'] }),
  seccompProfile: SeccompProfile.field({ proto: 10 }),
  appArmorProfile: AppArmorProfile.field({ proto: 11 }),
  seLinuxChangePolicy: string({ proto: 13, optional: true }),
})
export type PodSecurityContext = Of<typeof PodSecurityContext>

export const HostAlias = struct('core.v1.HostAlias', '', {
  ip: string({ proto: 1, always: true, required: true }),
  hostnames: list(string({}), { proto: 2 }),
})
export type HostAlias = Of<typeof HostAlias>

export const PodDNSConfigOption = struct('core.v1.PodDNSConfigOption', '', {
  name: string({ proto: 1 }),
  value: string({ proto: 2, optional: true }),
})
export type PodDNSConfigOption = Of<typeof PodDNSConfigOption>

export const PodDNSConfig = struct('core.v1.PodDNSConfig', '', {
  nameservers: list(string({}), { proto: 1 }),
  searches: list(string({}), { proto: 2 }),
  options: list(PodDNSConfigOption, { proto: 3 }),
})
export type PodDNSConfig = Of<typeof PodDNSConfig>

export const PodReadinessGate = struct('core.v1.PodReadinessGate', '', {
  conditionType: string({ proto: 1, always: true }),
})
export type PodReadinessGate = Of<typeof PodReadinessGate>

export const PodOS = struct('core.v1.PodOS', '', {
  name: string({ proto: 1, always: true }),
})
export type PodOS = Of<typeof PodOS>

export const PodSchedulingGate = struct('core.v1.PodSchedulingGate', '', {
  name: string({ proto: 1, always: true }),
})
export type PodSchedulingGate = Of<typeof PodSchedulingGate>

export const PodResourceClaim = struct('core.v1.PodResourceClaim', '', {
  name: string({ proto: 1, always: true }),
  resourceClaimName: string({ proto: 3, optional: true }),
  resourceClaimTemplateName: string({ proto: 4, optional: true }),
})
export type PodResourceClaim = Of<typeof PodResourceClaim>

export const PodSchedulingGroup = struct('core.v1.PodSchedulingGroup', '', {
  podGroupName: string({ proto: 1, optional: true }),
})
export type PodSchedulingGroup = Of<typeof PodSchedulingGroup>

export const PodSpec = struct('core.v1.PodSpec', '', {
  volumes: listByKey('name', Volume, { proto: 1, mergeKey: 'name', retainKeys: true }),
  initContainers: listByKey('name', Container, { proto: 20, mergeKey: 'name' }),
  containers: listByKey('name', Container, { proto: 2, always: true, mergeKey: 'name' }),
  ephemeralContainers: listByKey('name', EphemeralContainer, { proto: 34, mergeKey: 'name' }),
  restartPolicy: string({ proto: 3, default: 'Always', enum: ['Always', 'OnFailure', 'Never'] }),
  terminationGracePeriodSeconds: int64({ proto: 4, default: 30, optional: true }),
  activeDeadlineSeconds: int64({ proto: 5, optional: true }),
  dnsPolicy: string({
    proto: 6,
    default: 'ClusterFirst',
    enum: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
  }),
  nodeSelector: map(string({}), { proto: 7 }),
  serviceAccountName: string({ proto: 8 }),
  serviceAccount: string({ proto: 9 }),
  automountServiceAccountToken: bool({ proto: 21, optional: true }),
  nodeName: string({ proto: 10 }),
  hostNetwork: bool({ proto: 11 }),
  hostPID: bool({ proto: 12 }),
  hostIPC: bool({ proto: 13 }),
  shareProcessNamespace: bool({ proto: 27, optional: true }),
  securityContext: PodSecurityContext.field({ proto: 14, default: {} }),
  imagePullSecrets: listByKey('name', LocalObjectReference, { proto: 15, mergeKey: 'name' }),
  hostname: string({ proto: 16 }),
  subdomain: string({ proto: 17 }),
  affinity: Affinity.field({ proto: 18 }),
  schedulerName: string({ proto: 19, default: 'default-scheduler' }),
  tolerations: list(Toleration, { proto: 22 }),
  hostAliases: listByKey('ip', HostAlias, { proto: 23, mergeKey: 'ip' }),
  priorityClassName: string({ proto: 24 }),
  priority: int32({ proto: 25, optional: true }),
  dnsConfig: PodDNSConfig.field({ proto: 26 }),
  readinessGates: list(PodReadinessGate, { proto: 28 }),
  runtimeClassName: string({ proto: 29, optional: true }),
  enableServiceLinks: bool({ proto: 30, default: true, optional: true }),
  preemptionPolicy: string({ proto: 31, optional: true, enum: ['PreemptLowerPriority', 'Never'] }),
  overhead: map(quantity({}), { proto: 32 }),
  topologySpreadConstraints: listByKey(['topologyKey', 'whenUnsatisfiable'], TopologySpreadConstraint, {
    proto: 33,
    mergeKey: 'topologyKey',
  }),
  setHostnameAsFQDN: bool({ proto: 35, optional: true }),
  os: PodOS.field({ proto: 36 }),
  hostUsers: bool({ proto: 37, optional: true }),
  schedulingGates: listByKey('name', PodSchedulingGate, { proto: 38, mergeKey: 'name' }),
  resourceClaims: listByKey('name', PodResourceClaim, { proto: 39, mergeKey: 'name', retainKeys: true }),
  resources: ResourceRequirements.field({ proto: 40 }),
  hostnameOverride: string({ proto: 41, optional: true }),
  schedulingGroup: PodSchedulingGroup.field({ proto: 43 }),
  evictionResponders: listByKey('name', EvictionResponder, { proto: 44, mergeKey: 'name' }),
})
export type PodSpec = Of<typeof PodSpec>
