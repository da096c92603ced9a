// What a pod is to be.
import type { Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Affinity, Toleration, TopologySpreadConstraint } from './affinity.ts'
import { Container, EphemeralContainer, ResourceRequirements } from './container.ts'
import { LocalObjectReference } from './reference.ts'
import { AppArmorProfile, SELinuxOptions, SeccompProfile, WindowsSecurityContextOptions } from './securitycontext.ts'
import { EvictionResponder } from './types.ts'
import { Volume } from './volume.ts'

export const Sysctl = struct('core.v1.Sysctl', 'A kernel parameter to set.', {
  name: string({ proto: 1, always: true, doc: 'Name of the parameter, such as net.core.somaxconn.' }),
  value: string({ proto: 2, always: true, doc: 'Value to set it to.' }),
})
export type Sysctl = Of<typeof Sysctl>

export const PodSecurityContext = struct(
  'core.v1.PodSecurityContext',
  'Rights and identities that all containers of a pod share.',
  {
    seLinuxOptions: SELinuxOptions.field({ proto: 1, doc: 'SELinux label of all containers.' }),
    windowsOptions: WindowsSecurityContextOptions.field({ proto: 8, doc: 'Settings that only Windows knows.' }),
    runAsUser: int64({
      proto: 2,
      optional: true,
      doc: 'User ID that the first process runs as; otherwise that of the image.',
    }),
    runAsGroup: int64({ proto: 6, optional: true, doc: 'Primary group ID of the first process.' }),
    runAsNonRoot: bool({
      proto: 3,
      optional: true,
      doc: 'True to refuse starting a container that would run as user 0.',
    }),
    supplementalGroups: list(int64({}), { proto: 4, doc: 'Further group IDs of the first process.' }),
    supplementalGroupsPolicy: string({
      proto: 12,
      optional: true,
      enum: ['Merge', 'Strict'],
      doc: 'Merge adds the groups that the image lists for the user; Strict leaves them out.',
    }),
    fsGroup: int64({
      proto: 5,
      optional: true,
      doc: 'Group ID that owns the files of volumes that support it, and that every process gets.',
    }),
    sysctls: list(Sysctl, { proto: 7, doc: 'Kernel parameters for the pod’s namespaces.' }),
    fsGroupChangePolicy: string({
      proto: 9,
      optional: true,
      enum: ['OnRootMismatch', 'Always'],
      doc: 'Whether files are always given to fsGroup, or only if the volume’s root is not yet.',
    }),
    seccompProfile: SeccompProfile.field({ proto: 10, doc: 'System calls that the containers may make.' }),
    appArmorProfile: AppArmorProfile.field({ proto: 11, doc: 'AppArmor profile of the containers.' }),
    seLinuxChangePolicy: string({
      proto: 13,
      optional: true,
      doc: 'How volumes get the label: Recursive relabels every file, MountOption labels the mount.',
    }),
  },
)
export type PodSecurityContext = Of<typeof PodSecurityContext>

export const HostAlias = struct('core.v1.HostAlias', 'A line for the pod’s hosts file.', {
  ip: string({ proto: 1, always: true, required: true, doc: 'Address of the line.' }),
  hostnames: list(string({}), { proto: 2, doc: 'Names that lead to the address.' }),
})
export type HostAlias = Of<typeof HostAlias>

export const PodDNSConfigOption = struct('core.v1.PodDNSConfigOption', 'An option of the resolver.', {
  name: string({ proto: 1, doc: 'Name of the option, such as ndots.' }),
  value: string({ proto: 2, optional: true, doc: 'Value, for options that take one.' }),
})
export type PodDNSConfigOption = Of<typeof PodDNSConfigOption>

export const PodDNSConfig = struct(
  'core.v1.PodDNSConfig',
  'What is added to the resolver settings that dnsPolicy gives.',
  {
    nameservers: list(string({}), { proto: 1, doc: 'Addresses of DNS servers.' }),
    searches: list(string({}), { proto: 2, doc: 'Domains that short names are tried in.' }),
    options: list(PodDNSConfigOption, { proto: 3, doc: 'Options of the resolver.' }),
  },
)
export type PodDNSConfig = Of<typeof PodDNSConfig>

