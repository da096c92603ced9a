// Removes the tracking finalizer from a pod that its Job has counted or will not count.
import { isReason } from '../../base/errors.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { trackingFinalizer } from './tally.ts'

export async function untrack(pod: Pod, ctx: Context): Promise<void> {
  const metadata = { uid: pod.metadata.uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] }
  try {
    await ctx.patch(Pod, pod, 'strategic', { metadata })
  } catch (error) {
    // The pod does not exist any more, or another pod has its name.
    if (!isReason(error, 'NotFound', 'Conflict', 'Invalid')) throw error
  }
}
