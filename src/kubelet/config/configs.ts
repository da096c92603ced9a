// Composes the configurations of sandboxes and containers for the runtime from a pod's spec. Pure: values that must be
// looked up, such as environment, mounts and image, are arguments.
// Source: kubernetes pkg/kubelet/kuberuntime (generatePodSandboxConfig, generateContainerConfig).
import { join } from 'node:path'
import {
  annotationNames,
  type ContainerConfig,
  type ImageSeen,
  labelNames,
  type SandboxConfig,
} from '../runtime/runtime.ts'
import {
  containerHash,
  graceSecondsOf,
  nameOf,
  namespaceOf,
  onHostNetwork,
  type ReadContainer,
  uidOf,
} from '../pod/spec.ts'
import type { CdiParts } from '../cdi/index.ts'
import type { Answer } from '../devices/index.ts'
import { type DnsSettings, dnsConfigOf, resolverOf, sandboxHostname } from './dns.ts'
import { expand } from './expand.ts'
import type { MemoryRules } from './memory.ts'
import { containerResources, podCgroup } from './resources.ts'
import { resizableOf } from '../resize/granted.ts'
import { containerSecurity, sandboxSecurity } from './security.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export interface NodeSettings extends DnsSettings {
  logRoot: string
  cgroupRoot: string
  seccompRoot: string
  memory: MemoryRules
}

const protocols = { TCP: 'TCP', UDP: 'UDP', SCTP: 'SCTP' } as const

/** The directory of a pod's logs, `ROOT/NAMESPACE_NAME_UID`. */
export const podLogDir = (root: string, pod: Pod): string =>
  join(root, `${namespaceOf(pod)}_${nameOf(pod)}_${uidOf(pod)}`)

/** The configuration of a pod's sandbox. `attempt` counts the sandboxes of the pod, since CRI needs distinct names. */
export function sandboxConfig(pod: Pod, attempt: number, settings: NodeSettings): SandboxConfig {
  const hostNetwork = onHostNetwork(pod)
  const portMappings = hostNetwork
    ? []
    : [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
        .flatMap(c => c.ports ?? [])
        .flatMap(port =>
          port.hostPort
            ? [
                {
                  protocol: protocols[(port.protocol ?? 'TCP') as keyof typeof protocols],
                  containerPort: port.containerPort,
                  hostPort: port.hostPort,
                  hostIp: port.hostIP ?? '',
                },
              ]
            : [],
        )
  return {
    metadata: { name: nameOf(pod), namespace: namespaceOf(pod), uid: uidOf(pod), attempt },
    ...(!hostNetwork && { hostname: sandboxHostname(pod, settings.clusterDomain) }),
    logDirectory: podLogDir(settings.logRoot, pod),
    dnsConfig: dnsConfigOf(resolverOf(pod, settings)),
    portMappings,
    labels: { ...pod.metadata.labels, ...podLabels(pod) },
    annotations: { ...pod.metadata.annotations },
    linux: {
      cgroupParent: podCgroup(settings.cgroupRoot, pod),
      securityContext: sandboxSecurity(pod, settings.seccompRoot),
      sysctls: Object.fromEntries(
        (pod.spec.securityContext?.sysctls ?? []).map(s => [s.name.replaceAll('/', '.'), s.value]),
      ),
    },
  }
}

const podLabels = (pod: Pod) => ({
  [labelNames.podName]: nameOf(pod),
  [labelNames.podNamespace]: namespaceOf(pod),
  [labelNames.podUid]: uidOf(pod),
})

/** Lists such as `0-2`; '' for all. */
export interface Cpuset {
  /** The CPUs on which a container may run. */
  cpus: string
  /** The NUMA nodes whose memory it uses. */
  mems: string
}

interface ContainerParts {
  attempt: number
  image: ImageSeen | undefined
  imageRef: string
  env: ReadonlyMap<string, string>
  mounts: NonNullable<ContainerConfig['mounts']>
  devices: NonNullable<ContainerConfig['devices']>
  cpuset: Cpuset
  /** What the container has with the devices of plugins. */
  granted?: Answer | undefined
  /** The names of its CDI devices, for a runtime that applies them. */
  cdiDevices?: readonly string[]
  /** What the container has with its CDI devices, for a runtime that does not. */
  cdi?: CdiParts | undefined
  /** The container whose process namespace an ephemeral container shares. */
  targetId?: string | undefined
}

/**
 * The configuration of a container. Its labels and annotations hold what a later kubelet needs to recognize it: pod,
 * name, hash of the spec, number of restarts, termination message and grace period.
 */
export function containerConfig(
  pod: Pod,
  container: ReadContainer,
  parts: ContainerParts,
  settings: NodeSettings,
): ContainerConfig {
  // The container's own variables count for more.
  const env = new Map([...Object.entries(parts.granted?.envs ?? {}), ...parts.env])
  const lookup = (name: string) => env.get(name)
  // A runtime that applies CDI devices does it last of all.
  const { envs: more = [], mounts = [], devices = [], groups = [] } = parts.cdi ?? {}
  const security = containerSecurity(pod, container, parts.image, settings.seccompRoot, parts.targetId)
  const stopSignal = container.lifecycle?.stopSignal
  return {
    metadata: { name: container.name, attempt: parts.attempt },
    image: { image: parts.imageRef, userSpecifiedImage: container.image ?? '' },
    command: (container.command ?? []).map(word => expand(word, lookup)),
    args: (container.args ?? []).map(word => expand(word, lookup)),
    workingDir: container.workingDir ?? '',
    envs: Array.from(new Map([...env, ...more]), ([key, value]) => ({ key, value })),
    mounts: [...grantedMounts(parts.granted), ...parts.mounts, ...mounts],
    devices: [...(parts.granted?.devices ?? []), ...parts.devices, ...devices],
    ...(parts.cdiDevices?.length && { cdiDevices: parts.cdiDevices.map(name => ({ name })) }),
    labels: { ...podLabels(pod), [labelNames.container]: container.name },
    annotations: {
      ...parts.granted?.annotations,
      [annotationNames.hash]: containerHash(container),
      [annotationNames.restartCount]: String(parts.attempt),
      [annotationNames.resources]: JSON.stringify(resizableOf(container.resources)),
      [annotationNames.messagePath]: messagePathOf(container),
      [annotationNames.messagePolicy]: container.terminationMessagePolicy ?? 'File',
      'io.kubernetes.pod.terminationGracePeriod': String(graceSecondsOf(pod)),
    },
    logPath: join(container.name, `${parts.attempt}.log`),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    ...(stopSignal && {
      stopSignal: `SIGNAL_${stopSignal.replace('+', 'PLUS').replace('-', 'MINUS')}` as NonNullable<
        ContainerConfig['stopSignal']
      >,
    }),
    linux: {
      resources: {
        ...containerResources(pod, container, settings.memory),
        ...(parts.cpuset.cpus && { cpusetCpus: parts.cpuset.cpus }),
        ...(parts.cpuset.mems && { cpusetMems: parts.cpuset.mems }),
      },
      securityContext: groups.length
        ? { ...security, supplementalGroups: [...(security.supplementalGroups ?? []), ...groups] }
        : security,
    },
  }
}

const grantedMounts = (granted: Answer | undefined): ContainerParts['mounts'] =>
  (granted?.mounts ?? []).map(({ readOnly, ...paths }) => ({ ...paths, readonly: readOnly }))

export const messagePathOf = (container: ReadContainer): string =>
  container.terminationMessagePath || '/dev/termination-log'
