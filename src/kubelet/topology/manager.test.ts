// Pods are placed on NUMA nodes: by CPUs, memory and devices together, for each container or for the pod as a whole.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import { CpuManager } from '../cpus/manager.ts'
import type { Cpu } from '../cpus/plan.ts'
import { nearFirst } from '../devices/plan.ts'
import { deviceHints } from '../devices/stock.ts'
import { MemoryManager } from '../memory/manager.ts'
import type { TopologyPolicy } from './hints.ts'
import { type NumaNode, readTopology } from './machine.ts'
import { TopologyManager } from './manager.ts'
import type { HintProvider } from './provider.ts'

const gi = 2 ** 30
/** Two nodes with four CPUs each, of which CPU 0 is reserved. */
const cpus: Cpu[] = Array.from({ length: 8 }, (_, id) => ({ id, core: id, socket: 0, node: id < 4 ? 0 : 1 }))
const nodes: NumaNode[] = [0, 1].map(id => ({
  id,
  cpus: cpus.filter(({ node }) => node === id).map(cpu => cpu.id),
  bytes: new Map([['memory', 8 * gi]]),
  distances: new Map(),
}))

function podWith(name: string, ...containers: [cpu: string, memory: string][]): Pod {
  return podOf({
    metadata: { name, uid: name },
    spec: {
      containers: containers.map(([cpu, memory], i) => ({
        name: `c${i}`,
        image: 'x',
        resources: { requests: { cpu, memory }, limits: { cpu, memory } },
      })),
    },
  })
}

async function placing(t: TestContext, policy: TopologyPolicy, scope: 'container' | 'pod', more: HintProvider[] = []) {
  const dir = await mkdtemp(join(tmpdir(), 'topology-'))
  t.after(() => rm(dir, { recursive: true }))
  const pods = new Map<string, Pod>()
  const now = { live: () => new Set(pods.keys()), isComplete: () => true }
  const { signal } = new AbortController()
  const manager = new CpuManager({
    file: join(dir, 'cpus'),
    cpus,
    reserved: [0],
    pods: () => [],
    now,
    runtime: { updateContainer: async () => {} },
    clock: new VirtualClock(),
    log: silentLog,
    signal,
  })
  const stock = new Map(nodes.map(({ id }) => [id, new Map([['memory', 8 * gi]])]))
  const memory = new MemoryManager({ file: join(dir, 'memory'), stock, now, podOf: uid => pods.get(uid) })
  const topology = new TopologyManager({
    policy,
    scope,
    prefersClosest: false,
    nodes,
    providers: [manager, memory, ...more],
    signal,
  })
  const admit = async (pod: Pod) => {
    pods.set(pod.metadata.uid ?? '', pod)
    const rejection = await topology.admit(pod)
    if (rejection) pods.delete(pod.metadata.uid ?? '')
    return rejection?.reason
  }
  /** The nodes of each container's CPUs, and of its memory. */
  const placeOf = (pod: Pod) =>
    pod.spec.containers.map(({ name }) => {
      const of = manager.givenTo(pod.metadata.uid ?? '', name).map(id => cpus[id]?.node)
      return [[...new Set(of)], memory.memsFor(pod, { name })]
    })
  return { admit, placeOf, pods }
}

test('a pod has its CPUs and its memory on one node, or is not admitted', async t => {
  const { admit, placeOf, pods } = await placing(t, 'single-numa-node', 'container')
  const [a, b, c] = [podWith('a', ['2', '6Gi']), podWith('b', ['4', '1Gi']), podWith('c', ['1', '4Gi'])]
  assert.equal(await admit(a), undefined)
  assert.deepEqual(placeOf(a), [[[0], '0']])
  assert.equal(await admit(b), undefined)
  assert.deepEqual(placeOf(b), [[[1], '1']])
  // One CPU is left on node 0, and enough memory only on node 1.
  assert.equal(await admit(c), 'TopologyAffinityError')
  assert.equal(await admit(podWith('d', ['8', '1Gi'])), 'TopologyAffinityError')
  pods.delete('b')
  assert.equal(await admit(c), undefined)
  assert.deepEqual(placeOf(c), [[[1], '1']])
  assert.equal(
    await admit(podOf({ metadata: { uid: 'e' }, spec: { containers: [{ name: 'c', image: 'x' }] } })),
    undefined,
  )
})

test('the containers of a pod are placed one by one, or together', async t => {
  const pod = podWith('p', ['3', '1Gi'], ['3', '1Gi'])
  const apart = await placing(t, 'single-numa-node', 'container')
  assert.equal(await apart.admit(pod), undefined)
  assert.deepEqual(apart.placeOf(pod), [
    [[0], '0'],
    [[1], '1'],
  ])
  const together = await placing(t, 'single-numa-node', 'pod')
  assert.equal(await together.admit(pod), 'TopologyAffinityError')
  const small = podWith('s', ['2', '1Gi'], ['2', '1Gi'])
  assert.equal(await together.admit(small), undefined)
  assert.deepEqual(together.placeOf(small), [
    [[1], '1'],
    [[1], '1'],
  ])
})

