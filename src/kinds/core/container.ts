// A container: image, command, environment, ports, resources, mounts, probes.
import type { Of } from '../../api/kind.ts'
import { bool, inline, int32, list, listByKey, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Lifecycle, Probe } from './probe.ts'
import { ConfigMapKeySelector, LocalObjectReference, SecretKeySelector } from './reference.ts'
import { SecurityContext } from './securitycontext.ts'
import { ObjectFieldSelector, ResourceFieldSelector } from './volume.ts'

export const ContainerPort = struct('core.v1.ContainerPort', 'A port that a container listens on.', {
  name: string({ proto: 1, doc: 'Name of the port, unique in the pod; services can refer to it.' }),
  hostPort: int32({ proto: 2, doc: 'Port of the node that leads here; 1 to 65535.' }),
  containerPort: int32({ proto: 3, always: true, doc: 'Port inside the pod; 1 to 65535.' }),
  protocol: string({ proto: 4, default: 'TCP', enum: ['TCP', 'UDP', 'SCTP'], doc: 'TCP, UDP or SCTP.' }),
  hostIP: string({ proto: 5, doc: 'Address of the node that hostPort is bound to.' }),
})
export type ContainerPort = Of<typeof ContainerPort>

export const FileKeySelector = struct(
  'core.v1.FileKeySelector',
  'Picks one variable out of a file on a volume.',
  {
    volumeName: string({ proto: 1, always: true, required: true, doc: 'Volume with the file.' }),
    path: string({ proto: 2, always: true, required: true, doc: 'Path of the file within the volume.' }),
    key: string({ proto: 3, always: true, required: true, doc: 'Name of the variable in the file.' }),
    optional: bool({ proto: 4, optional: true, default: false, doc: 'True if file or variable may be missing.' }),
  },
  { atomic: true },
)
export type FileKeySelector = Of<typeof FileKeySelector>

export const EnvVarSource = struct(
  'core.v1.EnvVarSource',
  'Where the value of a variable comes from; exactly one is set.',
  {
    fieldRef: ObjectFieldSelector.field({ proto: 1, doc: 'A field of the pod.' }),
    resourceFieldRef: ResourceFieldSelector.field({ proto: 2, doc: 'A resource limit or request of a container.' }),
    configMapKeyRef: ConfigMapKeySelector.field({ proto: 3, doc: 'A key of a ConfigMap.' }),
    secretKeyRef: SecretKeySelector.field({ proto: 4, doc: 'A key of a Secret.' }),
    fileKeyRef: FileKeySelector.field({ proto: 5, doc: 'A variable in a file on a volume.' }),
  },
)
export type EnvVarSource = Of<typeof EnvVarSource>

export const EnvVar = struct('core.v1.EnvVar', 'An environment variable.', {
  name: string({ proto: 1, always: true, doc: 'Name of the variable.' }),
  value: string({ proto: 2, doc: 'Its value; $(NAME) stands for the value of a variable before it.' }),
  valueFrom: EnvVarSource.field({ proto: 3, doc: 'Where the value comes from, in place of value.' }),
})
export type EnvVar = Of<typeof EnvVar>

export const ResourceClaim = struct('core.v1.ResourceClaim', 'Refers to a claim of the pod that the container uses.', {
  name: string({ proto: 1, always: true, doc: 'Name of the claim in the pod’s resourceClaims.' }),
  request: string({ proto: 2, doc: 'One request of the claim; otherwise all of it.' }),
})
export type ResourceClaim = Of<typeof ResourceClaim>

export const ResourceRequirements = struct(
  'core.v1.ResourceRequirements',
  'What something needs of a node’s resources, and the most it may take.',
  {
    limits: map(quantity({}), { proto: 1, doc: 'The most it may use, by resource.' }),
    requests: map(quantity({}), { proto: 2, doc: 'What is set aside for it, by resource; otherwise the limits.' }),
    claims: listByKey('name', ResourceClaim, { proto: 3, doc: 'Claims on devices that the container uses.' }),
  },
)
export type ResourceRequirements = Of<typeof ResourceRequirements>

