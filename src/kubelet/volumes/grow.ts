// Growth of a mounted volume: a resizer has enlarged the PersistentVolume, the driver enlarges the file system on the node,
// and then the claim has the new size.
//
//   claim asks for more ──▶ resizer: the volume's capacity ──▶ driver on the node ──▶ claim.status.capacity
//
// Source: pkg/volume/util/resize_util.go, pkg/volume/util/operationexecutor/node_expander.go.
import { compareQuantities } from '../../api/quantity.ts'
import type { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { messageOf } from '../../base/errors.ts'
import type { VolumeRequest } from './volume.ts'

interface Grown {
  claim: PersistentVolumeClaim
  bound: PersistentVolume
}

const resizing = new Set(['Resizing', 'FileSystemResizePending', 'ControllerResizeError', 'NodeResizeError'])

/** Whether the volume is larger than the claim's status says, and the claim asks for that. */
export function hasGrown({ claim, bound }: Grown): boolean {
  const size = bound.spec.capacity?.storage
  const had = claim.status.capacity?.storage
  return size !== undefined && had !== undefined && compareQuantities(size, had) > 0
}

/** The status of a claim whose volume has its new size everywhere. */
export function grownStatus({ claim: { status }, bound }: Grown) {
  const { allocatedResourceStatuses: { storage: _done, ...others } = {}, conditions = [], ...rest } = status
  return {
    ...rest,
    capacity: { ...status.capacity, storage: bound.spec.capacity?.storage ?? '0' },
    conditions: conditions.filter(({ type }) => !resizing.has(type)),
    ...(Object.keys(others).length > 0 && { allocatedResourceStatuses: others }),
  }
}

/** Brings a grown volume to its size. A failure becomes an event, and is tried again with the next refresh. */
export async function grow({ pod, volume, context, signal }: VolumeRequest, found: Grown): Promise<void> {
  const { claim, bound } = found
  if (!hasGrown(found) || volume.persistentVolumeClaim?.readOnly === true) return
  const name = JSON.stringify(bound.metadata.name)
  try {
    if (!(await context.drivers.expandClaim(pod, bound, signal))) return
    await context.client.updateStatus(PersistentVolumeClaim, claim, grownStatus(found))
  } catch (error) {
    signal.throwIfAborted()
    const message = `NodeExpandVolume failed for volume ${name} : ${messageOf(error)}`
    context.events.event(pod, 'Warning', 'VolumeResizeFailed', message)
    return
  }
  const message = `MountVolume.NodeExpandVolume succeeded for volume ${name} ${pod.spec.nodeName ?? ''}`
  context.events.event(pod, 'Normal', 'FileSystemResizeSuccessful', message)
  context.events.event(claim, 'Normal', 'FileSystemResizeSuccessful', message)
}
