import { strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { unifiedDiff } from './line-diff.ts'

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}`)

test('equal texts have no difference', () => strictEqual(unifiedDiff(['a'], ['a']), ''))

test('a change has three lines of context', () => {
  const changed = numbers(9).map(line => (line === '5' ? 'five' : line))
  strictEqual(unifiedDiff(numbers(9), changed), '@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n')
})

test('changes that are far apart are in separate hunks', () => {
  const without = numbers(20).filter(line => line !== '2' && line !== '19')
  strictEqual(
    unifiedDiff(numbers(20), without),
    '@@ -1,5 +1,4 @@\n 1\n-2\n 3\n 4\n 5\n@@ -16,5 +15,4 @@\n 16\n 17\n 18\n-19\n 20\n',
  )
})

test('in a long text, frequent lines begin no block', () => {
  const text = numbers(150).flatMap(line => [line, '},'])
  const changed = text.map(line => (line === '75' ? 'x' : line))
  strictEqual(unifiedDiff(text, changed), '@@ -146,7 +146,7 @@\n },\n 74\n },\n-75\n+x\n },\n 76\n },\n')
})