export const VolumeMount = struct('core.v1.VolumeMount', 'Puts a volume into a container’s file system.', {
  name: string({ proto: 1, always: true, doc: 'Name of the volume in the pod.' }),
  readOnly: bool({ proto: 2, doc: 'True to mount without the right to write.' }),
  recursiveReadOnly: string({
    proto: 7,
    optional: true,
    doc: 'Whether mounts below are read-only too: Disabled, IfPossible or Enabled.',
  }),
  mountPath: string({ proto: 3, always: true, doc: 'Where in the container the volume appears.' }),
  subPath: string({ proto: 4, doc: 'Path within the volume to mount instead of its root.' }),
  mountPropagation: string({
    proto: 5,
    optional: true,
    enum: ['None', 'HostToContainer', 'Bidirectional'],
    doc: 'Whether mounts made later pass between node and container.',
  }),
  subPathExpr: string({ proto: 6, doc: 'As subPath, with $(NAME) standing for environment variables.' }),
  bindMountOptions: list(string({}), { proto: 8, listType: 'set', doc: 'Further options for the mount.' }),
})
export type VolumeMount = Of<typeof VolumeMount>

export const ConfigMapEnvSource = struct(
  'core.v1.ConfigMapEnvSource',
  'A ConfigMap whose keys become environment variables.',
  {
    ...inline(LocalObjectReference, 1),
    optional: bool({ proto: 2, optional: true, doc: 'True if the ConfigMap may be missing.' }),
  },
)
export type ConfigMapEnvSource = Of<typeof ConfigMapEnvSource>

export const SecretEnvSource = struct('core.v1.SecretEnvSource', 'A Secret whose keys become environment variables.', {
  ...inline(LocalObjectReference, 1),
  optional: bool({ proto: 2, optional: true, doc: 'True if the Secret may be missing.' }),
})
export type SecretEnvSource = Of<typeof SecretEnvSource>

export const EnvFromSource = struct('core.v1.EnvFromSource', 'Where a set of environment variables comes from.', {
  prefix: string({ proto: 1, doc: 'Text put before each name.' }),
  configMapRef: ConfigMapEnvSource.field({ proto: 2, doc: 'A ConfigMap with the variables.' }),
  secretRef: SecretEnvSource.field({ proto: 3, doc: 'A Secret with the variables.' }),
})
export type EnvFromSource = Of<typeof EnvFromSource>

export const VolumeDevice = struct('core.v1.VolumeDevice', 'Gives a container a volume as a raw block device.', {
  name: string({ proto: 1, always: true, doc: 'Name of the volume in the pod; its claim must be of mode Block.' }),
  devicePath: string({ proto: 2, always: true, doc: 'Path of the device in the container.' }),
})
export type VolumeDevice = Of<typeof VolumeDevice>

export const ContainerResizePolicy = struct(
  'core.v1.ContainerResizePolicy',
  'What changing one resource of a running container takes.',
  {
    resourceName: string({ proto: 1, always: true, doc: 'The resource: cpu or memory.' }),
    restartPolicy: string({
      proto: 2,
      always: true,
      doc: 'NotRequired, or RestartContainer to start the container again.',
    }),
  },
)
export type ContainerResizePolicy = Of<typeof ContainerResizePolicy>

export const ContainerRestartRuleOnExitCodes = struct(
  'core.v1.ContainerRestartRuleOnExitCodes',
  'Compares an exit code with a list.',
  {
    operator: string({ proto: 1, required: true, doc: 'In or NotIn.' }),
    values: list(int32({}), { proto: 2, listType: 'set', doc: 'Exit codes, at most 255 of them.' }),
  },
)
export type ContainerRestartRuleOnExitCodes = Of<typeof ContainerRestartRuleOnExitCodes>

