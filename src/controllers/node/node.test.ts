import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countZones, evictionRate, RateGate, zoneOf } from './disruption.ts'
import { evictionTime } from './eviction.ts'
import { updateHealth, planTaints, planUnknown } from './lifecycle.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { timeText } from '../../api/time.ts'
import { nodeOf, podOf } from '../../kinds/testing.ts'

type Node = Parameters<typeof planTaints>[0]
const now = Date.UTC(2026, 0, 1)
const at = (ms: number) => new Date(ms).toISOString()

test('a renewal counts from its own time, unless the node’s clock is wrong', () => {
  const first = updateHealth(undefined, { renewTime: at(now - 3_600_000), reports: '' }, now)
  assert.equal(first.at, now)
  const look = now + 50_000
  const seen = (renewTime: string) => updateHealth(first, { renewTime, reports: '' }, look).at
  assert.equal(seen(at(now + 45_000)), now + 45_000)
  assert.equal(seen(at(now - 1_800_000)), look)
  assert.equal(seen(at(now + 9_000_000)), look)
  assert.equal(seen(at(now - 3_600_000)), now)
  assert.equal(updateHealth(first, { renewTime: first.renewTime, reports: 'new' }, look).at, look)
})

const silent = (conditions: object[]) => nodeOf({ status: { conditions } })

test('the conditions of a node without signs of life become Unknown once', () => {
  const ready = {
    type: 'Ready',
    status: 'True',
    lastHeartbeatTime: timeText(now - 1000),
    lastTransitionTime: timeText(now - 1000),
  }
  const next = planUnknown(silent([ready]), now)!
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
  assert.equal(planUnknown(silent(next), now), undefined)
})

const n = (conditions: [string, string][], taints: object[] = [], unschedulable = false) =>
  nodeOf({
    metadata: { name: 'n' },
    spec: { taints, unschedulable },
    status: { conditions: conditions.map(([type, status]) => ({ type, status })) },
  })
const other = { key: 'mine', effect: 'NoSchedule' }
const then = '2025-12-31T23:00:00Z'
const old = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: then }
const taints: [string, Node, string[]][] = [
  [
    'a ready node loses the taints of the controller and keeps others',
    n([['Ready', 'True']], [old, other]),
    ['mine:NoSchedule'],
  ],
  [
    'a node that is not ready gets the taints not-ready',
    n([['Ready', 'False']]),
    ['node.kubernetes.io/not-ready:NoSchedule', 'node.kubernetes.io/not-ready:NoExecute'],
  ],
  [
    'a node whose state is Unknown gets the taints unreachable',
    n([['Ready', 'Unknown']], [old]),
    ['node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute'],
  ],
  [
    'a node under pressure gets the taint of the pressure',
    n([
      ['Ready', 'True'],
      ['DiskPressure', 'True'],
    ]),
    ['node.kubernetes.io/disk-pressure:NoSchedule'],
  ],
  [
    'a cordoned node gets the taint unschedulable',
    n([['Ready', 'True']], [], true),
    ['node.kubernetes.io/unschedulable:NoSchedule'],
  ],
  [
    'a node without conditions keeps the taint with which it registered',
    n([], [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]),
    ['node.kubernetes.io/not-ready:NoSchedule'],
  ],
]
for (const [what, node, expected] of taints)
  test(`the taints of a node: ${what}`, () =>
    assert.deepEqual(
      planTaints(node, 'evict', now).map(t => `${t.key}:${t.effect}`),
      expected,
    ))

test('a node that waits its turn, or is spared, does not get the taint that evicts its pods', () => {
  for (const verdict of ['wait', 'spare'] as const)
    assert.deepEqual(
      planTaints(n([['Ready', 'Unknown']], verdict === 'spare' ? [old] : []), verdict, now).map(t => t.effect),
      ['NoSchedule'],
    )
})

const zone = (name: string, ready: number, notReady: number, label?: string): Node[] =>
  Array.from({ length: ready + notReady }, (_, i) =>
    nodeOf({
      metadata: { labels: { 'topology.kubernetes.io/zone': name, ...(label && { [label]: '' }) } },
      status: { conditions: [{ type: 'Ready', status: i < ready ? 'True' : 'Unknown' }] },
    }),
  )
