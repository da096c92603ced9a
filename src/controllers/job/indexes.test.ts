import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIndexes, parseIndexes } from './indexes.ts'

const table: [number[], string][] = [
  [[], ''],
  [[3], '3'],
  [[1, 2], '1,2'],
  [[5, 3, 4, 1, 7], '1,3-5,7'],
  [[0, 1, 2, 3], '0-3'],
]
for (const [indexes, text] of table) {
  test(`${JSON.stringify(indexes)} is ${JSON.stringify(text)}`, () => {
    assert.equal(formatIndexes(indexes), text)
    assert.deepEqual([...parseIndexes(text)].sort(), [...indexes].sort())
  })
}
