// How one set of NUMA nodes is made of the hints of all managers, and which pods a policy does not admit.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Hint,
  type Hints,
  hintsWhere,
  maskOf,
  mergeHints,
  nodesIn,
  sizeOf,
  subsetsOf,
  type TopologyPolicy,
} from './hints.ts'

const hint = (mask: number | undefined, isPreferred: boolean): Hint => ({ mask, isPreferred })
const yes = (mask: number) => hint(mask, true)
const no = (mask: number) => hint(mask, false)
const of = (...lists: (readonly Hint[] | undefined)[]): Hints[] => lists.map(list => new Map([['r', list]]))

test('sets of nodes are the bits of a number', () => {
  assert.equal(maskOf([0, 2]), 5)
  assert.equal(maskOf([-1, 31, 4096]), 0)
  assert.deepEqual(nodesIn(5), [0, 2])
  assert.deepEqual(subsetsOf([0, 3]), [1, 8, 9])
  assert.deepEqual(
    hintsWhere(
      [0, 1],
      mask => sizeOf(mask) > 0,
      mask => mask !== 1,
    ),
    [yes(2), no(3)],
  )
})

const cases: [string, Hints[], TopologyPolicy, Hint, boolean][] = [
  ['the common node of two managers is taken', of([yes(1), yes(2), no(3)], [yes(2)]), 'single-numa-node', yes(2), true],
  ['of two that would do, the lower is taken', of([yes(1), yes(2), no(3)]), 'best-effort', yes(1), true],
  [
    'without a common node, what they share is not preferred',
    of([yes(1), no(3)], [yes(2), no(3)]),
    'best-effort',
    no(1),
    true,
  ],
  ['which a restricted node does not admit', of([yes(1), no(3)], [yes(2), no(3)]), 'restricted', no(1), false],
  ['nor one for single nodes', of([yes(1), no(3)], [yes(2), no(3)]), 'single-numa-node', hint(undefined, false), false],
  ['what needs two nodes is preferred on two', of([yes(3)]), 'restricted', yes(3), true],
  ['but is on no single one', of([yes(3)]), 'single-numa-node', hint(undefined, false), false],
  ['a resource without a preference has no say', of(undefined, [yes(2)]), 'restricted', yes(2), true],
  ['nobody with a preference means any nodes', of(undefined), 'single-numa-node', hint(undefined, true), true],
  ['a resource that no nodes can serve makes nothing preferred', of([], [yes(2)]), 'best-effort', no(2), true],
  ['and is not admitted', of([], [yes(2)]), 'restricted', no(2), false],
  [
    'of what is not preferred, the set that the neediest resource needs is best',
    of([no(3), no(7)], [no(1), no(3)]),
    'best-effort',
    no(3),
    true,
  ],
]
for (const [name, hints, policy, merged, isAdmitted] of cases)
  test(name, () => {
    assert.deepEqual(
      mergeHints(hints, { policy, nodes: policy === 'best-effort' && name.includes('neediest') ? [0, 1, 2] : [0, 1] }),
      { hint: merged, isAdmitted },
    )
  })

test('closer nodes come before lower ones where that is asked for', () => {
  const hints = of([yes(3), yes(6), yes(5)])
  const nodes = [0, 1, 2]
  const distance = (mask: number) => (mask === 6 ? 11 : 20)
  assert.equal(mergeHints(hints, { policy: 'best-effort', nodes }).hint.mask, 3)
  assert.equal(mergeHints(hints, { policy: 'best-effort', nodes, distance }).hint.mask, 6)
})

test('the result is what all choices of hints give, however many there are', () => {
  const hints = fc.array(fc.record({ mask: fc.integer({ min: 1, max: 7 }), isPreferred: fc.boolean() }), {
    maxLength: 4,
  })
  fc.assert(
    fc.property(fc.array(hints, { maxLength: 4 }), lists => {
      const { hint: merged, isAdmitted } = mergeHints(of(...lists), { policy: 'restricted', nodes: [0, 1, 2] })
      const choices = lists
        .map(list => (list.length ? list : [hint(7, false)]))
        .reduce<Hint[]>(
          (all, list) =>
            all.flatMap(a => list.map(b => hint((a.mask ?? 7) & (b.mask ?? 7), a.isPreferred && b.isPreferred))),
          [yes(7)],
        )
        .filter(({ mask }) => mask)
      const preferred = choices.filter(({ isPreferred }) => isPreferred)
      assert.equal(isAdmitted, preferred.length > 0)
      if (isAdmitted)
        assert.equal(sizeOf(merged.mask ?? 7), Math.min(...preferred.map(({ mask }) => sizeOf(mask ?? 7))))
      assert.ok(!choices.length || choices.some(choice => choice.mask === merged.mask))
    }),
  )
  // A product of these would have 10^20 members.
  const many = of(...Array.from({ length: 20 }, () => Array.from({ length: 10 }, (_, i) => no(i + 1))))
  assert.equal(mergeHints(many, { policy: 'best-effort', nodes: [0, 1, 2, 3] }).isAdmitted, true)
})
