// On which nodes pods are placed, why they are not, and which changes help.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { PriorityClass } from '../../src/kinds/scheduling/priorityclass.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'

const pod = (
  name: string,
  spec: Draft<Pod['spec']> = {},
  cpu = '100m',
  labels: Record<string, string> = {},
): Draft<Pod> => ({
  metadata: { name, namespace, labels },
  spec: { containers: [{ name: 'c', image: 'app:1', resources: { requests: { cpu } } }], ...spec },
})
const get = (sim: Sim, name: string) => sim.client.mirror(Pod).get(namespace, name)
const nodeOf = (sim: Sim, name: string) => get(sim, name)?.spec.nodeName
const condition = (sim: Sim, name: string) => get(sim, name)?.status.conditions?.find(c => c.type === 'PodScheduled')
const placed = (sim: Sim, ...names: string[]) =>
  sim.until(`nodes for ${names.join(', ')}`, () => names.every(name => nodeOf(sim, name)))
const ready = (sim: Sim) => sim.clock.forward(100)

test('a pod that fits no node has the reasons in its condition, and runs when there is room', async () => {
  await simulate({ nodes: 2, cpu: '2' }, async sim => {
    await ready(sim)
    const { client } = sim
    await client.patch(Node, { name: 'node-1' }, 'merge', {
      spec: { taints: [{ key: 'dedicated', value: 'gpu', effect: 'NoSchedule' }] },
    })
    await client.create(Pod, pod('first', {}, '1500m'))
    await placed(sim, 'first')
    await client.create(Pod, pod('second', {}, '1'))
    await sim.until('the condition', () => condition(sim, 'second')?.reason === 'Unschedulable')
    const message =
      '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.'
    assert.equal(condition(sim, 'second')?.message, message)
    await sim.until('the event', () =>
      client
        .mirror(Event)
        .list(namespace)
        .some(e => e.reason === 'FailedScheduling' && e.message === message),
    )
    const report = sim.scheduler!.lastDecision('default/second')!
    assert.equal(report.nodes.length, 2)
    assert.deepEqual(report.nodes.find(n => n.name === 'node-0')?.refused, {
      plugin: 'NodeResourcesFit',
      reasons: ['Insufficient cpu'],
    })
    await client.delete(Pod, { namespace, name: 'first' })
    await placed(sim, 'second')
    assert.equal(condition(sim, 'second')?.status, 'True')
  })
})

test('new nodes, removed taints and new labels wake the pods that wait for them', async () => {
  await simulate({ nodes: 1, cpu: '1' }, async sim => {
    await ready(sim)
    const { client } = sim
    await client.create(Pod, pod('big', {}, '900m'))
    await client.create(Pod, pod('wants-ssd', { nodeSelector: { disk: 'ssd' } }, '1m'))
    await client.create(Pod, pod('gated', { schedulingGates: [{ name: 'test/hold' }] }, '1m'))
    await placed(sim, 'big')
    await client.create(Pod, pod('waits', {}, '900m'))
    await sim.until('both refused', () =>
      ['waits', 'wants-ssd'].every(name => condition(sim, name)?.status === 'False'),
    )
    await sim.clock.forward(30_000)
    assert.deepEqual(sim.scheduler!.waiting(), { active: 0, backoff: 0, unschedulable: 2, gated: 1, deciding: 0 })
    await sim.addNode('node-new')
    await placed(sim, 'waits')
    assert.equal(nodeOf(sim, 'wants-ssd'), undefined)
    await client.patch(Node, { name: 'node-new' }, 'merge', { metadata: { labels: { disk: 'ssd' } } })
    await placed(sim, 'wants-ssd')
    await client.patch(Pod, { namespace, name: 'gated' }, 'merge', { spec: { schedulingGates: null } })
    await placed(sim, 'gated')
  })
})

