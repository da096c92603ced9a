// One simulated node with the real API server, a memory store and a virtual clock: pods run, crash with back-off, are
// initialized, probed and deleted as on a real node, but in no real time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle } from '../../src/base/clock.ts'
import type { Draft } from '../../src/api/kind.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Lease } from '../../src/kinds/coordination/lease.ts'
import { type SimulatedOptions, SimulatedRuntime, startKubelet } from '../../src/kubelet/index.ts'
import { makeNode, namespace, one } from './one-node.ts'

test('a node registers, is ready and renews its lease', async t => {
  const { client, clock, problems } = await makeNode(t)
  const node = await client.get(Node, { name: 'n1' })
  assert.deepEqual(
    node.status.conditions?.map(c => [c.type, c.status, c.reason]),
    [
      ['MemoryPressure', 'False', 'KubeletHasSufficientMemory'],
      ['DiskPressure', 'False', 'KubeletHasNoDiskPressure'],
      ['PIDPressure', 'False', 'KubeletHasSufficientPID'],
      ['Ready', 'True', 'KubeletReady'],
    ],
  )
  assert.equal(node.metadata.labels?.['kubernetes.io/hostname'], 'n1')
  assert.equal(node.status.nodeInfo.kubeletVersion, 'v1.36.0')
  const lease = () => client.get(Lease, { namespace: 'kube-node-lease', name: 'n1' })
  const first = (await lease()).spec.renewTime!
  await clock.forward(30_000)
  assert.ok((await lease()).spec.renewTime! > first)
  // Only heartbeats were due, so the node was not written again.
  assert.equal((await client.get(Node, { name: 'n1' })).metadata.resourceVersion, node.metadata.resourceVersion)
  assert.deepEqual(problems, [])
})

test('a pod runs, becomes ready, and is ended in order when it is deleted', async t => {
  const { clock, client, run, pod, events, problems } = await makeNode(t)
  await run('a', one(), { main: { stopMs: 5000 } })
  await clock.forward(1000)
  const running = await pod('a')
  assert.equal(running.status.phase, 'Running')
  assert.deepEqual(
    running.status.conditions?.map(c => [c.type, c.status]),
    [
      ['PodReadyToStartContainers', 'True'],
      ['Initialized', 'True'],
      ['Ready', 'True'],
      ['ContainersReady', 'True'],
      ['PodScheduled', 'True'],
    ],
  )
  assert.equal(running.status.podIP, '10.244.0.2')
  assert.equal(running.status.hostIP, '10.0.0.1')
  assert.equal(running.status.qosClass, 'BestEffort')
  const [status] = running.status.containerStatuses!
  assert.ok(status?.ready && status.started && status.state.running && status.restartCount === 0)
  await client.delete(Pod, { namespace, name: 'a' })
  await clock.forward(3000)
  assert.ok((await pod('a')).metadata.deletionTimestamp)
  await clock.forward(3000)
  assert.equal(await client.find(Pod, { namespace, name: 'a' }), undefined)
  assert.deepEqual(await events('a'), ['Pulling 1', 'Pulled 1', 'Created 1', 'Started 1', 'Killing 1'])
  assert.deepEqual(problems, [])
})

test('a shortened grace period ends the pod sooner', async t => {
  const { clock, client, run, pod } = await makeNode(t)
  await run('slow', one(), { main: { stopMs: 1e9 } })
  await clock.forward(1000)
  await client.delete(Pod, { namespace, name: 'slow' })
  await clock.forward(5000)
  assert.ok((await pod('slow')).metadata.deletionTimestamp)
  await client.delete(Pod, { namespace, name: 'slow' }, { gracePeriodSeconds: 2 })
  await clock.forward(3000)
  assert.equal(await client.find(Pod, { namespace, name: 'slow' }), undefined)
})

test('a crashing container waits 10, 20, 40 … seconds', async t => {
  const { clock, run, pod, main } = await makeNode(t)
  await run('crash', one(), { main: { exitAfterMs: 1000, exitCode: 1 } })
  const starts: number[] = []
  let seen = -1
  const from = clock.now()
  for (let second = 0; second < 700; second++) {
    await clock.forward(1000)
    const { restartCount = 0 } = (await pod('crash')).status.containerStatuses?.[0] ?? {}
    if (restartCount !== seen) starts.push(Math.round((clock.now() - from) / 1000))
    seen = restartCount
  }
  const gaps = starts.slice(1).map((at, i) => at - starts[i]!)
  assert.deepEqual(gaps.slice(0, 6), [11, 21, 41, 81, 161, 301])
  const status = await main('crash')
  assert.equal(status.state.waiting?.reason, 'CrashLoopBackOff')
  assert.match(
    status.state.waiting?.message ?? '',
    /^back-off 5m0s restarting failed container=main pod=crash_default\(.*\)$/,
  )
  assert.equal(status.lastState.terminated?.exitCode, 1)
  assert.equal((await pod('crash')).status.phase, 'Running')
})

