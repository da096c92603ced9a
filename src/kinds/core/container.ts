// A container: image, command, environment, ports, resources, mounts, probes.
import type { Of } from '../../api/kind.ts'
import { bool, inline, int32, list, listByKey, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Lifecycle, Probe } from './probe.ts'
import { ConfigMapKeySelector, LocalObjectReference, SecretKeySelector } from './reference.ts'
import { SecurityContext } from './securitycontext.ts'
import { ObjectFieldSelector, ResourceFieldSelector } from './volume.ts'

export const ContainerPort = struct('core.v1.ContainerPort', 'Network port of a container.', {
  name: string({
    proto: 1,
    doc: 'Name of the port, unique within the pod. Probes, services and network policies can refer to the port by this name. At most 15 lowercase letters, digits and hyphens.',
  }),
  hostPort: int32({
    proto: 2,
    doc: 'Port of the node that is forwarded to the container port, from 1 to 65535. With hostNetwork it must equal containerPort. Most containers do not need it.',
  }),
  containerPort: int32({ proto: 3, always: true, doc: 'Port at the pod’s IP address, from 1 to 65535.' }),
  protocol: string({
    proto: 4,
    default: 'TCP',
    enum: ['TCP', 'UDP', 'SCTP'],
    doc: 'Protocol of the port: TCP, UDP or SCTP. Defaults to TCP.',
  }),
  hostIP: string({
    proto: 5,
    doc: 'IP address of the node that hostPort is bound to. Defaults to all addresses of the node.',
  }),
})
export type ContainerPort = Of<typeof ContainerPort>

export const FileKeySelector = struct(
  'core.v1.FileKeySelector',
  'Selects one variable from a file in a volume.',
  {
    volumeName: string({ proto: 1, always: true, required: true, doc: 'Name of the volume that contains the file.' }),
    path: string({
      proto: 2,
      always: true,
      required: true,
      doc: 'Path of the file within the volume. Must be relative and must not contain “..”.',
    }),
    key: string({ proto: 3, always: true, required: true, doc: 'Name of the variable in the file.' }),
    optional: bool({
      proto: 4,
      optional: true,
      default: false,
      doc: 'If true, the container starts even if the file or the variable is missing. Defaults to false.',
    }),
  },
  { atomic: true },
)
export type FileKeySelector = Of<typeof FileKeySelector>

export const EnvVarSource = struct(
  'core.v1.EnvVarSource',
  'Source of the value of an environment variable. Exactly one field must be set.',
  {
    fieldRef: ObjectFieldSelector.field({ proto: 1, doc: 'Field of the pod, such as metadata.name or status.podIP.' }),
    resourceFieldRef: ResourceFieldSelector.field({
      proto: 2,
      doc: 'CPU, memory, huge page or ephemeral storage limit or request of a container.',
    }),
    configMapKeyRef: ConfigMapKeySelector.field({ proto: 3, doc: 'Key of a ConfigMap in the pod’s namespace.' }),
    secretKeyRef: SecretKeySelector.field({ proto: 4, doc: 'Key of a Secret in the pod’s namespace.' }),
    fileKeyRef: FileKeySelector.field({ proto: 5, doc: 'Variable in a file of a volume.' }),
  },
)
export type EnvVarSource = Of<typeof EnvVarSource>

export const EnvVar = struct('core.v1.EnvVar', 'Environment variable of a container.', {
  name: string({
    proto: 1,
    always: true,
    doc: 'Name of the variable. May contain any printable ASCII character except “=”.',
  }),
  value: string({
    proto: 2,
    doc: 'Value of the variable. $(NAME) is replaced by the value of a variable defined before, and $$(NAME) is an escaped, literal $(NAME). Defaults to the empty string.',
  }),
  valueFrom: EnvVarSource.field({ proto: 3, doc: 'Source of the value. Cannot be used if value is not empty.' }),
})
export type EnvVar = Of<typeof EnvVar>

