import assert from 'node:assert/strict'
import { test } from 'node:test'
import { servingNodes } from './virtual-address.ts'

test('the nodes that serve have one order for all of them', () => {
  assert.deepEqual(servingNodes(['b', 'a'], 'c', true), ['a', 'b', 'c'])
  assert.deepEqual(servingNodes(['c', 'b'], 'a', true), ['a', 'b', 'c'])
})

test('a node does not count itself while its server does not answer, though its lease be there', () => {
  assert.deepEqual(servingNodes(['a', 'b'], 'a', false), ['b'])
  assert.deepEqual(servingNodes([], 'a', false), [])
})
