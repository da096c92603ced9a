// Pods that were a Job's and are nobody's now: they must not wait for a Job to count them, or neither they nor their
// namespace could ever go. Source: pkg/controller/job/job_controller.go (syncOrphanPod).
import { Pod } from '../../kinds/core/pod.ts'
import { defineController } from '../harness.ts'
import { controllerOf } from '../owner-reference.ts'
import { untrack } from './untrack.ts'
import { isTracked } from './tally.ts'

export const jobOrphanController = defineController({
  name: 'job-orphan-controller',
  identity: 'job-controller',
  reconciles: Pod,
  when: pod => isTracked(pod) && !controllerOf(pod),
  async reconcile(pod, ctx) {
    if (isTracked(pod) && !controllerOf(pod)) await untrack(pod, ctx)
  },
})
