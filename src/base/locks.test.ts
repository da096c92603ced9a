// Work under one name never overlaps, whatever fails or gives up its place.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle } from './clock.ts'
import { Locks } from './locks.ts'

test('work of one name follows each other, and that of others does not wait', async () => {
  const locks = new Locks()
  const record: string[] = []
  const ends: Record<string, () => void> = {}
  const work = (name: string) => async () => {
    record.push(`${name} begins`)
    await new Promise<void>(resolve => (ends[name] = resolve))
    record.push(`${name} ends`)
  }
  const stop = new AbortController()
  const first = locks.run('v', undefined, work('first'))
  const second = locks.run('v', stop.signal, work('second'))
  const third = locks.run('v', undefined, work('third'))
  const other = locks.run('w', undefined, work('other'))
  await settle()
  assert.deepEqual(record, ['first begins', 'other begins'])
  // The second gives up its place, and the third still waits for the first.
  stop.abort(new Error('the pod ends'))
  await assert.rejects(second, /the pod ends/)
  await settle()
  assert.deepEqual(record.splice(0), ['first begins', 'other begins'])
  ends.first!()
  await first
  await settle()
  assert.deepEqual(record.splice(0), ['first ends', 'third begins'])
  ends.third!()
  ends.other!()
  await Promise.all([third, other])
})

test('work that fails does not stop the next', async () => {
  const locks = new Locks()
  const failed = locks.run('v', undefined, () => Promise.reject(new Error('no')))
  const next = locks.run('v', undefined, async () => 'done')
  await assert.rejects(failed, /no/)
  assert.equal(await next, 'done')
})
