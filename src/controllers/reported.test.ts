// The status is written whether the work fails or not, and a failure is thrown after that.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Failure, reported } from './reported.ts'

async function outcomeOf(work: () => Promise<unknown>, report: (failure?: Failure) => void) {
  const calls: (Failure | undefined)[] = []
  const thrown = await reported(work, async failure => {
    calls.push(failure)
    report(failure)
  }).then(
    () => 'nothing',
    (error: unknown) => (error as Error).message,
  )
  return { calls, thrown }
}

test('work that succeeds is reported without a failure, and throws nothing', async () => {
  assert.deepEqual(
    await outcomeOf(
      () => Promise.resolve(),
      () => {},
    ),
    { calls: [undefined], thrown: 'nothing' },
  )
})

test('a failure is reported once, and thrown after that', async () => {
  const error = new Error('quota exceeded')
  assert.deepEqual(
    await outcomeOf(
      () => Promise.reject(error),
      () => {},
    ),
    { calls: [{ error }], thrown: error.message },
  )
})

test('when the report fails, too, that failure is thrown', async () => {
  const report = () => {
    throw new Error('conflict')
  }
  const { thrown } = await outcomeOf(() => Promise.reject(new Error('quota exceeded')), report)
  assert.equal(thrown, 'conflict')
})
