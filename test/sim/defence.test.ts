// How a node defends itself: what it refuses, what ends for the sake of a critical pod, and what it evicts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from '../../src/base/errors.ts'
import { startKubelet } from '../../src/kubelet/index.ts'
import type { StaticDocument } from '../../src/kubelet/static/read.ts'
import type { StaticSource } from '../../src/kubelet/static/sources.ts'
import type { ShutdownSource } from '../../src/kubelet/shutdown/logind.ts'
import type { Meter } from '../../src/kubelet/eviction/meter.ts'
import type { Signal } from '../../src/kubelet/eviction/signals.ts'
import type { PodUse } from '../../src/kubelet/eviction/usage.ts'
import { readKubeletConfig } from '../../src/kubelet/kubelet-config.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { PriorityClass } from '../../src/kinds/scheduling/priorityclass.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

const cpu = (amount: string) => one({ resources: { requests: { cpu: amount } } })

test('a critical pod waits until the pods that make room for it have ended', async t => {
  const { clock, client, run, pod, events } = await makeNode(t)
  const name = 'system-node-critical'
  if (!(await client.find(PriorityClass, { name })))
    await client.create(PriorityClass, { metadata: { name }, value: 2_000_001_000 })
  await run('plain', cpu('20'), { main: { stopMs: 4_000 } })
  await run('small', cpu('2'))
  await clock.forward(1_000)
  await run('critical', { ...cpu('29'), priorityClassName: name })
  await clock.forward(1_000)
  assert.equal((await pod('critical')).status.phase, 'Pending')
  assert.deepEqual((await pod('critical')).status.containerStatuses, undefined)

  await clock.forward(5_000)
  assert.equal((await pod('critical')).status.phase, 'Running')
  const { phase, reason, message, conditions } = (await pod('plain')).status
  assert.deepEqual([phase, reason, message], ['Failed', 'Preempting', 'Preempted in order to admit critical pod'])
  const disruption = conditions?.find(c => c.type === 'DisruptionTarget')
  assert.deepEqual([disruption?.status, disruption?.reason], ['True', 'TerminationByKubelet'])
  assert.ok((await events('plain')).includes('Preempting 1'))
  assert.equal((await pod('small')).status.phase, 'Running')
})

const gib = 2 ** 30
const mib = 2 ** 20

/** A meter that a test sets. `uses` has the mebibytes of memory and of a volume `v` of pods by name. */
function scriptedMeter(
  o: {
    uses?: Record<string, { memory?: number; volume?: number }>
    isLargest?: () => boolean
    isShared?: boolean
  } = {},
) {
  const available: Partial<Record<Signal, number>> = {}
  const looks = { node: 0, pods: 0 }
  const meter: Meter = {
    hasOwnDisk: async () => !o.isShared,
    hasImageFs: async () => false,
    isLargest: async () => o.isLargest?.() ?? true,
    async observe() {
      looks.node++
      const all: Record<Signal, number> = {
        'memory.available': 10 * gib,
        'nodefs.available': 50 * gib,
        'nodefs.inodesFree': 50 * gib,
        'imagefs.available': 50 * gib,
        'imagefs.inodesFree': 50 * gib,
        'pid.available': 50 * gib,
        ...available,
      }
      return new Map(
        Object.entries(all).map(([signal, free]) => [signal as Signal, { available: free, capacity: 100 * gib }]),
      )
    },
    async usage(pods) {
      looks.pods++
      return new Map(
        pods.map((pod): [string, PodUse] => {
          const { memory = 0, volume = 0 } = o.uses?.[pod.metadata.name ?? ''] ?? {}
          const memoryBytes = memory * mib
          const container = {
            name: 'main',
            memoryBytes,
            rootfs: { bytes: 0, inodes: 0 },
            logs: { bytes: 0, inodes: 0 },
          }
          const volumes = new Map([['v', { bytes: volume * mib, inodes: 1 }]])
          return [pod.metadata.uid ?? '', { memoryBytes, processes: 1, containers: [container], volumes }]
        }),
      )
    },
  }
  return { meter, available, looks }
}

