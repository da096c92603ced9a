import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Waiters } from './waiters.ts'

test('each waits for its own value', async () => {
  const waiters = new Waiters()
  const order: number[] = []
  const waits = [3, 1, 2].map(target => waiters.wait(target).then(() => order.push(target)))
  waiters.reach(1)
  await waits[1]
  assert.deepEqual(order, [1])
  waiters.reach(3)
  await Promise.all(waits)
  assert.deepEqual(order.sort(), [1, 2, 3])
})

test('a wait ends with its signal, or with everything', async () => {
  const waiters = new Waiters()
  const abort = new AbortController()
  const aborted = waiters.wait(1, abort.signal)
  const failed = waiters.wait(1)
  abort.abort(new Error('enough'))
  await assert.rejects(aborted, { message: 'enough' })
  await assert.rejects(waiters.wait(1, abort.signal), { message: 'enough' })
  waiters.fail(new Error('closed'))
  await assert.rejects(failed, { message: 'closed' })
})
