// Functions of lists: `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf`.
// Source: apiserver pkg/cel/library/lists.go.
import { add } from '../arithmetic.ts'
import { compare, equal } from '../equality.ts'
import { fn, member, type Library } from '../functions.ts'
import * as t from '../types.ts'
import type { Type } from '../types.ts'
import { Duration, Failure, List, Uint, failure, noSuchOverload, type Value } from '../values.ts'
import { spend } from '../work.ts'

// Overloads are written out by type, since there is no type parameter for "what can be added" or "has an order". The
// sum of an empty list is the zero of the type that the checker finds.
const summable: readonly (readonly [string, Type, Value])[] = [
  ['int', t.int, 0n],
  ['uint', t.uint, new Uint(0n)],
  ['double', t.double, 0],
  ['duration', t.duration, new Duration(0n)],
]
const comparable: readonly (readonly [string, Type])[] = [
  ['int', t.int],
  ['uint', t.uint],
  ['double', t.double],
  ['bool', t.bool],
  ['duration', t.duration],
  ['timestamp', t.timestamp],
  ['string', t.string],
  ['bytes', t.bytes],
]

/** Equal neighbours are in order. */
function isSorted(list: Value): Value {
  if (!(list instanceof List)) return noSuchOverload()
  let before: Value | undefined
  for (const element of list) {
    if (element instanceof Failure) return element
    const order = before === undefined ? 0 : compare(before, element)
    if (order === undefined) return noSuchOverload()
    if (order > 0) return false
    before = element
    spend(1)
  }
  return true
}

function sum(list: Value, zero: Value): Value {
  if (!(list instanceof List)) return noSuchOverload()
  let total = zero
  for (const element of list) {
    if (element instanceof Failure) return element
    total = add(total, element)
    if (total instanceof Failure) return total
    spend(1)
  }
  return total
}

/** The first element than which none is better; `sign` is -1 for the least. */
function best(list: Value, name: string, sign: 1 | -1): Value {
  if (!(list instanceof List)) return noSuchOverload()
  let found: Value | undefined
  for (const element of list) {
    if (element instanceof Failure) return element
    const order = found === undefined ? 1 : compare(element, found)
    if (order === undefined) return noSuchOverload()
    if (found === undefined || order * sign > 0) found = element
    spend(1)
  }
  return found === undefined ? failure(`${name} called on empty list`) : found
}

/** Equality is that of `==`: 1 is found in a list of 1.0. */
function indexOf(list: Value, value: Value): Value {
  if (!(list instanceof List)) return noSuchOverload()
  for (let i = 0; i < list.size; i++) if (equal(list.at(i), value)) return BigInt(i)
  return -1n
}

function lastIndexOf(list: Value, value: Value): Value {
  if (!(list instanceof List)) return noSuchOverload()
  for (let i = list.size - 1; i >= 0; i--) if (equal(list.at(i), value)) return BigInt(i)
  return -1n
}

const a = t.param('A')

export const lists: Library = {
  name: 'kubernetes.lists',
  functions: [
    fn(
      'isSorted',
      ...comparable.map(([name, type]) => member(`list_${name}_is_sorted_bool`, [t.list(type)], t.bool, isSorted)),
    ),
    fn(
      'sum',
      ...summable.map(([name, type, zero]) =>
        member(`list_${name}_sum_${name}`, [t.list(type)], type, list => sum(list, zero)),
      ),
    ),
    fn(
      'max',
      ...comparable.map(([name, type]) =>
        member(`list_${name}_max_${name}`, [t.list(type)], type, list => best(list, 'max', 1)),
      ),
    ),
    fn(
      'min',
      ...comparable.map(([name, type]) =>
        member(`list_${name}_min_${name}`, [t.list(type)], type, list => best(list, 'min', -1)),
      ),
    ),
    fn('indexOf', member('list_a_index_of_int', [t.list(a), a], t.int, indexOf)),
    fn('lastIndexOf', member('list_a_last_index_of_int', [t.list(a), a], t.int, lastIndexOf)),
  ],
}