export const PodReadinessGate = struct(
  'core.v1.PodReadinessGate',
  'A condition that must hold, besides the containers being ready, for the pod to be ready.',
  {
    conditionType: string({ proto: 1, always: true, doc: 'Type of the condition in the pod’s status.' }),
  },
)
export type PodReadinessGate = Of<typeof PodReadinessGate>

export const PodOS = struct('core.v1.PodOS', 'The operating system a pod is made for.', {
  name: string({ proto: 1, always: true, doc: 'linux or windows.' }),
})
export type PodOS = Of<typeof PodOS>

export const PodSchedulingGate = struct(
  'core.v1.PodSchedulingGate',
  'Something that has to be removed before the pod is scheduled.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the gate, unique in the pod.' }),
  },
)
export type PodSchedulingGate = Of<typeof PodSchedulingGate>

export const PodResourceClaim = struct(
  'core.v1.PodResourceClaim',
  'Gives the pod a claim on devices that its containers can refer to by name.',
  {
    name: string({ proto: 1, always: true, doc: 'Name that containers use for the claim.' }),
    resourceClaimName: string({ proto: 3, optional: true, doc: 'An existing ResourceClaim of the pod’s namespace.' }),
    resourceClaimTemplateName: string({
      proto: 4,
      optional: true,
      doc: 'A template from which a ResourceClaim is made for this pod alone.',
    }),
  },
)
export type PodResourceClaim = Of<typeof PodResourceClaim>

export const PodSchedulingGroup = struct(
  'core.v1.PodSchedulingGroup',
  'The group of pods that this one is scheduled with.',
  {
    podGroupName: string({ proto: 1, optional: true, doc: 'Name of the PodGroup in the pod’s namespace.' }),
  },
)
export type PodSchedulingGroup = Of<typeof PodSchedulingGroup>