test('affinity, anti-affinity and spread constraints of pods are kept', async () => {
  await simulate({ nodes: 0 }, async sim => {
    await ready(sim)
    for (let i = 0; i < 6; i++)
      await sim.addNode(`node-${i}`, { metadata: { labels: { 'topology.kubernetes.io/zone': `zone-${i % 3}` } } })
    const { client } = sim
    const term = (app: string, topologyKey: string) => ({ topologyKey, labelSelector: { matchLabels: { app } } })
    const apart = {
      affinity: {
        podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('apart', 'kubernetes.io/hostname')] },
      },
    }
    const names = (base: string, n: number) => Array.from({ length: n }, (_, i) => `${base}-${i}`)
    for (const name of names('apart', 6)) await client.create(Pod, pod(name, apart, '1m', { app: 'apart' }))
    await placed(sim, ...names('apart', 6))
    assert.equal(new Set(names('apart', 6).map(name => nodeOf(sim, name))).size, 6)
    await client.create(Pod, pod('apart-6', apart, '1m', { app: 'apart' }))
    await sim.until(
      'no room apart',
      () => condition(sim, 'apart-6')?.message?.includes("6 node(s) didn't match pod anti-affinity rules") ?? false,
    )
    const together = {
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('near', 'topology.kubernetes.io/zone')] },
      },
    }
    for (const name of names('near', 4)) await client.create(Pod, pod(name, together, '1m', { app: 'near' }))
    await placed(sim, ...names('near', 4))
    const zoneOf = (name: string) =>
      client.mirror(Node).get(undefined, nodeOf(sim, name)!)!.metadata.labels!['topology.kubernetes.io/zone']!
    assert.equal(new Set(names('near', 4).map(zoneOf)).size, 1)
    const spread: Draft<Pod['spec']> = {
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'topology.kubernetes.io/zone',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { app: 'spread' } },
        },
      ],
    }
    for (const name of names('spread', 9)) await client.create(Pod, pod(name, spread, '1m', { app: 'spread' }))
    await placed(sim, ...names('spread', 9))
    const zones = names('spread', 9).map(zoneOf)
    assert.deepEqual(
      ['zone-0', 'zone-1', 'zone-2'].map(zone => zones.filter(z => z === zone).length),
      [3, 3, 3],
    )
  })
})

test('a pod of higher priority preempts one of lower priority', async () => {
  await simulate({ nodes: 2, cpu: '1' }, async sim => {
    await ready(sim)
    const { client } = sim
    for (const [name, value] of [
      ['low', 10],
      ['middle', 100],
      ['high', 1000],
    ] as const)
      await client.create(PriorityClass, { metadata: { name }, value })
    await client.create(Pod, pod('small-fry', { priorityClassName: 'low' }, '800m'))
    await client.create(Pod, pod('bystander', { priorityClassName: 'middle' }, '800m'))
    await placed(sim, 'small-fry', 'bystander')
    await client.create(Pod, pod('vip', { priorityClassName: 'high' }, '500m'))
    await placed(sim, 'vip')
    assert.equal(get(sim, 'small-fry'), undefined)
    assert.ok(get(sim, 'bystander'))
    assert.ok(
      client
        .mirror(Event)
        .list(namespace)
        .some(e => e.reason === 'Preempted' && e.involvedObject.name === 'small-fry'),
    )
    await client.create(PriorityClass, { metadata: { name: 'polite' }, value: 100, preemptionPolicy: 'Never' })
    await client.create(Pod, pod('polite', { priorityClassName: 'polite' }, '900m'))
    await sim.until(
      'it waits',
      () =>
        condition(sim, 'polite')?.message?.endsWith('preemption: not eligible due to preemptionPolicy=Never.') ?? false,
    )
  })
})

test('a pod that is deleted while it waits is dropped, and a new pod of its name is scheduled', async () => {
  await simulate({ nodes: 1, cpu: '1' }, async sim => {
    await ready(sim)
    const { client } = sim
    await client.create(Pod, pod('huge', {}, '5'))
    await sim.until('refused', () => condition(sim, 'huge')?.status === 'False')
    await client.delete(Pod, { namespace, name: 'huge' })
    assert.equal(
      Object.values(sim.scheduler!.waiting()).reduce((a, b) => a + b),
      0,
    )
    for (let i = 0; i < 20; i++) {
      await client.create(Pod, pod('again', {}, '900m'))
      if (i % 2) await placed(sim, 'again')
      await client.delete(Pod, { namespace, name: 'again' }, { gracePeriodSeconds: 0 })
    }
    await client.create(Pod, pod('last', {}, '900m'))
    await placed(sim, 'last')
  })
})
