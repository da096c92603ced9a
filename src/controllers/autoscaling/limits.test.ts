// How a recommendation becomes a number of replicas within the limits. The cases follow upstream's horizontal_test.go.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { HorizontalPodAutoscalerSpec } from '../../kinds/autoscaling/autoscalerspec.ts'
import { emptyMemory, limit, type Memory, remember } from './limits.ts'

const now = 1_800_000_000_000
const spec = (more: Partial<HorizontalPodAutoscalerSpec> = {}): HorizontalPodAutoscalerSpec => ({
  scaleTargetRef: { kind: 'Deployment', name: 'd' },
  minReplicas: 1,
  maxReplicas: 100,
  ...more,
})
const policies = (...list: [string, number, number][]) =>
  list.map(([type, value, periodSeconds]) => ({ type, value, periodSeconds }))

test('without rules the number of pods at most doubles in a step, and falls only after five minutes', () => {
  const memory = emptyMemory()
  const at = (s: number, current: number, advised: number) => limit(spec(), memory, current, advised, now + s * 1000)
  deepStrictEqual([at(0, 3, 20).replicas, at(0, 3, 20).limited.reason], [6, 'ScaleUpLimit'])
  strictEqual(at(1, 1, 20).replicas, 4)
  const down = at(60, 10, 2)
  deepStrictEqual([down.replicas, down.able.reason], [20, 'ScaleDownStabilized'])
  strictEqual(at(299, 20, 2).replicas, 20)
  strictEqual(at(302, 20, 2).replicas, 2)
  deepStrictEqual(at(303, 20, 2).able.reason, 'ReadyForNewScale')
})

test('minReplicas and maxReplicas limit the result of all other rules', () => {
  const of = (current: number, advised: number) =>
    limit(spec({ minReplicas: 2, maxReplicas: 5 }), emptyMemory(), current, advised, now)
  deepStrictEqual([of(4, 9).replicas, of(4, 9).limited.reason], [5, 'TooManyReplicas'])
  deepStrictEqual([of(4, 1).replicas, of(4, 1).limited.reason], [2, 'TooFewReplicas'])
  deepStrictEqual([of(4, 3).replicas, of(4, 3).limited.reason], [3, 'DesiredWithinRange'])
})

test('the number rises as fast as the most generous policy allows, or the strictest one if the rules say Min', () => {
  const scaleUp = { stabilizationWindowSeconds: 0, policies: policies(['Pods', 4, 60], ['Percent', 50, 60]) }
  const of = (selectPolicy: string, current: number) =>
    limit(spec({ behavior: { scaleUp: { ...scaleUp, selectPolicy } } }), emptyMemory(), current, 100, now).replicas
  deepStrictEqual([of('Max', 3), of('Max', 20), of('Min', 3), of('Min', 20)], [7, 30, 5, 24])
  strictEqual(of('Disabled', 3), 3)
})

test('the number falls only as fast as a policy allows', () => {
  const of = (selectPolicy: string, current: number) =>
    limit(
      spec({
        behavior: {
          scaleDown: {
            stabilizationWindowSeconds: 0,
            selectPolicy,
            policies: policies(['Pods', 4, 60], ['Percent', 10, 60]),
          },
        },
      }),
      emptyMemory(),
      current,
      1,
      now,
    ).replicas
  deepStrictEqual([of('Max', 20), of('Max', 80), of('Min', 20), of('Min', 80)], [16, 72, 18, 76])
  strictEqual(of('Disabled', 20), 20)
})

test('changes within the period of a policy count against it', () => {
  const memory: Memory = emptyMemory()
  const rules = spec({
    behavior: { scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: policies(['Pods', 5, 60]) } },
  })
  strictEqual(limit(rules, memory, 10, 50, now).replicas, 15)
  remember(memory, 10, 15, now)
  const again = limit(rules, memory, 15, 50, now + 30_000)
  deepStrictEqual([again.replicas, again.limited.reason], [15, 'ScaleUpLimit'])
  strictEqual(limit(rules, memory, 15, 50, now + 61_000).replicas, 20)
})

test('stabilization windows keep the number from swinging in both directions', () => {
  const memory = emptyMemory()
  const behavior = {
    scaleUp: { stabilizationWindowSeconds: 60, selectPolicy: 'Max', policies: policies(['Percent', 1000, 15]) },
    scaleDown: { stabilizationWindowSeconds: 120, selectPolicy: 'Max', policies: policies(['Percent', 100, 15]) },
  }
  const at = (s: number, current: number, advised: number) =>
    limit(spec({ behavior }), memory, current, advised, now + s * 1000)
  strictEqual(at(0, 5, 5).replicas, 5)
  const up = at(15, 5, 9)
  deepStrictEqual([up.replicas, up.able.reason], [5, 'ScaleUpStabilized'])
  strictEqual(at(61, 5, 8).replicas, 8)
  const down = at(70, 8, 2)
  deepStrictEqual([down.replicas, down.able.reason], [8, 'ScaleDownStabilized'])
  strictEqual(at(191, 8, 3).replicas, 3)
})
