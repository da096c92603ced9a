// What a pod for one operating system cannot ask for, since only the other one has it.
// Source: pkg/apis/core/validation (validateOS, validateLinux, validateWindows, validateWindowsHostProcessPod).
import type { Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import type { Container } from './container.ts'
import type { PodSpec } from './podspec.ts'

type Spec = PodSpec

/** All containers with their places. */
export function* containersAt(spec: Spec, at: Path): Iterable<readonly [Container, Path]> {
  // Ephemeral containers have all of a container's fields.
  for (const field of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [i, container] of (spec[field] ?? []).entries()) yield [container as Container, at.field(field).index(i)]
}

export function* validateOS(spec: Spec, at: Path): Problems {
  if (!spec.os) return
  const { name } = spec.os
  if (!name) yield at.field('os', 'name').required()
  else if (name === 'linux') yield* validateLinux(spec, at)
  else if (name === 'windows') yield* validateWindows(spec, at)
  else yield at.field('os').notSupported(name, ['linux', 'windows'])
}

function* validateLinux(spec: Spec, at: Path): Problems {
  const contexts = [[spec, at] as const, ...containersAt(spec, at)]
  for (const [{ securityContext }, path] of contexts)
    if (securityContext?.windowsOptions)
      yield path.field('securityContext', 'windowsOptions').forbidden('windows options cannot be set for a linux pod')
}

const linuxOfPods = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const
const linuxOfContainers = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const
const notOnWindows = 'cannot be set for a windows pod'

function* validateWindows(spec: Spec, at: Path): Problems {
  for (const field of linuxOfPods)
    if (spec.securityContext[field] !== undefined) yield at.field('securityContext', field).forbidden(notOnWindows)
  for (const field of ['hostUsers', 'shareProcessNamespace'] as const)
    if (spec[field] !== undefined) yield at.field(field).forbidden(notOnWindows)
  for (const field of ['hostPID', 'hostIPC'] as const) if (spec[field]) yield at.field(field).forbidden(notOnWindows)
  for (const [{ securityContext }, path] of containersAt(spec, at))
    for (const field of linuxOfContainers)
      if (securityContext?.[field] !== undefined) yield path.field('securityContext', field).forbidden(notOnWindows)
}

/** Containers that run directly on a Windows node: all of a pod or none. */
export function* validateHostProcess(spec: Spec, at: Path): Problems {
  const ofPod = spec.securityContext.windowsOptions?.hostProcess
  const all = [...containersAt(spec, at)]
  let count = 0
  for (const [{ securityContext }, path] of all) {
    const own = securityContext?.windowsOptions?.hostProcess
    if (ofPod !== undefined && own !== undefined && own !== ofPod)
      yield path
        .field('securityContext', 'windowsOptions', 'hostProcess')
        .invalid(own, `pod hostProcess value must be identical if both are specified, was ${ofPod}`)
    if (own ?? ofPod) count++
  }
  if (!count) return
  if (count !== all.length)
    yield at.invalid(
      '',
      'If pod contains any hostProcess containers then all containers must be HostProcess containers',
    )
  if (!spec.hostNetwork)
    yield at.field('hostNetwork').invalid(false, 'hostNetwork must be true if pod contains any hostProcess containers')
}
