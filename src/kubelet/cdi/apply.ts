// What a container with CDI devices gets, in the words of CRI: variables, device files, mounts and groups. It is for a
// runtime that does nothing with the names of CDI devices; see docs/decisions/cdi.md.
import { stat } from 'node:fs/promises'
import { messageOf } from '../../base/errors.ts'
import { whenThere } from '../../base/files.ts'
import { onNode } from '../volumes/kubelet-dir.ts'
import type { ContainerConfig } from '../runtime/runtime.ts'
import { readCdi } from './files.ts'
import { type CdiSpec, type Edits, parseDevice } from './spec.ts'

/** The parts of a container's configuration that come from its CDI devices. */
export interface CdiParts {
  readonly envs: ReadonlyMap<string, string>
  readonly mounts: NonNullable<ContainerConfig['mounts']>
  readonly devices: NonNullable<ContainerConfig['devices']>
  readonly groups: readonly number[]
}

interface ApplyOptions {
  /** The directory of the node, for which /var/lib/kubelet stands in the files. */
  nodeDir: string
  dirs?: readonly string[]
}

export class CdiFailure extends Error {
  constructor(cause: unknown) {
    super(`CDI device injection failed: ${messageOf(cause)}`, { cause })
    this.name = 'CdiFailure'
  }
}

/** Throws a CdiFailure that says which device there is not, or what of it cannot be given to a container. */
export async function cdiParts(devices: readonly string[], { nodeDir, dirs }: ApplyOptions): Promise<CdiParts> {
  try {
    const edits = planEdits(devices, await readCdi(dirs))
    await checkNodes(edits, nodeDir)
    return toCri(edits, path => onNode(path, nodeDir))
  } catch (error) {
    throw new CdiFailure(error)
  }
}

/** The edits for devices, in their order; those of a file come before those of its first device. */
function planEdits(
  devices: readonly string[],
  dirs: readonly { specs: readonly CdiSpec[]; problems: readonly string[] }[],
): Edits[] {
  const edits: Edits[] = []
  const begun = new Set<CdiSpec>()
  const missing: string[] = []
  for (const device of new Set(devices)) {
    const { kind, name } = parseDevice(device)
    // The last directory that has it decides, and only one of its files may have it.
    const found = dirs
      .map(({ specs }) => specs.filter(spec => spec.kind === kind && spec.devices.has(name)))
      .findLast(specs => specs.length)
    const [spec] = found ?? []
    if (!spec || found!.length > 1) {
      missing.push(found ? `${device} (described by ${found.length} files)` : device)
      continue
    }
    if (!begun.has(spec)) edits.push(spec.edits)
    begun.add(spec)
    edits.push(spec.devices.get(name)!)
  }
  if (missing.length) {
    const problems = dirs.flatMap(dir => dir.problems)
    throw new Error(
      `unresolvable CDI devices ${missing.join(', ')}${problems.length ? `; not read: ${problems.slice(0, 3).join('; ')}` : ''}`,
    )
  }
  const impossible = new Set(edits.flatMap(edit => edit.impossible))
  if (impossible.size)
    throw new Error(
      `CDI devices ${devices.join(', ')} need ${[...impossible].join(' and ')}, which the container runtime does not support`,
    )
  return edits
}

/**
 * A device file has the owner and mode of the node's. Throws an error when it should have others, or when there is no
 * such file.
 */
async function checkNodes(edits: readonly Edits[], nodeDir: string): Promise<void> {
  for (const { hostPath, fileMode, uid, gid } of edits.flatMap(edit => edit.deviceNodes)) {
    const there = await whenThere(() => stat(onNode(hostPath, nodeDir)), undefined)
    if (!there) throw new Error(`the device file ${hostPath} does not exist`)
    const differs =
      (fileMode !== undefined && (fileMode & 0o7777) !== (there.mode & 0o7777)) ||
      (uid !== undefined && uid !== there.uid) ||
      (gid !== undefined && gid !== there.gid)
    if (differs) throw new Error(`the device file ${hostPath} has another owner or mode than the container should see`)
  }
}

const propagations: Readonly<Record<string, NonNullable<ContainerConfig['mounts']>[number]['propagation']>> = {
  private: 'PROPAGATION_PRIVATE',
  rprivate: 'PROPAGATION_PRIVATE',
  slave: 'PROPAGATION_HOST_TO_CONTAINER',
  rslave: 'PROPAGATION_HOST_TO_CONTAINER',
  shared: 'PROPAGATION_BIDIRECTIONAL',
  rshared: 'PROPAGATION_BIDIRECTIONAL',
}

/** Of two edits that name the same variable, path or group, the later one counts. Pure. */
function toCri(edits: readonly Edits[], pathOf: (path: string) => string): CdiParts {
  const mounts = new Map<string, CdiParts['mounts'][number]>()
  for (const { hostPath, containerPath, type, options } of edits.flatMap(edit => edit.mounts)) {
    if (type !== 'bind') throw new Error(`a mount of type ${type} at ${containerPath} is not supported`)
    const propagation = options.map(option => propagations[option]).findLast(found => found)
    mounts.set(containerPath, {
      containerPath,
      hostPath: pathOf(hostPath),
      readonly: options.includes('ro'),
      ...(propagation && { propagation }),
    })
  }
  const devices = edits
    .flatMap(edit => edit.deviceNodes)
    .map(({ path, hostPath, permissions }) => ({ containerPath: path, hostPath: pathOf(hostPath), permissions }))
  return {
    envs: new Map(edits.flatMap(edit => edit.env)),
    mounts: [...mounts.values()],
    devices: [...new Map(devices.map(device => [device.containerPath, device])).values()],
    groups: [...new Set(edits.flatMap(edit => edit.additionalGids))],
  }
}
