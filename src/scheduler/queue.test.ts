// Which pod is next, how long a refused pod waits, and which changes make it active.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { Item } from '../api/mirror.ts'
import { Node } from '../kinds/core/node.ts'
import { ResourceClaim } from '../kinds/resource/resourceclaim.ts'
import { nodeOf, objectOf, podOf } from '../kinds/testing.ts'
import { PodInfo } from './info.ts'
import { openOffline } from './offline.ts'
import { SchedulingQueue } from './queue.ts'

interface Given {
  priority?: number
  gates?: string[]
  cpu?: string
}

function pod(name: string, { priority = 0, gates = [], cpu = '1' }: Given = {}): PodInfo {
  return new PodInfo(
    podOf({
      metadata: { name, namespace: 'ns', uid: name },
      spec: {
        priority,
        containers: [{ name: 'c', image: 'app', resources: { requests: { cpu } } }],
        schedulingGates: gates.map(gate => ({ name: gate })),
      },
    }),
  )
}

function open() {
  const clock = new VirtualClock()
  const { profile } = openOffline()
  let woken = 0
  const queue = new SchedulingQueue({
    clock,
    profiles: new Map([[profile.schedulerName, profile]]),
    initialBackoffMs: 1000,
    maxBackoffMs: 10_000,
    onFailure: (_, error) => assert.fail(error),
    onReady: () => woken++,
  })
  const take = () => queue.take()?.pod.uid
  const takeAll = () => {
    const all: string[] = []
    for (let next = take(); next; next = take()) all.push(next)
    return all
  }
  return { clock, queue, take, takeAll, woken: () => woken }
}

const fit = new Set(['NodeResourcesFit'])
const nodeWith = (cpu: string) =>
  new Item<Node>(nodeOf({ metadata: { name: 'n' }, status: { allocatable: { cpu, pods: '9' } } }), 1)
const added = (cpu: string) => ({ type: 'ADDED' as const, item: nodeWith(cpu) as Item, before: undefined })

test('pods come out by priority, and then in the order in which they came', () => {
  const { queue, takeAll } = open()
  for (const [name, priority] of [
    ['a', 0],
    ['b', 5],
    ['c', 0],
    ['d', 5],
    ['e', -1],
  ] as const)
    queue.set(pod(name, { priority }), true)
  assert.deepEqual(takeAll(), ['b', 'd', 'a', 'c', 'e'])
})

test('a pod that was refused comes after those that were not yet', async () => {
  const { queue, clock, take, takeAll } = open()
  queue.set(pod('a'), true)
  queue.set(pod('b'), true)
  assert.equal(take(), 'a')
  queue.failed('a')
  await clock.forward(1000)
  queue.set(pod('c'), true)
  assert.deepEqual(takeAll(), ['b', 'a', 'c'])
})

test('back-off doubles from one second to ten', async () => {
  const { queue, clock, take } = open()
  queue.set(pod('a'), true)
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    assert.equal(take(), 'a')
    queue.failed('a')
    let waited = 0
    for (; queue.counts().active === 0; waited += 500) await clock.forward(500)
    waits.push(waited)
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 10_000, 10_000])
})

test('a refused pod waits for a change that helps, and for the rest of its back-off', async () => {
  const { queue, clock, take } = open()
  queue.set(pod('a', { cpu: '4' }), true)
  take()
  queue.unschedulable('a', fit)
  queue.wake(Node, added('2'))
  assert.equal(queue.counts().unschedulable, 1)
  await clock.forward(400)
  queue.wake(Node, added('8'))
  assert.equal(queue.counts().backoff, 1)
  await clock.forward(599)
  assert.equal(take(), undefined)
  await clock.forward(1)
  assert.equal(take(), 'a')
  queue.unschedulable('a', fit)
  // Its second back-off is over at that time, so it does not wait.
  await clock.forward(2000)
  queue.wake(Node, added('8'))
  assert.equal(take(), 'a')
})

test('a pod is not woken by a change that only helps against another plugin', () => {
  const { queue, take } = open()
  queue.set(pod('a'), true)
  take()
  queue.unschedulable('a', new Set(['NodePorts']))
  queue.wake(Node, { type: 'MODIFIED', item: nodeWith('8') as Item, before: nodeWith('2') as Item })
  assert.equal(queue.counts().unschedulable, 1)
})

test('after five minutes a refused pod is tried without a change', async () => {
  const { queue, clock, take } = open()
  queue.set(pod('a'), true)
  take()
  queue.unschedulable('a', fit)
  await clock.forward(299_999)
  assert.equal(take(), undefined)
  await clock.forward(1)
  assert.equal(take(), 'a')
})

test('a change during a decision is not lost', () => {
  const { queue, take } = open()
  queue.set(pod('a'), true)
  take()
  queue.wake(Node, added('8'))
  queue.unschedulable('a', fit)
  assert.deepEqual(queue.counts(), { active: 0, backoff: 1, unschedulable: 0, gated: 0, deciding: 0 })
})

test('gated pods wait until their gates are removed, and are not decided on', () => {
  const { queue, take, woken } = open()
  queue.set(pod('a', { gates: ['x'] }), true)
  queue.wake(Node, added('8'))
  assert.deepEqual([queue.counts().gated, woken(), take()], [1, 0, undefined])
  queue.set(pod('a'), true)
  assert.equal(take(), 'a')
})

test('a removed pod is in no place any more', async () => {
  const { queue, clock, take, takeAll } = open()
  for (const name of ['active', 'backoff', 'asleep', 'deciding']) queue.set(pod(name), true)
  queue.set(pod('gated', { gates: ['x'] }), true)
  while (take());
  queue.failed('backoff')
  queue.unschedulable('asleep', fit)
  for (const name of ['active', 'backoff', 'asleep', 'deciding', 'gated']) queue.remove(name)
  assert.ok(Object.values(queue.counts()).every(count => count === 0))
  queue.wake(Node, added('8'))
  await clock.forward(400_000)
  assert.deepEqual(takeAll(), [])
})

test('a pod that is changed many times while it waits comes out once, in the order of its newest state', () => {
  const { queue, takeAll } = open()
  queue.set(pod('a'), true)
  queue.set(pod('b', { priority: 1 }), true)
  for (let i = 0; i < 5000; i++) queue.set(pod('a', { priority: i % 3 }), true)
  queue.set(pod('c', { priority: 1 }), true)
  queue.set(pod('a', { priority: 2 }), false)
  assert.deepEqual(takeAll(), ['a', 'b', 'c'])
})

test('a pod that a wake-up does not help waits on, and the wake-up ends', () => {
  const { queue, take } = open()
  const resourceClaims = [{ name: 'c', resourceClaimTemplateName: 't' }]
  for (const name of ['a', 'b']) {
    const { pod: other } = pod(name)
    queue.set(new PodInfo({ ...other, spec: { ...other.spec, resourceClaims } }), true)
  }
  assert.equal(queue.find('a')?.place, 'gated')
  // Every claim that frees its devices wakes them, and they are gated again at once.
  const allocation = { devices: { results: [{ request: 'r', driver: 'd.example.com', pool: 'p', device: 'a' }] } }
  const claim = (status: object) => new Item(objectOf(ResourceClaim, { metadata: { name: 'x' }, status }), 1) as Item
  queue.wake(ResourceClaim, { type: 'MODIFIED', item: claim({}), before: claim({ allocation }) })
  assert.equal(queue.find('a')?.place, 'gated')
  assert.equal(queue.find('b')?.place, 'gated')
  assert.equal(take(), undefined)
})
