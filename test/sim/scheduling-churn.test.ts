// No pod is lost: nodes and pods are created, changed and deleted at random, writes of the scheduler fail, and it is
// restarted in between. After that, every pod that fits on a node gets one, long before waiting pods are tried in any
// case.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { StatusError } from '../../src/base/errors.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Draft } from '../../src/api/kind.ts'
import type { Serve } from '../../src/api/operation.ts'
import { Client } from '../../src/client/index.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { PriorityClass } from '../../src/kinds/scheduling/priorityclass.ts'
import { startScheduler } from '../../src/scheduler/index.ts'
import { PodInfo } from '../../src/scheduler/info.ts'
import { openOffline } from '../../src/scheduler/offline.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const steps = 250
const maxPods = 60
const maxNodes = 12
/** Shorter than the five minutes after which a waiting pod is tried in any case. */
const calmMs = 60_000

const seeds = process.env.KUTTER_SEED ? [Number(process.env.KUTTER_SEED)] : [1, 2, 3, 4]
for (const seed of seeds) {
  test(`no pod is forgotten (seed ${seed})`, () =>
    simulate({ nodes: 2, seed, controllers: false, scheduler: false, cpu: '2' }, async sim => {
      const churn = await openChurn(sim, seededRandom(seed))
      for (let i = 0; i < steps; i++) await churn.step()
      churn.calm()
      await sim.clock.forward(calmMs)
      const left = stranded(sim)
      assert.deepEqual(left, [], `seed ${seed}: these pods fit on the nodes named, and have none`)
      assert.deepEqual(overfull(sim), [], `seed ${seed}: these nodes have more than they can hold`)
      assert.ok(churn.bound() > 20, `${churn.bound()} pods were bound in all`)
      await churn.stop()
    }))
}

/** A scheduler whose writes fail at times, and random changes of the cluster. */
async function openChurn(sim: Sim, random: Random) {
  const { client, plane, clock } = sim
  let faults = 0.15
  let ending = new AbortController()
  const serve: Serve = operation => {
    const isWrite = operation.verb !== 'watch' && operation.verb !== 'list' && operation.verb !== 'get'
    if (isWrite && random.float() < faults)
      throw new StatusError(random.float() < 0.5 ? 'Conflict' : 'InternalError', 'it did not work this time')
    return plane.serve(operation)
  }
  const start = () => {
    ending = new AbortController()
    const user = { name: 'system:kube-scheduler', groups: ['system:authenticated'] }
    const own = new Client({
      serve: async operation => serve(operation),
      user,
      userAgent: 'kube-scheduler',
      clock,
      log: silentLog,
      shared: kind => plane.core.storage.mirror(kind),
    })
    return startScheduler({ client: own, clock, random, log: silentLog, signal: ending.signal })
  }
  for (const [name, value] of [
    ['low', 1],
    ['high', 100],
  ] as const)
    await client.create(PriorityClass, { metadata: { name }, value })
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
  const bound = new Set<string>()
  client.mirror(Pod).subscribe(changes => {
    for (const { item } of changes) if (item.object.spec.nodeName) bound.add(item.object.metadata.uid!)
  })
  await start()
  const happenings = makeHappenings(sim, random)
  return {
    async step() {
      if (random.float() < 0.02) {
        ending.abort()
        await start()
      }
      await pick(random, happenings)!()
      await clock.forward(Math.floor(random.float() ** 3 * 5000))
    },
    calm() {
      faults = 0
    },
    bound: () => bound.size,
    stop: async () => {
      ending.abort()
      await clock.forward(1)
    },
  }
}

const pick = <T>(random: Random, list: readonly T[]): T | undefined => list[Math.floor(random.float() * list.length)]

