// What a pod is to be.
import type { Of } from '../../api/kind.ts'
import { bool, int32, int64, list, listByKey, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Affinity, Toleration, TopologySpreadConstraint } from './affinity.ts'
import { Container, EphemeralContainer, ResourceRequirements } from './container.ts'
import { LocalObjectReference } from './reference.ts'
import { AppArmorProfile, SELinuxOptions, SeccompProfile, WindowsSecurityContextOptions } from './securitycontext.ts'
import { EvictionResponder } from './types.ts'
import { Volume } from './volume.ts'

export const Sysctl = struct('core.v1.Sysctl', 'Kernel parameter to set in the namespaces of a pod.', {
  name: string({ proto: 1, always: true, doc: 'Name of the parameter, such as net.core.somaxconn.' }),
  value: string({ proto: 2, always: true, doc: 'Value to set the parameter to.' }),
})
export type Sysctl = Of<typeof Sysctl>

export const PodSecurityContext = struct(
  'core.v1.PodSecurityContext',
  'Security settings of a pod that apply to all of its containers. Where a container sets the same field in its own securityContext, that takes precedence.',
  {
    seLinuxOptions: SELinuxOptions.field({
      proto: 1,
      doc: 'SELinux label of all containers. Defaults to a random label chosen by the container runtime for each container.',
    }),
    windowsOptions: WindowsSecurityContextOptions.field({
      proto: 8,
      doc: 'Windows-specific settings of all containers. Must not be set if os.name is linux.',
    }),
    runAsUser: int64({
      proto: 2,
      optional: true,
      doc: 'User ID that the entry point of each container runs as. Defaults to the user of the image.',
    }),
    runAsGroup: int64({
      proto: 6,
      optional: true,
      doc: 'Primary group ID that the entry point of each container runs as. Defaults to the group that the image assigns to the user, or else to 0.',
    }),
    runAsNonRoot: bool({
      proto: 3,
      optional: true,
      doc: 'If true, the kubelet refuses to start a container that would run as user ID 0.',
    }),
    supplementalGroups: list(int64({}), {
      proto: 4,
      doc: 'Additional group IDs of the first process of each container, beside its primary group and fsGroup.',
    }),
    supplementalGroupsPolicy: string({
      proto: 12,
      optional: true,
      enum: ['Merge', 'Strict'],
      doc: 'How additional groups are determined: Merge also adds the groups that the image lists for the user, Strict uses only fsGroup, runAsGroup and supplementalGroups. Defaults to Merge.',
    }),
    fsGroup: int64({
      proto: 5,
      optional: true,
      doc: 'Group ID that owns the files of volumes that support ownership management. All processes of the pod are members of the group.',
    }),
    sysctls: list(Sysctl, {
      proto: 7,
      doc: 'Kernel parameters to set in the namespaces of the pod. A pod with a parameter that the node does not allow is rejected.',
    }),
    fsGroupChangePolicy: string({
      proto: 9,
      optional: true,
      enum: ['OnRootMismatch', 'Always'],
      doc: 'When to change the ownership of a volume to fsGroup: OnRootMismatch only if its root directory does not have it yet, Always at each mount. Defaults to Always.',
    }),
    seccompProfile: SeccompProfile.field({
      proto: 10,
      doc: 'Seccomp profile of all containers. Defaults to RuntimeDefault, for privileged containers to Unconfined.',
    }),
    appArmorProfile: AppArmorProfile.field({ proto: 11, doc: 'AppArmor profile of all containers.' }),
    seLinuxChangePolicy: string({
      proto: 13,
      optional: true,
      doc: 'How the SELinux label is applied to volumes: Recursive relabels all files, MountOption mounts the volume with the label where that is possible. Defaults to MountOption.',
    }),
  },
)
export type PodSecurityContext = Of<typeof PodSecurityContext>

export const HostAlias = struct('core.v1.HostAlias', 'Entry of the /etc/hosts file of a pod.', {
  ip: string({ proto: 1, always: true, required: true, doc: 'IP address of the entry.' }),
  hostnames: list(string({}), { proto: 2, doc: 'Host names that resolve to the IP address.' }),
})
export type HostAlias = Of<typeof HostAlias>

