import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../pods.ts'
import { evictionTime } from './eviction.ts'
import { listen, planTaints, planUnknown } from './lifecycle.ts'

type Node = Parameters<typeof planTaints>[0]
const now = Date.UTC(2026, 0, 1)
const at = (ms: number) => new Date(ms).toISOString()

test('a renewal counts from its own stamp, unless the node’s clock is wrong', () => {
  const first = listen(undefined, { renewTime: at(now - 3_600_000), reports: '' }, now)
  assert.equal(first.at, now)
  const look = now + 50_000
  const seen = (renewTime: string) => listen(first, { renewTime, reports: '' }, look).at
  assert.equal(seen(at(now + 45_000)), now + 45_000)
  assert.equal(seen(at(now - 1_800_000)), look)
  assert.equal(seen(at(now + 9_000_000)), look)
  assert.equal(seen(at(now - 3_600_000)), now)
  assert.equal(listen(first, { renewTime: first.renewTime, reports: 'new' }, look).at, look)
})

test('a silent node’s conditions become Unknown, once', () => {
  const ready = { type: 'Ready', status: 'True', lastHeartbeatTime: at(now - 1), lastTransitionTime: at(now - 1) }
  const next = planUnknown([ready], now)!
  assert.deepEqual(
    next.map(c => [c.type, c.status, c.reason]),
    [
      ['Ready', 'Unknown', 'NodeStatusUnknown'],
      ['MemoryPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['DiskPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['PIDPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ],
  )
  assert.equal(next[0]!.lastHeartbeatTime, ready.lastHeartbeatTime)
  assert.equal(planUnknown(next, now), undefined)
})

const n = (conditions: [string, string][], taints: object[] = [], unschedulable = false) =>
  ({
    metadata: { name: 'n' },
    spec: { taints, unschedulable },
    status: { conditions: conditions.map(([type, status]) => ({ type, status })) },
  }) as unknown as Node
const other = { key: 'mine', effect: 'NoSchedule' }
const old = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: 'then' }
const taints: [string, Node, string[]][] = [
  ['ready', n([['Ready', 'True']], [old, other]), ['mine:NoSchedule']],
  [
    'not ready',
    n([['Ready', 'False']]),
    ['node.kubernetes.io/not-ready:NoSchedule', 'node.kubernetes.io/not-ready:NoExecute'],
  ],
  [
    'unknown',
    n([['Ready', 'Unknown']], [old]),
    ['node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute'],
  ],
  [
    'pressed',
    n([
      ['Ready', 'True'],
      ['DiskPressure', 'True'],
    ]),
    ['node.kubernetes.io/disk-pressure:NoSchedule'],
  ],
  ['cordoned', n([['Ready', 'True']], [], true), ['node.kubernetes.io/unschedulable:NoSchedule']],
  [
    'starting',
    n([], [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]),
    ['node.kubernetes.io/not-ready:NoSchedule'],
  ],
]
for (const [what, node, expected] of taints)
  test(`taints of a node that is ${what}`, () =>
    assert.deepEqual(
      planTaints(node, now).map(t => `${t.key}:${t.effect}`),
      expected,
    ))

test('a taint that stays keeps the time it came', () => {
  assert.equal(planTaints(n([['Ready', 'Unknown']], [old]), now).find(t => t.effect === 'NoExecute')?.timeAdded, 'then')
})

const taint = { key: 'k', effect: 'NoExecute' as const, timeAdded: at(now) }
const tolerating = (...seconds: (number | undefined)[]) =>
  ({
    spec: {
      tolerations: seconds.map(s => ({
        key: 'k',
        operator: 'Exists',
        ...(s !== undefined && { tolerationSeconds: s }),
      })),
    },
  }) as unknown as Pod
const evictions: [string, Pod, number | undefined][] = [
  ['not tolerated: now', tolerating(), now + 5000],
  ['for ever', tolerating(undefined), undefined],
  ['for a while', tolerating(300), now + 300_000],
  ['the shortest counts', tolerating(300, 60, undefined), now + 60_000],
  ['not at all', tolerating(-1), now],
]
for (const [what, pod, expected] of evictions)
  test(`eviction: ${what}`, () => assert.equal(evictionTime(pod, [taint], now + 5000), expected))
