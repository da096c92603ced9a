// A pod that its Job need not count any more loses the finalizer that holds it until it has been counted.
import { isReason } from '../../base/errors.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { trackingFinalizer } from './tally.ts'

export async function untrack(pod: Pod, ctx: Context): Promise<void> {
  const metadata = { uid: pod.metadata.uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] }
  try {
    await ctx.patch(Pod, pod, 'strategic', { metadata })
  } catch (error) {
    // Gone, or another pod of that name by now.
    if (!isReason(error, 'NotFound', 'Conflict', 'Invalid')) throw error
  }
}
