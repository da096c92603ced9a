// Resizes of pods in place, against the real API server with a simulated runtime: what the conditions, events and
// statuses say, through failures of the runtime and a restart of the kubelet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '../../src/kinds/core/pod.ts'
import { type Runtime, startKubelet } from '../../src/kubelet/index.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

/** The CPU of a simulated node, in thousandths. */
const all = 32_000

type Node = Awaited<ReturnType<typeof makeNode>>

/** A runtime that refuses to change containers, until it is asked not to. */
function refusing() {
  let isRefusing = true
  const runtime = (whole: Runtime) =>
    withMethods(whole, {
      async updateContainer(id, resources) {
        if (isRefusing) throw new Error('device or resource busy')
        return whole.updateContainer(id, resources)
      },
    })
  return { runtime, refuse: (does: boolean) => (isRefusing = does) }
}

const cpu = (amount: string, more: object = {}) => one({ resources: { requests: { cpu: amount } }, ...more })

async function resize({ client, clock }: Pick<Node, 'client' | 'clock'>, name: string, resources: object) {
  const body = { spec: { containers: [{ name: 'main', resources }] } }
  await client.patch(Pod, { namespace, name }, 'strategic', body, { subresource: 'resize' })
  await clock.forward(1000)
}

const conditionsOf = ({ status }: Pod) =>
  (status.conditions ?? [])
    .filter(c => c.type.startsWith('PodResize'))
    .map(c => [c.type, c.status, c.reason, c.message, c.observedGeneration].filter(Boolean).join(' '))
const resourcesOf = ({ status }: Pod) => {
  const { allocatedResources, resources, restartCount } = status.containerStatuses![0]!
  return { granted: allocatedResources?.cpu, applied: resources?.requests?.cpu, restartCount }
}
const eventsOf = (events: string[]) => events.filter(text => text.startsWith('Resize'))

test('a resize is granted and applied while the container runs', async t => {
  const node = await makeNode(t)
  await node.run('a', cpu('100m'))
  await node.clock.forward(1000)
  assert.deepEqual(resourcesOf(await node.pod('a')), { granted: '100m', applied: '100m', restartCount: 0 })
  await resize(node, 'a', { requests: { cpu: '200m' } })
  const pod = await node.pod('a')
  assert.deepEqual(resourcesOf(pod), { granted: '200m', applied: '200m', restartCount: 0 })
  assert.deepEqual(conditionsOf(pod), [])
  assert.deepEqual(eventsOf(await node.events('a')), ['ResizeStarted 1', 'ResizeCompleted 1'])
  assert.deepEqual(node.problems, [])
})

test('a resize that does not fit waits until another pod has gone', async t => {
  const node = await makeNode(t)
  await node.run('other', cpu(`${all / 2}m`))
  await node.run('a', cpu('100m'))
  await node.clock.forward(1000)
  await resize(node, 'a', { requests: { cpu: `${all * 0.75}m` } })
  const waiting = await node.pod('a')
  assert.deepEqual(resourcesOf(waiting), { granted: '100m', applied: '100m', restartCount: 0 })
  assert.deepEqual(conditionsOf(waiting), [
    `PodResizePending True Deferred Node didn't have enough resource: cpu, requested: ${all * 0.75}, used: ${all / 2}, capacity: ${all} 2`,
  ])
  // Others are admitted beside what it has, not beside what it asks for.
  await node.run('third', cpu(`${all / 4}m`))
  await node.clock.forward(1000)
  assert.equal((await node.pod('third')).status.phase, 'Running')
  await node.client.delete(Pod, { namespace, name: 'third' }, { gracePeriodSeconds: 0 })
  await node.client.delete(Pod, { namespace, name: 'other' }, { gracePeriodSeconds: 0 })
  await node.clock.forward(10_000)
  const pod = await node.pod('a')
  assert.equal(resourcesOf(pod).applied, `${(all * 0.75) / 1000}`)
  assert.deepEqual(conditionsOf(pod), [])
  const reasons = eventsOf(await node.events('a')).map(text => text.split(' ')[0])
  assert.deepEqual([...new Set(reasons)], ['ResizeDeferred', 'ResizeStarted', 'ResizeCompleted'])
})

