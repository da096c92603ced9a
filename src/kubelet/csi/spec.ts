// A volume of a driver as the kubelet handles it, made from a PersistentVolume or from a pod's inline volume, and the
// decisions that depend on it: what the driver is asked, and whether its files get the pod's group. Pure.
// Source: pkg/volume/csi (csi_client.go, csi_mounter.go, csi_plugin.go).
import type { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { CSIDriver } from '../../kinds/storage/csidriver.ts'
import { nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { ReadVolume } from '../volumes/volume.ts'
import type { CsiMessage, CsiRequest } from './calls.ts'
import { inlineHandle, type VolumeData } from './places.ts'

interface SecretRef {
  namespace: string
  name: string
}

/** One volume of one pod. */
export interface CsiVolume {
  /** The name of the PersistentVolume, or of the inline volume in its pod. */
  name: string
  driver: string
  handle: string
  isInline: boolean
  isBlock: boolean
  readOnly: boolean
  fsType: string
  /** Undefined if the volume has none. */
  accessModes: readonly string[] | undefined
  mountOptions: readonly string[]
  attributes: Readonly<Record<string, string>>
  stageSecret: SecretRef | undefined
  publishSecret: SecretRef | undefined
  expandSecret: SecretRef | undefined
}

/** @param readOnly whether the pod's claim is read-only */
export function persistentVolume({ metadata, spec }: PersistentVolume, readOnly: boolean): CsiVolume {
  const csi = spec.csi!
  const secret = (ref: { name?: string; namespace?: string } | undefined) =>
    ref?.name ? { name: ref.name, namespace: ref.namespace ?? '' } : undefined
  return {
    name: metadata.name ?? '',
    driver: csi.driver,
    handle: csi.volumeHandle,
    isInline: false,
    isBlock: spec.volumeMode === 'Block',
    // That of the volume itself is for the controller.
    readOnly,
    fsType: csi.fsType ?? '',
    accessModes: spec.accessModes,
    mountOptions: spec.mountOptions ?? [],
    attributes: csi.volumeAttributes ?? {},
    stageSecret: secret(csi.nodeStageSecretRef),
    publishSecret: secret(csi.nodePublishSecretRef),
    expandSecret: secret(csi.nodeExpandSecretRef),
  }
}

export function inlineVolume(pod: Pod, volume: ReadVolume): CsiVolume {
  const csi = volume.csi!
  const secretName = csi.nodePublishSecretRef?.name
  return {
    name: volume.name,
    driver: csi.driver,
    handle: inlineHandle(uidOf(pod), volume.name),
    isInline: true,
    isBlock: false,
    readOnly: csi.readOnly === true,
    fsType: csi.fsType ?? '',
    accessModes: undefined,
    mountOptions: [],
    attributes: csi.volumeAttributes ?? {},
    stageSecret: undefined,
    publishSecret: secretName ? { name: secretName, namespace: namespaceOf(pod) } : undefined,
    expandSecret: undefined,
  }
}

export const dataOf = ({ name, driver, handle, isInline }: CsiVolume): VolumeData => ({
  specVolID: name,
  volumeHandle: handle,
  driverName: driver,
  volumeLifecycleMode: isInline ? 'Ephemeral' : 'Persistent',
})

/** Why a driver does not serve a volume of this kind. Undefined if it does. Without a CSIDriver it serves claims only. */
export function lifecycleProblem({ driver, isInline }: CsiVolume, object: CSIDriver | undefined): string | undefined {
  const mode = isInline ? 'Ephemeral' : 'Persistent'
  if (!object)
    return isInline ? `volume mode "Ephemeral" not supported by driver ${driver} (no CSIDriver object)` : undefined
  const modes = object.spec.volumeLifecycleModes ?? ['Persistent']
  return modes.includes(mode)
    ? undefined
    : `volume mode "${mode}" not supported by driver ${driver} (only supports [${modes.map(one => JSON.stringify(one)).join(' ')}])`
}

/** Whether a controller must attach the volume to the node first. */
export const needsAttachment = ({ isInline }: Pick<CsiVolume, 'isInline'>, object: CSIDriver | undefined): boolean =>
  !isInline && (object?.spec.attachRequired ?? true)

type Mode = CsiMessage<'AccessMode'>['mode']

const modes: Readonly<Record<string, Mode>> = {
  ReadWriteOnce: 'SINGLE_NODE_WRITER',
  ReadOnlyMany: 'MULTI_NODE_READER_ONLY',
  ReadWriteMany: 'MULTI_NODE_MULTI_WRITER',
  ReadWriteOncePod: 'SINGLE_NODE_WRITER',
}
/** For drivers that distinguish one writer of a node from several. */
const finerModes: Readonly<Record<string, Mode>> = {
  ...modes,
  ReadWriteOnce: 'SINGLE_NODE_MULTI_WRITER',
  ReadWriteOncePod: 'SINGLE_NODE_SINGLE_WRITER',
}

interface CapabilityOptions {
  /** Whether the driver has SINGLE_NODE_MULTI_WRITER. */
  isFiner: boolean
  /** The pod's group, for a driver that sets it itself. */
  group?: number | undefined
}

/** How the volume is to be used. Of several access modes the first counts. */
export function capabilityOf(volume: CsiVolume, { isFiner, group }: CapabilityOptions): CsiRequest<'VolumeCapability'> {
  const [first = 'ReadWriteOnce'] = volume.accessModes ?? []
  const accessMode = { mode: (isFiner ? finerModes : modes)[first] ?? 'UNKNOWN' }
  if (volume.isBlock) return { block: {}, accessMode }
  const { fsType, mountOptions: mountFlags } = volume
  return { mount: { fsType, mountFlags, ...(group !== undefined && { volumeMountGroup: String(group) }) }, accessMode }
}

/** The attributes by which a driver learns about the pod, if its CSIDriver asks for them. */
export function podAttributes(pod: Pod, volume: CsiVolume, object: CSIDriver | undefined): Record<string, string> {
  if (!object?.spec.podInfoOnMount) return {}
  return {
    'csi.storage.k8s.io/pod.name': nameOf(pod),
    'csi.storage.k8s.io/pod.namespace': namespaceOf(pod),
    'csi.storage.k8s.io/pod.uid': uidOf(pod),
    'csi.storage.k8s.io/serviceAccount.name': pod.spec.serviceAccountName ?? '',
    'csi.storage.k8s.io/ephemeral': String(volume.isInline),
  }
}

/** Whether the kubelet gives the files of a volume to the pod's fsGroup. */
export function setsGroup(volume: CsiVolume, object: CSIDriver | undefined): boolean {
  const policy = object?.spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType'
  if (volume.readOnly || volume.isBlock || policy === 'None') return false
  if (policy === 'File') return true
  return volume.fsType !== '' && (volume.accessModes?.includes('ReadWriteOnce') ?? false)
}