export const PodDNSConfigOption = struct('core.v1.PodDNSConfigOption', 'Option of the DNS resolver of a pod.', {
  name: string({ proto: 1, doc: 'Name of the option, such as ndots.' }),
  value: string({ proto: 2, optional: true, doc: 'Value of the option, if it takes one.' }),
})
export type PodDNSConfigOption = Of<typeof PodDNSConfigOption>

export const PodDNSConfig = struct(
  'core.v1.PodDNSConfig',
  'DNS resolver settings that are merged with those of dnsPolicy.',
  {
    nameservers: list(string({}), {
      proto: 1,
      doc: 'IP addresses of DNS servers, appended to those of dnsPolicy. At most 3. At least one is required if dnsPolicy is None.',
    }),
    searches: list(string({}), {
      proto: 2,
      doc: 'Search domains for host names, appended to those of dnsPolicy. At most 32, with at most 2048 characters in total.',
    }),
    options: list(PodDNSConfigOption, {
      proto: 3,
      doc: 'Resolver options. They override options of the same name from dnsPolicy.',
    }),
  },
)
export type PodDNSConfig = Of<typeof PodDNSConfig>

export const PodReadinessGate = struct(
  'core.v1.PodReadinessGate',
  'Condition that must be True for the pod to be ready, in addition to the readiness of its containers.',
  {
    conditionType: string({ proto: 1, always: true, doc: 'Type of the condition in the status of the pod.' }),
  },
)
export type PodReadinessGate = Of<typeof PodReadinessGate>

export const PodOS = struct('core.v1.PodOS', 'Operating system of the containers of a pod.', {
  name: string({
    proto: 1,
    always: true,
    doc: 'Name of the operating system: linux or windows. Fields that apply only to the other one must not be set.',
  }),
})
export type PodOS = Of<typeof PodOS>

export const PodSchedulingGate = struct(
  'core.v1.PodSchedulingGate',
  'Gate that keeps a pod from being scheduled until it is removed.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the gate, unique within the pod.' }),
  },
)
export type PodSchedulingGate = Of<typeof PodSchedulingGate>

export const PodResourceClaim = struct(
  'core.v1.PodResourceClaim',
  'Reference to a ResourceClaim for the pod. Exactly one of resourceClaimName and resourceClaimTemplateName must be set.',
  {
    name: string({
      proto: 1,
      always: true,
      doc: 'Name by which containers refer to the claim. A DNS label, unique within the pod.',
    }),
    resourceClaimName: string({
      proto: 3,
      optional: true,
      doc: 'Name of an existing ResourceClaim in the pod’s namespace.',
    }),
    resourceClaimTemplateName: string({
      proto: 4,
      optional: true,
      doc: 'Name of a ResourceClaimTemplate in the pod’s namespace. A ResourceClaim is created from it for this pod and deleted with the pod.',
    }),
  },
)
export type PodResourceClaim = Of<typeof PodResourceClaim>

export const PodSchedulingGroup = struct('core.v1.PodSchedulingGroup', 'Group of pods that a pod is scheduled with.', {
  podGroupName: string({ proto: 1, optional: true, doc: 'Name of the PodGroup in the pod’s namespace.' }),
})
export type PodSchedulingGroup = Of<typeof PodSchedulingGroup>