export const PodSpec = struct('core.v1.PodSpec', 'What a pod is to be.', {
  volumes: listByKey('name', Volume, {
    proto: 1,
    mergeKey: 'name',
    retainKeys: true,
    doc: 'Volumes that containers of the pod can mount.',
  }),
  initContainers: listByKey('name', Container, {
    proto: 20,
    mergeKey: 'name',
    doc: 'Containers run one after the other, each to its end, before the others start.',
  }),
  containers: listByKey('name', Container, {
    proto: 2,
    always: true,
    mergeKey: 'name',
    doc: 'The containers; at least one.',
  }),
  ephemeralContainers: listByKey('name', EphemeralContainer, {
    proto: 34,
    mergeKey: 'name',
    doc: 'Containers added to a running pod for debugging; set through a subresource only.',
  }),
  restartPolicy: string({
    proto: 3,
    default: 'Always',
    enum: ['Always', 'OnFailure', 'Never'],
    doc: 'When ended containers start again: Always, OnFailure or Never.',
  }),
  terminationGracePeriodSeconds: int64({
    proto: 4,
    default: 30,
    optional: true,
    doc: 'Seconds the processes get between the stop signal and being killed.',
  }),
  activeDeadlineSeconds: int64({
    proto: 5,
    optional: true,
    doc: 'Seconds after its start at which the pod is stopped and counted as failed.',
  }),
  dnsPolicy: string({
    proto: 6,
    default: 'ClusterFirst',
    enum: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
    doc: 'Where resolver settings come from: the cluster, the node (Default), or dnsConfig alone (None).',
  }),
  nodeSelector: map(string({}), { proto: 7, atomic: true, doc: 'Labels with values that the node must have.' }),
  serviceAccountName: string({ proto: 8, doc: 'ServiceAccount that the pod acts as.' }),
  serviceAccount: string({ proto: 9, doc: 'Old name of serviceAccountName.' }),
  automountServiceAccountToken: bool({
    proto: 21,
    optional: true,
    doc: 'Whether the account’s token is mounted in the containers.',
  }),
  nodeName: string({ proto: 10, doc: 'The node the pod runs on; set by the scheduler, or by hand to go past it.' }),
  hostNetwork: bool({ proto: 11, doc: 'True to use the node’s network instead of one of its own.' }),
  hostPID: bool({ proto: 12, doc: 'True to see the node’s processes.' }),
  hostIPC: bool({ proto: 13, doc: 'True to share the node’s System V and POSIX message objects.' }),
  shareProcessNamespace: bool({
    proto: 27,
    optional: true,
    doc: 'True to let the pod’s containers see each other’s processes.',
  }),
  securityContext: PodSecurityContext.field({
    proto: 14,
    default: {},
    doc: 'Rights and identities shared by all containers.',
  }),
  imagePullSecrets: listByKey('name', LocalObjectReference, {
    proto: 15,
    mergeKey: 'name',
    doc: 'Secrets with credentials for pulling the images.',
  }),
  hostname: string({ proto: 16, doc: 'Host name of the pod; otherwise the pod’s name.' }),
  subdomain: string({
    proto: 17,
    doc: 'Makes the full host name hostname.subdomain.namespace.svc and the cluster domain.',
  }),
  affinity: Affinity.field({
    proto: 18,
    doc: 'Which nodes, and which other pods, this pod should be close to or far from.',
  }),
  schedulerName: string({ proto: 19, default: 'default-scheduler', doc: 'Scheduler that finds a node for the pod.' }),
  tolerations: list(Toleration, { proto: 22, doc: 'Taints of nodes that the pod may run on in spite of.' }),
  hostAliases: listByKey('ip', HostAlias, { proto: 23, mergeKey: 'ip', doc: 'Lines for the pod’s hosts file.' }),
  priorityClassName: string({ proto: 24, doc: 'PriorityClass that gives the pod its priority.' }),
  priority: int32({ proto: 25, optional: true, doc: 'Priority as a number, higher first; filled in from the class.' }),
  dnsConfig: PodDNSConfig.field({ proto: 26, doc: 'Resolver settings added to those of dnsPolicy.' }),
  readinessGates: list(PodReadinessGate, {
    proto: 28,
    doc: 'Further conditions that must hold for the pod to be ready.',
  }),
  runtimeClassName: string({ proto: 29, optional: true, doc: 'RuntimeClass that says how to run the containers.' }),
  enableServiceLinks: bool({
    proto: 30,
    optional: true,
    doc: 'Whether the namespace’s services are put into environment variables.',
  }),
  preemptionPolicy: string({
    proto: 31,
    optional: true,
    enum: ['PreemptLowerPriority', 'Never'],
    doc: 'Whether the pod may push pods of lower priority off a node.',
  }),
  overhead: map(quantity({}), {
    proto: 32,
    doc: 'Resources needed to run the pod besides those of its containers; from the RuntimeClass.',
  }),
  topologySpreadConstraints: listByKey(['topologyKey', 'whenUnsatisfiable'], TopologySpreadConstraint, {
    proto: 33,
    mergeKey: 'topologyKey',
    doc: 'How pods are spread over zones, nodes and the like.',
  }),
  setHostnameAsFQDN: bool({
    proto: 35,
    optional: true,
    doc: 'True to have the kernel’s host name be the full domain name.',
  }),
  os: PodOS.field({ proto: 36, doc: 'Operating system the pod is made for.' }),
  hostUsers: bool({
    proto: 37,
    optional: true,
    doc: 'False to give the pod user IDs of its own, mapped to harmless ones on the node.',
  }),
  schedulingGates: listByKey('name', PodSchedulingGate, {
    proto: 38,
    mergeKey: 'name',
    doc: 'The pod is not scheduled while there is any of these.',
  }),
  resourceClaims: listByKey('name', PodResourceClaim, {
    proto: 39,
    mergeKey: 'name',
    retainKeys: true,
    doc: 'Claims on devices that the containers can refer to.',
  }),
  resources: ResourceRequirements.field({ proto: 40, doc: 'Resources that the containers need together.' }),
  hostnameOverride: string({
    proto: 41,
    optional: true,
    doc: 'Host name that takes the place of all other settings for it.',
  }),
  schedulingGroup: PodSchedulingGroup.field({ proto: 43, doc: 'Group of pods that this one is scheduled with.' }),
  evictionResponders: listByKey('name', EvictionResponder, {
    proto: 44,
    mergeKey: 'name',
    doc: 'Controllers that are asked to move the pod before it is evicted.',
  }),
})
export type PodSpec = Of<typeof PodSpec>
