// The checks of observations themselves: each accepts what a cluster may do, and finds what it must not.
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Claim,
  givenTwice,
  type Leading,
  type Running,
  runsTwice,
  type Seen,
  twoHolders,
  type Watched,
  wrongWatches,
} from './observed.ts'

const one = (found: readonly string[], message: RegExp, what: string) => {
  strictEqual(found.length, 1, `${what}: ${found.join('; ')}`)
  match(found[0]!, message, what)
}

test('a lease with one holder after the other is accepted, and two at once are found', () => {
  const term = (holder: string, from: number, to: number, lease = 'l'): Leading => ({ lease, holder, from, to })
  deepStrictEqual(twoHolders([term('a', 0, 10), term('b', 10, 20), term('a', 25, 30), term('b', 5, 15, 'other')]), [])
  one(twoHolders([term('a', 0, 10), term('b', 9, 20)]), /b held l from 9 on, and a worked for it until 10/, 'overlap')
  one(twoHolders([term('b', 5, 6), term('a', 0, 10)]), /b held l from 5 on/, 'one within the other')
  // A holder that was stopped goes on after another one has come and gone.
  one(twoHolders([term('a', 0, 30), term('b', 10, 12), term('a', 31, 32)]), /a worked for it until 30/, 'late work')
})

test('a pod that moves is accepted, and one that runs twice is found, as is an address of two', () => {
  const pod = (name: string, uid: string, node: string, ip = '') => ({ name, uid, node, ip })
  const moments = (...pods: Running['pods'][]): Running[] => pods.map((running, at) => ({ at, pods: running }))
  deepStrictEqual(
    runsTwice(
      moments([pod('db-0', '1', 'a', '10.0.0.1')], [], [pod('db-0', '2', 'b'), pod('db-1', '3', 'a', '10.0.0.1')]),
    ),
    [],
  )
  one(runsTwice(moments([pod('db-0', '1', 'a'), pod('db-0', '2', 'b')])), /db-0 runs on a as 1 and on b as 2/, 'twice')
  one(
    runsTwice(moments([pod('db-0', '1', 'a', '10.0.0.1'), pod('db-1', '2', 'b', '10.0.0.1')])),
    /10.0.0.1 is the address of db-0 and of db-1/,
    'address',
  )
})

test('what is given up may be given again, and what is held may not', () => {
  const claim = (revision: number, owner: string, ...claims: string[]): Claim => ({ revision, owner, claims })
  deepStrictEqual(
    givenTwice([
      claim(1, 's', 'x', 'y'),
      claim(2, 's', 'x'),
      claim(3, 't', 'y'),
      claim(4, 's'),
      claim(5, 't', 'x', 'y'),
    ]),
    [],
  )
  one(givenTwice([claim(1, 's', 'x'), claim(2, 't', 'x')]), /x of s is given to t at revision 2/, 'two owners')
  one(
    givenTwice([claim(1, 's', 'x'), claim(2, 's', 'x'), claim(3, 't', 'x')]),
    /x of s is given to t/,
    'after a change',
  )
  one(givenTwice([claim(1, 's', 'x', 'x')]), /x of s is given to s/, 'one owner twice')
})

test('a watch that shows each write once and in order is accepted, and any other is found', () => {
  const seen = (type: Seen['type'], key: string, revision: number): Seen => ({ type, key, revision })
  const writes = [seen('ADDED', 'a', 2), seen('ADDED', 'b', 5), seen('MODIFIED', 'a', 6), seen('DELETED', 'b', 9)]
  const [a, b, a2, gone] = writes as [Seen, Seen, Seen, Seen]
  const mark = (revision: number) => seen('BOOKMARK', '', revision)
  const watch = (after: number, ...events: Seen[]): Watched[] => [{ watcher: 'w', after, events }]
  const check = (watched: Watched[]) => wrongWatches(writes, watched)
  deepStrictEqual(check(watch(0, a, mark(4), b, a2, mark(6), gone, mark(30))), [])
  deepStrictEqual(check(watch(5, a2)), [])
  deepStrictEqual(check(watch(9, mark(9))), [])
  one(check(watch(0, a, a2)), /sees MODIFIED a at 6 where ADDED b at 5 belongs/, 'a gap')
  one(check(watch(0, a, a, b)), /sees ADDED a at 2 where ADDED b at 5/, 'twice')
  one(check(watch(0, a, a2, b)), /where ADDED b at 5 belongs/, 'out of order')
  one(check(watch(0, a, b, a2, gone, a)), /sees a at 2 after 9/, 'back')
  one(check(watch(0, a, mark(7), b)), /has a bookmark at 7 before b at 5/, 'a bookmark that passes a write')
  one(check(watch(0, seen('MODIFIED', 'a', 2))), /sees MODIFIED a at 2 where ADDED a/, 'another type')
  one(check(watch(9, seen('ADDED', 'c', 11))), /where nothing belongs/, 'what was never written')
})
