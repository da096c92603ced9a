// Which pods end for a critical pod, as a table.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { podOf } from '../../kinds/testing.ts'
import { planPreemption, type Shortage } from './preemption.ts'

type Amounts = Record<string, string>
const named = (name: string, requests: Amounts, more: { limits?: Amounts; priority?: number } = {}) =>
  podOf({
    metadata: { name },
    spec: {
      priority: more.priority ?? 0,
      containers: [{ name: 'c', image: 'i', resources: { requests, ...(more.limits && { limits: more.limits }) } }],
    },
  })
const guaranteed = (name: string, amounts: Amounts) => named(name, amounts, { limits: amounts })
const preemptor = named('critical', { cpu: '1' }, { priority: 2_000_000_000 })
const cpu = (amount: number): Shortage[] => [{ resource: 'cpu', amount }]
const none = 'no set of running pods found to reclaim resources: '

const cases: [string, ReturnType<typeof named>[], Shortage[], string[] | string][] = [
  ['one pod that is enough', [named('a', { cpu: '1' })], cpu(500), ['a']],
  [
    'of those that are enough, the one that requests less',
    [named('a', { cpu: '200m' }), named('c', { cpu: '900m' }), named('b', { cpu: '700m' })],
    cpu(600),
    ['b'],
  ],
  [
    'several when none is enough, the largest first',
    [named('a', { cpu: '200m' }), named('b', { cpu: '400m' })],
    cpu(500),
    ['b', 'a'],
  ],
  [
    'burstable pods before guaranteed ones',
    [guaranteed('g', { cpu: '500m', memory: '1Mi' }), named('b', { cpu: '900m' })],
    cpu(500),
    ['b'],
  ],
  [
    'guaranteed ones only for what the others do not give',
    [guaranteed('g', { cpu: '1', memory: '1Mi' }), named('b', { cpu: '100m' })],
    cpu(500),
    ['g'],
  ],
  [
    'best-effort pods for the number of pods',
    [named('b', { cpu: '1' }), named('e', {})],
    [{ resource: 'pods', amount: 1 }],
    ['e'],
  ],
  [
    'each resource counts by its share, so one pod that gives both is better than one that gives much of one',
    [named('much', { memory: '4Gi' }), named('both', { cpu: '500m', memory: '1Gi' })],
    [
      { resource: 'cpu', amount: 500 },
      { resource: 'memory', amount: 2 ** 30 },
    ],
    ['both'],
  ],
  ['not enough', [named('a', { cpu: '200m' })], cpu(500), `${none}[(res: cpu, q: 300), ]`],
  [
    'critical pods stay',
    [named('a', { cpu: '1' }, { priority: 2_000_000_000 })],
    cpu(500),
    `${none}[(res: cpu, q: 500), ]`,
  ],
  ['no pods at all', [], cpu(1), `${none}[(res: cpu, q: 1), ]`],
]

for (const [what, pods, shortages, expected] of cases)
  test(`preemption: ${what}`, () => {
    const plan = planPreemption(preemptor, pods, shortages)
    const got = 'victims' in plan ? plan.victims.map(pod => pod.metadata.name) : plan.problem
    deepStrictEqual(got, expected)
  })
