import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Item, type MirrorChange } from '../api/mirror.ts'
import type { KubeObject } from '../api/kind.ts'
import { SortedItems, sortByKey } from './sorted.ts'

const item = (name: string, revision: number) =>
  new Item({ metadata: { name, namespace: name.slice(0, 1) } } as KubeObject, revision)

test('after changes in any order, items are sorted', () => {
  const there = new Map<string, Item>()
  const names = ['a1', 'a10', 'a2', 'b-1', 'b0', 'c', 'a']
  for (const name of names.slice(0, 4)) there.set(name, item(name, 1))
  const sorted = new SortedItems(there.values())
  let seed = 7
  for (let revision = 2; revision < 400; revision++) {
    seed = (seed * 16807) % 2147483647
    const name = names[seed % names.length]!
    const before = there.get(name)
    const type = before ? (seed % 3 ? 'MODIFIED' : 'DELETED') : 'ADDED'
    const change: MirrorChange = { type, item: item(name, revision), before }
    if (type === 'DELETED') there.delete(name)
    else there.set(name, change.item)
    assert.ok(sorted.apply(change))
    assert.deepEqual(sorted.items, sortByKey(there.values()))
  }
})

test('a change of an item that is missing is refused, so that items are sorted again', () => {
  const sorted = new SortedItems([item('a', 1)])
  assert.equal(sorted.apply({ type: 'MODIFIED', item: item('b', 3), before: item('b', 2) }), false)
  assert.equal(sorted.apply({ type: 'DELETED', item: item('a', 3), before: item('a', 2) }), false)
})
