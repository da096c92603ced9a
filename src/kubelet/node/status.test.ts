// The status of a node, as tables: facts of the machine and the runtime in, capacity and conditions out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeText } from '../../api/time.ts'
import type { NodeStatus } from '../../kinds/core/nodestatus.ts'
import { nodeOf } from '../../kinds/testing.ts'
import type { ImageSeen, RuntimeInfo } from '../runtime/runtime.ts'
import { simulatedMachine } from './machine.ts'
import { newNode, nodeStatus, ownLabels } from './status.ts'

type Input = Parameters<typeof nodeStatus>[0]
const now = Date.UTC(2026, 0, 2, 3, 4, 5)
const runtime: RuntimeInfo = {
  name: 'containerd',
  version: '1.6.20~ds1',
  apiVersion: 'v1',
  runtimeProblem: '',
  networkProblem: '',
  handlers: [],
}
const keptFree = { cpuMilli: 0, memoryBytes: 100 * 2 ** 20, storageBytes: 10 ** 10 }

const statusOf = (input: Partial<Input> = {}, before?: NodeStatus) =>
  nodeStatus(
    {
      name: 'n1',
      ips: ['10.0.0.1'],
      machine: simulatedMachine,
      runtime,
      images: [],
      port: 10250,
      maxPods: 110,
      problem: '',
      conditions: [],
      devices: new Map(),
      keptFree,
      ...input,
    },
    before,
    now,
  )

test('memory that is set aside for huge pages is theirs alone', () => {
  const hugePages = new Map([
    [2 ** 21, 64 * 2 ** 20],
    [2 ** 16, 2 ** 20],
  ])
  const machine = { ...simulatedMachine, memoryBytes: 2 ** 30, hugePages }
  const { capacity, allocatable } = statusOf({ machine, keptFree: { cpuMilli: 500, memoryBytes: 0, storageBytes: 0 } })
  for (const amounts of [capacity, allocatable])
    assert.deepEqual(
      [amounts?.['hugepages-2Mi'], amounts?.['hugepages-64Ki'], amounts?.['hugepages-1Gi']],
      ['64Mi', '1Mi', '0'],
    )
  assert.deepEqual([capacity?.memory, allocatable?.memory], ['1Gi', '959Mi'])
  assert.deepEqual([capacity?.cpu, allocatable?.cpu], ['32', '31500m'])
})

test('a node has what its machine has, less what is kept back for the machine itself', () => {
  const machine = {
    ...simulatedMachine,
    cpuMilli: 3500,
    memoryBytes: 8 * 2 ** 30 + 1000,
    ephemeralStorageBytes: 10 ** 11,
  }
  const { capacity, allocatable } = statusOf({ machine })
  assert.deepEqual(capacity, {
    cpu: '3500m',
    memory: '8Gi',
    'ephemeral-storage': '97656250Ki',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    pods: '110',
  })
  assert.deepEqual(allocatable, {
    ...capacity,
    memory: `${8 * 1024 - 100}Mi`,
    'ephemeral-storage': '90G',
  })
  assert.equal(statusOf({ machine: { ...machine, cpuMilli: 4000 } }).capacity?.cpu, '4')
  assert.equal(statusOf({ machine: { ...machine, memoryBytes: 2 ** 20 } }).allocatable?.memory, '0')
})

test('a node is reached by its addresses and by its name', () => {
  assert.deepEqual(statusOf({ ips: ['10.0.0.1', 'fd00::1'] }).addresses, [
    { type: 'InternalIP', address: '10.0.0.1' },
    { type: 'InternalIP', address: 'fd00::1' },
    { type: 'Hostname', address: 'n1' },
  ])
  assert.deepEqual(statusOf({ port: 4711 }).daemonEndpoints, { kubeletEndpoint: { Port: 4711 } })
})

test('the version of the runtime is that of containerd, without what Debian adds', () => {
  const version = (text: string) =>
    statusOf({ runtime: { ...runtime, version: text } }).nodeInfo?.containerRuntimeVersion
  assert.equal(version('1.6.20~ds1'), 'containerd://1.6.20')
  assert.equal(version('1.7.2+unknown'), 'containerd://1.7.2')
  assert.equal(version('v2.0.0'), 'containerd://v2.0.0')
  assert.equal(statusOf().runtimeHandlers, undefined)
  const handlers = [
    { name: '', recursiveReadOnlyMounts: true, userNamespaces: false },
    { name: 'kata', recursiveReadOnlyMounts: false, userNamespaces: true },
  ]
  assert.deepEqual(statusOf({ runtime: { ...runtime, handlers } }).runtimeHandlers, [
    { name: '', features: { recursiveReadOnlyMounts: true, userNamespaces: false } },
    { name: 'kata', features: { recursiveReadOnlyMounts: false, userNamespaces: true } },
  ])
})

