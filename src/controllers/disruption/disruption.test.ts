import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countsByScale, failedStatus, planBudget, untilStale } from './plan.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { PodDisruptionBudget } from '../../kinds/policy/poddisruptionbudget.ts'
import { timeText } from '../../api/time.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'

const now = Date.UTC(2026, 0, 1)
const at = timeText
const budget = (spec: object, status: object = {}) =>
  objectOf(PodDisruptionBudget, { metadata: { name: 'b', generation: 1 }, spec, status })
interface Given {
  ready?: boolean
  deleting?: boolean
  phase?: Pod['status']['phase']
  mark?: object
}
const pod = (name: string, more: Given = {}) =>
  podOf({
    metadata: { name, ...(more.deleting && { deletionTimestamp: at(now) }) },
    status: {
      phase: more.phase ?? 'Running',
      conditions: [more.mark ?? { type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
    },
  })
const pods = (ready: number, unready = 0) => [
  ...Array.from({ length: ready }, (_, i) => pod(`r${i}`)),
  ...Array.from({ length: unready }, (_, i) => pod(`u${i}`, { ready: false })),
]

const cases: [string, object, Pod[], number, [desired: number, healthy: number, allowed: number]][] = [
  ['at least three of four pods leave one eviction', { minAvailable: 3 }, pods(4), 4, [3, 4, 1]],
  ['too few pods allow no eviction', { minAvailable: 3 }, pods(2), 2, [3, 2, 0]],
  ['a percentage of minAvailable is rounded up', { minAvailable: '30%' }, pods(7), 7, [3, 7, 4]],
  ['a percentage counts from the expected pods', { minAvailable: '28%' }, pods(1), 10, [3, 1, 0]],
  ['maxUnavailable 1 allows one eviction of ten pods', { maxUnavailable: 1 }, pods(10), 10, [9, 10, 1]],
  ['a pod that is not ready counts against maxUnavailable', { maxUnavailable: 1 }, pods(9, 1), 10, [9, 9, 0]],
  ['a percentage of maxUnavailable is rounded up', { maxUnavailable: '30%' }, pods(7), 7, [4, 7, 3]],
  ['maxUnavailable above the number of pods allows the eviction of all', { maxUnavailable: 20 }, pods(3), 3, [0, 3, 3]],
  ['maxUnavailable 0 allows no eviction', { maxUnavailable: 0 }, pods(3), 3, [3, 3, 0]],
  ['without pods nothing is allowed', { minAvailable: 0 }, [], 0, [0, 0, 0]],
  ['without minAvailable and maxUnavailable nothing is allowed', {}, pods(3), 3, [0, 3, 0]],
  [
    'a terminating pod does not count as healthy',
    { minAvailable: 1 },
    [...pods(1), pod('x', { deleting: true })],
    2,
    [1, 1, 0],
  ],
]
for (const [what, spec, given, expected, [desired, healthy, allowed]] of cases)
  test(`a budget: ${what}`, () => {
    const { status } = planBudget(budget(spec), given, expected, now)
    assert.deepEqual(
      [status.desiredHealthy, status.currentHealthy, status.disruptionsAllowed],
      [desired, healthy, allowed],
    )
    assert.equal(status.conditions![0]!.reason, allowed > 0 ? 'SufficientPods' : 'InsufficientPods')
  })

test('percentages and maxUnavailable count from the owners’ sizes, a plain minimum from the pods', () => {
  assert.equal(countsByScale(budget({ minAvailable: 1 })), false)
  assert.equal(countsByScale(budget({ minAvailable: '10%' })), true)
  assert.equal(countsByScale(budget({ maxUnavailable: 1 })), true)
})

test('a pod whose eviction was allowed counts as unhealthy for two minutes, and is then reported as overdue', () => {
  const evicted = (ago: number) => budget({ minAvailable: 1 }, { disruptedPods: { r0: at(now - ago), gone: at(now) } })
  const pending = planBudget(evicted(30_000), pods(3), 3, now)
  assert.deepEqual(pending.status.disruptedPods, { r0: at(now - 30_000) })
  assert.deepEqual([pending.status.currentHealthy, pending.again, pending.overdue.length], [2, 90_000, 0])
  const late = planBudget(evicted(120_000), pods(3), 3, now)
  assert.equal(late.status.disruptedPods, undefined)
  assert.deepEqual([late.status.currentHealthy, late.again, late.overdue[0]?.metadata.name], [3, undefined, 'r0'])
})

test('a pod without an eviction is counted, whatever its name is', () => {
  const others = budget({ minAvailable: 1 }, { disruptedPods: { gone: at(now) } })
  assert.equal(planBudget(others, [pod('constructor')], 1, now).status.currentHealthy, 1)
})

test('a budget whose pods cannot be counted allows nothing, and its condition has the reason', () => {
  const status = failedStatus(budget({ maxUnavailable: 1 }, { disruptionsAllowed: 2, expectedPods: 3 }), 'no size', now)
  assert.equal(status.disruptionsAllowed, 0)
  assert.equal(status.expectedPods, 3)
  assert.deepEqual([status.conditions![0]!.reason, status.conditions![0]!.message], ['SyncFailed', 'no size'])
})

const marked = (mark: object, more: Given = {}) =>
  pod('p', {
    ...more,
    mark: { type: 'DisruptionTarget', status: 'True', lastTransitionTime: at(now - 30_000), ...mark },
  })
const stale: [string, Pod, number | undefined][] = [
  ['a pod keeps its mark for two minutes', marked({}), 90_000],
  ['a pod that was marked long ago loses its mark', marked({ lastTransitionTime: at(now - 900_000) }), 0],
  ['a mark that the kubelet set stays', marked({ reason: 'TerminationByKubelet' }), undefined],
  ['a mark with the status False is left alone', marked({ status: 'False' }), undefined],
  ['a terminating pod keeps its mark', marked({}, { deleting: true }), undefined],
  ['a pod that has ended keeps its mark', marked({}, { phase: 'Failed' }), undefined],
  ['a pod without a mark is left alone', pod('p'), undefined],
]
for (const [what, given, expected] of stale)
  test(`the mark of a disruption: ${what}`, () => assert.equal(untilStale(given, now), expected))
