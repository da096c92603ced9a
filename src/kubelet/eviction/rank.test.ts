// Which pods are evicted first, and what the eviction says; which pods exceed limits of their own. Tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podOf } from '../../kinds/testing.ts'
import { limitExceeded, limitsOf } from './limits.ts'
import { evictionMessage, isWorthwhile, type Measured, rankPods } from './rank.ts'
import { type Observations, type Signal, type Threshold } from './signals.ts'
import type { PodUse } from './usage.ts'

const mib = 2 ** 20
interface Draft {
  requests?: Record<string, string>
  priority?: number
  memory?: number
  processes?: number
  rootfs?: number
  logs?: number
  volume?: number
  inodes?: number
}

/** A pod with one container `c`. Sizes are in mebibytes. */
function measured(name: string, d: Draft): Measured {
  const pod = podOf({
    metadata: { name },
    spec: {
      priority: d.priority ?? 0,
      containers: [{ name: 'c', image: 'i', resources: { requests: d.requests ?? {} } }],
    },
  })
  const use: PodUse = {
    memoryBytes: (d.memory ?? 0) * mib,
    processes: d.processes ?? 0,
    containers: [
      {
        name: 'c',
        memoryBytes: (d.memory ?? 0) * mib,
        rootfs: { bytes: (d.rootfs ?? 0) * mib, inodes: d.inodes ?? 0 },
        logs: { bytes: (d.logs ?? 0) * mib, inodes: 0 },
      },
    ],
    volumes: new Map([['v', { bytes: (d.volume ?? 0) * mib, inodes: 0 }]]),
  }
  return { pod, use }
}

const unknown = (name: string): Measured => ({ pod: podOf({ metadata: { name } }), use: undefined })
const on = (signal: Signal): Threshold => ({ signal, value: { quantity: 100 * mib }, graceMs: 0 })

const orders: [string, Signal, boolean, Measured[], string][] = [
  [
    'memory: who exceeds requests, then the lower priority, then who exceeds them by more',
    'memory.available',
    false,
    [
      measured('within', { memory: 300, requests: { memory: '500Mi' } }),
      measured('important', { memory: 900, priority: 100 }),
      measured('small', { memory: 150, requests: { memory: '100Mi' } }),
      measured('large', { memory: 300, requests: { memory: '100Mi' } }),
    ],
    'large small important within',
  ],
  [
    'a pod that cannot be measured comes first',
    'memory.available',
    false,
    [measured('known', { memory: 500 }), unknown('unknown')],
    'unknown known',
  ],
  [
    'process ids: the lower priority, then who has more',
    'pid.available',
    false,
    [
      measured('few', { processes: 2 }),
      measured('important', { processes: 900, priority: 1 }),
      measured('many', { processes: 50 }),
    ],
    'many few important',
  ],
  [
    'disk: layers, logs and volumes together',
    'nodefs.available',
    false,
    [
      measured('requested', { rootfs: 90, requests: { 'ephemeral-storage': '100Mi' } }),
      measured('volume', { volume: 60 }),
      measured('layer', { rootfs: 40 }),
      measured('all', { rootfs: 30, logs: 30, volume: 30 }),
    ],
    'all volume layer requested',
  ],
  [
    'with a file system for images, layers do not count on that of the node',
    'nodefs.available',
    true,
    [measured('layer', { rootfs: 400 }), measured('logs', { logs: 4 })],
    'logs layer',
  ],
  [
    'and on that of images nothing else does',
    'imagefs.available',
    true,
    [measured('volume', { volume: 400 }), measured('layer', { rootfs: 4 })],
    'layer volume',
  ],
  [
    'inodes count apart from bytes',
    'nodefs.inodesFree',
    false,
    [measured('bytes', { rootfs: 400, inodes: 1 }), measured('files', { rootfs: 1, inodes: 9000 })],
    'files bytes',
  ],
]

for (const [what, signal, hasImageFs, pods, expected] of orders)
  test(`order of eviction for ${what}`, () => {
    const ranked = rankPods(pods, on(signal), hasImageFs).map(({ pod }) => pod.metadata.name)
    assert.equal(ranked.join(' '), expected)
  })

test('on a shared disk only pods that use some of it are worth evicting', () => {
  const table: [Measured, Signal, boolean, boolean][] = [
    [measured('p', { volume: 16 }), 'nodefs.available', false, true],
    [measured('p', { volume: 15 }), 'nodefs.available', false, false],
    [measured('p', { rootfs: 99 }), 'nodefs.available', true, false],
    [measured('p', { rootfs: 99 }), 'imagefs.available', true, true],
    [measured('p', { inodes: 1000 }), 'nodefs.inodesFree', false, true],
    [measured('p', { inodes: 999 }), 'nodefs.inodesFree', false, false],
    [measured('p', {}), 'memory.available', false, true],
    [unknown('p'), 'nodefs.available', false, false],
  ]
  for (const [entry, signal, hasImageFs, expected] of table)
    assert.equal(isWorthwhile(entry, on(signal), hasImageFs), expected, signal)
})