const rates: [string, Node[], ReturnType<typeof evictionRate>][] = [
  ['a zone with few failed nodes has the normal rate', zone('a', 9, 1), 0.1],
  ['a zone with two failed nodes has the normal rate', zone('a', 1, 2), 0.1],
  ['a small zone with most of its nodes failed has no evictions', zone('a', 4, 6), 0],
  ['a zone with half of its nodes failed has the normal rate', zone('a', 5, 5), 0.1],
  ['a large zone with most of its nodes failed has the secondary rate', zone('a', 20, 40), 0.01],
  [
    'a zone with all its nodes failed has the normal rate while another zone has ready nodes',
    [...zone('a', 0, 4), ...zone('b', 4, 0)],
    0.1,
  ],
  ['without any ready node there are no evictions', [...zone('a', 0, 4), ...zone('b', 0, 2)], 'none ready'],
  [
    'excluded nodes do not count',
    [...zone('a', 1, 0), ...zone('a', 0, 9, 'node.kubernetes.io/exclude-disruption')],
    0.1,
  ],
]
for (const [what, nodes, expected] of rates)
  test(`the rate of evictions: ${what}`, () =>
    assert.equal(evictionRate(countZones(nodes), zoneOf(nodes[0]!)), expected))

test('nodes are tainted in turn, one in ten seconds', () => {
  const gate = new RateGate()
  assert.equal(gate.enter('a', 0.1, now), 0)
  assert.equal(gate.enter('b', 0.1, now), 10_000)
  assert.equal(gate.enter('c', 0.1, now), 20_000)
  assert.equal(gate.enter('c', 0.1, now + 10_000), 10_001, 'b is first')
  assert.equal(gate.enter('b', 0.1, now + 10_000), 0)
  assert.equal(gate.enter('c', 0, now + 20_000), undefined)
  gate.leave('c')
  assert.equal(gate.enter('d', 0.1, now + 20_000), 0)
})

test('a taint that stays keeps the time at which it was added', () => {
  assert.equal(
    planTaints(n([['Ready', 'Unknown']], [old]), 'evict', now).find(t => t.effect === 'NoExecute')?.timeAdded,
    then,
  )
})

const taint = { key: 'k', effect: 'NoExecute' as const, timeAdded: at(now) }
const tolerating = (...seconds: (number | undefined)[]) =>
  podOf({
    spec: {
      tolerations: seconds.map(s => ({
        key: 'k',
        operator: 'Exists',
        ...(s !== undefined && { tolerationSeconds: s }),
      })),
    },
  })
const evictions: [string, Pod, number | undefined][] = [
  ['a pod without a toleration is evicted now', tolerating(), now + 5000],
  ['a pod with a toleration without a time is never evicted', tolerating(undefined), undefined],
  ['a pod with a toleration for a time is evicted after that time since the taint', tolerating(300), now + 300_000],
  ['of several tolerations the shortest time counts', tolerating(300, 60, undefined), now + 60_000],
  ['a negative time counts as none', tolerating(-1), now],
]
for (const [what, pod, expected] of evictions)
  test(`the time of an eviction: ${what}`, () =>
    assert.equal(
      evictionTime(pod, [taint], ({ timeAdded }) => Date.parse(timeAdded!), now + 5000),
      expected,
    ))

test('the time for which a pod tolerates a taint begins with the later of the two on the node', () => {
  const bound = (lastTransitionTime: string) => ({
    ...tolerating(60),
    status: { conditions: [{ type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime }] },
  })
  const time = (pod: Pod) => evictionTime(pod, [taint], () => now, now + 5000)
  assert.equal(time(bound(timeText(now - 9000))), now + 60_000)
  assert.equal(time(bound(timeText(now + 9000))), now + 69_000)
  // A pod that was made with its node's name was never scheduled.
  const made = { ...tolerating(60), metadata: { ...tolerating(60).metadata, creationTimestamp: timeText(now + 7000) } }
  assert.equal(time(made), now + 67_000)
})
