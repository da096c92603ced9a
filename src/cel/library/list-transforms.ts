// Functions that make lists of lists: `slice`, `flatten`, `reverse`, `distinct`, `sort`, `sortBy`, `lists.range`.
// Source: cel-go ext/lists.go, version 3.
import { compare, equal } from '../equality.ts'
import { fn, member, plain, type Library, type Overload } from '../functions.ts'
import * as t from '../types.ts'
import { ArrayList, Failure, List, failure, noSuchOverload, typeName, type Value } from '../values.ts'
import { spend } from '../work.ts'

const listType = t.list(t.param('T'))

/**
 * Spends for a list before it is made. A list with more elements than this lets through costs more than an expression
 * may, but its cost is known only when it is there.
 */
const makeRoom = (size: number) => spend(16 * size)

/** The elements as a list, unless one of them is a failure. */
const listOf = (elements: readonly Value[]): Value =>
  elements.find(e => e instanceof Failure) ?? new ArrayList(elements)

/** Elements from one index to before another one. Both have to be within the list, where `substring` is as strict. */
function slice(list: Value, start: Value, end: Value): Value {
  if (!(list instanceof List) || typeof start !== 'bigint' || typeof end !== 'bigint') return noSuchOverload()
  const refuse = (reason: string) => failure(`cannot slice(${start}, ${end}), ${reason}`)
  if (start < 0n || end < 0n) return refuse('negative indexes not supported')
  if (start > end) return refuse('start index must be less than or equal to end index')
  if (end > list.size) return refuse(`list is length ${list.size}`)
  makeRoom(Number(end - start))
  return listOf(Array.from({ length: Number(end - start) }, (_, i) => list.at(Number(start) + i)))
}

/** With the elements of inner lists in their place, `depth` times over. What is no list stays. */
function flatten(list: Value, depth: Value = 1n): Value {
  if (!(list instanceof List) || typeof depth !== 'bigint')
    return failure(`no such overload: ${typeName(list)}.flatten(${depth === 1n ? '' : typeName(depth)})`)
  if (depth < 0n) return failure('level must be non-negative')
  const flat: Value[] = []
  const collect = (inner: List, levels: bigint): void => {
    for (const element of inner) {
      makeRoom(1)
      if (element instanceof List && levels > 0n) collect(element, levels - 1n)
      else flat.push(element)
    }
  }
  collect(list, depth)
  return listOf(flat)
}

function reverse(list: Value): Value {
  if (!(list instanceof List)) return noSuchOverload()
  makeRoom(list.size)
  return listOf([...list].reverse())
}

/** The first one of those that are equal. */
function distinct(list: Value): Value {
  if (!(list instanceof List)) return noSuchOverload()
  makeRoom(list.size)
  const elements = [...list]
  // Of one kind of scalar, equal ones are the same. Anything else is compared with all before it.
  const kind = typeof elements[0]
  if ((kind === 'string' || kind === 'bigint') && elements.every(e => typeof e === kind))
    return listOf([...new Set(elements)])
  const found: Value[] = []
  for (const element of elements) if (!found.some(other => equal(element, other))) found.push(element)
  return listOf(found)
}

/** 0 up to before the number. There is none below zero. */
function range(count: Value): Value {
  if (typeof count !== 'bigint') return noSuchOverload()
  const length = Math.max(Number(count), 0)
  makeRoom(length)
  return new ArrayList(Array.from({ length }, (_, i) => BigInt(i)))
}

/** In the order of the keys, of which there is one for each element. Of equal keys, the first comes first. */
// Upstream's order of equal keys is this one for lists of up to twelve elements, and arbitrary for longer ones.
function sortBy(list: Value, keys: Value): Value {
  if (!(list instanceof List) || !(keys instanceof List)) return noSuchOverload()
  if (list.size !== keys.size)
    return failure(
      `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.size} and ${keys.size} elements respectively`,
    )
  if (list.size === 0) return list
  makeRoom(list.size)
  const pairs = Array.from({ length: list.size }, (_, i) => ({ key: keys.at(i), value: list.at(i) }))
  const failed = pairs.find(({ key }) => key instanceof Failure)
  if (failed) return failed.key
  const kind = typeName(pairs[0]!.key)
  if (!comparable.some(type => type.name === kind)) return failure('list elements must be comparable')
  if (pairs.some(({ key }) => typeName(key) !== kind)) return failure('list elements must have the same type')
  spend(list.size * Math.ceil(Math.log2(list.size + 1)))
  pairs.sort((a, b) => compare(a.key, b.key) ?? 0)
  return listOf(pairs.map(({ value }) => value))
}

const comparable = [t.int, t.uint, t.double, t.bool, t.duration, t.timestamp, t.string, t.bytes]

/** Takes values of all types when they are known only at run time, and says itself which are wrong. */
const unguarded = (overload: Overload): Overload => ({ ...overload, unguarded: true })

export const listTransforms: Library = {
  name: 'cel.lib.ext.lists',
  macros: ['sortBy'],
  functions: [
    fn('slice', member('list_slice', [listType, t.int, t.int], listType, slice)),
    fn(
      'flatten',
      unguarded(member('list_flatten', [t.list(listType)], listType, list => flatten(list))),
      unguarded(member('list_flatten_int', [t.list(t.dyn), t.int], t.list(t.dyn), flatten)),
    ),
    fn(
      'sort',
      ...comparable.map(type =>
        unguarded(member(`list_${type.name}_sort`, [t.list(type)], t.list(type), list => sortBy(list, list))),
      ),
    ),
    fn(
      '@sortByAssociatedKeys',
      ...comparable.map(type =>
        unguarded(member(`list_${type.name}_sortByAssociatedKeys`, [listType, t.list(type)], listType, sortBy)),
      ),
    ),
    fn('lists.range', plain('lists_range', [t.int], t.list(t.int), range)),
    fn('reverse', member('list_reverse', [listType], listType, reverse)),
    fn('distinct', member('list_distinct', [listType], listType, distinct)),
  ],
}
