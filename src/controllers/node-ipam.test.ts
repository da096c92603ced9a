import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextFree, poolsOf, rangeText, takenSlots } from './node-ipam.ts'
import { nodeOf } from '../kinds/testing.ts'

const node = (...podCIDRs: string[]) => nodeOf({ spec: { podCIDRs, ...(podCIDRs[0] && { podCIDR: podCIDRs[0] }) } })

test('a cluster range is divided into ranges of a node’s size', () => {
  const [v4] = poolsOf('10.244.0.0/16')
  assert.deepEqual([v4!.slots, rangeText(v4!, 0), rangeText(v4!, 255)], [256, '10.244.0.0/24', '10.244.255.0/24'])
  const [large] = poolsOf('10.0.0.0/8', { 4: 20 })
  assert.deepEqual([large!.slots, rangeText(large!, 1)], [4096, '10.0.16.0/20'])
  const both = poolsOf('10.244.0.0/16,fd00:10:244::/56')
  assert.deepEqual(
    both.map(pool => rangeText(pool, 2)),
    ['10.244.2.0/24', 'fd00:10:244:2::/64'],
  )
  // If the whole range is smaller than the range of one node, one node gets all of it.
  assert.deepEqual(
    [poolsOf('10.1.2.128/25')[0]!.slots, rangeText(poolsOf('10.1.2.128/25')[0]!, 0)],
    [1, '10.1.2.128/25'],
  )
})

for (const [what, text] of [
  ['no range', 'here'],
  ['twice the same family', '10.0.0.0/16,10.1.0.0/16'],
  ['too many', '10.0.0.0/16,fd00::/56,fd01::/56'],
  ['more slots than upstream allows', 'fd00::/40'],
])
  test(`a cluster range is refused: ${what}`, () => assert.throws(() => poolsOf(text!)))

test('slots are given out in turn, and again from the first, until all are taken', () => {
  const taken = new Set([0, 1, 3])
  const isFree = (slot: number) => !taken.has(slot)
  assert.equal(nextFree(4, 0, isFree), 2)
  assert.equal(nextFree(4, 3, isFree), 2)
  taken.add(2)
  assert.equal(nextFree(4, 2, isFree), undefined)
})

const taken: [string, string, string[], string[]][] = [
  ['a range of the usual size takes one slot', '10.244.0.0/16', ['10.244.3.0/24'], ['0/3']],
  ['a smaller range takes the slot that contains it', '10.244.0.0/16', ['10.244.3.64/26'], ['0/3']],
  ['a larger range takes all slots within it', '10.244.0.0/16', ['10.244.4.0/22'], ['0/4', '0/5', '0/6', '0/7']],
  ['a range around the cluster’s takes all slots', '10.244.0.0/23', ['10.0.0.0/8'], ['0/0', '0/1']],
  ['a range elsewhere takes no slot', '10.244.0.0/16', ['10.245.0.0/24'], []],
  [
    'ranges of both families take slots of both',
    '10.244.0.0/16,fd00::/56',
    ['10.244.1.0/24', 'fd00:0:0:2::/64'],
    ['0/1', '1/2'],
  ],
  ['a node without ranges takes no slot', '10.244.0.0/16', [], []],
]
for (const [what, cluster, ranges, slots] of taken)
  test(`the slots of a node’s ranges: ${what}`, () =>
    assert.deepEqual(takenSlots(poolsOf(cluster), node(...ranges)), slots))