export const PodSpec = struct(
  'core.v1.PodSpec',
  'Desired state of a pod. After creation, only images, activeDeadlineSeconds, additional tolerations and a few other fields can be changed.',
  {
    volumes: listByKey('name', Volume, {
      proto: 1,
      mergeKey: 'name',
      retainKeys: true,
      doc: 'Volumes that the containers of the pod can mount.',
    }),
    initContainers: listByKey('name', Container, {
      proto: 20,
      mergeKey: 'name',
      doc: 'Containers that run one after the other before the other containers are started. If one fails, it is retried or the pod fails, according to the restart policy. One with restartPolicy Always keeps running as a sidecar.',
    }),
    containers: listByKey('name', Container, {
      proto: 2,
      always: true,
      mergeKey: 'name',
      doc: 'Containers of the pod. At least one is required. Containers cannot be added or removed later.',
    }),
    ephemeralContainers: listByKey('name', EphemeralContainer, {
      proto: 34,
      mergeKey: 'name',
      doc: 'Containers that were added to the running pod for debugging. They cannot be set on creation, only added through the ephemeralcontainers subresource.',
    }),
    restartPolicy: string({
      proto: 3,
      default: 'Always',
      enum: ['Always', 'OnFailure', 'Never'],
      doc: 'When to restart containers that exit: Always, OnFailure (if the exit code is not 0) or Never. Defaults to Always.',
    }),
    terminationGracePeriodSeconds: int64({
      proto: 4,
      default: 30,
      optional: true,
      doc: 'Seconds that processes have to terminate after the stop signal, before they are killed. 0 kills them immediately. Defaults to 30.',
    }),
    activeDeadlineSeconds: int64({
      proto: 5,
      optional: true,
      doc: 'Seconds that the pod may be active on its node before it is stopped and marked as failed. Must be positive. Can later be set or lowered, but not removed.',
    }),
    dnsPolicy: string({
      proto: 6,
      default: 'ClusterFirst',
      enum: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
      doc: 'Source of the DNS settings: ClusterFirst uses the cluster’s DNS (the node’s with hostNetwork), ClusterFirstWithHostNet uses it even with hostNetwork, Default uses the settings of the node, and None only dnsConfig. Defaults to ClusterFirst.',
    }),
    nodeSelector: map(string({}), {
      proto: 7,
      atomic: true,
      doc: 'Labels that a node must have for the pod to be scheduled on it.',
    }),
    serviceAccountName: string({
      proto: 8,
      doc: 'Name of the ServiceAccount that the pod runs as. Defaults to the account named default.',
    }),
    serviceAccount: string({
      proto: 9,
      doc: 'Deprecated: use serviceAccountName. The two fields always have the same value.',
    }),
    automountServiceAccountToken: bool({
      proto: 21,
      optional: true,
      doc: 'Whether a token of the service account is mounted into the containers. Defaults to the setting of the ServiceAccount, or else to true.',
    }),
    nodeName: string({
      proto: 10,
      doc: 'Name of the node that the pod runs on, set by the scheduler. If it is set on creation, the pod is not scheduled and the kubelet of that node runs it. Use nodeSelector or affinity to choose a node.',
    }),
    hostNetwork: bool({
      proto: 11,
      doc: 'If true, the pod uses the network namespace of the node, and every container port is also a host port. Defaults to false.',
    }),
    hostPID: bool({ proto: 12, doc: 'If true, the pod uses the process namespace of the node. Defaults to false.' }),
    hostIPC: bool({ proto: 13, doc: 'If true, the pod uses the IPC namespace of the node. Defaults to false.' }),
    shareProcessNamespace: bool({
      proto: 27,
      optional: true,
      doc: 'If true, all containers of the pod share one process namespace and can see and signal each other’s processes. Cannot be set together with hostPID. Defaults to false.',
    }),
    securityContext: PodSecurityContext.field({
      proto: 14,
      default: {},
      doc: 'Security settings of the pod that apply to all of its containers.',
    }),
    imagePullSecrets: listByKey('name', LocalObjectReference, {
      proto: 15,
      mergeKey: 'name',
      doc: 'Secrets in the pod’s namespace with the credentials for pulling images. Defaults to those of the ServiceAccount.',
    }),
    hostname: string({ proto: 16, doc: 'Host name of the pod, as a DNS label. Defaults to the name of the pod.' }),
    subdomain: string({
      proto: 17,
      doc: 'Subdomain of the pod, as a DNS label. The fully qualified name is hostname.subdomain.namespace.svc.cluster-domain. It resolves in DNS if a headless service has the name of the subdomain.',
    }),
    affinity: Affinity.field({
      proto: 18,
      doc: 'Scheduling constraints on the node and on the placement relative to other pods.',
    }),
    schedulerName: string({
      proto: 19,
      default: 'default-scheduler',
      doc: 'Name of the scheduler that assigns the pod to a node. Defaults to default-scheduler.',
    }),
    tolerations: list(Toleration, {
      proto: 22,
      doc: 'Taints of nodes that the pod tolerates. Tolerations can be added later.',
    }),
    hostAliases: listByKey('ip', HostAlias, {
      proto: 23,
      mergeKey: 'ip',
      doc: 'Additional entries of the /etc/hosts file of the pod.',
    }),
    priorityClassName: string({
      proto: 24,
      doc: 'Name of the PriorityClass that determines the priority of the pod. Defaults to the global default class, if there is one.',
    }),
    priority: int32({
      proto: 25,
      optional: true,
      doc: 'Priority of the pod. Pods with a higher value are scheduled first and may preempt others. Set from the PriorityClass when the pod is created.',
    }),
    dnsConfig: PodDNSConfig.field({ proto: 26, doc: 'DNS resolver settings that are merged with those of dnsPolicy.' }),
    readinessGates: list(PodReadinessGate, {
      proto: 28,
      doc: 'Conditions that must be True for the pod to be ready, in addition to the readiness of its containers.',
    }),
    runtimeClassName: string({
      proto: 29,
      optional: true,
      doc: 'Name of the RuntimeClass that the containers are run with. If the class does not exist, the pod is rejected. Defaults to the runtime’s default handler.',
    }),
    enableServiceLinks: bool({
      proto: 30,
      optional: true,
      doc: 'Whether the addresses of the services in the namespace are set as environment variables. Defaults to true.',
    }),
    preemptionPolicy: string({
      proto: 31,
      optional: true,
      enum: ['PreemptLowerPriority', 'Never'],
      doc: 'PreemptLowerPriority allows the pod to preempt pods with a lower priority, Never does not. Set from the PriorityClass. Defaults to PreemptLowerPriority.',
    }),
    overhead: map(quantity({}), {
      proto: 32,
      doc: 'Resources that running the pod takes beyond those of its containers. Set from the RuntimeClass when the pod is created.',
    }),
    topologySpreadConstraints: listByKey(['topologyKey', 'whenUnsatisfiable'], TopologySpreadConstraint, {
      proto: 33,
      mergeKey: 'topologyKey',
      doc: 'How pods are spread across topology domains such as zones and nodes. A node must satisfy all constraints.',
    }),
    setHostnameAsFQDN: bool({
      proto: 35,
      optional: true,
      doc: 'If true, the host name of the pod in the kernel is its fully qualified name, of at most 64 characters. Defaults to false.',
    }),
    os: PodOS.field({
      proto: 36,
      doc: 'Operating system of the containers. The kubelet rejects the pod if it does not match that of the node.',
    }),
    hostUsers: bool({
      proto: 37,
      optional: true,
      doc: 'If false, the pod runs in a user namespace of its own, where root is an unprivileged user of the node. Then hostNetwork, hostPID and hostIPC must not be set. Defaults to true.',
    }),
    schedulingGates: listByKey('name', PodSchedulingGate, {
      proto: 38,
      mergeKey: 'name',
      doc: 'Gates that keep the pod from being scheduled. It is scheduled once all are removed. They can only be set on creation.',
    }),
    resourceClaims: listByKey('name', PodResourceClaim, {
      proto: 39,
      mergeKey: 'name',
      retainKeys: true,
      doc: 'ResourceClaims that must be allocated and reserved before the pod starts. Containers refer to them by name. Cannot be changed.',
    }),
    resources: ResourceRequirements.field({
      proto: 40,
      doc: 'Compute resources that all containers of the pod require and may use together: cpu, memory and huge pages.',
    }),
    hostnameOverride: string({
      proto: 41,
      optional: true,
      doc: 'Host name of the pod, of at most 64 characters, instead of the one from hostname, subdomain and setHostnameAsFQDN. Not allowed with hostNetwork.',
    }),
    schedulingGroup: PodSchedulingGroup.field({ proto: 43, doc: 'Group of pods that this pod is scheduled with.' }),
    evictionResponders: listByKey('name', EvictionResponder, {
      proto: 44,
      mergeKey: 'name',
      doc: 'Components that respond to a request to evict the pod, for example by moving its work elsewhere. Alpha, without effect.',
    }),
  },
)
export type PodSpec = Of<typeof PodSpec>
