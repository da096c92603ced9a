import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planReplicas, slowStart } from './replicas.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { timeText } from '../api/time.ts'
import { podOf } from '../kinds/testing.ts'

const now = Date.UTC(2026, 0, 1, 12)
interface Given {
  node?: string
  phase?: Pod['status']['phase']
  ready?: number
  age?: number
  restarts?: number
  cost?: string
  deleting?: boolean
}

/** `ready` and `age` are in minutes before now. */
const pod = (
  name: string,
  { node = 'n', phase = 'Running', ready, age = 60, restarts = 0, cost, deleting }: Given = {},
): Pod => {
  const ago = (minutes: number) => timeText(now - minutes * 60_000)
  return podOf({
    metadata: {
      name,
      uid: name,
      creationTimestamp: ago(age),
      ...(deleting && { deletionTimestamp: ago(0) }),
      ...(cost && { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
    },
    spec: { nodeName: node },
    status: {
      phase,
      conditions: ready === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: ago(ready) }],
      containerStatuses: [{ name: 'c', restartCount: restarts }],
    },
  })
}

const cases: [string, Pod, Pod, ((pod: Pod) => number)?][] = [
  ['the one without a node', pod('goes', { node: '' }), pod('stays', { phase: 'Pending' })],
  ['the pending one', pod('goes', { phase: 'Pending', ready: 50 }), pod('stays')],
  ['the one that is not ready', pod('goes', { cost: '100' }), pod('stays', { ready: 1 })],
  ['the one with the lower deletion cost', pod('goes', { ready: 50, cost: '-1' }), pod('stays', { ready: 1 })],
  [
    'the one with an invalid deletion cost, which counts as zero,',
    pod('goes', { ready: 1, cost: '007' }),
    pod('stays', { ready: 1, cost: '1' }),
  ],
  [
    'the one with more siblings on its node',
    pod('goes', { ready: 50, node: 'full' }),
    pod('stays', { ready: 1 }),
    p => (p.spec.nodeName === 'full' ? 2 : 1),
  ],
  ['the one that has been ready for a shorter time', pod('goes', { ready: 1 }), pod('stays', { ready: 50 })],
  ['the one that was restarted more often', pod('goes', { ready: 10, restarts: 3 }), pod('stays', { ready: 10 })],
  ['the younger one', pod('goes', { age: 1 }), pod('stays', { age: 100 })],
]
for (const [what, goes, stays, related] of cases) {
  test(`of two pods ${what} is deleted first`, () => {
    for (const pods of [
      [goes, stays],
      [stays, goes],
    ])
      assert.deepEqual(
        planReplicas(1, pods, now, related).remove.map(p => p.metadata.name),
        ['goes'],
      )
  })
}

test('only active pods count as replicas', () => {
  const pods = [pod('a', { ready: 1 }), pod('b', { deleting: true }), pod('c', { phase: 'Failed' })]
  assert.deepEqual(planReplicas(3, pods, now), { create: 2, remove: [] })
  assert.deepEqual(
    planReplicas(0, pods, now).remove.map(p => p.metadata.name),
    ['a'],
  )
  assert.equal(planReplicas(10_000, [], now).create, 500)
})

test('a slow start doubles its batches, and stops after the first batch with a failure', async () => {
  let calls = 0
  await slowStart(10, 1, async () => calls++)
  assert.equal(calls, 10)
  calls = 0
  await assert.rejects(
    slowStart(100, 1, async () => {
      if (++calls === 3) throw new Error('quota')
    }),
    /quota/,
  )
  assert.equal(calls, 3)
})
