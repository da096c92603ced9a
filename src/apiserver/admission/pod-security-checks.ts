// The checks of the Pod Security Standards: what the levels baseline and restricted forbid to a pod.
//
// - A check of baseline also holds for restricted, unless restricted has a stricter one in its place (`replacedBy`).
// - A check may have changed with versions of Kubernetes. A namespace that names a version gets the rules of then.
// - Checks are in the order of their ids, which is that of the messages.
//
// Source: k8s.io/pod-security-admission/policy.
import { goQuote } from '../../base/go-text.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { PodSpec } from '../../kinds/core/podspec.ts'

/** What is forbidden: shortly, and in detail. */
interface Violation {
  reason: string
  detail: string
}

/** A pod as the checks see it. Ephemeral containers are among the others. */
interface Checked {
  annotations: Readonly<Record<string, string>>
  spec: PodSpec
  containers: readonly Container[]
}

type Verdict = Violation | undefined

interface Check {
  id: string
  level: 'baseline' | 'restricted'
  /** The check of restricted that demands more. */
  replacedBy?: string
  /** The rules, each from a minor version of Kubernetes on. */
  versions: readonly (readonly [minor: number, check: (pod: Checked) => Verdict])[]
}

/** The newest minor version that the checks have. */
export const newestMinor = 36

/** What a level forbids in a version, by the reasons of the checks that fail. */
export function violations(
  level: 'baseline' | 'restricted',
  minor: number,
  annotations: Readonly<Record<string, string>> | undefined,
  spec: PodSpec,
): Violation[] {
  const { initContainers = [], containers, ephemeralContainers = [] } = spec
  const all = [...initContainers, ...containers, ...(ephemeralContainers as readonly Container[])]
  const pod = { annotations: annotations ?? {}, spec, containers: all }
  const relevant = checks.filter(
    check => check.level === 'baseline' && (level === 'baseline' || check.replacedBy === undefined),
  )
  if (level === 'restricted') relevant.push(...checks.filter(check => check.level === 'restricted'))
  return relevant.flatMap(({ versions }) => versions.findLast(([from]) => from <= minor)?.[1](pod) ?? [])
}

const pluralOf = (one: string, many: string, count: number) => (count === 1 ? one : many)
const quoted = (names: readonly string[]) => names.map(name => `"${name}"`).join(', ')
const sorted = (values: Iterable<string>) => [...new Set(values)].sort()
const containersText = (names: readonly string[]) =>
  `${pluralOf('container', 'containers', names.length)} ${quoted(names)}`

/** Who sets something: the pod, containers, or both. */
const settersText = (byPod: boolean, containers: readonly string[]) =>
  [...(byPod ? ['pod'] : []), ...(containers.length ? [containersText(containers)] : [])].join(' and ')

const namesOf = (pod: Checked, isBad: (container: Container) => boolean) =>
  pod.containers.filter(isBad).map(c => c.name)

/** A container's fields of the security context. */
const contextOf = ({ securityContext }: Container): NonNullable<Container['securityContext']> => securityContext ?? {}

const isWindows = ({ spec }: Checked) => spec.os?.name === 'windows'
/** A pod in a user namespace of its own may be root there. */
const hasOwnUsers = ({ spec }: Checked) => spec.hostUsers === false

const except = (skips: (pod: Checked) => boolean, check: (pod: Checked) => Verdict) => (pod: Checked) =>
  skips(pod) ? undefined : check(pod)

function privileged(pod: Checked): Verdict {
  const bad = namesOf(pod, c => contextOf(c).privileged === true)
  if (!bad.length) return undefined
  return { reason: 'privileged', detail: `${containersText(bad)} must not set securityContext.privileged=true` }
}

function hostNamespaces({ spec }: Checked): Verdict {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter(field => spec[field])
  if (!shared.length) return undefined
  return { reason: 'host namespaces', detail: shared.map(field => `${field}=true`).join(', ') }
}

function hostPathVolumes({ spec }: Checked): Verdict {
  const names = (spec.volumes ?? []).filter(volume => volume.hostPath).map(volume => volume.name)
  if (!names.length) return undefined
  return { reason: 'hostPath volumes', detail: `${pluralOf('volume', 'volumes', names.length)} ${quoted(names)}` }
}

