// Deletes Jobs with ttlSecondsAfterFinished that many seconds after they ended. Source:
// pkg/controller/ttlafterfinished.
import { parseTime } from '../api/time.ts'
import { Job } from '../kinds/batch/job.ts'
import { defineController } from './harness.ts'
import { findJobCondition } from './job/plan.ts'

export const ttlAfterFinishedController = defineController({
  name: 'ttl-after-finished-controller',
  reconciles: Job,
  when: job => job.spec.ttlSecondsAfterFinished !== undefined,
  async reconcile(job, ctx) {
    const ttl = job.spec.ttlSecondsAfterFinished
    const end = findJobCondition(job, 'Complete') ?? findJobCondition(job, 'Failed')
    if (ttl === undefined || !end || job.metadata.deletionTimestamp) return
    const again = (parseTime(end.lastTransitionTime) ?? ctx.now()) + ttl * 1000 - ctx.now()
    if (again > 0) return { again }
    // Only this version is deleted, since a user may just have changed the time.
    const resourceVersion = job.metadata.resourceVersion ?? ''
    await ctx.delete(Job, job, { propagationPolicy: 'Foreground', resourceVersion })
  },
})
