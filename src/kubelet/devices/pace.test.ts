// How many requests are answered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pace } from './pace.ts'

test('ten requests are answered at once, and a hundred a second', () => {
  let now = 0
  const may = pace(() => now)
  const answered = () => Array.from({ length: 50 }, may).filter(Boolean).length
  const table: [at: number, count: number][] = [
    [0, 10],
    [9, 0],
    [10, 1],
    [60, 5],
    [60_000, 10],
    [0, 0],
    [30, 3],
  ]
  for (const [at, count] of table) {
    now = at
    assert.equal(answered(), count, `at ${at}`)
  }
})