function hostPorts(pod: Checked): Verdict {
  const portsOf = ({ ports = [] }: Container) => ports.flatMap(({ hostPort }) => (hostPort ? [String(hostPort)] : []))
  const bad = namesOf(pod, c => portsOf(c).length > 0)
  if (!bad.length) return undefined
  const ports = sorted(pod.containers.flatMap(portsOf))
  const uses = pluralOf('uses', 'use', bad.length)
  const what = `${pluralOf('hostPort', 'hostPorts', ports.length)} ${ports.join(', ')}`
  return { reason: 'hostPort', detail: `${containersText(bad)} ${uses} ${what}` }
}

function hostsOfHandlers(pod: Checked): Verdict {
  const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container) =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(handler =>
      [handler?.httpGet?.host, handler?.tcpSocket?.host].filter(host => host),
    ) as string[]
  const bad = sorted(namesOf(pod, c => hostsOf(c).length > 0))
  if (!bad.length) return undefined
  const hosts = sorted(pod.containers.flatMap(hostsOf))
  const uses = pluralOf('uses', 'use', bad.length)
  const what = `${pluralOf('probe or lifecycle host', 'probe or lifecycle hosts', hosts.length)} ${quoted(hosts)}`
  return { reason: 'probe or lifecycle host', detail: `${containersText(bad)} ${uses} ${what}` }
}

const localhost = 'localhost/'
const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/'
const appArmorTypes = ['RuntimeDefault', 'Localhost']

function appArmor(pod: Checked): Verdict {
  const { annotations, spec } = pod
  const isBad = (type: string | undefined) => type !== undefined && !appArmorTypes.includes(type)
  const ofPod = spec.securityContext?.appArmorProfile?.type
  const bad = pod.containers.filter(c => isBad(contextOf(c).appArmorProfile?.type))
  const types = sorted([...(isBad(ofPod) ? [ofPod!] : []), ...bad.map(c => contextOf(c).appArmorProfile!.type!)])
  const texts = Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(appArmorPrefix) && value !== '' && value !== 'runtime/default')
    .filter(([, value]) => !value.startsWith(localhost))
    .map(([key, value]) => `${key}=${goQuote(value)}`)
  if (!types.length && !texts.length) return undefined
  const setters = [
    ...(types.length
      ? [
          settersText(
            isBad(ofPod),
            bad.map(c => c.name),
          ),
        ]
      : []),
    ...(texts.length ? [pluralOf('annotation', 'annotations', texts.length)] : []),
  ]
  const values = [...types, ...texts.sort()]
  return {
    reason: pluralOf('forbidden AppArmor profile', 'forbidden AppArmor profiles', values.length),
    detail: `${setters.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  }
}

const addedCapabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
)

function capabilitiesOfBaseline(pod: Checked): Verdict {
  const badOf = (c: Container) => (contextOf(c).capabilities?.add ?? []).filter(name => !addedCapabilities.has(name))
  const bad = namesOf(pod, c => badOf(c).length > 0)
  if (!bad.length) return undefined
  const names = quoted(sorted(pod.containers.flatMap(badOf)))
  return {
    reason: 'non-default capabilities',
    detail: `${containersText(bad)} must not include ${names} in securityContext.capabilities.add`,
  }
}

function capabilitiesOfRestricted(pod: Checked): Verdict {
  const keeping = namesOf(pod, c => !contextOf(c).capabilities?.drop?.includes('ALL'))
  const badOf = (c: Container) => (contextOf(c).capabilities?.add ?? []).filter(name => name !== 'NET_BIND_SERVICE')
  const adding = namesOf(pod, c => badOf(c).length > 0)
  if (!keeping.length && !adding.length) return undefined
  const details = []
  if (keeping.length) details.push(`${containersText(keeping)} must set securityContext.capabilities.drop=["ALL"]`)
  if (adding.length) {
    const names = quoted(sorted(pod.containers.flatMap(badOf)))
    details.push(`${containersText(adding)} must not include ${names} in securityContext.capabilities.add`)
  }
  return { reason: 'unrestricted capabilities', detail: details.join('; ') }
}

function procMount(pod: Checked): Verdict {
  const badOf = (c: Container) => {
    const mount = contextOf(c).procMount
    return mount !== undefined && mount !== 'Default' ? [mount] : []
  }
  const bad = namesOf(pod, c => badOf(c).length > 0)
  if (!bad.length) return undefined
  const types = quoted(sorted(pod.containers.flatMap(badOf)))
  return { reason: 'procMount', detail: `${containersText(bad)} must not set securityContext.procMount to ${types}` }
}

const oldSELinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t']

const seLinux =
  (types: readonly string[]) =>
  (pod: Checked): Verdict => {
    const ofPod = pod.spec.securityContext?.seLinuxOptions
    type Options = NonNullable<typeof ofPod>
    const isBad = (options: Options | undefined) =>
      options !== undefined && (!types.includes(options.type ?? '') || Boolean(options.user) || Boolean(options.role))
    const bad = namesOf(pod, c => isBad(contextOf(c).seLinuxOptions))
    if (!bad.length && !isBad(ofPod)) return undefined
    const all = [ofPod, ...pod.containers.map(c => contextOf(c).seLinuxOptions)].filter(o => o !== undefined)
    const badTypes = sorted(all.map(o => o.type ?? '').filter(type => !types.includes(type)))
    const data = [
      ...(badTypes.length ? [`${pluralOf('type', 'types', badTypes.length)} ${quoted(badTypes)}`] : []),
      ...(all.some(o => o.user) ? ['user may not be set'] : []),
      ...(all.some(o => o.role) ? ['role may not be set'] : []),
    ]
    return {
      reason: 'seLinuxOptions',
      detail: `${settersText(isBad(ofPod), bad)} set forbidden securityContext.seLinuxOptions: ${data.join('; ')}`,
    }
  }

const oldSysctls = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
]
const sysctlsOf27 = [...oldSysctls, 'net.ipv4.ip_local_reserved_ports']
const sysctlsOf29 = [
  ...sysctlsOf27,
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
]
const sysctlsOf32 = [...sysctlsOf29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem']

const sysctls =
  (allowed: readonly string[]) =>
  ({ spec }: Checked): Verdict => {
    const bad = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter(name => !allowed.includes(name))
    return bad.length ? { reason: 'forbidden sysctls', detail: bad.join(', ') } : undefined
  }

function windowsHostProcess(pod: Checked): Verdict {
  const bad = namesOf(pod, c => contextOf(c).windowsOptions?.hostProcess === true)
  const byPod = pod.spec.securityContext?.windowsOptions?.hostProcess === true
  if (!bad.length && !byPod) return undefined
  const setters = settersText(byPod, bad)
  return { reason: 'hostProcess', detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` }
}

