// Jobs of a pod: never two of one key, which of them are aborted when the pod ends, and the pause after a failure.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle, VirtualClock } from '../../base/clock.ts'
import { type Job, Jobs, keyOf, yieldsToEnding } from './jobs.ts'

const jobs: readonly Job[] = [
  { do: 'sandbox' },
  { do: 'start', name: 'a' },
  { do: 'start', name: 'b' },
  { do: 'kill', id: 'a' },
  { do: 'preStop', id: 'a' },
  { do: 'remove', id: 'a' },
  { do: 'settle' },
  { do: 'delete' },
]

function begun() {
  const clock = new VirtualClock()
  const record: string[] = []
  const running = new Jobs({
    clock,
    failed: (job, why) => record.push(`${keyOf(job)} failed: ${why}`),
    finished: () => record.push('finished'),
  })
  const untilAborted = (signal: AbortSignal) =>
    new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  return { clock, record, running, untilAborted }
}

test('different jobs run at the same time, and none twice', async () => {
  const { record, running } = begun()
  let count = 0
  let end = () => {}
  const ended = new Promise<void>(resolve => (end = resolve))
  for (const job of [...jobs, ...jobs])
    running.begin(job, () => {
      count++
      return ended
    })
  assert.equal(count, jobs.length)
  assert.deepEqual(running.list, jobs)
  end()
  await settle()
  assert.deepEqual(running.list, [])
  assert.deepEqual(
    record,
    jobs.map(() => 'finished'),
  )
})

test('when the pod ends, the jobs that create or end containers are aborted, and no others', async () => {
  const { record, running, untilAborted } = begun()
  for (const job of jobs) running.begin(job, untilAborted)
  running.abort(yieldsToEnding, 'the pod ends')
  await settle()
  assert.deepEqual(running.list.map(keyOf), ['remove a', 'settle', 'delete'])
  assert.ok(!record.some(line => line.includes('failed')), 'an aborted job does not count as failed')
})

test('a job that failed counts as under way until its retry is due', async () => {
  const { clock, record, running } = begun()
  running.begin({ do: 'settle' }, () => Promise.reject(new Error('busy')))
  await clock.forward(1_999)
  assert.deepEqual(record, ['settle failed: busy'])
  assert.equal(running.list.length, 1)
  await clock.forward(1)
  assert.deepEqual([record.at(-1), running.list.length], ['finished', 0])
})
