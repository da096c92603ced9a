// Where volumes appear in a container: as directories, or as raw devices, and never twice in one place.
// Source: pkg/apis/core/validation (ValidateVolumeMounts, ValidateVolumeDevices).
import { type Problems, present, supported } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import type { Container, VolumeMount } from './container.ts'
import { descendingPath, hasBacksteps } from './path-rules.ts'
import type { Volume } from './volume.ts'

/** The volumes of a pod that can be mounted, by name: those without problems. */
export type Volumes = ReadonlyMap<string, Volume>

/** Problems of a few fields stand at the list, without the number of the mount: Kubernetes names them so. */
export function* validateMounts(container: Container, volumes: Volumes, at: Path): Problems {
  const devices = container.volumeDevices ?? []
  const taken = new Set<string>()
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const { name, mountPath } = mount
    const path = at.index(i)
    yield* present(name, path.field('name'))
    if (!volumes.has(name)) yield path.field('name').notFound(name)
    yield* present(mountPath, path.field('mountPath'))
    if (taken.has(mountPath)) yield path.field('mountPath').invalid(mountPath, 'must be unique')
    taken.add(mountPath)
    if (devices.some(d => d.name === name))
      yield path.field('name').invalid(name, 'must not already exist in volumeDevices')
    if (devices.some(d => d.devicePath === mountPath))
      yield path.field('mountPath').invalid(mountPath, 'must not already exist as a path in volumeDevices')
    yield* validateSubPaths(mount, at, path)
    yield* validatePropagation(mount, container.securityContext?.privileged ?? false, at.field('mountPropagation'))
    yield* validateRecursive(mount, at.field('recursiveReadOnly'))
  }
}

function* validateSubPaths(mount: VolumeMount, list: Path, at: Path): Problems {
  for (const field of ['subPath', 'subPathExpr'] as const) {
    const path = mount[field]
    if (!path) continue
    if (field === 'subPathExpr' && mount.subPath)
      yield at.field(field).invalid(path, 'subPathExpr and subPath are mutually exclusive')
    yield* descendingPath(path, list.field(field))
  }
}

function* validatePropagation(mount: VolumeMount, isPrivileged: boolean, at: Path): Problems {
  if (mount.mountPropagation === undefined) return
  yield* supported(mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None'], at)
  if (mount.mountPropagation === 'Bidirectional' && !isPrivileged)
    yield at.forbidden('Bidirectional mount propagation is available only to privileged containers')
}

function* validateRecursive(mount: VolumeMount, at: Path): Problems {
  const { recursiveReadOnly, readOnly, mountPropagation } = mount
  if (recursiveReadOnly === undefined || recursiveReadOnly === 'Disabled') return
  yield* supported(recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible'], at)
  if (recursiveReadOnly !== 'Enabled' && recursiveReadOnly !== 'IfPossible') return
  if (!readOnly) yield at.forbidden('may only be specified when readOnly is true')
  if (mountPropagation !== undefined && mountPropagation !== 'None')
    yield at.forbidden('may only be specified when mountPropagation is None or not specified')
}

export function* validateDevices(container: Container, volumes: Volumes, at: Path): Problems {
  const mounts = container.volumeMounts ?? []
  const names = new Set<string>()
  const paths = new Set<string>()
  for (const [i, { name, devicePath }] of (container.volumeDevices ?? []).entries()) {
    const path = at.index(i)
    const volume = volumes.get(name)
    yield* present(name, path.field('name'))
    if (names.has(name)) yield path.field('name').invalid(name, 'must be unique')
    if (!volume) yield path.field('name').notFound(name)
    else if (!volume.persistentVolumeClaim && !volume.ephemeral)
      yield path
        .field('name')
        .invalid(name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode')
    yield* present(devicePath, path.field('devicePath'))
    if (paths.has(devicePath)) yield path.field('devicePath').invalid(devicePath, 'must be unique')
    if (hasBacksteps(devicePath)) yield path.field('devicePath').invalid(devicePath, "can not contain backsteps ('..')")
    else paths.add(devicePath)
    if (mounts.some(m => m.name === name))
      yield path.field('name').invalid(name, 'must not already exist in volumeMounts')
    if (mounts.some(m => m.mountPath === devicePath))
      yield path.field('devicePath').invalid(devicePath, 'must not already exist as a path in volumeMounts')
    if (name) names.add(name)
  }
}
