// The syntax tree of an expression. The parser makes it, with macros already expanded; the checker writes types,
// overloads and resolved names into it; cost estimate and compiler read it.
import type { Place } from './issues.ts'
import type { Overload } from './functions.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

interface Common {
  readonly at: Place
  /** What the checker found; undefined before, and in trees that are not checked. */
  type?: Type
}

interface Constant extends Common {
  readonly kind: 'constant'
  readonly value: Value
}

interface Ident extends Common {
  readonly kind: 'ident'
  /** As it is written; a leading dot asks for the name outside of the container. */
  readonly name: string
  /** The full name of the variable or type that is meant; undefined for a variable of a comprehension. */
  resolved?: string
}

export interface Select extends Common {
  readonly kind: 'select'
  readonly operand: Node
  readonly field: string
  /** From `has()`: asks whether the field is there. */
  readonly test: boolean
  /** Set when the whole chain of names is one variable, such as `a.b`, or a type. */
  resolved?: string
}

export interface Call extends Common {
  readonly kind: 'call'
  /** Without its namespace until the checker, or the compiler of unchecked trees, resolves it. */
  readonly name: string
  readonly target: Node | undefined
  readonly args: readonly Node[]
  /** The overloads that fit the static types. */
  overloads?: readonly Overload[]
  /** Set when target and name together are the name of a function, such as `sets.contains`. */
  resolved?: string
}

export interface ListNode extends Common {
  readonly kind: 'list'
  readonly elements: readonly Node[]
  /** The indices of elements that are written `?x`. */
  readonly optional: ReadonlySet<number>
}

export interface MapEntry {
  readonly at: Place
  readonly key: Node
  readonly value: Node
  readonly optional: boolean
}

export interface MapNode extends Common {
  readonly kind: 'map'
  readonly entries: readonly MapEntry[]
}

export interface FieldEntry {
  readonly at: Place
  readonly name: string
  readonly value: Node
  readonly optional: boolean
}

export interface StructNode extends Common {
  readonly kind: 'struct'
  readonly name: string
  readonly fields: readonly FieldEntry[]
  resolved?: string
}

/**
 * A loop over a list or the keys of a map, with an accumulator. Every macro becomes one:
 *
 *     accumulator = init
 *     for (variable of range) { if (!condition) break; accumulator = step }
 *     result
 */
export interface Comprehension extends Common {
  readonly kind: 'comprehension'
  readonly range: Node
  readonly variable: string
  /** In the forms of two variables the first one is the index or key, and this one the element or value. */
  readonly variable2: string | undefined
  readonly accumulator: string
  readonly init: Node
  readonly condition: Node
  readonly step: Node
  readonly result: Node
}

export type Node = Constant | Ident | Select | Call | ListNode | MapNode | StructNode | Comprehension

/** What the accumulators of macros are called: no variable can have this name. */
export const accumulatorName = '@result'

/** `a.b.c` of a chain of selects on a name; undefined for any other node. */
export function qualifiedName(node: Node): string | undefined {
  if (node.kind === 'ident') return node.name
  if (node.kind !== 'select' || node.test) return undefined
  const before = qualifiedName(node.operand)
  return before === undefined ? undefined : `${before}.${node.field}`
}

/** Whether a comprehension only gives a name to a value, as `cel.bind` does: its range is empty. */
export const isBinding = (node: Comprehension): boolean =>
  node.range.kind === 'list' &&
  node.range.elements.length === 0 &&
  node.condition.kind === 'constant' &&
  node.condition.value === false &&
  node.accumulator !== accumulatorName
