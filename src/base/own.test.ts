import { equal } from 'node:assert/strict'
import { test } from 'node:test'
import { own } from './own.ts'

test('a map has the keys that were put into it, and none of those that every object inherits', () => {
  const map: Record<string, string> = { a: '1', toString: '2' }
  equal(own(map, 'a'), '1')
  equal(own(map, 'toString'), '2')
  for (const key of ['b', 'constructor', 'valueOf', '__proto__']) equal(own(map, key), undefined)
  equal(own(undefined, 'a'), undefined)
})
