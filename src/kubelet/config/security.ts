// Security settings of sandboxes and containers in the form of CRI. A container's setting takes precedence over that of
// its pod. Source: kubernetes pkg/kubelet/kuberuntime/security_context.go, pkg/securitycontext.
import { StatusError } from '../../base/errors.ts'
import type { ContainerConfig, ImageSeen, SandboxConfig } from '../runtime/runtime.ts'
import { onHostNetwork, type ReadContainer } from '../pod/spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

type SandboxSecurity = NonNullable<NonNullable<SandboxConfig['linux']>['securityContext']>
type ContainerSecurity = NonNullable<NonNullable<ContainerConfig['linux']>['securityContext']>

const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

function namespaces(pod: Pod, targetId?: string): NonNullable<SandboxSecurity['namespaceOptions']> {
  const { spec } = pod
  const pid = targetId ? 'TARGET' : spec.hostPID ? 'NODE' : spec.shareProcessNamespace ? 'POD' : 'CONTAINER'
  return {
    network: onHostNetwork(pod) ? 'NODE' : 'POD',
    ipc: spec.hostIPC ? 'NODE' : 'POD',
    pid,
    ...(targetId && { targetId }),
  }
}

type SELinux = { readonly user?: string; readonly role?: string; readonly type?: string; readonly level?: string }

/** Fields that a container leaves out are those of its pod. */
function selinux(own: SELinux | undefined, pods: SELinux | undefined): Pick<ContainerSecurity, 'selinuxOptions'> {
  if (!own && !pods) return {}
  return { selinuxOptions: { user: '', role: '', type: '', level: '', ...pods, ...own } }
}

type AppArmor = { readonly type: string; readonly localhostProfile?: string | undefined }

/** Without a profile the runtime uses its own, where the kernel has AppArmor. */
function apparmor(own: AppArmor | undefined, pods: AppArmor | undefined): Pick<ContainerSecurity, 'apparmor'> {
  const profile = own ?? pods
  if (!profile) return {}
  const profileType =
    ({ RuntimeDefault: 'RuntimeDefault', Localhost: 'Localhost' } as const)[profile.type] ?? 'Unconfined'
  return { apparmor: { profileType, localhostRef: profile.localhostProfile ?? '' } }
}

type Seccomp = { readonly type: string; readonly localhostProfile?: string | undefined } | undefined

function seccomp(own: Seccomp, pods: Seccomp, privileged: boolean, root: string): ContainerSecurity['seccomp'] {
  const profile = own ?? pods
  if (privileged && !profile) return { profileType: 'Unconfined' }
  // As with --seccomp-default, containers without a profile get RuntimeDefault instead of running unconfined.
  if (!profile || profile.type === 'RuntimeDefault') return { profileType: 'RuntimeDefault' }
  if (profile.type === 'Unconfined') return { profileType: 'Unconfined' }
  return { profileType: 'Localhost', localhostRef: `${root}/${profile.localhostProfile ?? ''}` }
}

/** The settings of the sandbox, whose pause container runs with the pod's user and groups. */
export function sandboxSecurity(pod: Pod, seccompRoot: string): SandboxSecurity {
  const security = pod.spec.securityContext
  const privileged = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].some(
    c => c.securityContext?.privileged,
  )
  const groups = supplementalGroups(pod)
  return {
    namespaceOptions: namespaces(pod),
    privileged,
    seccomp: seccomp(undefined, security?.seccompProfile, privileged, seccompRoot),
    ...selinux(undefined, security?.seLinuxOptions),
    ...(security?.runAsUser !== undefined && { runAsUser: { value: security.runAsUser } }),
    ...(security?.runAsGroup !== undefined &&
      security.runAsUser !== undefined && { runAsGroup: { value: security.runAsGroup } }),
    ...(groups.length && { supplementalGroups: groups }),
  }
}

function supplementalGroups(pod: Pod): number[] {
  const security = pod.spec.securityContext
  return [...(security?.fsGroup === undefined ? [] : [security.fsGroup]), ...(security?.supplementalGroups ?? [])]
}

/**
 * The settings of a container. The user is that of the container's spec, else of the pod's, else of the image. A
 * privileged container has no masked paths and, without a profile, no seccomp filter.
 */
export function containerSecurity(
  pod: Pod,
  container: ReadContainer,
  image: ImageSeen | undefined,
  seccompRoot: string,
  targetId?: string,
): ContainerSecurity {
  const own = container.securityContext
  const pods = pod.spec.securityContext
  const privileged = own?.privileged === true
  const user = own?.runAsUser ?? pods?.runAsUser
  const group = own?.runAsGroup ?? pods?.runAsGroup
  const unmasked = privileged || own?.procMount === 'Unmasked'
  // CRI allows a group only together with a user, which of an image without one is root.
  const imageUser =
    image?.uid === undefined && image?.username
      ? { runAsUsername: image.username }
      : { runAsUser: { value: image?.uid ?? 0 } }
  return {
    namespaceOptions: namespaces(pod, targetId),
    privileged,
    readonlyRootfs: own?.readOnlyRootFilesystem === true,
    noNewPrivs: own?.allowPrivilegeEscalation === false && !privileged,
    ...(own?.capabilities && {
      capabilities: {
        addCapabilities: [...(own.capabilities.add ?? [])],
        dropCapabilities: [...(own.capabilities.drop ?? [])],
      },
    }),
    ...(user === undefined ? imageUser : { runAsUser: { value: user } }),
    ...(group !== undefined && { runAsGroup: { value: group } }),
    supplementalGroups: supplementalGroups(pod),
    ...(pods?.supplementalGroupsPolicy === 'Strict' && { supplementalGroupsPolicy: 'Strict' as const }),
    seccomp: seccomp(own?.seccompProfile, pods?.seccompProfile, privileged, seccompRoot),
    ...selinux(own?.seLinuxOptions, pods?.seLinuxOptions),
    ...apparmor(own?.appArmorProfile, pods?.appArmorProfile),
    maskedPaths: unmasked ? [] : maskedPaths,
    readonlyPaths: unmasked ? [] : readonlyPaths,
  }
}

/** Throws Forbidden when a container with runAsNonRoot would run as root, or when that cannot be ruled out. */
export function checkNonRoot(pod: Pod, container: ReadContainer, image: ImageSeen | undefined): void {
  const must = container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot
  if (!must) return
  const user = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser
  const about = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`
  if (user !== undefined) {
    if (user === 0) throw new StatusError('Forbidden', `container's runAsUser breaks non-root policy ${about}`)
    return
  }
  if (image?.uid === undefined && image?.username) {
    throw new StatusError(
      'Forbidden',
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${about}`,
    )
  }
  if (!image?.uid) throw new StatusError('Forbidden', `container has runAsNonRoot and image will run as root ${about}`)
}
