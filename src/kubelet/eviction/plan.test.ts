// When a node reports pressure and when it reclaims, as timelines of what is available.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noPressure, planPressure, type PressureState } from './plan.ts'
import {
  amountIn,
  bytesText,
  defaultThresholds,
  keptFree,
  type Observations,
  type Signal,
  type Threshold,
} from './signals.ts'

const gib = 2 ** 30
const memory: Threshold = { signal: 'memory.available', value: { quantity: 100 }, graceMs: 0 }
const disk: Threshold = { signal: 'nodefs.available', value: { share: 0.1 }, graceMs: 0 }
const soft: Threshold = { signal: 'memory.available', value: { quantity: 300 }, graceMs: 90_000 }

const seen = (available: Partial<Record<Signal, number>>): Observations =>
  new Map(
    Object.entries(available).map(([signal, amount]) => [signal as Signal, { available: amount, capacity: 1000 }]),
  )

interface Step {
  /** Seconds since the beginning. */
  at: number
  available: Partial<Record<Signal, number>>
  conditions: string
  urgent: string
}

/** `at available → conditions | urgent` */
const timelines: [string, Threshold[], Step[]][] = [
  [
    'a hard threshold is urgent at once, and its condition stays for the transition period',
    [memory],
    [
      { at: 0, available: { 'memory.available': 100 }, conditions: '', urgent: '' },
      { at: 10, available: { 'memory.available': 99 }, conditions: 'MemoryPressure', urgent: 'memory.available' },
      { at: 20, available: { 'memory.available': 500 }, conditions: 'MemoryPressure', urgent: '' },
      { at: 309, available: { 'memory.available': 500 }, conditions: 'MemoryPressure', urgent: '' },
      { at: 310, available: { 'memory.available': 500 }, conditions: '', urgent: '' },
    ],
  ],
  [
    'a condition that comes and goes stays until it has been away for the whole period',
    [memory],
    [
      { at: 0, available: { 'memory.available': 1 }, conditions: 'MemoryPressure', urgent: 'memory.available' },
      { at: 200, available: { 'memory.available': 1 }, conditions: 'MemoryPressure', urgent: 'memory.available' },
      { at: 400, available: { 'memory.available': 500 }, conditions: 'MemoryPressure', urgent: '' },
      { at: 500, available: { 'memory.available': 500 }, conditions: '', urgent: '' },
    ],
  ],
  [
    'a soft threshold is a condition at once, and urgent after its grace period',
    [soft],
    [
      { at: 0, available: { 'memory.available': 200 }, conditions: 'MemoryPressure', urgent: '' },
      { at: 80, available: { 'memory.available': 200 }, conditions: 'MemoryPressure', urgent: '' },
      { at: 90, available: { 'memory.available': 200 }, conditions: 'MemoryPressure', urgent: 'memory.available' },
    ],
  ],
  [
    'a break begins the grace period again',
    [soft],
    [
      { at: 0, available: { 'memory.available': 200 }, conditions: 'MemoryPressure', urgent: '' },
      { at: 80, available: { 'memory.available': 400 }, conditions: 'MemoryPressure', urgent: '' },
      { at: 90, available: { 'memory.available': 200 }, conditions: 'MemoryPressure', urgent: '' },
      { at: 180, available: { 'memory.available': 200 }, conditions: 'MemoryPressure', urgent: 'memory.available' },
    ],
  ],
  [
    'once met, a threshold with a minimum to reclaim holds until that much more is there',
    [{ ...memory, minReclaim: { quantity: 50 } }],
    [
      { at: 0, available: { 'memory.available': 120 }, conditions: '', urgent: '' },
      { at: 10, available: { 'memory.available': 90 }, conditions: 'MemoryPressure', urgent: 'memory.available' },
      { at: 20, available: { 'memory.available': 149 }, conditions: 'MemoryPressure', urgent: 'memory.available' },
      { at: 30, available: { 'memory.available': 150 }, conditions: 'MemoryPressure', urgent: '' },
    ],
  ],
  [
    'memory comes before the disk',
    [disk, memory],
    [
      {
        at: 0,
        available: { 'nodefs.available': 1, 'memory.available': 1 },
        conditions: 'DiskPressure MemoryPressure',
        urgent: 'memory.available nodefs.available',
      },
    ],
  ],
  [
    'what cannot be measured meets no threshold',
    [disk, memory],
    [{ at: 0, available: {}, conditions: '', urgent: '' }],
  ],
]

for (const [what, thresholds, steps] of timelines)
  test(what, () => {
    let state: PressureState = noPressure
    for (const { at, available, conditions, urgent } of steps) {
      const plan = planPressure(thresholds, seen(available), state, 1_000_000 + at * 1000, 300_000)
      state = plan.state
      assert.deepEqual(
        [plan.conditions.join(' '), plan.urgent.map(({ signal }) => signal).join(' ')],
        [conditions, urgent],
        `at ${at} s`,
      )
    }
  })

test('percentages of a shared disk are of ten gibibytes, and of a smaller disk of all of it', () => {
  const kept = (isShared: boolean, capacity: number) =>
    keptFree(defaultThresholds(isShared), 'nodefs.available', capacity)
  assert.equal(kept(true, 1000 * gib), gib)
  assert.equal(kept(true, 5 * gib), gib / 2)
  assert.equal(kept(false, 1000 * gib), 100 * gib)
  const inodes = defaultThresholds(true).find(({ signal }) => signal === 'nodefs.inodesFree')!
  assert.equal(amountIn(inodes.value, 100_000_000), 32_768)
})

test('bytes are written in the largest binary unit that is exact', () => {
  const table: [number, string][] = [
    [0, '0'],
    [1, '1'],
    [1024, '1Ki'],
    [1536, '1536'],
    [100 * 2 ** 20, '100Mi'],
    [100 * 2 ** 20 + 1, '104857601'],
    [2 ** 60 * 2, '2Ei'],
  ]
  for (const [bytes, text] of table) assert.equal(bytesText(bytes), text)
})
