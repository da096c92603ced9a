import assert from 'node:assert/strict'
import { test } from 'node:test'
import { servingNodes } from './virtual-address.ts'

const standing = (...names: string[]) => names.map(node => ({ node, isHolder: false }))
const holding = (node: string) => ({ node, isHolder: true })
const own = (node: string) => ({ node, isHolder: false })

test('the nodes that serve have one order for all of them', () => {
  assert.deepEqual(servingNodes(standing('b', 'a'), own('c'), true), ['a', 'b', 'c'])
  assert.deepEqual(servingNodes(standing('c', 'b'), own('a'), true), ['a', 'b', 'c'])
})

test('a node that has the address stays the first, when others come back', () => {
  assert.deepEqual(servingNodes([holding('c'), ...standing('b')], own('a'), true), ['c', 'a', 'b'])
  assert.deepEqual(servingNodes(standing('a', 'b'), holding('c'), true), ['c', 'a', 'b'])
  assert.deepEqual(servingNodes([holding('b')], holding('a'), true), ['a', 'b'])
})

test('a node does not count itself while its server does not answer, though its lease be there', () => {
  assert.deepEqual(servingNodes(standing('a', 'b'), own('a'), false), ['b'])
  assert.deepEqual(servingNodes([], own('a'), false), [])
})