const seccompOfPod = 'seccomp.security.alpha.kubernetes.io/pod'
const seccompOfContainer = 'container.seccomp.security.alpha.kubernetes.io/'

function seccompAnnotations({ annotations, containers }: Checked): Verdict {
  const isBad = (value: string | undefined) =>
    value !== undefined && !['runtime/default', 'docker/default'].includes(value) && !value.startsWith(localhost)
  const keys = [seccompOfPod, ...containers.map(({ name }) => seccompOfContainer + name)]
  const bad = sorted(keys.filter(key => isBad(annotations[key])).map(key => `${key}=${goQuote(annotations[key]!)}`))
  if (!bad.length) return undefined
  const what = pluralOf('annotation', 'annotations', bad.length)
  return { reason: 'seccompProfile', detail: `forbidden ${what} ${bad.join(', ')}` }
}

const isSeccomp = (type: string | undefined) => type === 'RuntimeDefault' || type === 'Localhost'

function seccompOfBaseline(pod: Checked): Verdict {
  const ofPod = pod.spec.securityContext?.seccompProfile
  const byPod = ofPod !== undefined && !isSeccomp(ofPod.type)
  const setsBad = (c: Container) => contextOf(c).seccompProfile && !isSeccomp(contextOf(c).seccompProfile!.type)
  const bad = pod.containers.filter(setsBad)
  if (!bad.length && !byPod) return undefined
  const profiles = [...(byPod ? [ofPod] : []), ...bad.map(c => contextOf(c).seccompProfile!)]
  const types = quoted(sorted(profiles.map(({ type }) => type ?? '')))
  const setters = settersText(
    byPod,
    bad.map(c => c.name),
  )
  return { reason: 'seccompProfile', detail: `${setters} must not set securityContext.seccompProfile.type to ${types}` }
}

function seccompOfRestricted(pod: Checked): Verdict {
  const wrong = seccompOfBaseline(pod)
  if (wrong) return wrong
  if (pod.spec.securityContext?.seccompProfile) return undefined
  const bad = namesOf(pod, c => contextOf(c).seccompProfile === undefined)
  if (!bad.length) return undefined
  const must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
  return { reason: 'seccompProfile', detail: `pod or ${containersText(bad)} ${must}` }
}

