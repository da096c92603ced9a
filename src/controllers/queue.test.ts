import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { KeyQueue } from './queue.ts'

const make = () => {
  const clock = new VirtualClock()
  return { clock, queue: new KeyQueue(clock, seededRandom(1), () => {}) }
}

test('a key waits at most once, and never runs twice at once', () => {
  const { queue } = make()
  queue.add('a')
  queue.add('a')
  queue.add('b')
  assert.equal(queue.take()?.key, 'a')
  queue.add('a')
  assert.equal(queue.take()?.key, 'b')
  assert.equal(queue.take(), undefined)
  queue.done('a')
  assert.equal(queue.take()?.key, 'a')
  queue.done('a')
  queue.done('b')
  assert.equal(queue.take(), undefined)
  assert.ok(queue.idle)
})

test('back-off doubles up to its limit, with a tenth of jitter, and starts from the shortest wait after a success', () => {
  const { queue } = make()
  for (let i = 0; i < 30; i++) {
    const wait = queue.retry('a')
    const plain = Math.min(5 * 2 ** i, 1_000_000)
    assert.ok(wait >= plain * 0.9 && wait <= plain * 1.1, `attempt ${i} waits ${wait}`)
  }
  queue.forget('a')
  assert.ok(queue.retry('a') < 6)
})

test('of two requeue times the earlier one counts', async () => {
  const { clock, queue } = make()
  queue.addAfter('a', 1000)
  queue.addAfter('a', 100)
  queue.addAfter('a', 5000)
  await clock.forward(99)
  assert.equal(queue.take(), undefined)
  await clock.forward(1)
  assert.equal(queue.take()?.key, 'a')
  queue.done('a')
  await clock.forward(10_000)
  assert.equal(queue.take(), undefined)
})

test('the queue reports how long a key waited, and every added key', async () => {
  const clock = new VirtualClock()
  let added = 0
  const queue = new KeyQueue(
    clock,
    seededRandom(1),
    () => {},
    () => added++,
  )
  queue.add('a')
  await clock.forward(40)
  queue.add('a')
  assert.deepEqual(queue.take(), { key: 'a', waitedMs: 40 })
  queue.add('a')
  queue.add('a')
  assert.equal(added, 2)
})
