// Names by which the controller that attaches volumes and the kubelets agree about one: that of its VolumeAttachment, and
// that in the status of a node. Source: pkg/volume/csi/csi_attacher.go, pkg/volume/util (GetUniqueVolumeName).
import { createHash } from 'node:crypto'

interface DriverVolume {
  driver: string
  handle: string
}

const prefix = 'kubernetes.io/csi/'

/** The name of the VolumeAttachment of a volume and a node. */
export const attachmentName = ({ driver, handle }: DriverVolume, node: string): string =>
  `csi-${createHash('sha256').update(`${handle}${driver}${node}`).digest('hex')}`

/** Whether a VolumeAttachment may be one that the controller has made. */
export const isAttachmentName = (name: string): boolean => /^csi-[0-9a-f]{64}$/.test(name)

/** The name of a volume in volumesInUse and volumesAttached of a node. */
export const uniqueName = ({ driver, handle }: DriverVolume): string => `${prefix}${driver}^${handle}`

/** The volume of such a name. Undefined for another name. */
export function volumeOfName(name: string): DriverVolume | undefined {
  const at = name.indexOf('^')
  if (at < 0 || !name.startsWith(prefix)) return undefined
  return { driver: name.slice(prefix.length, at), handle: name.slice(at + 1) }
}
