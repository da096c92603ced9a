// Volumes behind claims: the PersistentVolume that a claim is bound to is mounted in the volume's directory, so that what
// has been set up for a pod can be seen and undone without the API.
//
//   pod ──claimName──▶ PersistentVolumeClaim ──volumeName──▶ PersistentVolume ──▶ a path of the node ──bind──▶ DIR
//                                                                            └──▶ a driver mounts it ◀──link── DIR
//
// Source: pkg/kubelet/volumemanager/populator (getPVCExtractPV, getPVSpec), pkg/volume/{local,hostpath}.
import { mkdir, readlink, realpath, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isReason, messageOf } from '../../base/errors.ts'
import { realMounts } from '../../linux/index.ts'
import { Node } from '../../kinds/core/node.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { isReachable } from '../../kinds/core/volume-match.ts'
import { VolumeFailure } from '../host.ts'
import { grow } from './grow.ts'
import { prepareHostPath } from './host-path.ts'
import { onNode } from './kubelet-dir.ts'
import { mountDisk } from './disk.ts'
import { mountNfs } from './nfs.ts'
import { setOwnership } from './ownership.ts'
import { UnservedVolume } from './served-by.ts'
import type { ReadVolume, VolumeContext, VolumePlugin, VolumeRequest } from './volume.ts'

/** How often volumes of drivers are looked at: whether they have grown, and whether the driver is to be called again. */
const refreshMs = 30_000

export const claim: VolumePlugin = {
  name: 'persistent-volume-claim',
  isMount: true,
  matches: volume => volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined,
  readOnly: volume => volume.persistentVolumeClaim?.readOnly === true,
  async setUp(request) {
    const { dir, pod, volume, context, signal } = request
    const { bound } = await boundVolume(request)
    if (bound.spec.csi) {
      const path = await context.drivers.setUpClaim(pod, bound, isReadOnly(volume), signal)
      return linkTo(path, dir)
    }
    if (bound.spec.volumeMode === 'Block') return linkTo(await deviceOf(bound), dir)
    const hasOwnership = await mountSource(bound, request)
    signal.throwIfAborted()
    if (hasOwnership && !isReadOnly(volume)) await setOwnership(dir, pod, false)
  },
  async refresh(request) {
    const { pod, volume, context, signal, dir } = request
    // A link leads to a volume of a driver, or to a device, and only the first change.
    if (!(await linkOf(dir))) return undefined
    const found = await boundVolume(request, 'running')
    if (!found.bound.spec.csi) return undefined
    await context.drivers.refreshClaim(pod, found.bound, isReadOnly(volume), signal)
    await grow(request, found)
    return context.clock.now() + refreshMs
  },
}

const isReadOnly = (volume: ReadVolume) => volume.persistentVolumeClaim?.readOnly === true

/** Where a claim of a driver's volume leads to. Undefined if it is no link. */
const linkOf = (dir: string) => readlink(dir).catch(() => undefined)

/** Makes the volume's path a link to where the driver's volume is. */
async function linkTo(path: string, dir: string): Promise<void> {
  if ((await linkOf(dir)) === path) return
  await mkdir(dirname(dir), { recursive: true, mode: 0o750 })
  await rm(`${dir}.new`, { force: true })
  await symlink(path, `${dir}.new`)
  await rename(`${dir}.new`, dir)
}

const nameOfClaim = (volume: ReadVolume, podName: string) =>
  volume.persistentVolumeClaim?.claimName ?? `${podName}-${volume.name}`

interface Found {
  claim: PersistentVolumeClaim
  /** The volume that the claim is bound to. */
  bound: PersistentVolume
}

/**
 * The claim and its volume. Throws an error that says why there is none. A pod that has its volume keeps it while the
 * claim is being deleted, and wherever the volume belongs by now.
 */
