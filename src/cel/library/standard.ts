// The functions that every expression has: operators, sizes, conversions, tests of strings, parts of times.
// Source: cel-spec doc/langdef.md, "List of Standard Definitions"; cel-go common/stdlib/standard.go.
import { add, divide, modulo, multiply, negate, subtract } from '../arithmetic.ts'
import { compare, contains, equal } from '../equality.ts'
import { fn, member, plain, type FunctionDecl, type Implementation, type Library, type Overload } from '../functions.ts'
import { matchesPattern } from '../pattern.ts'
import * as t from '../types.ts'
import type { Type } from '../types.ts'
import { List, Mapping, failure, noSuchOverload, stringSize, type Value } from '../values.ts'
import { spend } from '../work.ts'
import { conversions } from './conversions.ts'
import { timeFunctions } from './times.ts'

const a = t.param('A')
const listOfA = t.list(a)
const mapOfAB = t.map(a, t.param('B'))

/** Two arguments, in the order in which the operator stands between them. */
const binary = (id: string, left: Type, right: Type, result: Type, run: Implementation): Overload =>
  plain(id, [left, right], result, run)

/** The operators that compiled code has for itself, so that they are declared without one. */
const builtIn: Implementation = () => failure('evaluated by the compiler')

/** Both sides and the result have one type. */
const same = (type: Type, id: string, run: Implementation) => binary(id, type, type, type, run)

const operators: readonly FunctionDecl[] = [
  fn('_?_:_', plain('conditional', [t.bool, a, a], a, builtIn)),
  fn('_&&_', binary('logical_and', t.bool, t.bool, t.bool, builtIn)),
  fn('_||_', binary('logical_or', t.bool, t.bool, t.bool, builtIn)),
  fn(
    '!_',
    plain('logical_not', [t.bool], t.bool, x => (typeof x === 'boolean' ? !x : noSuchOverload())),
  ),
  fn('@not_strictly_false', {
    ...plain('not_strictly_false', [t.bool], t.bool, x => x !== false),
    nonStrict: true,
  }),
  fn('_==_', binary('equals', a, a, t.bool, equal)),
  fn(
    '_!=_',
    binary('not_equals', a, a, t.bool, (x, y) => !equal(x, y)),
  ),
  fn(
    '_+_',
    same(t.bytes, 'add_bytes', add),
    same(t.double, 'add_double', add),
    same(t.duration, 'add_duration_duration', add),
    binary('add_duration_timestamp', t.duration, t.timestamp, t.timestamp, add),
    binary('add_timestamp_duration', t.timestamp, t.duration, t.timestamp, add),
    same(t.int, 'add_int64', add),
    same(listOfA, 'add_list', add),
    same(t.string, 'add_string', add),
    same(t.uint, 'add_uint64', add),
  ),
  fn('_/_', ...numeric('divide', divide)),
  fn('_%_', same(t.int, 'modulo_int64', modulo), same(t.uint, 'modulo_uint64', modulo)),
  fn('_*_', ...numeric('multiply', multiply)),
  fn('-_', plain('negate_double', [t.double], t.double, negate), plain('negate_int64', [t.int], t.int, negate)),
  fn(
    '_-_',
    same(t.double, 'subtract_double', subtract),
    same(t.duration, 'subtract_duration_duration', subtract),
    same(t.int, 'subtract_int64', subtract),
    binary('subtract_timestamp_duration', t.timestamp, t.duration, t.timestamp, subtract),
    binary('subtract_timestamp_timestamp', t.timestamp, t.timestamp, t.duration, subtract),
    same(t.uint, 'subtract_uint64', subtract),
  ),
  fn('_<_', ...ordered('less', order => order < 0)),
  fn('_<=_', ...ordered('less_equals', order => order <= 0)),
  fn('_>_', ...ordered('greater', order => order > 0)),
  fn('_>=_', ...ordered('greater_equals', order => order >= 0)),
  fn('_[_]', binary('index_list', listOfA, t.int, a, builtIn), binary('index_map', mapOfAB, a, t.param('B'), builtIn)),
  fn('@in', binary('in_list', a, listOfA, t.bool, isIn), binary('in_map', a, mapOfAB, t.bool, isIn)),
]

/** Numbers meet only their own type: there is no `1 + 1.0`. */
function numeric(id: string, run: Implementation): Overload[] {
  return [same(t.double, `${id}_double`, run), same(t.int, `${id}_int64`, run), same(t.uint, `${id}_uint64`, run)]
}

/** Comparisons, which unlike arithmetic take numbers of different types. */
function ordered(id: string, test: (order: number) => boolean): Overload[] {
  const run: Implementation = (x, y) => {
    const order = compare(x, y)
    return order === undefined ? noSuchOverload() : test(order)
  }
  const names: readonly (readonly [string, Type, Type])[] = [
    ['bool', t.bool, t.bool],
    ['int64', t.int, t.int],
    ['int64_double', t.int, t.double],
    ['int64_uint64', t.int, t.uint],
    ['uint64', t.uint, t.uint],
    ['uint64_double', t.uint, t.double],
    ['uint64_int64', t.uint, t.int],
    ['double', t.double, t.double],
    ['double_int64', t.double, t.int],
    ['double_uint64', t.double, t.uint],
    ['string', t.string, t.string],
    ['bytes', t.bytes, t.bytes],
    ['timestamp', t.timestamp, t.timestamp],
    ['duration', t.duration, t.duration],
  ]
  return names.map(([name, left, right]) => binary(`${id}_${name}`, left, right, t.bool, run))
}

/** `x in list` looks at every element; `k in map` at the key alone. */
function isIn(value: Value, container: Value): Value {
  if (container instanceof List) return contains(container, value)
  if (container instanceof Mapping) return container.has?.(value) ?? container.get(value) !== undefined
  return noSuchOverload()
}

/** Characters of a string, bytes of bytes, elements, entries. */
function size(value: Value): Value {
  if (typeof value === 'string') {
    spend(value.length / 16)
    return BigInt(stringSize(value))
  }
  if (value instanceof Uint8Array) return BigInt(value.length)
  return value instanceof List || value instanceof Mapping ? BigInt(value.size) : noSuchOverload()
}

const sized: readonly (readonly [string, Type])[] = [
  ['bytes', t.bytes],
  ['list', listOfA],
  ['map', mapOfAB],
  ['string', t.string],
]

/** A test of a string by another one. */
const test = (name: string, id: string, run: (text: string, other: string) => Value): FunctionDecl =>
  fn(
    name,
    member(id, [t.string, t.string], t.bool, (text, other) => {
      spend((text as string).length / 16)
      return run(text as string, other as string)
    }),
  )

const functions: readonly FunctionDecl[] = [
  fn(
    'size',
    ...sized.flatMap(([name, type]) => [
      member(`${name}_size`, [type], t.int, size),
      plain(`size_${name}`, [type], t.int, size),
    ]),
  ),
  test('contains', 'contains_string', (text, other) => text.includes(other)),
  test('endsWith', 'ends_with_string', (text, other) => text.endsWith(other)),
  test('startsWith', 'starts_with_string', (text, other) => text.startsWith(other)),
  fn(
    'matches',
    plain('matches', [t.string, t.string], t.bool, (text, pattern) =>
      matchesPattern(text as string, pattern as string),
    ),
    member('matches_string', [t.string, t.string], t.bool, (text, pattern) =>
      matchesPattern(text as string, pattern as string),
    ),
  ),
]

export const standard: Library = {
  name: 'standard',
  functions: [...operators, ...functions, ...conversions, ...timeFunctions],
}