test('a resize beyond the node is infeasible, and is forgotten when it is taken back', async t => {
  const node = await makeNode(t)
  await node.run('a', cpu('100m'))
  await node.clock.forward(1000)
  await resize(node, 'a', { requests: { cpu: '1000' } })
  assert.deepEqual(conditionsOf(await node.pod('a')), [
    `PodResizePending True Infeasible Node didn't have enough capacity: cpu, requested: 1000000, capacity: ${all} 2`,
  ])
  await resize(node, 'a', { requests: { cpu: '100m' } })
  assert.deepEqual(conditionsOf(await node.pod('a')), [])
  assert.deepEqual(eventsOf(await node.events('a')), ['ResizeInfeasible 1'])
})

test('a container whose policy is to restart is restarted with the new resources', async t => {
  const node = await makeNode(t)
  const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }]
  await node.run('a', cpu('100m', { resizePolicy }))
  await node.clock.forward(1000)
  await resize(node, 'a', { requests: { cpu: '200m' } })
  await node.clock.forward(5000)
  const pod = await node.pod('a')
  assert.deepEqual(resourcesOf(pod), { granted: '200m', applied: '200m', restartCount: 1 })
  assert.deepEqual(conditionsOf(pod), [])
  assert.deepEqual(eventsOf(await node.events('a')), ['ResizeStarted 1', 'ResizeCompleted 1'])
})

test('a resize that the runtime refuses is in progress with an error, and is tried again', async t => {
  const { refuse, runtime } = refusing()
  const node = await makeNode(t, {}, { runtime })
  await node.run('a', cpu('100m'))
  await node.clock.forward(1000)
  await resize(node, 'a', { requests: { cpu: '200m' } })
  await node.clock.forward(30_000)
  const pod = await node.pod('a')
  assert.deepEqual(resourcesOf(pod), { granted: '200m', applied: '100m', restartCount: 0 })
  assert.deepEqual(conditionsOf(pod), ['PodResizeInProgress True Error device or resource busy 2'])
  assert.deepEqual(eventsOf(await node.events('a')), ['ResizeStarted 1', 'ResizeError 1'])
  refuse(false)
  await node.clock.forward(11_000)
  assert.deepEqual(resourcesOf(await node.pod('a')), { granted: '200m', applied: '200m', restartCount: 0 })
  assert.deepEqual(conditionsOf(await node.pod('a')), [])
})

const idle = {
  atMs: 0,
  cpuNs: 0,
  cpuNanoCores: 0,
  workingSetBytes: 0,
  rssBytes: 0,
  pageFaults: 0,
  majorPageFaults: 0,
  writableBytes: 0,
  writableInodes: 0,
}

test('memory that a container uses is not taken from it', async t => {
  const usageBytes = 100 * 1024 * 1024
  const runtime = (whole: Runtime): Runtime =>
    withMethods(whole, {
      usage: async () =>
        (await whole.outline()).flatMap(({ uid, containers }) =>
          containers.map(({ id }) => ({ ...idle, id, podUid: uid, name: 'main', usageBytes })),
        ),
    })
  const node = await makeNode(t, {}, { runtime })
  const memory = (amount: string) => ({ requests: { memory: '10Mi' }, limits: { memory: amount } })
  await node.run('a', one({ resources: memory('200Mi') }))
  await node.clock.forward(1000)
  await resize(node, 'a', memory('50Mi'))
  assert.deepEqual(conditionsOf(await node.pod('a')), [
    `PodResizeInProgress True Error attempting to set container "main" memory limit (52428800) below current usage (${usageBytes}) 2`,
  ])
  await resize(node, 'a', memory('150Mi'))
  assert.deepEqual(conditionsOf(await node.pod('a')), [])
  assert.equal((await node.pod('a')).status.containerStatuses![0]!.resources?.limits?.memory, '150Mi')
})

