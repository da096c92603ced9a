// The time is set on or back, or stands still for days, as on a machine that was suspended: everything goes on by itself, no
// pod is replaced, and what goes by time is done once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeText } from '../../src/api/time.ts'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { leadWithLease } from '../../src/client/index.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { CronJob } from '../../src/kinds/batch/cronjob.ts'
import { Job } from '../../src/kinds/batch/job.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { isNodeReady } from '../../src/kinds/core/node-ready.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { EndpointSlice } from '../../src/kinds/discovery/endpointslice.ts'
import { ResourceMetrics } from '../../src/metrics/index.ts'
import { type Sim, simulate } from './cluster.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

const minute = 60_000
const hour = 60 * minute
const jumps: readonly [string, number][] = [
  ['an hour on', hour],
  ['an hour back', -hour],
  ['three days on', 72 * hour],
  ['three days back', -72 * hour],
]

const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'web' }] },
}

async function fill({ client, until, pods }: Sim): Promise<void> {
  await client.create(Deployment, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas: 6, selector: { matchLabels: { app: 'web' } }, template },
  })
  await client.create(Service, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  })
  await client.create(CronJob, {
    metadata: { name: 'often', namespace: 'default' },
    spec: {
      schedule: '*/10 * * * *',
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'job', image: 'job' }] } } },
      },
    },
  })
  await until('six pods', () => pods('default').filter(pod => pod.status.phase === 'Running').length === 6)
}

const webUids = (sim: Sim) =>
  sim
    .pods('default')
    .filter(pod => pod.metadata.labels?.app === 'web')
    .map(pod => pod.metadata.uid)
    .sort()

for (const [what, ms] of jumps)
  test(`the time is set ${what}`, () =>
    simulate({ nodes: 3, fate: pod => (pod.metadata.labels?.app === 'web' ? 'ready' : 'succeeded') }, async sim => {
      const { client, clock, until } = sim
      await fill(sim)
      await clock.forward(25 * minute)
      const before = webUids(sim)
      const jobs = async () => (await client.list(Job, { namespace: 'default' })).items.length
      assert.equal(await jobs(), 2)
      clock.jump(ms)
      await clock.forward(minute)
      const { items } = await client.list(Node)
      for (const node of items) {
        assert.ok(isNodeReady(node), `${node.metadata.name} is Ready`)
        assert.deepEqual(node.spec.taints ?? [], [])
      }
      await until('all endpoints are ready', async () => {
        const slices = (
          await client.list(EndpointSlice, {
            namespace: 'default',
            labelSelector: 'kubernetes.io/service-name=web',
          })
        ).items
        return slices.flatMap(slice => slice.endpoints).filter(one => one.conditions?.ready).length === 6
      })
      await clock.forward(20 * minute)
      assert.deepEqual(webUids(sim), before)
      // One for what was missed, if anything was, and those that came due since; none again for a time that has passed.
      const made = await jobs()
      assert.ok(ms > 0 ? made >= 3 && made <= 5 : made >= 2 && made <= 4, `${made} Jobs`)
      await client.patch(Deployment, { namespace: 'default', name: 'web' }, 'merge', { spec: { replicas: 8 } })
      await until('two more pods', () => webUids(sim).length === 8)
    }))

for (const [what, ms] of jumps)
  test(`one leads at each moment, and the same goes on, when the time is set ${what}`, () =>
    simulate({ nodes: 0, controllers: false }, async ({ clock, plane, until }) => {
      const stop = new AbortController()
      const leading = new Set<string>()
      for (const [seed, identity] of ['one', 'two'].entries())
        void leadWithLease(
          {
            client: plane.client('system:kube-scheduler'),
            name: 'kube-scheduler',
            identity,
            random: seededRandom(seed),
            signal: stop.signal,
          },
          async signal => {
            leading.add(identity)
            assert.equal(leading.size, 1, 'one leads')
            await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
            leading.delete(identity)
          },
        )
      await until('one leads', () => leading.size === 1)
      const [leader] = leading
      // At many moments between two renewals of the Lease.
      for (let round = 0; round < 20; round++) {
        await clock.forward(10_000 + round * 137)
        clock.jump(round % 2 ? -ms : ms)
        await clock.forward(20_000)
        assert.deepEqual([...leading], [leader])
      }
      stop.abort()
    }))

test('a pod whose node comes back before it would be evicted stays, whatever the clock shows', () =>
  simulate({ nodes: 3 }, async sim => {
    const { client, clock, cut, until } = sim
    await fill(sim)
    const before = webUids(sim)
    const name = (await client.list(Pod, { namespace: 'default' })).items[0]!.spec.nodeName!
    cut.add(name)
    await until('the node is lost', async () => !isNodeReady(await client.get(Node, { name })))
    clock.jump(hour)
    await clock.forward(1_000)
    cut.delete(name)
    // What the kubelet writes when it is back.
    const conditions = [
      { type: 'Ready', status: 'True', lastHeartbeatTime: timeText(clock.now()), reason: 'KubeletReady' },
    ]
    await client.patch(Node, { name }, 'strategic', { status: { conditions } }, { subresource: 'status' })
    await until('the node is back', async () => isNodeReady(await client.get(Node, { name })))
    await clock.forward(10 * minute)
    assert.deepEqual(webUids(sim), before)
  }))

