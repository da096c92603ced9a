// A node of 200 pods for an hour, on a virtual clock: pods come, crash, are resized, replaced and deleted, and the
// ConfigMaps change that they read. Afterwards the kubelet holds what it held before the first of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryObjects } from 'node:v8'
import { Mirror } from '../../src/api/mirror.ts'
import { isReason } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { type Behaviour, behaviourAnnotation } from '../../src/kubelet/index.ts'
import { defaultKubeletConfig } from '../../src/kubelet/kubelet-config.ts'
import { Jobs } from '../../src/kubelet/pod/jobs.ts'
import { StatusWriter } from '../../src/kubelet/pod/status-writer.ts'
import { PodWorker } from '../../src/kubelet/pod/worker.ts'
import { PodProbes } from '../../src/kubelet/probes/probes.ts'
import { makeNode, namespace } from './one-node.ts'

const seed = Number(process.env.KUTTER_SEED ?? 1)
const slots = 200
const maps = 10
const stepMs = 60_000
const steps = 60
const finalizer = 'test.kutter/kept'

const classes = [PodWorker, PodProbes, Jobs, StatusWriter, Mirror, AbortController]
/** How many objects of the classes are held. To count them collects the garbage first. */
const held = () => Object.fromEntries(classes.map(one => [one.name, queryObjects(one, { format: 'count' })]))

test(`an hour of churn leaves nothing in the kubelet (seed ${seed})`, async t => {
  const source = seededRandom(seed)
  const random = () => source.float()
  const pick = <T>(...all: readonly T[]): T => all[Math.floor(random() * all.length)]!
  const node = await makeNode(t, {}, { kubelet: { config: { ...defaultKubeletConfig, maxPods: slots + 20 } } })
  const { client, clock } = node

  const behaviour = (): Behaviour =>
    pick<Behaviour>(
      {},
      {},
      {},
      { exitAfterMs: 45_000, exitCode: 1 },
      { exitAfterMs: 3_000, exitCode: 0 },
      { startMs: 4_000, stopMs: 15_000 },
      { stopMs: Infinity },
      { pullError: 'manifest unknown' },
      { pullMs: 2_000 },
    )
  const makePod = (name: string) =>
    client.create(Pod, {
      metadata: {
        name,
        namespace,
        annotations: { [behaviourAnnotation]: JSON.stringify({ main: behaviour() }) },
        ...(random() < 0.1 && { finalizers: [finalizer] }),
      },
      spec: {
        nodeName: 'n1',
        terminationGracePeriodSeconds: pick(0, 1, 10, 30),
        restartPolicy: pick('Always', 'OnFailure', 'Never'),
        ...(random() < 0.1 && { activeDeadlineSeconds: 120 }),
        containers: [
          {
            name: 'main',
            image: `app:${pick(1, 2, 3)}`,
            resources: { requests: { cpu: '10m' } },
            env: [
              { name: 'A', valueFrom: { configMapKeyRef: { name: `map-${pick(...Array(maps).keys())}`, key: 'a' } } },
            ],
            ...(random() < 0.3 && { readinessProbe: { exec: { command: ['true'] }, periodSeconds: 10 } }),
            ...(random() < 0.2 && {
              livenessProbe: { exec: { command: ['true'] }, periodSeconds: 20 },
              lifecycle: { preStop: { sleep: { seconds: 2 } } },
            }),
          },
        ],
      },
    })
  /** What others have done to the pod meanwhile does not matter. */
  const tolerant = async (work: Promise<unknown>) => {
    try {
      await work
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict', 'AlreadyExists', 'Invalid')) throw error
    }
  }
  const deletePod = (name: string, gracePeriodSeconds?: number) =>
    tolerant(client.delete(Pod, { namespace, name }, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }))
  const change = async (name: string) => {
    const what = random()
    if (what < 0.3) return deletePod(name)
    if (what < 0.45) return deletePod(name, 0)
    if (what < 0.6) {
      await deletePod(name, 0)
      return tolerant(makePod(name))
    }
    if (what < 0.8) {
      const body = {
        spec: { containers: [{ name: 'main', resources: { requests: { cpu: `${pick(10, 50, 200)}m` } } }] },
      }
      return tolerant(client.patch(Pod, { namespace, name }, 'strategic', body, { subresource: 'resize' }))
    }
    return tolerant(
      client.patch(Pod, { namespace, name }, 'merge', { metadata: { labels: { at: String(clock.now()) } } }),
    )
  }
  const podsNow = async () => (await client.list(Pod, { namespace })).items
  const release = async () => {
    for (const { metadata } of await podsNow())
      if (metadata.deletionTimestamp && metadata.finalizers?.length && random() < 0.5)
        await tolerant(
          client.patch(Pod, { namespace, name: metadata.name! }, 'merge', { metadata: { finalizers: [] } }),
        )
  }

  await clock.forward(stepMs)
  const before = { ...held(), timers: clock.pending }
  for (let step = 0; step < steps; step++) {
    const there = new Set((await podsNow()).map(pod => pod.metadata.name))
    for (let slot = 0; slot < slots; slot++) {
      const name = `p-${slot}`
      if (!there.has(name)) await tolerant(makePod(name))
      else if (random() < 0.06) await change(name)
    }
    const map = { namespace, name: `map-${step % maps}` }
    await tolerant(client.delete(ConfigMap, map))
    if (random() < 0.8) await client.create(ConfigMap, { metadata: map, data: { a: String(step) } })
    await release()
    await clock.forward(stepMs)
  }

  // The statuses say what the runtime has.
  const shown = (await podsNow()).flatMap(({ status }) =>
    (status.containerStatuses ?? []).flatMap(({ state, containerID }) => (state?.running ? [containerID] : [])),
  )
  const outline = await node.runtime.outline()
  const running = outline.flatMap(pod =>
    pod.containers.flatMap(c => (c.state === 'running' ? [`simulated://${c.id}`] : [])),
  )
  assert.ok(running.length > slots / 4, `${running.length} run`)
  assert.deepEqual(shown.sort(), running.sort())
  const there = new Set((await podsNow()).map(pod => pod.metadata.uid))
  assert.deepEqual(
    outline.filter(pod => !there.has(pod.uid)),
    [],
  )
  assert.ok(held().PodWorker! <= there.size, 'a worker for each pod at most')

  for (let round = 0; round < 15; round++) {
    for (const { metadata } of await podsNow()) await deletePod(metadata.name!)
    await release()
    await clock.forward(stepMs)
  }
  assert.deepEqual(await podsNow(), [])
  assert.deepEqual(await node.runtime.outline(), [])
  assert.deepEqual({ ...held(), timers: clock.pending }, before)
  const { conditions } = (await client.get(Node, { name: 'n1' })).status
  assert.equal(conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
  assert.deepEqual(node.problems, [])
})