test('a resize survives a restart of the kubelet, before it is granted and while it is applied', async t => {
  const { refuse, runtime } = refusing()
  const node = await makeNode(t, {}, { runtime })
  await node.run('waits', cpu('100m'))
  await node.run('refused', cpu('100m'))
  await node.clock.forward(1000)
  await resize(node, 'refused', { requests: { cpu: '200m' } })
  await resize(node, 'waits', { requests: { cpu: `${all}m` } })
  await node.kubelet.close()
  await node.client.patch(Pod, { namespace, name: 'waits' }, 'merge', { metadata: { labels: { a: 'b' } } })
  const again = await startKubelet({ ...node.options, runtime: node.runtime })
  t.after(() => again.close())
  await node.clock.forward(5000)
  assert.deepEqual(resourcesOf(await node.pod('waits')), { granted: '100m', applied: '100m', restartCount: 0 })
  assert.match(conditionsOf(await node.pod('waits')).join(), /^PodResizePending True Deferred /)
  assert.deepEqual(resourcesOf(await node.pod('refused')), { granted: '200m', applied: '100m', restartCount: 0 })
  refuse(false)
  await node.clock.forward(11_000)
  assert.deepEqual(resourcesOf(await node.pod('refused')), { granted: '200m', applied: '200m', restartCount: 0 })
  assert.deepEqual(conditionsOf(await node.pod('refused')), [])
})

test('the resources of a pod as a whole are resized, too', async t => {
  const node = await makeNode(t)
  await node.run('a', { ...one(), resources: { requests: { cpu: '100m' }, limits: { cpu: '200m' } } })
  await node.clock.forward(1000)
  const body = { spec: { resources: { requests: { cpu: '300m' }, limits: { cpu: '400m' } } } }
  await node.client.patch(Pod, { namespace, name: 'a' }, 'strategic', body, { subresource: 'resize' })
  await node.clock.forward(1000)
  const { status } = await node.pod('a')
  assert.deepEqual(status.resources, { requests: { cpu: '300m' }, limits: { cpu: '400m' } })
  assert.deepEqual(status.allocatedResources, { cpu: '300m' })
  assert.deepEqual(conditionsOf(await node.pod('a')), [])
})

test('a resize that changes anything but CPU and memory is refused', async t => {
  const node = await makeNode(t)
  const both = { cpu: '1', memory: '1Gi', 'ephemeral-storage': '1Gi' }
  await node.run('a', one({ resources: { requests: both, limits: both } }))
  await node.run('whole', { ...one(), resources: { requests: { cpu: '2' } } })
  const table: [spec: object, message: RegExp, name?: string][] = [
    [{ containers: [{ name: 'main', resources: { limits: { memory: null } } }] }, /resource limits cannot be removed/],
    [
      { resources: { requests: { cpu: null } } },
      /spec.resources.requests: Forbidden: resource requests cannot be removed/,
      'whole',
    ],
    [
      {
        containers: [
          {
            name: 'main',
            resources: { requests: { 'ephemeral-storage': '2Gi' }, limits: { 'ephemeral-storage': '2Gi' } },
          },
        ],
      },
      /spec: Forbidden: only cpu and memory resources are mutable/,
    ],
    [
      { containers: [{ name: 'main', resources: { requests: { cpu: '2' } } }] },
      /Pod QOS Class may not change as a result of resizing/,
    ],
  ]
  for (const [spec, message, name = 'a'] of table)
    await assert.rejects(
      node.client.patch(Pod, { namespace, name }, 'strategic', { spec }, { subresource: 'resize' }),
      (error: Error) => message.test(error.message) || assert.fail(`${JSON.stringify(spec)}: ${error.message}`),
      JSON.stringify(spec),
    )
})