const conditionOf = async (client: Awaited<ReturnType<typeof makeNode>>['client'], type: string) => {
  const condition = (await client.get(Node, { name: 'n1' })).status.conditions?.find(c => c.type === type)
  return `${condition?.status} ${condition?.reason}`
}

test('a node without pressure is measured, and its pods are not', async t => {
  const { meter, looks } = scriptedMeter()
  const { clock, run } = await makeNode(t, {}, { kubelet: { meter } })
  await run('web', one())
  await clock.forward(600_000)
  assert.ok(looks.node > 50)
  assert.equal(looks.pods, 0)
})

test('under memory pressure the pod that exceeds its requests most is evicted, one at a time, until there is enough', async t => {
  const uses = { hog: { memory: 900 }, small: { memory: 200 }, within: { memory: 500 } }
  const { meter, available } = scriptedMeter({ uses })
  const { clock, client, run, pod, events } = await makeNode(t, {}, { kubelet: { meter } })
  await run('hog', one())
  await run('small', one())
  await run('within', one({ resources: { requests: { memory: '1Gi' } } }))
  await clock.forward(20_000)
  assert.equal(await conditionOf(client, 'MemoryPressure'), 'False KubeletHasSufficientMemory')

  available['memory.available'] = 50 * mib
  await clock.forward(10_000)
  available['memory.available'] = 10 * gib
  await clock.forward(5_000)
  const { phase, reason, message, conditions } = (await pod('hog')).status
  assert.deepEqual([phase, reason], ['Failed', 'Evicted'])
  assert.equal(
    message,
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container main was using 900Mi, request is 0, has larger consumption of memory. ',
  )
  const disruption = conditions?.find(c => c.type === 'DisruptionTarget')
  assert.deepEqual(
    [disruption?.status, disruption?.reason, disruption?.message],
    ['True', 'TerminationByKubelet', message],
  )
  assert.ok((await events('hog')).includes('Evicted 1'))
  assert.equal(await conditionOf(client, 'MemoryPressure'), 'True KubeletHasInsufficientMemory')
  for (const name of ['small', 'within']) assert.equal((await pod(name)).status.phase, 'Running')

  // A best-effort pod is refused while the condition holds, and one that requests memory is not.
  await run('late', one())
  await run('asks', one({ resources: { requests: { memory: '1Mi' } } }))
  await clock.forward(5_000)
  const late = (await pod('late')).status
  assert.deepEqual(
    [late.phase, late.reason, late.message],
    ['Failed', 'Evicted', 'Pod was rejected: The node had condition: [MemoryPressure]. '],
  )
  assert.equal((await pod('asks')).status.phase, 'Running')

  await clock.forward(320_000)
  assert.equal(await conditionOf(client, 'MemoryPressure'), 'False KubeletHasSufficientMemory')
  const seen = (await client.list(Event, { namespace: 'default' })).items.filter(e => e.involvedObject.kind === 'Node')
  for (const name of ['EvictionThresholdMet', 'NodeHasInsufficientMemory', 'NodeHasSufficientMemory'])
    assert.ok(
      seen.some(e => e.reason === name),
      name,
    )
})

test('where another node of the machine uses more, it evicts first, and this one only when that does not help', async t => {
  const { meter, available } = scriptedMeter({ uses: { web: { memory: 10 } }, isLargest: () => false })
  const { clock, client, run, pod } = await makeNode(t, {}, { kubelet: { meter } })
  await run('web', one())
  await clock.forward(5_000)
  available['memory.available'] = 1
  await clock.forward(25_000)
  assert.equal(await conditionOf(client, 'MemoryPressure'), 'True KubeletHasInsufficientMemory')
  assert.equal((await pod('web')).status.phase, 'Running')
  await clock.forward(30_000)
  assert.equal((await pod('web')).status.reason, 'Evicted')
})