const seen = (signal: Signal, available: number, capacity = 1000 * mib): Observations =>
  new Map([[signal, { available, capacity }]])

const messages: [string, Measured, Threshold, Observations, string][] = [
  [
    'memory',
    measured('p', { memory: 300, requests: { memory: '100Mi' } }),
    on('memory.available'),
    seen('memory.available', 50 * mib),
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 300Mi, request is 100Mi, has larger consumption of memory. ',
  ],
  [
    'a container within its request is not blamed',
    measured('p', { memory: 50, requests: { memory: '100Mi' } }),
    on('memory.available'),
    seen('memory.available', 50 * mib),
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ',
  ],
  [
    'disk, by a percentage',
    measured('p', { rootfs: 20, logs: 10 }),
    { signal: 'nodefs.available', value: { share: 0.1 }, graceMs: 0 },
    seen('nodefs.available', 12_345),
    'The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 12345. Container c was using 30Mi, request is 0, has larger consumption of ephemeral-storage. ',
  ],
  [
    'inodes',
    measured('p', { rootfs: 20 }),
    { signal: 'nodefs.inodesFree', value: { share: 0.05 }, graceMs: 0 },
    seen('nodefs.inodesFree', 3000, 100_000),
    'The node was low on resource: inodes. Threshold quantity: 5000, available: 3k. ',
  ],
  [
    'a pod that could not be measured',
    unknown('p'),
    on('memory.available'),
    seen('memory.available', 0),
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 0. ',
  ],
]

for (const [what, entry, threshold, observed, expected] of messages)
  test(`message of an eviction: ${what}`, () =>
    assert.equal(evictionMessage(entry, threshold, [threshold], observed), expected))

const limited = (spec: object, container: object = {}) =>
  podOf({ spec: { ...spec, containers: [{ name: 'c', image: 'i', ...container }] } })
const volume = (emptyDir: object) => limited({ volumes: [{ name: 'v', emptyDir }] })
const storage = (limit: string) => limited({}, { resources: { limits: { 'ephemeral-storage': limit } } })
const useOf = (d: Draft) => measured('p', d).use!

const limits: [string, ReturnType<typeof limited>, Draft, boolean, string | undefined][] = [
  ['a volume within its size', volume({ sizeLimit: '10Mi' }), { volume: 10 }, false, undefined],
  [
    'a volume beyond its size',
    volume({ sizeLimit: '10Mi' }),
    { volume: 11 },
    false,
    'Usage of EmptyDir volume "v" exceeds the limit "10Mi". ',
  ],
  ['a volume without a size', volume({}), { volume: 9999 }, false, undefined],
  ['a volume in memory', volume({ sizeLimit: '10Mi', medium: 'Memory' }), { volume: 99 }, false, undefined],
  [
    'a pod beyond the limits of its containers',
    storage('20Mi'),
    { rootfs: 10, logs: 5, volume: 6 },
    false,
    'Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ',
  ],
  ['a pod within them', storage('20Mi'), { rootfs: 10, logs: 5, volume: 5 }, false, undefined],
]

for (const [what, pod, draft, hasImageFs, expected] of limits)
  test(`limits on the disk: ${what}`, () =>
    assert.equal(limitExceeded(pod, useOf(draft), hasImageFs)?.message, expected))

test('a container beyond its own limit is named, where the limit of the pod is not exceeded', () => {
  const resources = (limit: string) => ({ resources: { limits: { 'ephemeral-storage': limit } } })
  const pod = podOf({
    spec: {
      containers: [
        { name: 'c', image: 'i', ...resources('10Mi') },
        { name: 'd', image: 'i', ...resources('90Mi') },
      ],
    },
  })
  assert.deepEqual(limitExceeded(pod, useOf({ rootfs: 11 }), false), {
    signal: 'ephemeralcontainerfs.limit',
    message: 'Container c exceeded its local ephemeral storage limit "10Mi". ',
  })
  assert.equal(limitExceeded(pod, useOf({ rootfs: 11 }), true), undefined)
  assert.equal(
    limitExceeded(pod, { memoryBytes: 0, processes: 0, containers: [], volumes: new Map() }, true),
    undefined,
  )
})

test('only pods with limits are measured', () => {
  assert.deepEqual(limitsOf(volume({})), { hasVolumes: false, hasStorage: false })
  assert.deepEqual(limitsOf(volume({ sizeLimit: '1Mi' })), { hasVolumes: true, hasStorage: false })
  assert.deepEqual(limitsOf(storage('1Mi')), { hasVolumes: false, hasStorage: true })
})
