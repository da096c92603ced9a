// The life of a pod: which states follow which, and which of two causes to end counts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { advance, ended, type Ending, endingOf, finished, isLiving, type Life, type Living, settled } from './life.ts'

const alive: Living = { is: 'alive', finishedAtMs: undefined }
const deleted: Ending = { why: 'deleted', sinceMs: 1_000, graceSeconds: 30, objectGone: false }
const failed: Ending = { ...deleted, why: 'failed', reason: 'DeadlineExceeded', message: 'too long' }

test('a deleted pod ends, is settled and then gone', () => {
  const ending = ended(alive, deleted)
  assert.deepEqual(ending, { is: 'ending', ending: deleted })
  const rest = settled(ending)
  assert.deepEqual(rest, { is: 'settled', ending: deleted })
  assert.deepEqual(advance(rest, { is: 'gone' }), { is: 'gone' })
})

test('a pod whose containers ended by themselves is settled without a cause, and may be deleted after that', () => {
  const done = finished(alive, 500)
  assert.deepEqual(finished(done, 900), { is: 'alive', finishedAtMs: 500 }, 'the first time stands')
  const rest = settled(done)
  assert.deepEqual(rest, { is: 'settled', ending: undefined })
  assert.deepEqual(ended(rest, deleted), { is: 'settled', ending: deleted })
  assert.equal(finished(rest, 900), rest)
})

test('of two causes to end the first stays, and the earlier end of the grace period counts', () => {
  const twice = (second: Partial<Ending>) => endingOf(ended(ended(alive, failed), { ...deleted, ...second } as Ending))
  assert.deepEqual(twice({ sinceMs: 2_000 }), failed, 'a later end changes nothing')
  assert.deepEqual(twice({ graceSeconds: 5 }), { ...failed, graceSeconds: 5 })
  assert.deepEqual(twice({ sinceMs: 2_000, objectGone: true }), { ...failed, objectGone: true })
  assert.equal(endingOf(ended(ended(alive, { ...deleted, objectGone: true }), deleted))?.objectGone, true)
})

test('there are no other transitions', () => {
  const lives: Life[] = [alive, ended(alive, deleted), settled(ended(alive, deleted)), { is: 'gone' }, { is: 'closed' }]
  const ways = lives.flatMap(from => lives.flatMap(to => (isTaken(from, to) ? [`${from.is} ${to.is}`] : [])))
  assert.deepEqual(ways, [
    'alive alive',
    'alive ending',
    'alive settled',
    'alive closed',
    'ending ending',
    'ending settled',
    'ending closed',
    'settled settled',
    'settled gone',
    'settled closed',
  ])
  assert.throws(() => settled(alive), /settled while its containers are to run/)
  assert.deepEqual(
    lives.filter(life => !isLiving(life)).map(life => life.is),
    ['gone', 'closed'],
  )
})

function isTaken(from: Life, to: Life): boolean {
  try {
    advance(from, to)
    return true
  } catch (error) {
    assert.match(String(error), new RegExp(`a pod's life goes from ${from.is} to ${to.is}`))
    return false
  }
}
