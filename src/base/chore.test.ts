import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chore } from './chore.ts'
import { settle, VirtualClock } from './clock.ts'

function make(work: () => Promise<void>) {
  const clock = new VirtualClock()
  const abort = new AbortController()
  const failures: string[] = []
  const failed = (error: unknown) => void failures.push(String(error))
  const chore = new Chore({ signal: abort.signal, retry: { clock, firstMs: 100, maxMs: 300, failed } }, work)
  return { clock, abort, chore, failures }
}

test('a chore runs once for many wakes, and again for a wake during its run', async () => {
  let runs = 0
  let atOnce = 0
  const { clock, chore } = make(async () => {
    assert.equal(++atOnce, 1)
    runs++
    await clock.sleep(10)
    atOnce--
  })
  chore.wake()
  chore.wake()
  await clock.forward(5)
  assert.equal(runs, 1)
  chore.wake()
  chore.wake()
  await clock.forward(15)
  await chore.settled()
  assert.equal(runs, 2)
  await clock.forward(1000)
  assert.equal(runs, 2)
})

test('a chore is repeated with back-off until it succeeds', async () => {
  const at: number[] = []
  let failing = 4
  const { clock, chore, failures } = make(async () => {
    at.push(clock.now())
    if (failing-- > 0) throw new Error('no')
  })
  const began = clock.now()
  chore.wake()
  await clock.forward(10_000)
  assert.deepEqual(
    at.map(ms => ms - began),
    [0, 100, 300, 600, 900],
  )
  assert.equal(failures.length, 4)
})

test('a chore ends with its signal', async () => {
  let runs = 0
  const { clock, chore, abort } = make(async () => {
    runs++
    throw new Error('no')
  })
  chore.wake()
  await settle()
  abort.abort()
  await chore.settled()
  chore.wake()
  await clock.forward(10_000)
  assert.equal(runs, 1)
})

test('without a way to try again, a failure that the work does not deal with is not hidden', async () => {
  const chore = new Chore({}, () => Promise.reject(new Error('a defect')))
  chore.wake()
  await assert.rejects(chore.settled(), /a defect/)
})
