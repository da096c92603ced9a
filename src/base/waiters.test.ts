import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { settle, VirtualClock } from './clock.ts'
import { allEnded, cutShort, joined, orAborted, Waiters, within, withJoined } from './waiters.ts'

test('each wait ends at its own target', async () => {
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

test('a wait ends with its signal, and all waits end together by fail', async () => {
  const waiters = new Waiters()
  const abort = new AbortController()
  const aborted = waiters.wait(1, abort.signal)
  const failed = waiters.wait(1)
  abort.abort(new Error('enough'))
  await assert.rejects(aborted, { message: 'enough' })
  await assert.rejects(waiters.wait(1, abort.signal), { message: 'enough' })
  waiters.fail(new Error('closed'))
  await assert.rejects(failed, { message: 'closed' })
  await assert.rejects(waiters.wait(2), { message: 'closed' })
})

const forever = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

test('work is aborted when its time is over', async () => {
  const clock = new VirtualClock()
  const abort = new AbortController()
  assert.equal(await within(clock, 1000, abort.signal, async () => 'done'), 'done')
  const late = assert.rejects(within(clock, 1000, abort.signal, forever), { message: 'no answer within 1 seconds' })
  await clock.forward(1000)
  await late
  const ended = assert.rejects(within(clock, 1000, abort.signal, forever), { message: 'enough' })
  abort.abort(new Error('enough'))
  await ended
})

test('work that ignores its signal is left behind when its time is over', async () => {
  const clock = new VirtualClock()
  const never = new AbortController().signal
  assert.equal(await cutShort(clock, 1000, never, async () => 'done'), 'done')
  const late = assert.rejects(
    cutShort(clock, 1000, never, () => new Promise(() => {})),
    { message: 'no answer within 1 seconds' },
  )
  await clock.forward(1000)
  await late
})

test('waiting for other work ends when the signal aborts', async () => {
  const abort = new AbortController()
  assert.equal(await orAborted(Promise.resolve('done'), abort.signal), 'done')
  await assert.rejects(orAborted(Promise.reject(new Error('failed')), abort.signal), { message: 'failed' })
  const waiting = assert.rejects(orAborted(new Promise(() => {}), abort.signal), { message: 'enough' })
  abort.abort(new Error('enough'))
  await waiting
  // A later failure, which nobody waits for, is no unhandled rejection.
  await assert.rejects(orAborted(Promise.reject(new Error('failed')), abort.signal), { message: 'enough' })
  await settle()
})

test('a joined signal aborts with the first of its sources, also after a garbage collection', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const [one, two] = [new AbortController(), new AbortController()]
  const { signal } = joined(one.signal, undefined, two.signal)
  collect()
  await new Promise(resolve => setImmediate(resolve))
  two.abort(new Error('enough'))
  assert.equal(signal.aborted, true)
  assert.equal((signal.reason as Error).message, 'enough')
  assert.equal(joined(one.signal, two.signal).signal.aborted, true)
})

test('a released signal does not abort any more, and nothing of it stays with its sources', async () => {
  const source = new AbortController()
  const { signal, release } = joined(source.signal)
  release()
  await withJoined([source.signal], async inner => assert.equal(inner.aborted, false))
  assert.equal(getEventListeners(source.signal, 'abort').length, 0)
  source.abort()
  assert.equal(signal.aborted, false)
})

test('what follows several works begins when all of them have ended, whether they failed or not', async () => {
  const order: string[] = []
  const slow = settle().then(() => order.push('slow'))
  const failed = (why: string) => Promise.reject(new Error(why))
  await assert.rejects(allEnded<unknown>([slow, failed('first'), failed('second')]), /first/)
  assert.deepEqual(order, ['slow'])
  assert.deepEqual(await allEnded([Promise.resolve(1), Promise.resolve(2)]), [1, 2])
})