test('critical pods are not evicted, whatever they use', async t => {
  const { meter, available } = scriptedMeter({ uses: { critical: { memory: 9000 }, plain: { memory: 1 } } })
  const { clock, client, run, pod } = await makeNode(t, {}, { kubelet: { meter } })
  const name = 'system-cluster-critical'
  if (!(await client.find(PriorityClass, { name })))
    await client.create(PriorityClass, { metadata: { name }, value: 2_000_000_000 })
  await run('critical', { ...one(), priorityClassName: name })
  await run('plain', one())
  await clock.forward(5_000)
  available['memory.available'] = 1
  await clock.forward(120_000)
  assert.equal((await pod('plain')).status.reason, 'Evicted')
  assert.equal((await pod('critical')).status.phase, 'Running')
})

test('a soft threshold waits, and gives pods their time', async t => {
  const { meter, available } = scriptedMeter({ uses: { web: { memory: 10 } } })
  const config = readKubeletConfig(
    {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      evictionSoft: { 'memory.available': '1Gi' },
      evictionSoftGracePeriod: { 'memory.available': '1m' },
      evictionMaxPodGracePeriod: 20,
    },
    'test',
  )
  const { clock, run, pod } = await makeNode(t, {}, { kubelet: { meter, config } })
  await run('web', one(), { main: { stopMs: 3_600_000 } })
  await clock.forward(5_000)
  available['memory.available'] = gib / 2
  await clock.forward(55_000)
  assert.equal((await pod('web')).status.reason, undefined)
  await clock.forward(20_000)
  assert.deepEqual([(await pod('web')).status.reason, (await pod('web')).status.phase], ['Evicted', 'Running'])
  await clock.forward(20_000)
  assert.equal((await pod('web')).status.phase, 'Failed')
})

test('on a full disk dead containers and unused images go first, and pods only when that is not enough', async t => {
  const { meter, available } = scriptedMeter({ uses: { writer: { volume: 900 }, web: { volume: 1 } } })
  const removed: string[] = []
  const { clock, client, run, pod, runtime } = await makeNode(
    t,
    { images: ['old:1', 'busybox:1'] },
    {
      kubelet: { meter },
      runtime: whole =>
        withMethods(whole, {
          async removeImage(id) {
            removed.push(id)
            await whole.removeImage(id)
          },
        }),
    },
  )
  await run('web', one())
  await run('writer', { ...one(), volumes: [{ name: 'v', emptyDir: {} }] })
  await run('done', { ...one(), restartPolicy: 'Never' }, { main: { exitAfterMs: 1000 } })
  await clock.forward(10_000)
  const { uid = '' } = (await pod('done')).metadata
  assert.equal((await runtime.pod(uid)).containers.length, 1)

  available['nodefs.available'] = gib
  await clock.forward(10_000)
  assert.equal((await runtime.pod(uid)).containers.length, 0)
  assert.deepEqual(removed, ['sha256:old:1'])
  assert.equal((await pod('done')).status.phase, 'Succeeded')
  assert.equal((await pod('done')).status.containerStatuses?.[0]?.state.terminated?.reason, 'Completed')
  assert.match(
    (await pod('writer')).status.message ?? '',
    /^The node was low on resource: ephemeral-storage\. Threshold quantity: 10Gi, available: 1Gi\. /,
  )
  available['nodefs.available'] = 50 * gib
  await clock.forward(5_000)
  assert.equal((await pod('web')).status.phase, 'Running')
  assert.equal(await conditionOf(client, 'DiskPressure'), 'True KubeletHasDiskPressure')

  await run('late', one({ resources: { requests: { memory: '1Mi' } } }))
  await clock.forward(5_000)
  assert.match((await pod('late')).status.message ?? '', /The node had condition: \[DiskPressure\]/)
})