function privilegeEscalation(pod: Checked): Verdict {
  const bad = namesOf(pod, c => contextOf(c).allowPrivilegeEscalation !== false)
  if (!bad.length) return undefined
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersText(bad)} must set securityContext.allowPrivilegeEscalation=false`,
  }
}

const volumeTypes = new Set(
  'configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret'.split(' '),
)

function restrictedVolumes({ spec }: Checked): Verdict {
  const typesOf = (volume: object) => Object.keys(volume).filter(field => field !== 'name')
  const bad = (spec.volumes ?? []).filter(volume => !typesOf(volume).some(type => volumeTypes.has(type)))
  if (!bad.length) return undefined
  const types = sorted(bad.map(volume => typesOf(volume)[0] ?? 'unknown'))
  const volumes = `${pluralOf('volume', 'volumes', bad.length)} ${quoted(bad.map(({ name }) => name))}`
  const what = pluralOf('restricted volume type', 'restricted volume types', types.length)
  return {
    reason: 'restricted volume types',
    detail: `${volumes} ${pluralOf('uses', 'use', bad.length)} ${what} ${quoted(types)}`,
  }
}

function runAsNonRoot(pod: Checked): Verdict {
  const ofPod = pod.spec.securityContext?.runAsNonRoot
  const explicit = namesOf(pod, c => contextOf(c).runAsNonRoot === false)
  const reason = 'runAsNonRoot != true'
  if (ofPod === false || explicit.length)
    return {
      reason,
      detail: `${settersText(ofPod === false, explicit)} must not set securityContext.runAsNonRoot=false`,
    }
  const implicit = ofPod ? [] : namesOf(pod, c => contextOf(c).runAsNonRoot === undefined)
  if (!implicit.length) return undefined
  return { reason, detail: `pod or ${containersText(implicit)} must set securityContext.runAsNonRoot=true` }
}

function runAsUser(pod: Checked): Verdict {
  const byPod = pod.spec.securityContext?.runAsUser === 0
  const bad = namesOf(pod, c => contextOf(c).runAsUser === 0)
  if (!byPod && !bad.length) return undefined
  return { reason: 'runAsUser=0', detail: `${settersText(byPod, bad)} must not set runAsUser=0` }
}

/** Sorted by their ids. */
const checks: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    versions: [
      [8, privilegeEscalation],
      [25, except(isWindows, privilegeEscalation)],
    ],
  },
  { id: 'appArmorProfile', level: 'baseline', versions: [[0, appArmor]] },
  {
    id: 'capabilities_baseline',
    level: 'baseline',
    replacedBy: 'capabilities_restricted',
    versions: [[0, capabilitiesOfBaseline]],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    versions: [
      [22, capabilitiesOfRestricted],
      [25, except(isWindows, capabilitiesOfRestricted)],
    ],
  },
  { id: 'hostNamespaces', level: 'baseline', versions: [[0, hostNamespaces]] },
  {
    id: 'hostPathVolumes',
    level: 'baseline',
    replacedBy: 'restrictedVolumes',
    versions: [[0, hostPathVolumes]],
  },
  { id: 'hostPorts', level: 'baseline', versions: [[0, hostPorts]] },
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', versions: [[34, hostsOfHandlers]] },
  { id: 'privileged', level: 'baseline', versions: [[0, privileged]] },
  {
    id: 'procMount',
    level: 'baseline',
    versions: [
      [0, procMount],
      [35, except(hasOwnUsers, procMount)],
    ],
  },
  { id: 'restrictedVolumes', level: 'restricted', versions: [[0, restrictedVolumes]] },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    versions: [
      [0, runAsNonRoot],
      [35, except(hasOwnUsers, runAsNonRoot)],
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    versions: [
      [23, runAsUser],
      [35, except(hasOwnUsers, runAsUser)],
    ],
  },
  {
    id: 'seLinuxOptions',
    level: 'baseline',
    versions: [
      [0, seLinux(oldSELinuxTypes)],
      [31, seLinux([...oldSELinuxTypes, 'container_engine_t'])],
    ],
  },
  {
    id: 'seccompProfile_baseline',
    level: 'baseline',
    replacedBy: 'seccompProfile_restricted',
    versions: [
      [0, seccompAnnotations],
      [19, seccompOfBaseline],
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    versions: [
      [19, seccompOfRestricted],
      [25, except(isWindows, seccompOfRestricted)],
    ],
  },
  {
    id: 'sysctls',
    level: 'baseline',
    versions: [
      [0, sysctls(oldSysctls)],
      [27, sysctls(sysctlsOf27)],
      [29, sysctls(sysctlsOf29)],
      [32, sysctls(sysctlsOf32)],
    ],
  },
  { id: 'windowsHostProcess', level: 'baseline', versions: [[0, windowsHostProcess]] },
]