export const ContainerRestartRule = struct(
  'core.v1.ContainerRestartRule',
  'What to do after certain ends of a container.',
  {
    action: string({ proto: 1, required: true, doc: 'Restart, or RestartAllContainers.' }),
    exitCodes: ContainerRestartRuleOnExitCodes.field({ proto: 2, doc: 'Exit codes that the rule is for.' }),
  },
)
export type ContainerRestartRule = Of<typeof ContainerRestartRule>

export const Container = struct('core.v1.Container', 'A program run from an image inside a pod.', {
  name: string({ proto: 1, always: true, doc: 'Name, unique in the pod; cannot change.' }),
  image: string({ proto: 2, doc: 'Image to run, with registry and tag or digest.' }),
  command: list(string({}), {
    proto: 3,
    doc: 'Program and first arguments, instead of the image’s entry point; no shell is involved.',
  }),
  args: list(string({}), { proto: 4, doc: 'Arguments, instead of those of the image.' }),
  workingDir: string({ proto: 5, doc: 'Directory the program starts in; otherwise that of the image.' }),
  ports: listByKey(['containerPort', 'protocol'], ContainerPort, {
    proto: 6,
    mergeKey: 'containerPort',
    doc: 'Ports the container listens on; for information, and for hostPort.',
  }),
  envFrom: list(EnvFromSource, { proto: 19, doc: 'Sources of whole sets of environment variables.' }),
  env: listByKey('name', EnvVar, { proto: 7, mergeKey: 'name', doc: 'Environment variables; they win over envFrom.' }),
  resources: ResourceRequirements.value({ proto: 8, doc: 'Resources the container needs, and the most it may take.' }),
  resizePolicy: list(ContainerResizePolicy, { proto: 23, doc: 'What changing its resources while it runs takes.' }),
  restartPolicy: string({
    proto: 24,
    optional: true,
    doc: 'Overrides the pod’s; Always makes an init container a sidecar.',
  }),
  restartPolicyRules: list(ContainerRestartRule, {
    proto: 25,
    doc: 'Rules looked at before restartPolicy; the first that fits counts.',
  }),
  volumeMounts: listByKey('mountPath', VolumeMount, {
    proto: 9,
    mergeKey: 'mountPath',
    doc: 'Volumes in the container’s file system.',
  }),
  volumeDevices: listByKey('devicePath', VolumeDevice, {
    proto: 21,
    mergeKey: 'devicePath',
    doc: 'Volumes as raw block devices.',
  }),
  livenessProbe: Probe.field({ proto: 10, doc: 'Check that starts the container again when it fails.' }),
  readinessProbe: Probe.field({ proto: 11, doc: 'Check that takes the pod out of services while it fails.' }),
  startupProbe: Probe.field({
    proto: 22,
    doc: 'Check that the other probes wait for, for programs that start slowly.',
  }),
  lifecycle: Lifecycle.field({ proto: 12, doc: 'What runs right after the start and before the stop.' }),
  terminationMessagePath: string({
    proto: 13,
    default: '/dev/termination-log',
    doc: 'File in the container whose text becomes the message of its end.',
  }),
  terminationMessagePolicy: string({
    proto: 20,
    default: 'File',
    enum: ['File', 'FallbackToLogsOnError'],
    doc: 'Whether the end of the log is used when a failed container left the file empty.',
  }),
  imagePullPolicy: string({
    proto: 14,
    enum: ['Always', 'Never', 'IfNotPresent'],
    doc: 'When the image is pulled: Always, IfNotPresent or Never.',
  }),
  securityContext: SecurityContext.field({
    proto: 15,
    doc: 'Rights and identity of the container; wins over the pod’s.',
  }),
  stdin: bool({ proto: 16, doc: 'True to keep standard input open.' }),
  stdinOnce: bool({ proto: 17, doc: 'True to close standard input when the first attached client goes.' }),
  tty: bool({ proto: 18, doc: 'True to give the container a terminal; needs stdin.' }),
})
export type Container = Of<typeof Container>

