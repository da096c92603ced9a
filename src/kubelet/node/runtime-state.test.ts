// When a runtime that does not answer makes its node not ready.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { SimulatedRuntime } from '../runtime/simulated.ts'
import { RuntimeState } from './runtime-state.ts'

const unchecked = 'container runtime status check may not have completed yet'
const down = 'container runtime is down'

const timelines: {
  what: string
  /** At each second: whether the runtime answers then, and what is said of it after that. */
  looks: [second: number, answers: boolean, undecided: boolean, problem: string][]
}[] = [
  { what: 'it answers at once', looks: [[0, true, false, '']] },
  {
    what: 'it starts a little later than the kubelet',
    looks: [
      [0, false, true, unchecked],
      [29, false, true, unchecked],
      [29.5, true, false, ''],
    ],
  },
  {
    what: 'it never starts',
    looks: [
      [0, false, true, unchecked],
      [30, false, false, down],
      [40, false, false, down],
    ],
  },
  {
    what: 'it comes late',
    looks: [
      [35, false, false, down],
      [40, true, false, ''],
    ],
  },
  {
    what: 'it is away for a moment',
    looks: [
      [0, true, false, ''],
      [10, false, false, ''],
      [20, true, false, ''],
      [49, false, false, ''],
      [50, false, false, down],
      [51, true, false, ''],
    ],
  },
]

for (const { what, looks } of timelines) {
  test(`a runtime is down after 30 seconds without an answer: ${what}`, async () => {
    const clock = new VirtualClock(0)
    const runtime = new SimulatedRuntime({ clock })
    const answer = runtime.info.bind(runtime)
    const state = new RuntimeState(runtime, clock, silentLog)
    for (const [second, answers, undecided, problem] of looks) {
      await clock.forward(second * 1000 - clock.now())
      runtime.info = answers ? answer : () => Promise.reject(new Error('connection refused'))
      await state.look()
      assert.deepEqual([state.undecided, state.problem], [undecided, problem], `after ${second} s`)
    }
  })
}