test('best effort places what fits no node on several, and a restricted node does not', async t => {
  for (const [policy, reason] of [
    ['best-effort', undefined],
    ['restricted', 'TopologyAffinityError'],
  ] as const) {
    const { admit, placeOf } = await placing(t, policy, 'container')
    assert.equal(await admit(podWith('a', ['2', '1Gi'])), undefined)
    assert.equal(await admit(podWith('b', ['3', '1Gi'])), undefined)
    // One CPU is left on each node, where a container could have two of one node.
    const wide = podWith('wide', ['2', '1Gi'])
    assert.equal(await admit(wide), reason)
    if (!reason) assert.deepEqual(placeOf(wide)[0]?.[0], [0, 1])
    assert.equal(await admit(podWith('more', ['3', '1Gi'])), reason ?? 'UnexpectedAdmissionError')
  }
})

test('a device decides on the node, and devices near to it come first', async t => {
  const device: HintProvider = {
    hints: pod => new Map(pod.metadata.name === 'gpu' ? [['gpu', [{ mask: 2, isPreferred: true }]]] : []),
    allocate: async () => undefined,
  }
  const { admit, placeOf } = await placing(t, 'single-numa-node', 'container', [device])
  const pod = podWith('gpu', ['2', '1Gi'])
  assert.equal(await admit(pod), undefined)
  assert.deepEqual(placeOf(pod), [[[1], '1']])

  const devices = new Map(
    (
      [
        ['a', [0]],
        ['b', [1]],
        ['c', [1]],
        ['d', []],
      ] as const
    ).map(([id, numaNodes]) => [id, { isHealthy: true, numaNodes }]),
  )
  const asked = (count: number, inUse: string[] = [], own: string[] = []) =>
    deviceHints({ devices }, { count, inUse: new Set(inUse), own: new Set(own), reusable: new Set() })
  assert.deepEqual(asked(1), [
    { mask: 1, isPreferred: true },
    { mask: 2, isPreferred: true },
    { mask: 3, isPreferred: false },
  ])
  assert.deepEqual(asked(2), [
    { mask: 2, isPreferred: true },
    { mask: 3, isPreferred: false },
  ])
  assert.deepEqual(asked(2, ['b']), [{ mask: 3, isPreferred: false }])
  assert.deepEqual(asked(2, ['a', 'b', 'c']), [])
  assert.deepEqual(asked(1, ['b'], ['b']), [
    { mask: 2, isPreferred: true },
    { mask: 3, isPreferred: false },
  ])
  const nowhere = { devices: new Map([['x', { isHealthy: true, numaNodes: [-1, 99] }]]) }
  const none = { count: 1, inUse: new Set<string>(), own: new Set<string>(), reusable: new Set<string>() }
  assert.equal(deviceHints(nowhere, none), undefined)
  const open = { is: 'open' as const, reused: [], available: ['a', 'b', 'c', 'd'] }
  assert.deepEqual(nearFirst(open, 2, { devices }, 2).available, ['b', 'c'])
  assert.deepEqual(nearFirst(open, 2, { devices }, 1), { is: 'open', reused: ['a'], available: ['b', 'c', 'd'] })
  assert.deepEqual(nearFirst(open, 2, { devices }, undefined), open)
})

test('a provider that fails or hangs keeps to its pods', async t => {
  const failing: HintProvider = {
    hints: () => new Map([['x', [{ mask: 1, isPreferred: true }]]]),
    allocate: async () => ({ reason: 'UnexpectedAdmissionError', message: 'no' }),
  }
  const { admit, pods } = await placing(t, 'best-effort', 'container', [failing])
  const pod = podWith('a', ['3', '1Gi'])
  assert.equal(await admit(pod), 'UnexpectedAdmissionError')
  assert.equal(pods.size, 0)
})

test('the machine says which CPUs and NUMA nodes it has', async () => {
  const { cpus: found, nodes: there } = await readTopology()
  assert.ok(found.length && there.length)
  assert.ok(there.every(({ bytes }) => (bytes.get('memory') ?? 0) > 0))
  assert.ok(found.every(({ node }) => there.some(({ id }) => id === node)))
  const many = Array.from({ length: 9 }, (_, id) => ({ ...nodes[0]!, id }))
  const { signal } = new AbortController()
  const options = { policy: 'restricted', scope: 'pod', prefersClosest: false, providers: [], signal } as const
  assert.throws(() => new TopologyManager({ ...options, nodes: many }), /more than 8 NUMA Nodes/)
})