test('each wait of a crashing container is reported once', async t => {
  const { clock, run, main, events } = await makeNode(t)
  await run('crash', one(), { main: { exitAfterMs: 1000, exitCode: 1 } })
  for (let second = 0; second < 100; second++) await clock.forward(1000)
  // The first restart has no wait, and the current wait is not followed by a restart yet.
  assert.equal((await main('crash')).restartCount, 4)
  assert.ok((await events('crash')).includes('BackOff 4'), (await events('crash')).join())
})

test('init containers run in order, a sidecar outlives the others, a job succeeds', async t => {
  const { clock, run, pod } = await makeNode(t)
  const initContainers = [
    { name: 'first', image: 'i:1' },
    { name: 'side', image: 'i:1', restartPolicy: 'Always' },
    { name: 'second', image: 'i:1' },
  ]
  const behaviour = {
    first: { exitAfterMs: 2000 },
    second: { exitAfterMs: 2000 },
    main: { exitAfterMs: 2000 },
    side: { stopMs: 1000 },
  }
  await run('job', { ...one(), restartPolicy: 'Never', initContainers }, behaviour)
  const states = async () => {
    const { phase, initContainerStatuses = [], containerStatuses = [] } = (await pod('job')).status
    const words = [...initContainerStatuses, ...containerStatuses].map(
      s => s.state.waiting?.reason ?? Object.keys(s.state)[0],
    )
    return [phase, ...words].join(' ')
  }
  await clock.forward(1000)
  assert.equal(await states(), 'Pending running PodInitializing PodInitializing PodInitializing')
  await clock.forward(2000)
  assert.equal(await states(), 'Pending terminated running running PodInitializing')
  await clock.forward(2000)
  assert.equal(await states(), 'Running terminated running terminated running')
  await clock.forward(5000)
  assert.equal(await states(), 'Succeeded terminated terminated terminated terminated')
  const ready = (await pod('job')).status.conditions?.find(c => c.type === 'Ready')
  assert.deepEqual([ready?.status, ready?.reason], ['False', 'PodCompleted'])
})

test('a container that lacks its ConfigMap reports that, and starts when the ConfigMap is created', async t => {
  const { clock, client, run, pod, main } = await makeNode(t)
  await run('env', one({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } }] }))
  await clock.forward(1000)
  assert.deepEqual((await main('env')).state.waiting, {
    reason: 'CreateContainerConfigError',
    message: 'configmap "settings" not found',
  })
  await client.create(ConfigMap, { metadata: { name: 'settings', namespace }, data: { a: '1' } })
  await clock.forward(1000)
  assert.equal((await pod('env')).status.phase, 'Running')
})

test('an image that cannot be pulled backs off', async t => {
  const { clock, run, pod, main, events } = await makeNode(t, { behave: () => ({ pullError: 'no such image' }) })
  await run('pull', one())
  await clock.forward(1000)
  assert.deepEqual((await main('pull')).state.waiting, { reason: 'ErrImagePull', message: 'no such image' })
  await clock.forward(4000)
  assert.deepEqual((await main('pull')).state.waiting, {
    reason: 'ImagePullBackOff',
    message: 'Back-off pulling image "busybox:1": ErrImagePull: no such image',
  })
  assert.equal((await pod('pull')).status.phase, 'Pending')
  assert.ok((await events('pull')).some(e => e.startsWith('BackOff')))
})

test('an image volume is pulled once, before the container starts, and released with the pod', async t => {
  const broken = new Set(['files:1', 'docker.io/library/files:1'])
  const behave: SimulatedOptions['behave'] = ({ image, name }) => {
    if (name) return { exitAfterMs: 1000, exitCode: 1 }
    return broken.has(image) ? { pullError: 'no such files' } : {}
  }
  const { clock, client, kubelet, run, pod, main, runtime, options } = await makeNode(t, { behave })
  const spec: Draft<Pod>['spec'] = {
    volumes: [
      { name: 'files', image: { reference: 'files:1', pullPolicy: 'Always' } },
      { name: 'unused', image: { reference: 'unused:1', pullPolicy: 'Always' } },
    ],
    ...one({ volumeMounts: [{ name: 'files', mountPath: '/files' }] }),
  }
  await run('shows', spec)
  await clock.forward(1000)
  assert.deepEqual((await main('shows')).state.waiting, { reason: 'ErrImagePull', message: 'no such files' })
  assert.deepEqual(await runtime.views(), [])
  broken.clear()
  await clock.forward(20_000)
  const { uid } = (await pod('shows')).metadata
  assert.ok((await main('shows')).restartCount > 0)
  assert.deepEqual(await runtime.views(), [{ podUid: uid, volume: 'files' }])
  // The image was pulled twice, and not again when the container was restarted.
  const pulls = (await client.list(Event, { namespace })).items.filter(e => e.reason === 'Pulling')
  assert.deepEqual(
    pulls.map(e => [e.message, e.count, e.involvedObject.fieldPath]),
    [
      ['Pulling image "files:1"', 2, undefined],
      ['Pulling image "busybox:1"', 1, 'spec.containers{main}'],
    ],
  )
  await client.delete(Pod, { namespace, name: 'shows' }, { gracePeriodSeconds: 1 })
  await clock.forward(3000)
  assert.deepEqual(await runtime.views(), [])

  // When a kubelet starts, it releases the views of pods that were removed while no kubelet ran.
  await kubelet.close()
  await runtime.viewImage('sha256:x', { podUid: 'long-gone', volume: 'v' })
  const again = await startKubelet({ ...options, runtime })
  t.after(() => again.close())
  await clock.forward(1000)
  await again.ready
  assert.deepEqual(await runtime.views(), [])
})