test('a node has the devices of its plugins, and keeps what others have written', () => {
  const counts = { capacity: 4, allocatable: 2 }
  const before = nodeOf({
    status: { capacity: { cpu: '7', 'example.com/gpu': '9', 'example.com/dongle': '3', 'hugepages-64Ki': '1Mi' } },
  }).status
  const { capacity, allocatable } = statusOf({ devices: new Map([['example.com/gpu', counts]]) }, before)
  const named = (amounts: NodeStatus['capacity']) =>
    Object.fromEntries(Object.entries(amounts ?? {}).filter(([name]) => name.includes('/') || name.includes('64Ki')))
  assert.deepEqual(named(capacity), { 'example.com/gpu': '4', 'example.com/dongle': '3' })
  assert.deepEqual(named(allocatable), { 'example.com/gpu': '2', 'example.com/dongle': '3' })
  assert.equal(capacity?.cpu, '32')
})

test('the fifty largest images are listed, each with at most five names', () => {
  const image = (i: number): ImageSeen => ({
    id: `i${i}`,
    tags: Array.from({ length: 6 }, (_, n) => `r.io/x${i}:${n}`),
    digests: [`r.io/x${i}@sha256:1`],
    sizeBytes: i,
    pinned: false,
    uid: undefined,
    username: '',
  })
  const { images = [] } = statusOf({ images: Array.from({ length: 60 }, (_, i) => image(i)) })
  assert.equal(images.length, 50)
  assert.deepEqual(images[0], {
    names: ['r.io/x59@sha256:1', 'r.io/x59:0', 'r.io/x59:1', 'r.io/x59:2', 'r.io/x59:3'],
    sizeBytes: 59,
  })
  assert.equal(images[49]!.sizeBytes, 10)
})

/** `Ready True KubeletReady`, one text for each condition. */
const conditionsOf = (input: Partial<Input>, before?: NodeStatus) =>
  Object.fromEntries(statusOf(input, before).conditions!.map(c => [c.type, `${c.status} ${c.reason} ${c.message}`]))

test('the conditions of a node are four, and say what is wrong with it', () => {
  const fine = {
    MemoryPressure: 'False KubeletHasSufficientMemory kubelet has sufficient memory available',
    DiskPressure: 'False KubeletHasNoDiskPressure kubelet has no disk pressure',
    PIDPressure: 'False KubeletHasSufficientPID kubelet has sufficient PID available',
    Ready: 'True KubeletReady kubelet is posting ready status',
  }
  const table: [what: string, input: Partial<Input>, differs: object][] = [
    ['nothing', {}, {}],
    [
      'little memory',
      { conditions: ['MemoryPressure'] },
      { MemoryPressure: 'True KubeletHasInsufficientMemory kubelet has insufficient memory available' },
    ],
    [
      'little disk',
      { conditions: ['DiskPressure'] },
      { DiskPressure: 'True KubeletHasDiskPressure kubelet has disk pressure' },
    ],
    [
      'few processes left',
      { conditions: ['PIDPressure'] },
      { PIDPressure: 'True KubeletHasInsufficientPID kubelet has insufficient PID available' },
    ],
    [
      'the runtime',
      { runtime: { ...runtime, runtimeProblem: 'container runtime is down' } },
      { Ready: 'False KubeletNotReady container runtime is down' },
    ],
    [
      'the network',
      { runtime: { ...runtime, networkProblem: 'cni config uninitialized' } },
      { Ready: 'False KubeletNotReady container runtime network not ready: cni config uninitialized' },
    ],
    [
      'all of it',
      { runtime: { ...runtime, runtimeProblem: 'one', networkProblem: 'two' }, problem: 'three' },
      { Ready: 'False KubeletNotReady one, container runtime network not ready: two, three' },
    ],
  ]
  for (const [what, input, differs] of table) assert.deepEqual(conditionsOf(input), { ...fine, ...differs }, what)
})

test('a condition is confirmed each time, and changes its time only with its status', () => {
  const old = '2020-01-01T00:00:00Z'
  const before = nodeOf({
    status: {
      conditions: [
        { type: 'Ready', status: 'True', lastHeartbeatTime: old, lastTransitionTime: old },
        { type: 'DiskPressure', status: 'True', lastHeartbeatTime: old, lastTransitionTime: old },
      ],
    },
  }).status
  const times = Object.fromEntries(
    statusOf({}, before).conditions!.map(c => [c.type, [c.lastHeartbeatTime, c.lastTransitionTime]]),
  )
  const present = timeText(now)
  assert.deepEqual(times, {
    MemoryPressure: [present, present],
    DiskPressure: [present, present],
    PIDPressure: [present, present],
    Ready: [present, old],
  })
})

test('a new node has its labels and taints, and nothing in its spec that it was not given', () => {
  const labels = ownLabels('n1', { ...simulatedMachine, architecture: 'arm64' })
  assert.deepEqual(labels, {
    'beta.kubernetes.io/arch': 'arm64',
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'arm64',
    'kubernetes.io/hostname': 'n1',
    'kubernetes.io/os': 'linux',
  })
  assert.deepEqual(newNode('n1', labels, [], false), {
    metadata: {
      name: 'n1',
      labels,
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: {},
  })
  const taints = [{ key: 'a', effect: 'NoSchedule' as const }]
  assert.deepEqual(newNode('n1', {}, taints, true).spec, { taints, unschedulable: true })
})
