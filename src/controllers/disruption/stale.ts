// Sets the condition DisruptionTarget to False on pods that should have been evicted or preempted two minutes ago and
// still run. If they end later, that is not the disruption that the condition announced, and a Job's failure policy
// must not match it. Source: pkg/controller/disruption (syncStalePodDisruption).
import { timeText } from '../../api/time.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { defineController } from '../harness.ts'
import { untilStale } from './plan.ts'

export const staleDisruptionController = defineController({
  name: 'stale-pod-disruption',
  identity: 'disruption-controller',
  reconciles: Pod,
  when: pod => untilStale(pod, 0) !== undefined,
  async reconcile(pod, ctx) {
    const again = untilStale(pod, ctx.now())
    if (again === undefined || again > 0) return again === undefined ? undefined : { again }
    const condition = { type: 'DisruptionTarget', status: 'False', lastTransitionTime: timeText(ctx.now()) }
    const cleared = { ...condition, reason: null, message: null }
    await ctx.patch(Pod, pod, 'strategic', { status: { conditions: [cleared] } }, { subresource: 'status' })
  },
})
