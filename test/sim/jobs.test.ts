// Jobs with interruptions: controllers that are restarted while they count, evictions, changes in the middle.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { CronJob } from '../../src/kinds/batch/cronjob.ts'
import { Job } from '../../src/kinds/batch/job.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Eviction } from '../../src/kinds/policy/eviction.ts'
import { ref, type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const named = (name: string) => ({ name, namespace })
const job = (name: string, spec: Draft<Job['spec']>): Draft<Job> => ({
  metadata: named(name),
  spec: { ...spec, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'work' }] } } },
})
const status = ({ client }: Sim, name: string) => client.mirror(Job).get(namespace, name)!.status
const has = (sim: Sim, name: string, type: string) =>
  status(sim, name).conditions?.some(c => c.type === type && c.status === 'True') ?? false
const reason = (sim: Sim, name: string, type: string) =>
  status(sim, name).conditions?.find(c => c.type === type)?.reason
const indexOf = (pod: Pod) => Number(pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'] ?? -1)
const live = (sim: Sim) =>
  sim.pods(namespace).filter(pod => pod.status.phase === 'Running' && !pod.metadata.deletionTimestamp)
const reasons = ({ client }: Sim, name: string) =>
  client
    .mirror(Event)
    .list(namespace)
    .filter(e => e.involvedObject.name === name)
    .map(e => e.reason)

for (const mode of ['NonIndexed', 'Indexed'] as const)
  test(`restarted at any moment, a job counts every pod once (${mode})`, async () => {
    await simulate({ nodes: 3, fate: () => 'succeeded' }, async sim => {
      await sim.client.create(Job, job('many', { completions: 60, parallelism: 7, completionMode: mode }))
      for (let i = 0; i < 25; i++) {
        await sim.clock.forward(1)
        await sim.restartControllers()
      }
      await sim.until('the end', () => has(sim, 'many', 'Complete'))
      assert.equal(status(sim, 'many').succeeded, 60)
      assert.equal(status(sim, 'many').failed ?? 0, 0)
      assert.equal(sim.pods(namespace).length, 60)
      assert.ok(sim.pods(namespace).every(pod => !pod.metadata.finalizers?.length))
    })
  })

test('an evicted pod is replaced without counting as a failure, if the failure policy ignores it', async () => {
  await simulate({ nodes: 2 }, async sim => {
    const rules = [{ action: 'Ignore' as const, onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }]
    await sim.client.create(Job, job('long', { backoffLimit: 0, podFailurePolicy: { rules } }))
    await sim.until('its pod', () => live(sim).length === 1)
    const [first] = live(sim)
    // The pod ends as with a real kubelet: it fails, and keeps the condition of the eviction.
    await sim.client.patch(Pod, ref(first!), 'merge', {
      metadata: { finalizers: [...first!.metadata.finalizers!, 'test/hold'] },
    })
    await sim.client.createUnder(Pod, ref(first!), 'eviction', Eviction, { metadata: ref(first!) })
    await sim.client.patch(Pod, ref(first!), 'merge', { status: { phase: 'Failed' } }, { subresource: 'status' })
    const held = () => sim.client.mirror(Pod).get(namespace, first!.metadata.name!)
    assert.equal(held()!.status.conditions?.find(c => c.type === 'DisruptionTarget')?.reason, 'EvictionByEvictionAPI')
    await sim.until('a new pod', () => live(sim).some(pod => pod.metadata.uid !== first!.metadata.uid))
    assert.equal(status(sim, 'long').failed ?? 0, 0)
    assert.equal(has(sim, 'long', 'Failed'), false)
    await sim.client.patch(Pod, ref(first!), 'merge', { metadata: { finalizers: null } })
  })
})

test('a suspended job stops its pods, and starts again when it is resumed', async () => {
  await simulate({ nodes: 2 }, async sim => {
    await sim.client.create(Job, job('nap', { completions: 4, parallelism: 3, activeDeadlineSeconds: 100 }))
    await sim.until('three', () => live(sim).length === 3)
    await sim.client.patch(Job, named('nap'), 'merge', { spec: { suspend: true } })
    await sim.until('none', () => sim.pods(namespace).length === 0 && has(sim, 'nap', 'Suspended'))
    assert.equal(status(sim, 'nap').startTime, undefined)
    assert.equal(status(sim, 'nap').failed ?? 0, 0)
    await sim.clock.forward(200_000)
    assert.equal(has(sim, 'nap', 'Failed'), false, 'the deadline does not run')
    await sim.client.patch(Job, named('nap'), 'merge', { spec: { suspend: false } })
    await sim.until('three again', () => live(sim).length === 3)
    assert.equal(reason(sim, 'nap', 'Suspended'), 'JobResumed')
    await sim.until('the deadline', () => has(sim, 'nap', 'Failed'))
    assert.equal(reason(sim, 'nap', 'Failed'), 'DeadlineExceeded')
    assert.equal(reason(sim, 'nap', 'FailureTarget'), 'DeadlineExceeded')
    assert.equal(status(sim, 'nap').failed, 3, 'pods that ran then have failed')
    const told = reasons(sim, 'nap')
    for (const what of ['Suspended', 'Resumed', 'DeadlineExceeded']) assert.ok(told.includes(what), what)
  })
})

test('an elastic indexed job gets and loses indexes when it is scaled', async () => {
  await simulate({ nodes: 2 }, async sim => {
    await sim.client.create(Job, job('elastic', { completions: 2, parallelism: 2, completionMode: 'Indexed' }))
    const indexes = () => live(sim).map(indexOf).sort()
    await sim.until('two', () => indexes().length === 2)
    await sim.client.patch(Job, named('elastic'), 'merge', { spec: { completions: 4, parallelism: 4 } })
    await sim.until('four', () => indexes().length === 4)
    await sim.client.patch(Job, named('elastic'), 'merge', { spec: { completions: 1, parallelism: 1 } })
    await sim.until('one', () => indexes().length === 1 && sim.pods(namespace).length === 1)
    assert.deepEqual(indexes(), [0])
    await assert.rejects(
      sim.client.patch(Job, named('elastic'), 'merge', { spec: { completions: 3 } }),
      /can only be modified in tandem with spec.parallelism/,
    )
  })
})

test('a success policy ends a job early, and pods that still run do not count', async () => {
  await simulate({ nodes: 2, fate: pod => (indexOf(pod) === 1 ? 'succeeded' : 'ready') }, async sim => {
    const successPolicy = { rules: [{ succeededIndexes: '1' }] }
    await sim.client.create(
      Job,
      job('leader', { completions: 3, parallelism: 3, completionMode: 'Indexed', successPolicy }),
    )
    await sim.until('the end', () => has(sim, 'leader', 'Complete'))
    assert.equal(reason(sim, 'leader', 'SuccessCriteriaMet'), 'SuccessPolicy')
    assert.deepEqual([status(sim, 'leader').succeeded, status(sim, 'leader').failed ?? 0], [1, 0])
    assert.equal(live(sim).length, 0)
  })
})

test('a job that is managed by another controller is left alone', async () => {
  await simulate({ nodes: 1 }, async sim => {
    await sim.client.create(Job, job('foreign', { managedBy: 'acme.io/queue' }))
    await sim.clock.forward(30_000)
    assert.equal(sim.pods(namespace).length, 0)
    assert.equal(status(sim, 'foreign').startTime, undefined)
  })
})

test('a cron job forbids or replaces a running job, and skips a start that is too late', async () => {
  await simulate({ nodes: 2 }, async sim => {
    const spec = (policy: string) => ({
      schedule: '* * * * *',
      concurrencyPolicy: policy,
      jobTemplate: { spec: job('x', {}).spec! },
    })
    for (const policy of ['Forbid', 'Replace'])
      await sim.client.create(CronJob, { metadata: named(policy.toLowerCase()), spec: spec(policy) } as Draft<CronJob>)
    const jobs = (of: string) =>
      sim.client
        .mirror(Job)
        .list(namespace)
        .filter(j => j.metadata.ownerReferences?.[0]?.name === of)
    await sim.until('one each', () => jobs('forbid').length === 1 && jobs('replace').length === 1)
    const [forbidden, replaced] = [jobs('forbid')[0]!.metadata.uid, jobs('replace')[0]!.metadata.uid]
    await sim.clock.forward(61_000)
    await sim.until('the next', () => jobs('replace').length === 1 && jobs('replace')[0]!.metadata.uid !== replaced)
    assert.deepEqual(
      jobs('forbid').map(j => j.metadata.uid),
      [forbidden],
    )
    assert.ok(reasons(sim, 'forbid').includes('JobAlreadyActive'))
    const cron = sim.client.mirror(CronJob).get(namespace, 'replace')!
    assert.equal(cron.status.active?.length, 1)
    assert.equal(cron.status.active![0]!.uid, jobs('replace')[0]!.metadata.uid)
  })
})

test('a cron job without a usable schedule or time zone is refused', async () => {
  await simulate({ nodes: 0, scheduler: false, controllers: false }, async ({ client }) => {
    const create = (name: string, spec: object) =>
      client.create(CronJob, {
        metadata: named(name),
        spec: { schedule: '@daily', jobTemplate: { spec: job('x', {}).spec! }, ...spec },
      } as Draft<CronJob>)
    await assert.rejects(
      create('a', { schedule: '* * *' }),
      /spec.schedule: Invalid value: "\* \* \*": expected exactly 5 fields, found 3/,
    )
    await assert.rejects(create('a', { schedule: 'TZ=UTC @daily' }), /cannot use TZ or CRON_TZ in schedule/)
    await assert.rejects(
      create('a', { timeZone: 'Mars/Base' }),
      /spec.timeZone: Invalid value: "Mars\/Base": unknown time zone Mars\/Base/,
    )
    await assert.rejects(create('n'.repeat(53), {}), /must be no more than 52 characters/)
    await create('n'.repeat(52), { timeZone: 'Europe/Berlin' })
  })
})

test('a job made by hand from a cron job is reported, and does not block the schedule', async () => {
  await simulate({ nodes: 2 }, async sim => {
    const spec = { schedule: '* * * * *', concurrencyPolicy: 'Forbid', jobTemplate: { spec: job('x', {}).spec! } }
    const cron = await sim.client.create(CronJob, { metadata: named('tick'), spec } as Draft<CronJob>)
    const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'tick', uid: cron.metadata.uid!, controller: true }
    const byHand = job('manual', {})
    await sim.client.create(Job, { ...byHand, metadata: { ...named('manual'), ownerReferences: [owner] } })
    const jobs = () => sim.client.mirror(Job).list(namespace)
    await sim.until('the one of the schedule', () => jobs().length === 2)
    const told = reasons(sim, 'tick')
    assert.ok(told.includes('UnexpectedJob'))
    assert.equal(sim.client.mirror(CronJob).get(namespace, 'tick')!.status.active?.length, 1)
    const own = jobs().find(j => j.metadata.name !== 'manual')!
    await sim.client.delete(Job, ref(own), { propagationPolicy: 'Background' })
    await sim.until('missing', () => reasons(sim, 'tick').includes('MissingJob'))
  })
})

for (const what of ['its labels', 'its owner and its labels'])
  test(`a pod that lost ${what} is no longer held by the job's finalizer`, async () => {
    await simulate({ nodes: 2 }, async sim => {
      await sim.client.create(Job, job('long', {}))
      await sim.until('its pod', () => live(sim).length === 1)
      const [first] = live(sim)
      const labels = { 'batch.kubernetes.io/controller-uid': 'other' }
      const metadata = { labels, ...(what !== 'its labels' && { ownerReferences: null }) }
      await sim.client.patch(Pod, ref(first!), 'merge', { metadata })
      await sim.until('another pod', () => live(sim).some(pod => pod.metadata.name !== first!.metadata.name))
      const released = sim.client.mirror(Pod).get(namespace, first!.metadata.name!)!
      assert.deepEqual(released.metadata.finalizers ?? [], [])
      assert.deepEqual(released.metadata.ownerReferences ?? [], [])
    })
  })
