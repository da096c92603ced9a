// The cases of upstream's replica_calculator_test.go as tables.
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { timeText } from '../../api/time.ts'
import { byAverage, byUtilization, byValue, byValuePerPod, groupPods, type PodValue } from './replicas.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'

const now = Date.UTC(2026, 5, 1)
const timing = { now, cpuInitializationMs: 120_000, initialReadinessMs: 10_000 }
const tolerance = { up: 0.1, down: 0.1 }

interface PodOptions {
  phase?: Pod['status']['phase']
  ready?: boolean
  startedMsAgo?: number
  readySinceMsAgo?: number
  deleted?: boolean
}

const pod = (i: number, o: PodOptions = {}): Pod =>
  podOf({
    metadata: { name: `p${i}`, ...(o.deleted && { deletionTimestamp: timeText(now) }) },
    status: {
      phase: o.phase ?? 'Running',
      startTime: timeText(now - (o.startedMsAgo ?? 3_600_000)),
      conditions: [
        {
          type: 'Ready',
          status: (o.ready ?? true) ? 'True' : 'False',
          lastTransitionTime: timeText(now - (o.readySinceMsAgo ?? 3_500_000)),
        },
      ],
    },
  })

const value = (milli: number): PodValue => ({ milli, atMs: now, windowMs: 60_000 })
const valuesOf = (levels: readonly number[]) => new Map(levels.map((milli, i) => [`p${i}`, value(milli)]))

interface Case {
  name: string
  current: number
  /** The usage of each pod. If there are fewer than pods, the last pods have no metrics. */
  levels: number[]
  pods?: PodOptions[]
  request?: number
  target: number
  wants: number
  utilization?: number
}

const cases: Case[] = [
  {
    name: 'more use than the target gives more pods',
    current: 3,
    levels: [300, 500, 700],
    request: 1000,
    target: 30,
    wants: 5,
    utilization: 50,
  },
  {
    name: 'an unready pod lessens an increase',
    current: 3,
    levels: [300, 500, 700],
    pods: [{ ready: false, startedMsAgo: 60_000, readySinceMsAgo: 60_000 }, {}, {}],
    request: 1000,
    target: 30,
    wants: 4,
    utilization: 60,
  },
  {
    name: 'unready pods can turn an increase into none',
    current: 3,
    levels: [400, 500, 700],
    pods: [
      { ready: false, startedMsAgo: 60_000, readySinceMsAgo: 60_000 },
      {},
      { ready: false, startedMsAgo: 60_000, readySinceMsAgo: 60_000 },
    ],
    request: 1000,
    target: 30,
    wants: 3,
    utilization: 50,
  },
  {
    name: 'failed pods are left out',
    current: 2,
    levels: [500, 700],
    pods: [{}, {}, { phase: 'Failed' }, { phase: 'Failed' }],
    request: 1000,
    target: 30,
    wants: 4,
    utilization: 60,
  },
  {
    name: 'a pod in deletion is left out',
    current: 3,
    levels: [1000, 1000],
    pods: [{}, {}, { deleted: true }],
    request: 1000,
    target: 30,
    wants: 7,
    utilization: 100,
  },
  {
    name: 'less use than the target gives fewer pods',
    current: 5,
    levels: [100, 300, 500, 250, 250],
    request: 1000,
    target: 50,
    wants: 3,
    utilization: 28,
  },
  {
    name: 'use within the tolerance changes nothing',
    current: 3,
    levels: [1010, 1030, 1020],
    request: 1000,
    target: 100,
    wants: 3,
    utilization: 102,
  },
  {
    name: 'one pod with large use gives many pods',
    current: 1,
    levels: [3000],
    request: 1000,
    target: 50,
    wants: 6,
    utilization: 300,
  },
  {
    name: 'missing values lessen a decrease',
    current: 5,
    levels: [100, 300, 500],
    pods: [{}, {}, {}, {}, {}],
    request: 1000,
    target: 50,
    wants: 5,
    utilization: 30,
  },
  {
    name: 'missing values count as the full request in a decrease',
    current: 3,
    levels: [450, 450],
    pods: [{}, {}, {}],
    request: 1000,
    target: 100,
    wants: 2,
    utilization: 45,
  },
]

