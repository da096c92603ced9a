import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode } from '../../api/schema/decode.ts'
import { PriorityLevelConfigurationSpec } from '../../kinds/flowcontrol/level-types.ts'
import { priorityLevels } from '../bootstrap/flow-control.ts'
import { type Claim, nextDemand, planBorrowing, planLimits } from './shares.ts'

const levels = new Map(
  Object.entries(priorityLevels).map(([name, spec]) => [
    name,
    decode(PriorityLevelConfigurationSpec, spec, { defaults: true }) as PriorityLevelConfigurationSpec,
  ]),
)
const limits = planLimits(levels, 600)

test('the 600 seats of a server are divided by the shares of the levels', () => {
  const nominal = Object.fromEntries([...limits].map(([name, limit]) => [name, limit.nominal]))
  assert.deepEqual(nominal, {
    exempt: 0,
    'catch-all': 13,
    system: 74,
    'node-high': 98,
    'leader-election': 25,
    'workload-high': 98,
    'workload-low': 245,
    'global-default': 49,
  })
  assert.deepEqual(limits.get('workload-low'), { nominal: 245, min: 24, max: 845 })
  assert.deepEqual(limits.get('leader-election'), { nominal: 25, min: 25, max: 625 })
})

test('a limit of what is borrowed bounds the level', () => {
  const spec = levels.get('system')!
  const limited = { ...spec, limited: { ...spec.limited!, borrowingLimitPercent: 50 } }
  assert.deepEqual(planLimits(new Map([['a', limited]]), 100).get('a'), { nominal: 100, min: 67, max: 150 })
})

const quiet = (exempt = false): Omit<Claim, 'nominal' | 'min' | 'max'> => ({ highest: 0, smoothed: 0, exempt })
const claims = (demands: Readonly<Record<string, number>>) =>
  new Map(
    [...limits].map(([name, limit]): [string, Claim] => {
      const demand = demands[name] ?? 0
      return [name, { ...limit, ...quiet(name === 'exempt'), highest: demand, smoothed: demand }]
    }),
  )
const sum = (plan: ReadonlyMap<string, number>) => [...plan.values()].reduce((all, one) => all + one, 0)

test('a level that needs more borrows what the others lend, and they keep the rest', () => {
  const plan = planBorrowing(claims({ 'workload-low': 1000 }))
  assert.equal(plan.get('leader-election'), 25)
  assert.equal(plan.get('system'), 50)
  assert.ok(plan.get('workload-low')! > 245)
  assert.ok(Math.abs(sum(plan) - 602) <= 4, `the sum is ${sum(plan)}`)
})

test('a level that needs its own seats does not lose them', () => {
  const plan = planBorrowing(claims({ 'workload-low': 1000, 'workload-high': 98, 'global-default': 49 }))
  assert.ok(plan.get('workload-high')! >= 98)
  assert.ok(plan.get('global-default')! >= 49)
})

test('what exempt requests use is taken from the others, down to what they do not lend', () => {
  const busy = planBorrowing(claims({ exempt: 200, 'workload-low': 1000 }))
  const idle = planBorrowing(claims({ 'workload-low': 1000 }))
  assert.equal(busy.get('exempt'), 200)
  assert.equal(idle.get('workload-low')! - busy.get('workload-low')!, 200)
  const most = planBorrowing(claims({ exempt: 10_000, 'workload-low': 1000 }))
  assert.equal(most.get('workload-low'), limits.get('workload-low')!.min)
})

test('a demand rises at once and falls slowly', () => {
  const risen = nextDemand({ highest: 0, smoothed: 0 }, { mean: 40, deviation: 10, most: 80 })
  assert.deepEqual(risen, { highest: 80, smoothed: 50 })
  const fallen = nextDemand(risen, { mean: 0, deviation: 0, most: 0 })
  assert.equal(fallen.highest, 0)
  assert.ok(fallen.smoothed > 48 && fallen.smoothed < 50)
})