test('a deleted pod does not wait for the images of other pods', async t => {
  const behave = ({ image }: { image: string }) => (image.includes('big') ? { pullMs: 600_000 } : {})
  const { clock, client, run } = await makeNode(t, { behave })
  await run('a', one({ image: 'big' }))
  await clock.forward(1000)
  await run('b', one({ image: 'small' }))
  await clock.forward(1000)
  await client.delete(Pod, { namespace, name: 'b' })
  await clock.forward(1000)
  assert.equal(await client.find(Pod, { namespace, name: 'b' }), undefined)
})

test('a failed liveness probe restarts the container, and a failed readiness probe only marks it', async t => {
  let healthy = true
  const { clock, run, main, events } = await makeNode(t, {
    behave: () => ({ exec: () => ({ exitCode: healthy ? 0 : 1, stdout: 'sick' }) }),
  })
  const probe = { exec: { command: ['check'] }, periodSeconds: 1, failureThreshold: 2 }
  await run('p', one({ livenessProbe: { ...probe, failureThreshold: 4 }, readinessProbe: probe }))
  await clock.forward(2500)
  assert.equal((await main('p')).ready, true)
  healthy = false
  await clock.forward(2500)
  assert.deepEqual([(await main('p')).ready, (await main('p')).restartCount], [false, 0])
  await clock.forward(3000)
  assert.equal((await main('p')).restartCount, 1)
  assert.ok((await events('p')).some(e => e.startsWith('Unhealthy')))
})

test('a new kubelet takes over running pods, and removes the containers of pods that do not exist', async t => {
  const { clock, kubelet, run, pod, main, runtime, options, client } = await makeNode(t)
  await run('kept', one())
  await run('lost', one())
  await clock.forward(1000)
  const before = (await main('kept')).containerID
  await kubelet.close()
  await client.delete(Pod, { namespace, name: 'lost' }, { gracePeriodSeconds: 0 })
  const again = await startKubelet({ ...options, runtime })
  t.after(() => again.close())
  await clock.forward(1000)
  await again.ready
  await settle()
  assert.deepEqual([(await main('kept')).containerID, (await main('kept')).restartCount], [before, 0])
  assert.deepEqual(
    (await runtime.outline()).map(p => p.uid),
    [(await pod('kept')).metadata.uid],
  )
})

test('a pod past its deadline fails', async t => {
  const { clock, run, pod } = await makeNode(t)
  await run('late', { ...one(), activeDeadlineSeconds: 5 })
  await clock.forward(7000)
  const { status } = await pod('late')
  assert.deepEqual([status.phase, status.reason], ['Failed', 'DeadlineExceeded'])
})

test('a pod that does not fit fails with the reason alone, and takes no room from the next one', async t => {
  const { clock, run, pod, events } = await makeNode(t)
  const cpu = (amount: string) => one({ resources: { requests: { cpu: amount } } })
  await run('large', cpu('1000'))
  await clock.forward(1000)
  const { status } = await pod('large')
  assert.equal(status.phase, 'Failed')
  assert.equal(status.reason, 'OutOfcpu')
  assert.match(status.message!, /^Pod was rejected: Node didn't have enough resource: cpu, requested: 1000000, used: 0/)
  assert.equal(status.containerStatuses, undefined)
  assert.deepEqual(await events('large'), ['OutOfcpu 1'])
  await run('small', cpu('1'))
  await clock.forward(1000)
  assert.equal((await pod('small')).status.phase, 'Running')
})

test('a new image ends the back-off', async t => {
  const { clock, client, run, main } = await makeNode(t, {
    behave: ({ image }) => (image === 'busybox:1' ? { exitAfterMs: 10, exitCode: 1 } : {}),
  })
  await run('crash', one())
  await clock.forward(60_000)
  assert.equal((await main('crash')).state.waiting?.reason, 'CrashLoopBackOff')
  const spec = { containers: [{ name: 'main', image: 'busybox:2' }] }
  await client.patch(Pod, { namespace, name: 'crash' }, 'strategic', { spec })
  await clock.forward(1000)
  assert.ok((await main('crash')).state.running)
})

test('containers that their node lost count as restarted', async t => {
  const { clock, client, kubelet, run, main, options } = await makeNode(t)
  await run('web', one())
  await clock.forward(1000)
  await kubelet.close()
  const again = await startKubelet({ ...options, runtime: new SimulatedRuntime({ clock }) })
  t.after(() => again.close())
  await clock.forward(5000)
  const status = await main('web')
  assert.ok(status.state.running)
  assert.equal(status.restartCount, 1)
  assert.equal(status.lastState.terminated?.reason, 'ContainerStatusUnknown')
  assert.equal((await client.get(Pod, { namespace, name: 'web' })).status.phase, 'Running')
})