async function boundVolume({ pod, volume, context }: VolumeRequest, state: 'new' | 'running' = 'new'): Promise<Found> {
  const { namespace = '', name: podName = '', uid } = pod.metadata
  const name = nameOfClaim(volume, podName)
  const fault = (why: string) => new Error(`error processing PVC ${namespace}/${name}: ${why}`)
  const found = await context.client.get(PersistentVolumeClaim, { namespace, name }).catch((error: unknown) => {
    throw fault(`failed to fetch PVC from API server: ${messageOf(error)}`)
  })
  const { metadata, spec, status } = found
  if (volume.ephemeral && !metadata.ownerReferences?.some(owner => owner.controller && owner.uid === uid))
    throw fault(`PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`)
  if (metadata.deletionTimestamp && state === 'new') throw fault("can't start pod because PVC is being deleted")
  if (status.phase !== 'Bound' || !spec.volumeName) throw fault('PVC is not bound')
  const bound = await context.client.get(PersistentVolume, { name: spec.volumeName }).catch((error: unknown) => {
    throw fault(`failed to fetch PV ${spec.volumeName} from API server: ${messageOf(error)}`)
  })
  const { claimRef } = bound.spec
  if (claimRef?.uid !== metadata.uid) throw fault(`PV ${spec.volumeName} is not bound to this PVC`)
  if (bound.spec.nodeAffinity && state === 'new') await checkNode(bound, pod.spec.nodeName ?? '', context)
  return { claim: found, bound }
}

async function checkNode(volume: PersistentVolume, name: string, { client }: VolumeContext): Promise<void> {
  const node = await client.get(Node, { name }).catch((error: unknown) => {
    if (isReason(error, 'NotFound')) return undefined
    throw error
  })
  if (node && !isReachable(volume, node))
    throw new Error(
      `storage node affinity check failed for volume "${volume.metadata.name}": No matching NodeSelectorTerms`,
    )
}

/**
 * Mounts what is behind a volume at the directory of the claim. Returns whether its files get the group of the pod.
 * Throws an error for a kind of volume that a node cannot mount.
 */
async function mountSource(bound: PersistentVolume, { dir, volume, context, signal }: VolumeRequest): Promise<boolean> {
  const { hostPath, local, nfs, mountOptions: options = [] } = bound.spec
  if (nfs) {
    await mountNfs(nfs, dir, options)
    return false
  }
  if (local) {
    const found = await stat(local.path).catch(() => undefined)
    if (!found) throw new Error(`path "${local.path}" does not exist`)
    if (found.isBlockDevice()) {
      const how = { type: local.fsType || 'ext4', readOnly: isReadOnly(volume), options, signal }
      await mountDisk(await realpath(local.path), dir, how)
      return true
    }
    if (!found.isDirectory()) throw new Error(`path "${local.path}" is not a directory or block device`)
    await bind(local.path, dir)
    return true
  }
  if (!hostPath) throw unmatched(bound)
  await prepareHostPath(hostPath, context.nodeDir)
  await bind(onNode(hostPath.path, context.nodeDir), dir)
  return false
}

async function bind(path: string, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o750 })
  if (!(await realMounts.isMounted(dir))) await realMounts.bind(path, dir, { recursive: true })
}

const unmatched = ({ spec }: PersistentVolume): Error =>
  new UnservedVolume(Object.keys(spec).filter(key => !plainFields.has(key)))

/** The device of a local block volume. Source: pkg/volume/local (GetGlobalMapPath, MapPodDevice). */
async function deviceOf(volume: PersistentVolume): Promise<string> {
  const { local } = volume.spec
  if (!local) throw unmatched(volume)
  const found = await stat(local.path).catch(() => undefined)
  if (!found) throw new VolumeFailure(volume.metadata.name ?? '', `path "${local.path}" does not exist`, mapping)
  if (!found.isBlockDevice())
    throw new VolumeFailure(volume.metadata.name ?? '', `path "${local.path}" is not a block device`, mapping)
  return local.path
}

const mapping = { step: 'MapVolume.SetUpDevice', reason: 'FailedMapVolume' }

const plainFields = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
])
