// Removes the tracking finalizer from pods that a Job released: no Job counts them any more, and with the finalizer
// neither they nor their namespace could be deleted. Source: pkg/controller/job/job_controller.go (syncOrphanPod).
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
