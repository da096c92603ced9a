// The wait until a volume is attached to the node. The order of writes keeps a volume from being mounted while it is
// detached:
//
//   kubelet      volumesInUse has it ──▶ volumesAttached is read ──▶ mounted … unmounted ──▶ volumesInUse has it no more
//   controller   no pod wants it ──▶ volumesAttached has it no more ──▶ volumesInUse is read ──▶ detached
//
// Each writes first and reads then, so at least one of them sees the other.
// Source: pkg/volume/util/operationexecutor (GenerateVerifyControllerAttachedVolumeFunc), pkg/volume/csi/csi_attacher.go.
import { isReason, messageOf } from '../../base/errors.ts'
import { within } from '../../base/waiters.ts'
import type { Client } from '../../client/index.ts'
import { Node } from '../../kinds/core/node.ts'
import { VolumeAttachment } from '../../kinds/storage/volumeattachment.ts'
import { attachmentName, uniqueName } from '../../kinds/storage/attachment-names.ts'
import type { CsiVolume } from './spec.ts'

/** How long a pod waits before its event says so. Source: podAttachAndMountTimeout. */
const patienceMs = 123_000
const poll = { firstMs: 100, mostMs: 2_000, factor: 1.5 }

interface AttachmentOptions {
  client: Client
  nodeName: string
  signal: AbortSignal
}

/**
 * Resolves with what the attacher has for the driver, once the volume is attached. The status of the node must report
 * the volume in use before. Throws an error after about two minutes.
 */
export async function attached(
  volume: CsiVolume,
  { client, nodeName, signal }: AttachmentOptions,
): Promise<Readonly<Record<string, string>>> {
  const name = uniqueName(volume)
  let why = 'the volume is not attached yet'
  const look = async (limited: AbortSignal) => {
    const { status } = await client.get(Node, { name: nodeName }, { signal: limited })
    return status.volumesAttached?.some(volume => volume.name === name)
      ? readAttachment(volume, { client, nodeName, signal: limited })
      : 'Volume not attached according to node status'
  }
  const wait = async (limited: AbortSignal) => {
    for (let pauseMs = poll.firstMs; ; pauseMs = Math.min(pauseMs * poll.factor, poll.mostMs)) {
      // The API server may be away for a while.
      const found = await look(limited).catch(messageOf)
      limited.throwIfAborted()
      if (typeof found !== 'string') return found
      why = found
      await client.clock.sleep(pauseMs, limited)
    }
  }
  try {
    return await within(client.clock, patienceMs, signal, wait)
  } catch (error) {
    signal.throwIfAborted()
    throw new Error(`timed out waiting for the condition: ${why}`, { cause: error })
  }
}

/** What the VolumeAttachment has, or why that is not enough. */
async function readAttachment(
  volume: CsiVolume,
  { client, nodeName, signal }: AttachmentOptions,
): Promise<Readonly<Record<string, string>> | string> {
  const name = attachmentName(volume, nodeName)
  try {
    const { status, metadata } = await client.get(VolumeAttachment, { name }, { signal })
    if (metadata.deletionTimestamp) return `volume attachment ${name} is being deleted`
    if (status.attached) return status.attachmentMetadata ?? {}
    return status.attachError?.message ?? `volume attachment ${name} is not attached`
  } catch (error) {
    if (isReason(error, 'NotFound')) return `volume attachment ${name} does not exist`
    throw error
  }
}
