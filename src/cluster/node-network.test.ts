import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { keepNodeNetwork } from './node-network.ts'

test('a network that cannot be set up is tried again, and one that is up ends when the range changes', async () => {
  const clock = new VirtualClock()
  const end = new AbortController()
  let failing = 3
  const tries: { range: readonly string[]; signal: AbortSignal }[] = []
  const network = keepNodeNetwork({
    async setUp(range, signal) {
      for (const before of tries) assert.ok(before.signal.aborted, 'what was begun before has ended')
      tries.push({ range, signal })
      if (failing-- > 0) throw new Error('Error: ipv4: Address already assigned')
    },
    clock,
    log: silentLog,
    signal: end.signal,
  })
  network(['10.244.0.0/24', 'fd00:10:244::/64'])
  await clock.forward(60_000)
  assert.equal(tries.length, 4)
  network(['10.244.0.0/24', 'fd00:10:244::/64'])
  await clock.forward(60_000)
  assert.equal(tries.length, 4)
  assert.equal(tries[3]!.signal.aborted, false)
  failing = 1
  network(['10.244.7.0/24'])
  await clock.forward(60_000)
  assert.deepEqual(
    tries.slice(4).map(t => t.range),
    [['10.244.7.0/24'], ['10.244.7.0/24']],
  )
  end.abort()
  assert.ok(tries[5]!.signal.aborted)
})
