import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MemberState, quorumProblem } from '../store/index.ts'
import { initialCluster, whyNotAdd, whyNotRemove } from './member-join.ts'

const member = (name: string, more: Partial<MemberState> = {}): MemberState => ({
  id: `id-${name}`,
  name,
  peerUrls: [`https://${name || 'new'}:2380`],
  clientUrls: [`https://${name}:2379`],
  isLearner: false,
  answers: true,
  hasLeader: true,
  isLeader: false,
  sizeBytes: 1,
  ...more,
})
const silent = { answers: false, hasLeader: false }

test('a quorum is lost when less than half of the votes and one are there', () => {
  const cases: [MemberState[], RegExp | undefined][] = [
    [[member('a')], undefined],
    [[member('a'), member('b'), member('c')], undefined],
    [[member('a'), member('b'), member('c', silent)], undefined],
    [
      [member('a'), member('b', silent), member('c', silent)],
      /^1 of 3 etcd members answers; 2 are needed.*Silent: b, c$/,
    ],
    [[member('a'), member('b', silent)], /^1 of 2 etcd members answers; 2 are needed/],
    [[member('a', silent)], /^0 of 1 etcd members answer; 1 are needed|^0 of 1 etcd members answer; 1 is needed/],
    // A learner has no vote.
    [[member('a'), member('b', { ...silent, isLearner: true })], undefined],
    [[member('a', { hasLeader: false }), member('b', { hasLeader: false }), member('c', silent)], /no leader yet/],
  ]
  for (const [members, expected] of cases) {
    const found = quorumProblem(members)
    if (expected) assert.match(found ?? '', expected)
    else assert.equal(found, undefined)
  }
})

test('a member is removed only when enough are left', () => {
  const three = [member('a'), member('b'), member('c')]
  assert.equal(whyNotRemove(three, 'b'), undefined)
  assert.match(whyNotRemove(three, 'x')!, /no member x; it has: a, b, c/)
  assert.match(whyNotRemove([member('a')], 'a')!, /a is the only member/)
  const oneSilent = [member('a'), member('b'), member('c', silent)]
  assert.equal(whyNotRemove(oneSilent, 'c'), undefined)
  assert.match(whyNotRemove(oneSilent, 'b')!, /without b, 1 of 2 .* 2 are needed/)
  assert.match(whyNotRemove([member('a'), member('b', silent), member('c', silent)], 'c')!, /a quorum is lost/)
  const learning = [member('a'), member('b', { ...silent, isLearner: true })]
  assert.equal(whyNotRemove(learning, 'b'), undefined)
})

test('a member is added only under a name and an address of its own', () => {
  const members = [member('a'), member('b')]
  assert.equal(whyNotAdd(members, 'c', 'https://c:2380'), undefined)
  assert.match(
    whyNotAdd(members, 'b', 'https://c:2380')!,
    /has a member b already; remove it first with: kutter member/,
  )
  assert.match(whyNotAdd(members, 'c', 'https://b:2380')!, /member b has the address/)
  assert.match(whyNotAdd([member('a'), member('b', silent)], 'c', 'https://c:2380')!, /1 of 2 etcd members/)
  // One that was added and never started is in nobody's way.
  assert.equal(whyNotAdd([member('a'), member('', { isLearner: true })], 'c', 'https://new:2380'), undefined)
})

test('the new member gets the addresses of those that have started, and its own', () => {
  const added = { id: 'id-', name: 'c' }
  assert.equal(initialCluster([member('a'), member('')], added), 'a=https://a:2380,c=https://new:2380')
  const stray = member('', { id: 'other', peerUrls: ['https://stray:2380'] })
  assert.equal(initialCluster([member('a'), stray, member('')], added), 'a=https://a:2380,c=https://new:2380')
})