export const ResourceClaim = struct('core.v1.ResourceClaim', 'Reference to an entry of the pod’s resourceClaims.', {
  name: string({ proto: 1, always: true, doc: 'Name of the entry in spec.resourceClaims of the pod.' }),
  request: string({
    proto: 2,
    doc: 'Name of one request in the claim that is made available to the container. If empty, all requests are.',
  }),
})
export type ResourceClaim = Of<typeof ResourceClaim>

export const ResourceRequirements = struct(
  'core.v1.ResourceRequirements',
  'Compute resources that a container or pod requires and may use.',
  {
    limits: map(quantity({}), {
      proto: 1,
      doc: 'Maximum amount of each resource that may be used, such as cpu: 500m. CPU use above the limit is throttled. A container that exceeds its memory limit is killed.',
    }),
    requests: map(quantity({}), {
      proto: 2,
      doc: 'Minimum amount of each resource that is reserved, which the scheduler uses to place the pod. Defaults to the limit if one is set. Cannot exceed the limit.',
    }),
    claims: listByKey('name', ResourceClaim, {
      proto: 3,
      doc: 'Claims from spec.resourceClaims that the container uses. Cannot be changed. Can only be set for containers.',
    }),
  },
)
export type ResourceRequirements = Of<typeof ResourceRequirements>

export const VolumeMount = struct('core.v1.VolumeMount', 'Mount of a volume within a container.', {
  name: string({ proto: 1, always: true, doc: 'Name of a volume in spec.volumes of the pod.' }),
  readOnly: bool({ proto: 2, doc: 'If true, the volume is mounted read-only. Defaults to false.' }),
  recursiveReadOnly: string({
    proto: 7,
    optional: true,
    doc: 'Whether mounts below a read-only mount are read-only as well: Disabled, IfPossible (if the runtime supports it) or Enabled (the pod fails if it does not). Requires readOnly, and mountPropagation None or unset. Defaults to Disabled.',
  }),
  mountPath: string({
    proto: 3,
    always: true,
    doc: 'Path in the container where the volume is mounted. Must be unique within the container.',
  }),
  subPath: string({ proto: 4, doc: 'Path within the volume that is mounted instead of the root of the volume.' }),
  mountPropagation: string({
    proto: 5,
    optional: true,
    enum: ['None', 'HostToContainer', 'Bidirectional'],
    doc: 'Whether mounts made later are propagated: None, HostToContainer (from the node into the container) or Bidirectional (in both directions, for privileged containers only). Defaults to None.',
  }),
  subPathExpr: string({
    proto: 6,
    doc: 'Like subPath, but with $(NAME) replaced by environment variables of the container. Cannot be set together with subPath.',
  }),
  bindMountOptions: list(string({}), {
    proto: 8,
    listType: 'set',
    doc: 'Additional options of the bind mount, such as noexec. Alpha, without effect.',
  }),
})
export type VolumeMount = Of<typeof VolumeMount>

export const ConfigMapEnvSource = struct(
  'core.v1.ConfigMapEnvSource',
  'ConfigMap whose entries are set as environment variables.',
  {
    ...inline(LocalObjectReference, 1),
    optional: bool({
      proto: 2,
      optional: true,
      doc: 'If true, the container starts even if the ConfigMap is missing. Defaults to false.',
    }),
  },
)
export type ConfigMapEnvSource = Of<typeof ConfigMapEnvSource>

export const SecretEnvSource = struct(
  'core.v1.SecretEnvSource',
  'Secret whose entries are set as environment variables.',
  {
    ...inline(LocalObjectReference, 1),
    optional: bool({
      proto: 2,
      optional: true,
      doc: 'If true, the container starts even if the Secret is missing. Defaults to false.',
    }),
  },
)
export type SecretEnvSource = Of<typeof SecretEnvSource>

export const EnvFromSource = struct(
  'core.v1.EnvFromSource',
  'ConfigMap or Secret whose entries are set as environment variables. Exactly one of configMapRef and secretRef must be set.',
  {
    prefix: string({
      proto: 1,
      doc: 'Text to put before the name of each variable. May contain any printable ASCII character except “=”.',
    }),
    configMapRef: ConfigMapEnvSource.field({
      proto: 2,
      doc: 'ConfigMap in the pod’s namespace to take the variables from.',
    }),
    secretRef: SecretEnvSource.field({ proto: 3, doc: 'Secret in the pod’s namespace to take the variables from.' }),
  },
)
export type EnvFromSource = Of<typeof EnvFromSource>