test('on a disk that others fill, pods that hardly use it go on', async t => {
  const uses = { writer: { volume: 900 }, web: { volume: 1 } }
  const { meter, available } = scriptedMeter({ uses, isShared: true })
  const { clock, client, run, pod, problems } = await makeNode(t, {}, { kubelet: { meter } })
  await run('web', one())
  await run('writer', one())
  await clock.forward(5_000)
  // Nine of a hundred gibibytes are a nearly full machine, and no pressure.
  available['nodefs.available'] = 9 * gib
  await clock.forward(30_000)
  assert.equal(await conditionOf(client, 'DiskPressure'), 'False KubeletHasNoDiskPressure')
  available['nodefs.available'] = gib / 2
  await clock.forward(120_000)
  assert.equal(await conditionOf(client, 'DiskPressure'), 'True KubeletHasDiskPressure')
  assert.equal((await pod('writer')).status.reason, 'Evicted')
  assert.equal((await pod('web')).status.phase, 'Running')
  assert.ok(problems.some(line => line.includes('no pod can be evicted')))
})

test('an emptyDir volume beyond its size ends its pod, and no other one', async t => {
  const uses = { writer: { volume: 11 }, other: { volume: 10 } }
  const { meter } = scriptedMeter({ uses })
  const { clock, run, pod } = await makeNode(t, {}, { kubelet: { meter } })
  const volumes = [{ name: 'v', emptyDir: { sizeLimit: '10Mi' } }]
  await run('other', { ...one(), volumes })
  await run('writer', { ...one(), volumes })
  await clock.forward(20_000)
  const { status } = await pod('writer')
  assert.deepEqual(
    [status.phase, status.reason, status.message],
    ['Failed', 'Evicted', 'Usage of EmptyDir volume "v" exceeds the limit "10Mi". '],
  )
  assert.equal(
    status.conditions?.some(c => c.type === 'DisruptionTarget'),
    false,
  )
  assert.equal((await pod('other')).status.phase, 'Running')
})

test('a meter that throws or hangs evicts nobody, and the node goes on', async t => {
  const { meter, available } = scriptedMeter()
  let how: 'throw' | 'hang' | 'work' = 'throw'
  let release = () => {}
  const broken: Meter = {
    ...meter,
    async observe() {
      if (how === 'throw') throw new Error('no such file')
      if (how === 'hang') await new Promise<void>(resolve => (release = resolve))
      return meter.observe()
    },
  }
  const { clock, client, run, pod, problems } = await makeNode(t, {}, { kubelet: { meter: broken } })
  await run('web', one())
  await clock.forward(30_000)
  how = 'hang'
  await clock.forward(60_000)
  assert.equal((await pod('web')).status.phase, 'Running')
  assert.ok(problems.some(line => /could not be measured.*no such file/.test(line)))
  how = 'work'
  release()
  available['pid.available'] = 0
  available['memory.available'] = 0
  await clock.forward(30_000)
  assert.equal(await conditionOf(client, 'MemoryPressure'), 'True KubeletHasInsufficientMemory')
})

/** A source of static pods that a test sets: names of pods, each with its image. */
function scriptedSource() {
  let report: (documents: readonly StaticDocument[]) => void = () => {}
  const text = (name: string, image: string) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: name } },
      spec: { containers: [{ name: 'main', image }], terminationGracePeriodSeconds: 5 },
    })
  const source: StaticSource = { follow: changed => (report = changed) }
  const set = (pods: Record<string, string>) =>
    report(Object.entries(pods).map(([name, image]) => ({ source: name, kind: 'file', text: text(name, image) })))
  return { source, set, write: (name: string, raw: string) => report([{ source: name, kind: 'file', text: raw }]) }
}

