// The snapshot with input that it refuses, and with pods whose node is not there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../kinds/core/node.ts'
import { nodeOf, podOf } from '../kinds/testing.ts'
import { PodInfo } from './info.ts'
import { openOffline } from './offline.ts'

const good = (name: string) => nodeOf({ metadata: { name }, status: { allocatable: { cpu: '1', pods: '9' } } })
/** A node as an older or faulty writer may have stored it. */
const bad = (name: string) => JSON.parse(JSON.stringify({ ...good(name), status: { images: 5 } })) as Node

test('a malformed node throws and changes nothing, not even the number of slots', () => {
  const { snapshot } = openOffline()
  snapshot.setNode(good('a'))
  for (let i = 0; i < 3; i++) assert.throws(() => snapshot.setNode(bad('b')))
  assert.equal(snapshot.slots, 1)
  snapshot.removeNode('a')
  for (let i = 0; i < 3; i++) assert.throws(() => snapshot.setNode(bad('b')))
  snapshot.setNode(good('b'))
  assert.deepEqual([snapshot.slots, snapshot.node('b')?.slot], [1, 0])
  assert.throws(() => snapshot.setNode(bad('b')))
  assert.equal(snapshot.node('b')?.images.size, 0)
})

test('pods count only while their node is in the snapshot', () => {
  const { snapshot } = openOffline()
  const count = () => snapshot.nodes.reduce((sum, node) => sum + node.pods.size, 0)
  snapshot.setPod(new PodInfo(podOf({ metadata: { name: 'p', uid: 'p' } })), 'a')
  assert.equal(count(), 0)
  snapshot.setNode(good('a'))
  assert.equal(count(), 1)
  snapshot.removeNode('a')
  assert.equal(count(), 0)
  snapshot.setNode(good('a'))
  assert.equal(count(), 1)
})
