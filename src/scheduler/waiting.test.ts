// Pods that wait at `permit`: what allows them, what rejects them, and when they have waited long enough.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { podOf } from '../kinds/testing.ts'
import { PodInfo } from './info.ts'
import { WaitingRoom } from './waiting.ts'

const pod = new PodInfo(podOf({ metadata: { name: 'p', uid: 'p' } }))

function open() {
  const clock = new VirtualClock()
  const room = new WaitingRoom(clock)
  const abort = new AbortController()
  const wait = (...plugins: [string, number][]) => room.wait(pod, 'n', new Map(plugins), abort.signal)
  return { clock, room, abort, wait }
}

test('a pod is allowed when every plugin has allowed it', async () => {
  const { room, wait } = open()
  const verdict = wait(['a', 1000], ['b', 1000])
  room.allow('p', 'a')
  assert.ok(room.has('p'))
  room.allow('p', 'b')
  assert.deepEqual(await verdict, { allowed: true })
  assert.deepEqual(room.list(), [])
})

test('a pod is rejected by the first plugin whose time is over, and after fifteen minutes in any case', async () => {
  for (const [waitMs, limitMs] of [
    [1000, 1000],
    [3_600_000, 900_000],
  ] as const) {
    const { clock, room, wait } = open()
    const verdict = wait(['a', waitMs], ['b', 7_200_000])
    await clock.forward(limitMs - 1)
    assert.ok(room.has('p'))
    await clock.forward(1)
    const { allowed, plugin } = (await verdict) as { allowed: boolean; plugin: string }
    assert.deepEqual([allowed, plugin, room.has('p')], [false, 'a', false])
  }
})

test('a pod is rejected when the scheduler stops, also if it stopped before the wait', async () => {
  const stopped = { allowed: false, plugin: 'scheduler', message: 'the scheduler is stopping' }
  const { room, abort, wait } = open()
  const before = wait(['a', 1000])
  abort.abort()
  assert.deepEqual(await before, stopped)
  const after = wait(['a', 1000])
  assert.deepEqual(room.list(), [], 'nothing waits for a scheduler that has stopped')
  assert.deepEqual(await after, stopped)
})
