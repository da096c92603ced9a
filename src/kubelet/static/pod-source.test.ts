// When the mirror of all pods of a node counts as complete.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Item, Mirror } from '../../api/mirror.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import { PodSource } from './pod-source.ts'

test('the pods of a node are complete when the last one has been added, and not before', () => {
  const api = new Mirror<Pod>()
  const names = ['a', 'b', 'c']
  for (const [i, name] of names.entries()) {
    const pod = podOf({
      metadata: { name, namespace: 'd', uid: name },
      spec: { containers: [{ name: 'c', image: 'x' }] },
    })
    api.apply([{ type: 'ADDED', item: new Item(pod, i + 1) }], i + 1)
  }
  const source = new PodSource(api, () => false)
  source.setStatics([], true)
  const seen: string[] = []
  const stop = source.pods.subscribeEach(
    ({ item }) => seen.push(`${item.object.metadata.name} ${source.isComplete}`),
    'test',
  )
  const close = source.open((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
  assert.deepEqual(seen, ['a false', 'b false', 'c false'])
  assert.equal(source.isComplete, true)
  stop()
  close()
})