test('a static pod runs and is shown in the API by a mirror pod, which comes again when it is deleted', async t => {
  const { source, set } = scriptedSource()
  const { clock, client, pod, runtime } = await makeNode(t, {}, { kubelet: { staticSources: [source] } })
  set({ web: 'busybox:1' })
  await clock.forward(3_000)
  const shown = await pod('web-n1')
  const { metadata, status, spec } = shown
  assert.equal(status.phase, 'Running')
  assert.equal(metadata.annotations?.['kubernetes.io/config.source'], 'file')
  assert.equal(
    metadata.annotations?.['kubernetes.io/config.mirror'],
    metadata.annotations?.['kubernetes.io/config.hash'],
  )
  assert.notEqual(metadata.uid, metadata.annotations?.['kubernetes.io/config.hash'])
  assert.deepEqual(
    metadata.ownerReferences?.map(({ kind, name, controller }) => [kind, name, controller]),
    [['Node', 'n1', true]],
  )
  assert.equal(spec.nodeName, 'n1')
  const before = await runtime.outline()
  assert.equal(before.length, 1)

  await client.delete(Pod, { namespace, name: 'web-n1' })
  await clock.forward(3_000)
  const again = await pod('web-n1')
  assert.notEqual(again.metadata.uid, metadata.uid)
  assert.equal(again.metadata.deletionTimestamp, undefined)
  assert.equal(again.status.phase, 'Running')
  assert.deepEqual(await runtime.outline(), before)
})

test('an edited static pod replaces the former one when that has ended, and a removed one ends', async t => {
  const { source, set, write } = scriptedSource()
  const { clock, client, pod, runtime } = await makeNode(
    t,
    { behave: ({ image }) => (image === 'busybox:1' ? { stopMs: 3_000 } : {}) },
    { kubelet: { staticSources: [source] } },
  )
  set({ web: 'busybox:1' })
  await clock.forward(3_000)
  const first = (await pod('web-n1')).metadata.annotations?.['kubernetes.io/config.hash']
  set({ web: 'busybox:2' })
  await clock.forward(1_000)
  assert.deepEqual(
    (await runtime.outline()).map(({ uid }) => uid),
    [first],
  )
  await clock.forward(5_000)
  const changed = await pod('web-n1')
  const second = changed.metadata.annotations?.['kubernetes.io/config.hash']
  assert.notEqual(second, first)
  assert.equal(changed.status.containerStatuses?.[0]?.image, 'busybox:2')
  assert.equal(changed.status.phase, 'Running')

  write('web', '{ "half": ')
  await clock.forward(5_000)
  assert.deepEqual(
    (await runtime.outline()).map(({ uid }) => uid),
    [second],
  )

  set({})
  await clock.forward(10_000)
  assert.deepEqual(await runtime.outline(), [])
  assert.equal(await client.find(Pod, { namespace, name: 'web-n1' }), undefined)
})

test('static pods run while the API does not answer, and are shown when it does', async t => {
  const { source, set } = scriptedSource()
  let isAway = true
  const starting = makeNode(
    t,
    {},
    {
      kubelet: { staticSources: [source] },
      serve: serve => async operation => {
        if (isAway) throw new StatusError('ServiceUnavailable', 'the API is away')
        return serve(operation)
      },
      started: async ({ clock, runtime }) => {
        set({ web: 'busybox:1' })
        await clock.forward(5_000)
        const [running] = await runtime.outline()
        assert.deepEqual(
          running?.containers.map(({ state }) => state),
          ['running'],
        )
        isAway = false
        await clock.forward(30_000)
      },
    },
  )
  const { clock, pod } = await starting
  await clock.forward(60_000)
  assert.equal((await pod('web-n1')).status.phase, 'Running')
})

test('a new kubelet goes on with the static pods that run, and ends those whose file is gone', async t => {
  const { source, set } = scriptedSource()
  const { clock, client, kubelet, options, pod, runtime } = await makeNode(
    t,
    {},
    { kubelet: { staticSources: [source] } },
  )
  set({ stays: 'busybox:1', goes: 'busybox:1' })
  await clock.forward(3_000)
  const before = new Map((await runtime.outline()).map(outline => [outline.uid, outline]))
  assert.equal(before.size, 2)
  await kubelet.close()

  const next = scriptedSource()
  const second = await startKubelet({ ...options, runtime, staticSources: [next.source] })
  t.after(() => second.close())
  next.set({ stays: 'busybox:1' })
  await clock.forward(60_000)
  await second.ready
  const after = await runtime.outline()
  assert.equal(after.length, 1)
  assert.deepEqual(after[0], before.get(after[0]!.uid))
  assert.equal((await pod('stays-n1')).status.phase, 'Running')
  assert.equal(await client.find(Pod, { namespace, name: 'goes-n1' }), undefined)
})