export const VolumeDevice = struct('core.v1.VolumeDevice', 'Raw block device that a container can access.', {
  name: string({
    proto: 1,
    always: true,
    doc: 'Name of a volume in spec.volumes of the pod. It must be a claim with volumeMode Block.',
  }),
  devicePath: string({
    proto: 2,
    always: true,
    doc: 'Path in the container where the device appears. Must be unique within the container.',
  }),
})
export type VolumeDevice = Of<typeof VolumeDevice>

export const ContainerResizePolicy = struct(
  'core.v1.ContainerResizePolicy',
  'How a container is treated when one of its resources is resized.',
  {
    resourceName: string({ proto: 1, always: true, doc: 'Resource that the policy applies to: cpu or memory.' }),
    restartPolicy: string({
      proto: 2,
      always: true,
      doc: 'NotRequired resizes the running container. RestartContainer restarts it to apply the new value. Defaults to NotRequired.',
    }),
  },
)
export type ContainerResizePolicy = Of<typeof ContainerResizePolicy>

export const ContainerRestartRuleOnExitCodes = struct(
  'core.v1.ContainerRestartRuleOnExitCodes',
  'Condition on the exit code of a container.',
  {
    operator: string({
      proto: 1,
      required: true,
      doc: 'How the exit code is compared with values: In matches if it is listed, NotIn if it is not.',
    }),
    values: list(int32({}), { proto: 2, listType: 'set', doc: 'Exit codes to compare with. At most 255.' }),
  },
)
export type ContainerRestartRuleOnExitCodes = Of<typeof ContainerRestartRuleOnExitCodes>

export const ContainerRestartRule = struct(
  'core.v1.ContainerRestartRule',
  'Action to take if a container exits under certain conditions.',
  {
    action: string({
      proto: 1,
      required: true,
      doc: 'Restart restarts the container. RestartAllContainers restarts all containers of the pod.',
    }),
    exitCodes: ContainerRestartRuleOnExitCodes.field({
      proto: 2,
      doc: 'Exit codes that the rule applies to. Required.',
    }),
  },
)
export type ContainerRestartRule = Of<typeof ContainerRestartRule>