for (const [what, ms] of jumps)
  test(`pauses and grace periods of pods are as long as ever when the time is set ${what}`, async t => {
    let [failing, pulls] = [true, 0]
    const { clock, client, run, pod, main, runtime } = await makeNode(
      t,
      {},
      {
        runtime: whole =>
          withMethods(whole, {
            createSandbox(...args) {
              if (failing && args[0].metadata?.name === 'unconnected') throw new Error('no network')
              return whole.createSandbox(...args)
            },
            pullImage(...args) {
              if (!args[0].includes('none')) return whole.pullImage(...args)
              pulls++
              throw new Error('no such image')
            },
          }),
      },
    )
    await run('unconnected', one())
    await run('unpulled', one({ image: 'none:1' }))
    await run('restarted', one(), { main: { exitAfterMs: 1000, exitCode: 1 } })
    const sidecar = { name: 'sidecar', image: 'busybox:1', restartPolicy: 'Always' as const }
    const slow = { ...one(), initContainers: [sidecar], terminationGracePeriodSeconds: 60 }
    await run('ending', slow, { main: { stopMs: hour } })
    await clock.forward(2 * minute)
    const restarts = async () => (await main('restarted')).restartCount
    const before = await restarts()
    const { uid } = (await pod('ending')).metadata
    await client.delete(Pod, { namespace, name: 'ending' })
    await clock.forward(10_000)
    clock.jump(ms)
    failing = false
    await clock.forward(40_000)
    const left = (await runtime.outline()).find(one => one.uid === uid)
    assert.equal(left?.containers.filter(({ state }) => state === 'running').length, 2, 'both have ten seconds left')
    await clock.forward(15_000)
    assert.equal(await client.find(Pod, { namespace, name: 'ending' }), undefined)
    await clock.forward(5 * minute)
    assert.equal((await pod('unconnected')).status.phase, 'Running')
    assert.ok((await restarts()) > before, 'it is restarted')
    const pulled = pulls
    await clock.forward(6 * minute)
    assert.ok(pulls > pulled, 'its image is pulled again')
  })

for (const [what, ms] of jumps)
  test(`the use of a node is measured again soon when the time is set ${what}`, () =>
    simulate({ nodes: 1, controllers: false }, async ({ clock, plane }) => {
      let usedSeconds = 0
      const ask = async () =>
        [`node_cpu_usage_seconds_total ${usedSeconds}`, 'node_memory_working_set_bytes 4096']
          .map(line => `${line} ${clock.now()}\n`)
          .join('')
      const metrics = new ResourceMetrics({ client: plane.client('test'), ask, clock, log: silentLog })
      const use = async () => {
        const asked = metrics.nodes()
        await clock.forward(1000)
        return (await asked).map(({ usage }) => usage?.cpu)
      }
      await use()
      await clock.forward(15_000)
      assert.deepEqual(await use(), ['0n'])
      clock.jump(ms)
      for (let look = 0; look < 3; look++) {
        usedSeconds += 8
        await clock.forward(15_000)
        await use()
      }
      assert.deepEqual(await use(), ['500000000n'])
    }))

test('a node reports that its time was set, and that its machine was started again', async t => {
  const { clock, client, events, options } = await makeNode(t)
  clock.jump(-hour)
  await clock.forward(20_000)
  clock.jump(72 * hour)
  await clock.forward(20_000)
  assert.deepEqual(
    (await events(options.nodeName)).filter(event => event.startsWith('ClockJumped')),
    ['ClockJumped 1', 'ClockJumped 1'],
  )
  const of = (await client.list(Event, { namespace: 'default' })).items.filter(({ reason }) => reason === 'ClockJumped')
  assert.deepEqual(of.map(({ message }) => message).sort(), [
    `The time of node ${options.nodeName} was set back by 60m`,
    `The time of node ${options.nodeName} was set on by 3d, or the machine was suspended for that long`,
  ])
  // As the kubelet of an earlier start has written it.
  const { status } = await client.get(Node, { name: options.nodeName })
  await client.patch(
    Node,
    { name: options.nodeName },
    'merge',
    { status: { nodeInfo: { ...status.nodeInfo!, bootID: 'earlier' } } },
    { subresource: 'status' },
  )
  await clock.forward(20_000)
  assert.ok((await events(options.nodeName)).includes('Rebooted 1'))
})
