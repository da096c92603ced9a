// The sorted set of keys is compared with a plain sorted array, with enough keys that its runs are split and emptied.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import { SortedKeys } from './sorted-keys.ts'

const sorted = (keys: Iterable<string>) => [...keys].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))

/** What `from` must give, by the words of its contract. */
const expected = (model: ReadonlySet<string>, prefix: string, after?: string) =>
  sorted(model).filter(key => key.startsWith(prefix) && (after === undefined || key > after))

function filled(keys: readonly string[]): SortedKeys {
  const set = new SortedKeys()
  set.fill(keys)
  return set
}

test('a set that is filled at once and one that grows key by key have the same order', () => {
  // A multiplier prime to the count gives every number once, in no order.
  const keys = Array.from({ length: 4001 }, (_, i) => `/k/${(i * 1999) % 4001}`)
  const grown = new SortedKeys()
  for (const key of keys) grown.add(key)
  assert.deepEqual([...grown.from('')], sorted(keys))
  assert.deepEqual([...filled(keys).from('')], sorted(keys))
})

test('a key that is added twice is there once, and one that is deleted twice is gone once', () => {
  const set = filled(['b'])
  set.add('a')
  set.add('a')
  set.add('b')
  assert.deepEqual([...set.from('')], ['a', 'b'])
  set.delete('a')
  set.delete('a')
  set.delete('c')
  assert.deepEqual([...set.from('')], ['b'])
})

test('an emptied set takes keys again', () => {
  const keys = Array.from({ length: 1500 }, (_, i) => `${i}`)
  const set = filled(keys)
  for (const key of keys) set.delete(key)
  assert.deepEqual([...set.from('')], [])
  set.delete('1')
  for (const key of keys) set.add(key)
  assert.deepEqual([...set.from('')], sorted(keys))
})

test('keys between two prefixes, and beyond the last, are found from any start', () => {
  const set = filled(['/pod', '/pods/a', '/pods/b', '/podsx', '/services/a'])
  const table: [prefix: string, after: string | undefined, keys: string[]][] = [
    ['', undefined, ['/pod', '/pods/a', '/pods/b', '/podsx', '/services/a']],
    ['/pods/', undefined, ['/pods/a', '/pods/b']],
    ['/pod', undefined, ['/pod', '/pods/a', '/pods/b', '/podsx']],
    ['/pods/', '/pods/a', ['/pods/b']],
    ['/pods/', '/pods/b', []],
    // A continuation need not be a key that is still there.
    ['/pods/', '/pods/aa', ['/pods/b']],
    // One before the prefix leaves nothing out, one after it leaves everything out.
    ['/pods/', '/a', ['/pods/a', '/pods/b']],
    ['/pods/', '/z', []],
    ['/none/', undefined, []],
    ['/zzz', undefined, []],
    ['', '/podsx', ['/services/a']],
    ['', '/services/a', []],
  ]
  for (const [prefix, after, keys] of table) assert.deepEqual([...set.from(prefix, after)], keys, `${prefix} ${after}`)
})

test('any adding, deleting and listing agrees with a sorted array', () => {
  // Few letters, so that keys are prefixes of one another and are met again.
  const key = fc.string({ unit: fc.constantFrom('/', 'a', 'b', 'ü', '😀'), minLength: 1, maxLength: 5 })
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), key }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('from' as const), key, after: fc.option(key, { nil: undefined }) }),
    },
  )
  fc.assert(
    fc.property(
      fc.uniqueArray(key, { maxLength: 900, size: 'max' }),
      fc.array(step, { maxLength: 300 }),
      (at, steps) => {
        const set = filled(at)
        const model = new Set(at)
        for (const s of steps) {
          if (s.do === 'add') {
            set.add(s.key)
            model.add(s.key)
          } else if (s.do === 'delete') {
            set.delete(s.key)
            model.delete(s.key)
          } else assert.deepEqual([...set.from(s.key, s.after)], expected(model, s.key, s.after))
        }
        assert.deepEqual([...set.from('')], expected(model, ''))
      },
    ),
    { numRuns: 60 },
  )
})
