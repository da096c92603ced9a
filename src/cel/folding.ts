// What the compiler computes once: lists of constants, conversions of constants, and sets of constants for `in`.
// Source: cel-go interpreter/optimizations.go, decorators.go.
import type { ListNode, MapNode, Node } from './ast.ts'
import type { Overload } from './functions.ts'
import { ArrayList, EntryMap, Failure, type List, type Mapping, type Value } from './values.ts'

// What is computed here is one value for all evaluations. That is safe, since values never change; and it is seen from
// outside, since what is computed here costs nothing at run time.
/** The list, when all of its elements are constants. */
export function foldedList(node: ListNode): List | undefined {
  if (node.optional.size) return undefined
  const items: Value[] = []
  for (const element of node.elements)
    if (element.kind === 'constant') items.push(element.value)
    else {
      const inner =
        element.kind === 'list' ? foldedList(element) : element.kind === 'map' ? foldedMap(element) : undefined
      if (!inner) return undefined
      items.push(inner)
    }
  return new ArrayList(items)
}

/** The map, when all of its keys and values are constants. */
export function foldedMap(node: MapNode): Mapping | undefined {
  const map = new EntryMap()
  for (const { key, value, optional } of node.entries) {
    const constant = value.kind === 'list' ? foldedList(value) : value.kind === 'map' ? foldedMap(value) : undefined
    if (optional || key.kind !== 'constant' || (value.kind !== 'constant' && !constant)) return undefined
    if (!map.add(key.value, value.kind === 'constant' ? value.value : constant!)) return undefined
  }
  return map
}

const conversions = new Set([
  'bool',
  'bytes',
  'double',
  'duration',
  'dyn',
  'int',
  'string',
  'timestamp',
  'type',
  'uint',
])

/** The result of a conversion of a constant. One that fails is left to each evaluation. */
export function foldedCall(name: string, args: readonly Node[], overloads: readonly Overload[]): Value | undefined {
  const [arg] = args
  if (args.length !== 1 || arg?.kind !== 'constant' || !conversions.has(name) || overloads.length !== 1)
    return undefined
  const value = overloads[0]!.run(arg.value)
  return value instanceof Failure ? undefined : value
}

/** The elements of a list of constants that are all of one kind, as the keys of a map. */
export function constantSet(node: Node): Mapping | undefined {
  const list = node.kind === 'list' ? foldedList(node) : undefined
  if (!list?.size) return undefined
  const set = new EntryMap()
  for (const element of list) {
    if (typeof element !== typeof list.at(0) || typeof element === 'object' || typeof element === 'number')
      return undefined
    set.add(element, true)
  }
  return set
}
