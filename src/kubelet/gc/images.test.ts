// Which unused images are removed, when, and in which order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { makeLog } from '../../base/log.ts'
import type { ImageSeen } from '../runtime/runtime.ts'
import { ImageCollector, type ImagePolicy, planSpace, removable, tooOld, updateRecords } from './images.ts'

const policy: ImagePolicy = { highPercent: 85, lowPercent: 80, minAgeMs: 120_000, maxAgeMs: 0 }
const gib = 2 ** 30
const image = (name: string, more: Partial<ImageSeen> = {}): ImageSeen => ({
  id: `sha256:${name}`,
  tags: [`docker.io/library/${name}:1`],
  digests: [],
  sizeBytes: gib,
  pinned: false,
  uid: undefined,
  username: '',
  ...more,
})

test('space is freed from the high percentage on, down to the low one', () => {
  const table: [available: number, bytes: number][] = [
    [16, 0],
    [15, 5],
    [10, 10],
    [0, 20],
  ]
  for (const [available, bytes] of table)
    assert.equal(planSpace({ available, capacity: 100 }, policy, undefined).bytes, bytes, `${available} available`)
  assert.equal(planSpace({ available: 0, capacity: 100 }, { ...policy, highPercent: 100 }, undefined).bytes, 0)
})

test('of a shared disk only a part counts, so that one which is 91 % full needs nothing', () => {
  const disk = { available: 90 * gib, capacity: 1000 * gib }
  assert.equal(planSpace(disk, policy, 10 * gib).bytes, 0)
  assert.equal(planSpace({ ...disk, available: gib }, policy, 10 * gib).bytes, gib)
})

test('the images that were used longest ago go first; kept and new ones stay', () => {
  const kept = (id: string, firstSeenAt: number, lastUsedAt: number, isKept = false) => ({
    id,
    sizeBytes: 1,
    firstSeenAt,
    lastUsedAt,
    isKept,
  })
  const records = [
    kept('recent', 0, 900_000),
    kept('new', 950_000, 0),
    kept('old', 0, 500_000),
    kept('in use', 0, 1_000_000, true),
    kept('never used, later', 200_000, 0),
    kept('never used', 100_000, 0),
  ]
  assert.deepEqual(
    removable(records, policy, 1_000_000).map(({ id }) => id),
    ['never used', 'never used, later', 'old', 'recent'],
  )
})

test('images that were not used for the longest age are removed, once the kubelet has run that long', () => {
  const aged = { ...policy, maxAgeMs: 600_000 }
  const record = { id: 'x', sizeBytes: 1, firstSeenAt: 0, lastUsedAt: 1_000_000, isKept: false }
  assert.deepEqual(tooOld([record], aged, 1_000_000, 1_500_000), [])
  assert.deepEqual(tooOld([record], aged, 1_000_000, 1_600_001), [record])
  assert.deepEqual(tooOld([{ ...record, lastUsedAt: 1_300_000 }], aged, 1_000_000, 1_600_001), [])
  assert.deepEqual(tooOld([record], policy, 0, 9e9), [])
})

test('a record keeps when its image was first seen and last used, and goes with the image', () => {
  const first = updateRecords(new Map(), [image('a'), image('b', { pinned: true })], () => false, 5, 10)
  assert.deepEqual(first.get('sha256:a'), {
    id: 'sha256:a',
    sizeBytes: gib,
    firstSeenAt: 5,
    lastUsedAt: 0,
    isKept: false,
  })
  assert.equal(first.get('sha256:b')?.isKept, true)
  const used = updateRecords(first, [image('a')], () => true, 20, 20)
  const unused = updateRecords(used, [image('a')], () => false, 30, 30)
  assert.deepEqual([unused.get('sha256:a')?.firstSeenAt, unused.get('sha256:a')?.lastUsedAt], [5, 20])
  assert.equal(unused.has('sha256:b'), false)
})

/** A collector of a disk of 100 GiB, on which each image takes one. */
function collector(o: { images: ImageSeen[]; free: number; used?: string[]; wanted?: string[]; fails?: string[] }) {
  const clock = new VirtualClock()
  const there = new Map(o.images.map(i => [i.id, i]))
  const events: string[] = []
  const removed: string[] = []
  const abort = new AbortController()
  const made = new ImageCollector({
    runtime: {
      images: async () => [...there.values()],
      imagesInUse: async () => new Set(o.used),
      async removeImage(id) {
        if (o.fails?.includes(id)) throw new Error(`${id} is busy`)
        removed.push(id)
        there.delete(id)
      },
    },
    policy,
    disk: async () => ({ available: (o.free + removed.length) * gib, capacity: 100 * gib }),
    ofAtMost: undefined,
    wanted: () => new Set(o.wanted),
    event: (reason, message) => events.push(`${reason}: ${message}`),
    clock,
    log: makeLog(() => {}, 'error'),
    signal: abort.signal,
  })
  return { clock, made, events, removed, there, stop: () => abort.abort() }
}

test('a full disk is freed of what nobody uses, needs or has pinned, as far as needed', async () => {
  const names = Array.from({ length: 12 }, (_, i) => `i${i}`)
  const { clock, made, removed, events, stop } = collector({
    images: [...names.map(name => image(name)), image('pinned', { pinned: true }), image('used'), image('wanted')],
    free: 15,
    used: ['sha256:used'],
    wanted: ['docker.io/library/wanted:1'],
  })
  made.start()
  await clock.forward(1000)
  assert.deepEqual(removed, ['sha256:i0', 'sha256:i1', 'sha256:i2', 'sha256:i3', 'sha256:i4'])
  await clock.forward(600_000)
  assert.equal(removed.length, 5)
  assert.deepEqual(events, [])
  stop()
})

test('a disk that others fill is reported, at once and as a failure when it happens again', async () => {
  const { clock, made, events, stop } = collector({ images: [image('a')], free: 5 })
  made.start()
  await clock.forward(1000)
  const text =
    "Insufficient free disk space on the node's image filesystem (95% of 100.0 GiB used). Failed to free sufficient space by deleting unused images (freed 1073741824 bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other data."
  assert.deepEqual(events, [`FreeDiskSpaceFailed: ${text}`])
  await clock.forward(300_000)
  const again = text.replace('95%', '94%').replace('1073741824', '0')
  assert.deepEqual(events.slice(1), [`FreeDiskSpaceFailed: ${again}`, `ImageGCFailed: ${again}`])
  stop()
})

test('an image that cannot be removed does not keep the others', async () => {
  const { made, removed, there } = collector({ images: [image('a'), image('b')], free: 90, fails: ['sha256:a'] })
  await assert.rejects(made.removeUnused(), /errors in image deletion: \[sha256:a is busy\]/)
  assert.deepEqual(removed, ['sha256:b'])
  assert.deepEqual([...there.keys()], ['sha256:a'])
})