export const Container = struct('core.v1.Container', 'Container that runs an image within a pod.', {
  name: string({
    proto: 1,
    always: true,
    doc: 'Name of the container as a DNS label, unique among all containers of the pod. Cannot be changed.',
  }),
  image: string({
    proto: 2,
    doc: 'Image to run, as registry/repository with a tag or digest. Can be changed later, which restarts the container.',
  }),
  command: list(string({}), {
    proto: 3,
    doc: 'Command to run instead of the entry point of the image. It is not run in a shell. $(NAME) is replaced by the value of an environment variable. Defaults to the entry point of the image.',
  }),
  args: list(string({}), {
    proto: 4,
    doc: 'Arguments of the command. $(NAME) is replaced by the value of an environment variable. Defaults to the arguments of the image, unless command is set.',
  }),
  workingDir: string({ proto: 5, doc: 'Working directory of the container. Defaults to that of the image.' }),
  ports: listByKey(['containerPort', 'protocol'], ContainerPort, {
    proto: 6,
    mergeKey: 'containerPort',
    doc: 'Ports that the container exposes. Apart from hostPort they only document the container: a port that is not listed can be reached as well.',
  }),
  envFrom: list(EnvFromSource, {
    proto: 19,
    doc: 'Sources of environment variables. If a variable is in several sources, the last one takes precedence. Entries of env take precedence over all of them.',
  }),
  env: listByKey('name', EnvVar, { proto: 7, mergeKey: 'name', doc: 'Environment variables to set in the container.' }),
  resources: ResourceRequirements.value({
    proto: 8,
    doc: 'Compute resources that the container requires and may use.',
  }),
  resizePolicy: list(ContainerResizePolicy, {
    proto: 23,
    doc: 'How the container is treated when its resources are resized.',
  }),
  restartPolicy: string({
    proto: 24,
    optional: true,
    doc: 'Restart policy of this container instead of that of the pod: Always, OnFailure or Never. An init container with Always is a sidecar: it keeps running, and the next container starts once it has started.',
  }),
  restartPolicyRules: list(ContainerRestartRule, {
    proto: 25,
    doc: 'Rules that are evaluated when the container exits, before restartPolicy. The first one that matches determines the action. At most 20. Requires restartPolicy.',
  }),
  volumeMounts: listByKey('mountPath', VolumeMount, {
    proto: 9,
    mergeKey: 'mountPath',
    doc: 'Volumes to mount into the file system of the container.',
  }),
  volumeDevices: listByKey('devicePath', VolumeDevice, {
    proto: 21,
    mergeKey: 'devicePath',
    doc: 'Block devices that the container can access.',
  }),
  livenessProbe: Probe.field({
    proto: 10,
    doc: 'Periodic check of whether the container works. If it fails, the container is restarted according to the restart policy.',
  }),
  readinessProbe: Probe.field({
    proto: 11,
    doc: 'Periodic check of whether the container is ready. While it fails, the pod receives no traffic from services.',
  }),
  startupProbe: Probe.field({
    proto: 22,
    doc: 'Check of whether the application has started. The other probes start once it has succeeded. If it fails, the container is restarted as for a liveness probe.',
  }),
  lifecycle: Lifecycle.field({ proto: 12, doc: 'Actions to run after the container starts and before it stops.' }),
  terminationMessagePath: string({
    proto: 13,
    default: '/dev/termination-log',
    doc: 'File in the container whose content becomes the termination message in the status. At most 4096 bytes are read. Defaults to /dev/termination-log.',
  }),
  terminationMessagePolicy: string({
    proto: 20,
    default: 'File',
    enum: ['File', 'FallbackToLogsOnError'],
    doc: 'File takes the termination message from the file only. FallbackToLogsOnError uses the end of the log, at most 2048 bytes or 80 lines, if the file is empty and the container failed. Defaults to File.',
  }),
  imagePullPolicy: string({
    proto: 14,
    enum: ['Always', 'Never', 'IfNotPresent'],
    doc: 'When to pull the image: Always, IfNotPresent (only if the node does not have it) or Never. Defaults to Always for an image with the tag latest or without tag and digest, else to IfNotPresent.',
  }),
  securityContext: SecurityContext.field({
    proto: 15,
    doc: 'Security settings of the container. They take precedence over those of the pod.',
  }),
  stdin: bool({
    proto: 16,
    doc: 'If true, a standard input stream is allocated to the container. If false, reads from it return end of file. Defaults to false.',
  }),
  stdinOnce: bool({
    proto: 17,
    doc: 'If true, standard input is closed after the first client has detached, and stays closed until the container restarts. Has no effect without stdin. Defaults to false.',
  }),
  tty: bool({
    proto: 18,
    doc: 'If true, a terminal is allocated to the container. Requires stdin. Defaults to false.',
  }),
})
export type Container = Of<typeof Container>

