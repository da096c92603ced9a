// The checker itself: it accepts what a linearizable store may do, and finds each way of not being one.
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Change } from '../../src/store/store.ts'
import { type Operation, violations } from './history.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const put = (revision: number, key: string, value: string): Change => ({
  type: 'put',
  key,
  value: bytes(value),
  revision,
  created: revision,
})
const gone = (revision: number, key: string, was: number): Change => ({
  type: 'delete',
  key,
  revision,
  previous: { key, value: bytes(''), revision: was, created: was },
})
const log = [put(1, 'a', 'a1'), put(2, 'b', 'b1'), put(3, 'a', 'a2'), gone(4, 'b', 2)]
const wrote = (start: number, end: number, key: string, value: string, outcome: number | 'refused' | 'unknown') =>
  ({ type: 'put', start, end, key, value, outcome }) as Operation
const got = (start: number, end: number, key: string, seen: number) =>
  ({ type: 'get', start, end, key, seen }) as Operation

test('what a linearizable store does is accepted', () => {
  deepStrictEqual(
    violations(log, [
      wrote(0, 10, 'a', 'a1', 1),
      // Of operations that overlap, either may come first.
      got(5, 8, 'a', 0),
      got(5, 15, 'a', 1),
      wrote(11, 30, 'b', 'b1', 'unknown'),
      wrote(12, 20, 'a', 'a2', 3),
      wrote(12, 20, 'a', 'a3', 'refused'),
      { type: 'delete', start: 21, end: 25, key: 'b', expect: 2, outcome: 4 },
      got(26, 27, 'b', 0),
      { type: 'list', start: 26, end: 28, at: 4, seen: new Map([['a', 3]]) },
    ]),
    [],
  )
})

test('each way of not being one is found', () => {
  const cases: [string, Change[], Operation[], RegExp][] = [
    ['a gap', [log[0]!, log[2]!], [], /revision 3 where 2 belongs/],
    ['a write that is lost', log, [wrote(0, 1, 'a', 'lost', 5)], /acknowledged at 5, and is at no revision/],
    ['one at another revision', log, [wrote(0, 1, 'a', 'a2', 2)], /acknowledged at 2, and is at 3/],
    ['one at another key', log, [wrote(0, 1, 'b', 'a2', 3)], /is at a, not at b/],
    ['one that was refused', log, [wrote(0, 1, 'a', 'a2', 'refused')], /was refused, and is at revision 3/],
    ['one that stands there twice', [put(1, 'a', 'x'), put(2, 'a', 'x')], [wrote(0, 1, 'a', 'x', 1)], /written twice/],
    [
      'a deletion that is lost',
      log,
      [{ type: 'delete', start: 0, end: 1, key: 'a', expect: 1, outcome: 3 }],
      /not in the log/,
    ],
    ['writes against time', log, [wrote(0, 1, 'a', 'a2', 3), wrote(2, 3, 'b', 'b1', 2)], /began after 3 had been seen/],
    ['an old read', log, [wrote(0, 1, 'a', 'a2', 3), got(2, 3, 'a', 1)], /seen at revision 1 after 3/],
    ['reads that go back', log, [got(0, 1, 'a', 3), got(2, 3, 'a', 1)], /seen at revision 1 after 3/],
    ['reads of two keys that go back', log, [got(0, 1, 'b', 2), got(2, 3, 'a', 0)], /seen at revision 0 after 2/],
    ['a read of nothing that was', log, [got(0, 1, 'a', 2)], /seen at revision 2/],
    [
      'an old list',
      log,
      [got(0, 1, 'a', 3), { type: 'list', start: 2, end: 3, at: 2, seen: new Map() }],
      /list of revision 2/,
    ],
    [
      'a list of two states',
      log,
      [
        {
          type: 'list',
          start: 0,
          end: 1,
          at: 3,
          seen: new Map([
            ['a', 1],
            ['b', 2],
          ]),
        },
      ],
      /has a at 1/,
    ],
  ]
  for (const [what, changes, operations, message] of cases) {
    const found = violations(changes, operations)
    strictEqual(found.length, 1, `${what}: ${found.join('; ')}`)
    match(found[0]!, message, what)
  }
})