test('before the machine shuts down pods end by priority, and no more are taken', async t => {
  let announce: (isShuttingDown: boolean) => void = () => {}
  let isDelayed = false
  const shutdownSource: ShutdownSource = {
    follow(changed) {
      announce = changed
      isDelayed = true
      return { release: () => (isDelayed = false) }
    },
  }
  const config = readKubeletConfig(
    {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      shutdownGracePeriod: '30s',
      shutdownGracePeriodCriticalPods: '10s',
    },
    'test',
  )
  const { clock, client, run, pod } = await makeNode(t, {}, { kubelet: { config, shutdownSource } })
  const name = 'system-node-critical'
  if (!(await client.find(PriorityClass, { name })))
    await client.create(PriorityClass, { metadata: { name }, value: 2_000_001_000 })
  await run('plain', one(), { main: { stopMs: 8_000 } })
  await run('stubborn', one(), { main: { stopMs: 3_600_000 } })
  await run('critical', { ...one(), priorityClassName: name }, { main: { stopMs: 2_000 } })
  await clock.forward(3_000)
  const phases = async () => Promise.all(['plain', 'stubborn', 'critical'].map(async n => (await pod(n)).status.phase))
  assert.deepEqual(await phases(), ['Running', 'Running', 'Running'])

  announce(true)
  await clock.forward(10_000)
  assert.deepEqual(await phases(), ['Failed', 'Running', 'Running'])
  const { reason, message, conditions } = (await pod('plain')).status
  assert.deepEqual([reason, message], ['Terminated', 'Pod was terminated in response to imminent node shutdown.'])
  assert.equal(conditions?.find(c => c.type === 'DisruptionTarget')?.reason, 'TerminationByKubelet')
  const ready = (await client.get(Node, { name: 'n1' })).status.conditions?.find(c => c.type === 'Ready')
  assert.deepEqual([ready?.status, ready?.message], ['False', 'node is shutting down'])
  await run('late', one())
  await clock.forward(1_000)
  assert.deepEqual(
    [(await pod('late')).status.reason, (await pod('late')).status.message],
    ['NodeShutdown', 'Pod was rejected: Pod was rejected as the node is shutting down.'],
  )
  assert.equal(isDelayed, true)

  await clock.forward(20_000)
  assert.deepEqual(await phases(), ['Failed', 'Failed', 'Failed'])
  assert.equal(isDelayed, false)

  announce(false)
  await clock.forward(10_000)
  assert.equal(await conditionOf(client, 'Ready'), 'True KubeletReady')
  assert.equal(isDelayed, true)
})

test('a new kubelet does not refuse what runs already, although it would not fit any more', async t => {
  const { meter, available } = scriptedMeter()
  const { clock, kubelet, options, run, pod, runtime } = await makeNode(t, {}, { kubelet: { meter } })
  await run('first', cpu('20'))
  await run('second', cpu('10'))
  await clock.forward(5_000)
  const before = await runtime.outline()
  await kubelet.close()

  available['nodefs.available'] = gib
  const head = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' }
  // The pressure is reported at once, and evicts nobody during this test.
  const soft = { evictionSoft: { 'nodefs.available': '10Gi' }, evictionSoftGracePeriod: { 'nodefs.available': '1h' } }
  const evictionHard = { 'nodefs.available': '1Mi' }
  const config = readKubeletConfig({ ...head, ...soft, evictionHard, maxPods: 1 }, 'test')
  const next = await startKubelet({ ...options, runtime, config })
  t.after(() => next.close())
  await run('third', cpu('1'))
  await clock.forward(5_000)
  await next.ready
  await clock.forward(1_000)
  assert.match((await pod('third')).status.message ?? '', /The node had condition: \[DiskPressure\]/)
  assert.deepEqual(await runtime.outline(), before)
  for (const name of ['first', 'second']) assert.equal((await pod(name)).status.phase, 'Running')
})
