// Volumes behind claims: the PersistentVolume that a claim is bound to is mounted in the volume's directory, so that what
// has been set up for a pod can be seen and undone without the API.
//
//   pod ──claimName──▶ PersistentVolumeClaim ──volumeName──▶ PersistentVolume ──▶ a path of the node ──bind──▶ DIR
//
// Source: pkg/kubelet/volumemanager/populator (getPVCExtractPV, getPVSpec), pkg/volume/{local,hostpath}.
import { mkdir, stat } from 'node:fs/promises'
import { isReason, messageOf } from '../../base/errors.ts'
import { realMounts } from '../../linux/index.ts'
import { Node } from '../../kinds/core/node.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { isReachable } from '../../kinds/core/volume-match.ts'
import { prepareHostPath } from './host-path.ts'
import { setOwnership } from './ownership.ts'
import type { ReadVolume, VolumeContext, VolumePlugin, VolumeRequest } from './volume.ts'

export const claim: VolumePlugin = {
  name: 'persistent-volume-claim',
  matches: volume => volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined,
  readOnly: volume => volume.persistentVolumeClaim?.readOnly === true,
  async setUp(request) {
    const { dir, pod, volume, signal } = request
    const bound = await boundVolume(request)
    const source = await sourceOf(bound)
    signal.throwIfAborted()
    await mkdir(dir, { recursive: true, mode: 0o750 })
    if (!(await realMounts.isMounted(dir))) await realMounts.bind(source.path, dir, { recursive: true })
    signal.throwIfAborted()
    if (source.hasOwnership && volume.persistentVolumeClaim?.readOnly !== true) await setOwnership(dir, pod, false)
  },
}

const nameOfClaim = (volume: ReadVolume, podName: string) =>
  volume.persistentVolumeClaim?.claimName ?? `${podName}-${volume.name}`

/** The volume that the claim is bound to. Throws an error that says why there is none. */
async function boundVolume({ pod, volume, context }: VolumeRequest): Promise<PersistentVolume> {
  const { namespace = '', name: podName = '', uid } = pod.metadata
  const name = nameOfClaim(volume, podName)
  const fault = (why: string) => new Error(`error processing PVC ${namespace}/${name}: ${why}`)
  const found = await context.client.get(PersistentVolumeClaim, { namespace, name }).catch((error: unknown) => {
    throw fault(`failed to fetch PVC from API server: ${messageOf(error)}`)
  })
  const { metadata, spec, status } = found
  if (volume.ephemeral && !metadata.ownerReferences?.some(owner => owner.controller && owner.uid === uid))
    throw fault(`PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`)
  if (metadata.deletionTimestamp) throw fault("can't start pod because PVC is being deleted")
  if (status.phase !== 'Bound' || !spec.volumeName) throw fault('PVC is not bound')
  const bound = await context.client.get(PersistentVolume, { name: spec.volumeName }).catch((error: unknown) => {
    throw fault(`failed to fetch PV ${spec.volumeName} from API server: ${messageOf(error)}`)
  })
  const { claimRef } = bound.spec
  if (claimRef?.uid !== metadata.uid) throw fault(`PV ${spec.volumeName} is not bound to this PVC`)
  if (bound.spec.nodeAffinity) await checkNode(bound, pod.spec.nodeName ?? '', context)
  return bound
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

interface Source {
  path: string
  /** Whether its files get the group of the pod. */
  hasOwnership: boolean
}

/** The path of the node behind a volume. Throws an error for a kind of volume that a node cannot mount. */
async function sourceOf({ metadata, spec }: PersistentVolume): Promise<Source> {
  if (spec.volumeMode === 'Block')
    throw new Error(`volume ${metadata.name} is a block device, which is not supported yet`)
  if (spec.hostPath) {
    await prepareHostPath(spec.hostPath)
    return { path: spec.hostPath.path, hasOwnership: false }
  }
  if (spec.local) {
    const { path } = spec.local
    const found = await stat(path).catch(() => undefined)
    if (!found) throw new Error(`path "${path}" does not exist`)
    if (!found.isDirectory()) throw new Error(`path "${path}" is not a directory`)
    return { path, hasOwnership: true }
  }
  const kinds = Object.keys(spec).filter(key => !plainFields.has(key))
  throw new Error(`no volume plugin matched for the source ${kinds.join(', ')} of volume ${metadata.name}`)
}

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