for (const c of cases) {
  test(`by utilization: ${c.name}`, () => {
    const pods = (c.pods ?? c.levels.map(() => ({}))).map((o, i) => pod(i, o))
    const requests = new Map(pods.map(p => [p.metadata.name ?? '', c.request ?? 1000]))
    const scaling = { current: c.current, pods, values: valuesOf(c.levels), tolerance, timing }
    const { replicas, utilization } = byUtilization(scaling, requests, c.target, true)
    deepStrictEqual([replicas, utilization], [c.wants, c.utilization])
  })
}

test('by average, the number follows the ratio, unless it is within the tolerance of its direction', () => {
  const pods = [0, 1, 2].map(i => pod(i))
  const by = (levels: number[], target: number, t = tolerance) =>
    byAverage({ current: 3, pods, values: valuesOf(levels), tolerance: t, timing }, target, false).replicas
  strictEqual(by([20_000, 10_000, 30_000], 15_000), 4)
  strictEqual(by([12_000, 12_000, 12_000], 20_000), 2)
  strictEqual(by([20_000, 21_000, 21_000], 20_000), 3)
  strictEqual(by([20_000, 21_000, 21_000], 20_000, { up: 0.01, down: 0.1 }), 4)
})

test('one value is compared with its target for all pods together, or divided by their number', () => {
  const pods = [0, 1, 2].map(i => pod(i))
  strictEqual(byValue({ current: 3, pods, tolerance }, 20_000, 15_000), 4)
  strictEqual(byValue({ current: 3, pods, tolerance }, 15_500, 15_000), 3)
  strictEqual(byValue({ current: 0, pods: [], tolerance }, 50_000, 15_000), 4)
  deepStrictEqual(byValuePerPod({ current: 3, tolerance, existing: 3 }, 8600, 2150), {
    replicas: 4,
    averageMilli: 2867,
  })
  deepStrictEqual(byValuePerPod({ current: 4, tolerance, existing: 4 }, 8600, 2150), {
    replicas: 4,
    averageMilli: 2150,
  })
})

test('without values that count there is an error and no number', () => {
  const scaling = { current: 1, pods: [pod(0)], values: new Map(), tolerance, timing }
  throws(() => byAverage(scaling, 1000, false), /did not receive metrics for targeted pods/)
  throws(() => byAverage({ ...scaling, pods: [] }, 1000, false), /no pods returned by selector/)
  throws(() => byUtilization({ ...scaling, values: valuesOf([1]) }, new Map(), 50, true), /matched known pods/)
})

test('pods are grouped by phase, by whether they have values, and by how long they have run', () => {
  const pods = [
    pod(0),
    pod(1, { phase: 'Pending' }),
    pod(2, { deleted: true }),
    // The first pod is young and was never ready. The second is young, and its measurement began before it was ready.
    pod(3, { ready: false, startedMsAgo: 60_000, readySinceMsAgo: 60_000 }),
    pod(4, { startedMsAgo: 60_000, readySinceMsAgo: 30_000 }),
    pod(5, { startedMsAgo: 100_000, readySinceMsAgo: 90_000 }),
    pod(6),
    // This pod counts as ready, since it became unready only long after its start.
    pod(7, { ready: false, readySinceMsAgo: 1000 }),
  ]
  const values = valuesOf([1, 1, 1, 1, 1, 1])
  values.set('p7', value(1))
  deepStrictEqual(groupPods(pods, values, true, timing), {
    ready: 3,
    unready: ['p1', 'p3', 'p4'],
    missing: ['p6'],
    ignored: ['p2'],
  })
})