function makeHappenings(sim: Sim, random: Random): (() => Promise<void>)[] {
  const { client } = sim
  let sequence = 0
  const nodes = () => client.mirror(Node).list()
  const anyNode = () => pick(random, nodes())?.metadata.name
  const anyPod = () => pick(random, sim.pods(namespace))?.metadata.name
  const onNode = (change: () => unknown) => async () => {
    const name = anyNode()
    if (name) await client.patch(Node, { name }, 'merge', change())
  }
  const createPod = async () => {
    if (sim.pods(namespace).length >= maxPods) return
    await client.create(Pod, randomPod(`pod-${sequence++}`, random))
  }
  const deletePod = async () => {
    const name = anyPod()
    if (name) await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 })
  }
  return [
    createPod,
    createPod,
    createPod,
    createPod,
    deletePod,
    async () => {
      if (nodes().length >= maxNodes) return
      const labels = { zone: `z${Math.floor(random.float() * 3)}`, ...(random.float() < 0.5 && { disk: 'ssd' }) }
      await sim.addNode(`node-new-${sequence++}`, { metadata: { labels }, ...(random.float() < 0.3 && tainted) })
    },
    async () => {
      const name = anyNode()
      if (!name || random.float() < 0.5) return
      await client.delete(Node, { name })
      for (const pod of sim.pods(namespace))
        if (pod.spec.nodeName === name)
          await client.delete(Pod, { namespace, name: pod.metadata.name! }, { gracePeriodSeconds: 0 })
    },
    onNode(() => ({ spec: { unschedulable: random.float() < 0.3 || null } })),
    onNode(() => ({ metadata: { labels: { disk: random.float() < 0.5 ? 'ssd' : null } } })),
    onNode(() => ({ metadata: { labels: { zone: `z${Math.floor(random.float() * 3)}` } } })),
    onNode(() => ({ spec: { taints: random.float() < 0.4 ? tainted.spec.taints : null } })),
    async () => {
      const node = pick(random, nodes())
      if (!node) return
      const cpu = String(Number(node.status.allocatable?.cpu ?? 2) + 1)
      const body = { status: { allocatable: { cpu }, capacity: { cpu } } }
      await client.patch(Node, { name: node.metadata.name! }, 'merge', body, { subresource: 'status' })
    },
    async () => {
      const gated = sim.pods(namespace).find(pod => pod.spec.schedulingGates?.length)
      if (gated)
        await client.patch(Pod, { namespace, name: gated.metadata.name! }, 'merge', { spec: { schedulingGates: null } })
    },
    async () => {
      const name = anyPod()
      const labels = { app: pick(random, ['a', 'b', 'c'])! }
      if (name) await client.patch(Pod, { namespace, name }, 'merge', { metadata: { labels } })
    },
  ]
}

const tainted = { spec: { taints: [{ key: 'dedicated', value: 'x', effect: 'NoSchedule' as const }] } }

function randomPod(name: string, random: Random): Draft<Pod> {
  const chance = (share: number) => random.float() < share
  const app = pick(random, ['a', 'b', 'c'])!
  const like = { labelSelector: { matchLabels: { app } } }
  const spec: Draft<Pod['spec']> = {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'c',
        image: 'app:1',
        resources: { requests: { cpu: `${200 + Math.floor(random.float() * 8) * 100}m` } },
        ...(chance(0.1) && { ports: [{ containerPort: 80, hostPort: 8080 }] }),
      },
    ],
    ...(chance(0.2) && { nodeSelector: { disk: 'ssd' } }),
    ...(chance(0.3) && { tolerations: [{ key: 'dedicated', operator: 'Exists' }] }),
    ...(chance(0.1) && { schedulingGates: [{ name: 'test/hold' }] }),
    ...(chance(0.5) && { priorityClassName: chance(0.3) ? 'high' : 'low' }),
  }
  const term = { topologyKey: chance(0.5) ? 'kubernetes.io/hostname' : 'zone', ...like }
  const required = { requiredDuringSchedulingIgnoredDuringExecution: [term] }
  const nearness = random.float()
  const spread = [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' as const, ...like }]
  return {
    metadata: { name, namespace, labels: { app } },
    spec: {
      ...spec,
      ...(nearness < 0.15 && { affinity: { podAntiAffinity: required } }),
      ...(nearness > 0.85 && { affinity: { podAffinity: required } }),
      ...(chance(0.2) && { topologySpreadConstraints: spread }),
    },
  }
}

/** Returns the pods without a node that would fit on one, by a new decision from the state of the API. */
function stranded(sim: Sim): string[] {
  const { snapshot, decide } = openOffline()
  for (const node of sim.client.mirror(Node).list()) snapshot.setNode(node)
  for (const pod of sim.pods()) if (pod.spec.nodeName) snapshot.setPod(new PodInfo(pod), pod.spec.nodeName)
  return sim.pods(namespace).flatMap(pod => {
    if (pod.spec.nodeName || pod.spec.schedulingGates?.length) return []
    const { outcome } = decide(new PodInfo(pod))
    return outcome.type === 'node' ? [`${pod.metadata.name} → ${outcome.node.name}`] : []
  })
}

function overfull(sim: Sim): string[] {
  const { snapshot } = openOffline()
  for (const node of sim.client.mirror(Node).list()) snapshot.setNode(node)
  for (const pod of sim.pods()) if (pod.spec.nodeName) snapshot.setPod(new PodInfo(pod), pod.spec.nodeName)
  return snapshot.nodes
    .filter(({ requested, allocatable }) => requested.some((used, i) => used > (allocatable[i] ?? 0)))
    .map(({ name }) => name)
}