export const EphemeralContainerCommon = struct(
  'core.v1.EphemeralContainerCommon',
  'Fields that an ephemeral container has in common with other containers.',
  {
    name: string({
      proto: 1,
      always: true,
      doc: 'Name of the container as a DNS label, unique among all containers of the pod.',
    }),
    image: string({ proto: 2, doc: 'Image to run, as registry/repository with a tag or digest.' }),
    command: list(string({}), {
      proto: 3,
      doc: 'Command to run instead of the entry point of the image. It is not run in a shell. $(NAME) is replaced by the value of an environment variable. Defaults to the entry point of the image.',
    }),
    args: list(string({}), {
      proto: 4,
      doc: 'Arguments of the command. $(NAME) is replaced by the value of an environment variable. Defaults to the arguments of the image, unless command is set.',
    }),
    workingDir: string({ proto: 5, doc: 'Working directory of the container. Defaults to that of the image.' }),
    ports: listByKey(['containerPort', 'protocol'], ContainerPort, {
      proto: 6,
      mergeKey: 'containerPort',
      doc: 'Not allowed for ephemeral containers.',
    }),
    envFrom: list(EnvFromSource, {
      proto: 19,
      doc: 'Sources of environment variables. If a variable is in several sources, the last one takes precedence. Entries of env take precedence over all of them.',
    }),
    env: listByKey('name', EnvVar, {
      proto: 7,
      mergeKey: 'name',
      doc: 'Environment variables to set in the container.',
    }),
    resources: ResourceRequirements.value({
      proto: 8,
      doc: 'Not allowed for ephemeral containers. They use spare resources that are already allocated to the pod.',
    }),
    resizePolicy: list(ContainerResizePolicy, {
      proto: 23,
      doc: 'How the container is treated when its resources are resized.',
    }),
    restartPolicy: string({
      proto: 24,
      optional: true,
      doc: 'Not allowed for ephemeral containers, which are never restarted.',
    }),
    restartPolicyRules: list(ContainerRestartRule, {
      proto: 25,
      doc: 'Not allowed for ephemeral containers, which are never restarted.',
    }),
    volumeMounts: listByKey('mountPath', VolumeMount, {
      proto: 9,
      mergeKey: 'mountPath',
      doc: 'Volumes to mount into the file system of the container. subPath and subPathExpr are not allowed.',
    }),
    volumeDevices: listByKey('devicePath', VolumeDevice, {
      proto: 21,
      mergeKey: 'devicePath',
      doc: 'Block devices that the container can access.',
    }),
    livenessProbe: Probe.field({ proto: 10, doc: 'Not allowed for ephemeral containers.' }),
    readinessProbe: Probe.field({ proto: 11, doc: 'Not allowed for ephemeral containers.' }),
    startupProbe: Probe.field({ proto: 22, doc: 'Not allowed for ephemeral containers.' }),
    lifecycle: Lifecycle.field({ proto: 12, doc: 'Not allowed for ephemeral containers.' }),
    terminationMessagePath: string({
      proto: 13,
      default: '/dev/termination-log',
      doc: 'File in the container whose content becomes the termination message in the status. At most 4096 bytes are read. Defaults to /dev/termination-log.',
    }),
    terminationMessagePolicy: string({
      proto: 20,
      default: 'File',
      enum: ['File', 'FallbackToLogsOnError'],
      doc: 'File takes the termination message from the file only. FallbackToLogsOnError uses the end of the log if the file is empty and the container failed. Defaults to File.',
    }),
    imagePullPolicy: string({
      proto: 14,
      enum: ['Always', 'Never', 'IfNotPresent'],
      doc: 'When to pull the image: Always, IfNotPresent or Never. Defaults to Always for an image with the tag latest or without tag and digest, else to IfNotPresent.',
    }),
    securityContext: SecurityContext.field({
      proto: 15,
      doc: 'Security settings of the container. They take precedence over those of the pod.',
    }),
    stdin: bool({
      proto: 16,
      doc: 'If true, a standard input stream is allocated to the container. Defaults to false.',
    }),
    stdinOnce: bool({
      proto: 17,
      doc: 'If true, standard input is closed after the first client has detached. Has no effect without stdin. Defaults to false.',
    }),
    tty: bool({
      proto: 18,
      doc: 'If true, a terminal is allocated to the container. Requires stdin. Defaults to false.',
    }),
  },
)
export type EphemeralContainerCommon = Of<typeof EphemeralContainerCommon>

export const EphemeralContainer = struct(
  'core.v1.EphemeralContainer',
  'Container that is added to a running pod for debugging. It is never restarted, and cannot be changed or removed.',
  {
    ...inline(EphemeralContainerCommon, 1),
    targetContainerName: string({
      proto: 2,
      doc: 'Name of the container of the pod whose process namespace is shared. If empty, the namespaces configured for the pod are used.',
    }),
  },
)
export type EphemeralContainer = Of<typeof EphemeralContainer>