export const EphemeralContainerCommon = struct(
  'core.v1.EphemeralContainerCommon',
  'The settings an ephemeral container has in common with others.',
  {
    name: string({ proto: 1, always: true, doc: 'Name, unique among all containers of the pod.' }),
    image: string({ proto: 2, doc: 'Image to run, with registry and tag or digest.' }),
    command: list(string({}), { proto: 3, doc: 'Program and first arguments, instead of the image’s entry point.' }),
    args: list(string({}), { proto: 4, doc: 'Arguments, instead of those of the image.' }),
    workingDir: string({ proto: 5, doc: 'Directory the program starts in; otherwise that of the image.' }),
    ports: listByKey(['containerPort', 'protocol'], ContainerPort, {
      proto: 6,
      mergeKey: 'containerPort',
      doc: 'Not allowed here.',
    }),
    envFrom: list(EnvFromSource, { proto: 19, doc: 'Sources of whole sets of environment variables.' }),
    env: listByKey('name', EnvVar, {
      proto: 7,
      mergeKey: 'name',
      doc: 'Environment variables; they win over envFrom.',
    }),
    resources: ResourceRequirements.value({
      proto: 8,
      doc: 'Not allowed here; the container takes from what the pod has.',
    }),
    resizePolicy: list(ContainerResizePolicy, { proto: 23, doc: 'What changing its resources while it runs takes.' }),
    restartPolicy: string({ proto: 24, optional: true, doc: 'Not allowed here.' }),
    restartPolicyRules: list(ContainerRestartRule, { proto: 25, doc: 'Not allowed here.' }),
    volumeMounts: listByKey('mountPath', VolumeMount, {
      proto: 9,
      mergeKey: 'mountPath',
      doc: 'Volumes in the container’s file system; subPath is not allowed.',
    }),
    volumeDevices: listByKey('devicePath', VolumeDevice, {
      proto: 21,
      mergeKey: 'devicePath',
      doc: 'Volumes as raw block devices.',
    }),
    livenessProbe: Probe.field({ proto: 10, doc: 'Not allowed here.' }),
    readinessProbe: Probe.field({ proto: 11, doc: 'Not allowed here.' }),
    startupProbe: Probe.field({ proto: 22, doc: 'Not allowed here.' }),
    lifecycle: Lifecycle.field({ proto: 12, doc: 'Not allowed here.' }),
    terminationMessagePath: string({
      proto: 13,
      default: '/dev/termination-log',
      doc: 'File in the container whose text becomes the message of its end.',
    }),
    terminationMessagePolicy: string({
      proto: 20,
      default: 'File',
      enum: ['File', 'FallbackToLogsOnError'],
      doc: 'Whether the end of the log is used when a failed container left the file empty.',
    }),
    imagePullPolicy: string({
      proto: 14,
      enum: ['Always', 'Never', 'IfNotPresent'],
      doc: 'When the image is pulled: Always, IfNotPresent or Never.',
    }),
    securityContext: SecurityContext.field({ proto: 15, doc: 'Rights and identity of the container.' }),
    stdin: bool({ proto: 16, doc: 'True to keep standard input open.' }),
    stdinOnce: bool({ proto: 17, doc: 'True to close standard input when the first attached client goes.' }),
    tty: bool({ proto: 18, doc: 'True to give the container a terminal; needs stdin.' }),
  },
)
export type EphemeralContainerCommon = Of<typeof EphemeralContainerCommon>

export const EphemeralContainer = struct(
  'core.v1.EphemeralContainer',
  'A container added to a running pod to look into it; it is never started again.',
  {
    ...inline(EphemeralContainerCommon, 1),
    targetContainerName: string({ proto: 2, doc: 'Container whose processes this one sees.' }),
  },
)
export type EphemeralContainer = Of<typeof EphemeralContainer>
