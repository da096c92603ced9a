// Estimates what an expression costs, at least and at most, before it has seen any data: from the sizes of constants,
// and from those that the caller says its variables may have.
//
//     self.items.all(i, i.name != '')     at most: as many items as the schema allows, times the cost of one turn
//
// A rule whose largest estimate is beyond the budget is refused when it is written, so these numbers are part of the
// API: they are upstream's.
// Source: cel-go checker/cost.go.
import { accumulatorName, isBinding, type Call, type Comprehension, type Node } from './ast.ts'
import {
  fixed,
  nothing,
  one,
  patternFactor,
  plus,
  scale,
  stringFactor,
  times,
  union,
  unknown,
  type Range,
} from './cost.ts'
import { isOptional, type Type } from './types.ts'
import { Uint, stringSize } from './values.ts'

/** A part of an expression as estimators see it. */
export interface Estimated {
  /**
   * The way to it from a variable: names of fields, `@items`, `@indices`, `@keys`, `@values`. Undefined for what is no
   * part of a variable.
   */
  readonly path: readonly string[] | undefined
  readonly type: Type
  readonly node: Node | undefined
  /** Known from the expression itself. */
  readonly size: Range | undefined
}

export interface CallEstimate {
  readonly cost: Range
  /** The size of the result, where it is a string, bytes, a list or a map. */
  readonly size?: Range
}

export interface Estimator {
  /** The size that a part of a variable may have; undefined when there is no saying. */
  size(element: Estimated): Range | undefined
  /** What a call costs by itself, without its arguments; undefined when the language has its own number. */
  call(name: string, id: string, target: Estimated | undefined, args: readonly Estimated[]): CallEstimate | undefined
}

/** The cost of a checked tree. Only names of the presence of fields are free, as Kubernetes has it. */
export const estimateCost = (node: Node, estimator: Estimator): Range => new Coster(estimator).cost(node)

/** The sizes of keys and values of a container. */
interface Entries {
  readonly isList: boolean
  readonly key: Range
  readonly value: Range
}

interface Local {
  readonly path: readonly string[] | undefined
  readonly size: Range | undefined
  readonly entries: Entries | undefined
}

class Coster {
  readonly #estimator: Estimator
  readonly #paths = new Map<Node, readonly string[]>()
  readonly #sizes = new Map<Node, Range>()
  readonly #entries = new Map<Node, Entries>()
  readonly #locals = new Map<string, Local[]>()

  constructor(estimator: Estimator) {
    this.#estimator = estimator
  }

  cost(node: Node): Range {
    switch (node.kind) {
      case 'constant':
        return nothing
      case 'ident':
        this.#paths.set(node, this.#local(node.name)?.path ?? [node.resolved ?? node.name])
        return one
      case 'select':
        return this.#select(node)
      case 'call':
        return this.#call(node)
      case 'list': {
        const cost = plus(...node.elements.map(e => this.cost(e)), fixed(10))
        const value = this.#hull(node.elements)
        this.#entries.set(node, { isList: true, key: one, value })
        return cost
      }
      case 'map': {
        const cost = plus(...node.entries.flatMap(e => [this.cost(e.key), this.cost(e.value)]), fixed(30))
        const [keys, values] = [node.entries.map(e => e.key), node.entries.map(e => e.value)]
        this.#entries.set(node, { isList: false, key: this.#hull(keys), value: this.#hull(values) })
        return cost
      }
      case 'struct':
        return plus(...node.fields.map(f => this.cost(f.value)), fixed(40))
      case 'comprehension':
        return isBinding(node) ? this.#binding(node) : this.#comprehension(node)
    }
  }

  #hull(nodes: readonly Node[]): Range {
    return (
      nodes.map(n => this.#sizeOrUnknown(n)).reduce<Range | undefined>((a, b) => (a ? union(a, b) : b), undefined) ??
      nothing
    )
  }

  #local(name: string): Local | undefined {
    return this.#locals.get(name)?.at(-1)
  }

  #path(node: Node): readonly string[] | undefined {
    const local = node.kind === 'ident' ? this.#local(node.name) : undefined
    return local ? local.path : this.#paths.get(node)
  }

  #select(node: Node & { kind: 'select' }): Range {
    if (node.resolved !== undefined) {
      this.#paths.set(node, [node.resolved])
      return one
    }
    const operand = this.cost(node.operand)
    if (node.test) return operand
    this.#extendPath(node, node.operand, node.field)
    return ['map', 'object', 'param'].includes(node.operand.type!.kind) ? plus(operand, one) : operand
  }

  #extendPath(node: Node, from: Node, step: string): void {
    this.#paths.set(node, [...(this.#path(from) ?? []), step])
  }

  #call(node: Call): Range {
    const isFunction = node.target === undefined || node.resolved !== undefined
    if ((node.resolved ?? node.name) === 'dyn' && node.args.length === 1) {
      const [arg] = node.args as [Node]
      const cost = plus(one, this.cost(arg))
      this.#copySizes(node, arg)
      return cost
    }
    const argCosts = node.args.map(arg => this.cost(arg))
    const args = node.args.map(arg => this.#estimated(arg))
    if (!node.overloads?.length) return nothing
    const targetCost = isFunction ? nothing : this.cost(node.target!)
    const target = isFunction ? undefined : this.#estimated(node.target!)
    let cost: Range | undefined
    let size: Range | undefined
    for (const { id } of node.overloads) {
      const estimate = this.#function(node, id, target, args, argCosts)
      cost = cost ? union(cost, estimate.cost) : estimate.cost
      if (estimate.size) size = size ? union(size, estimate.size) : estimate.size
      if (id === 'index_list' || id === 'index_map') {
        size = this.#entriesOf(node.args[0]!)?.value
        this.#extendPath(node, node.args[0]!, id === 'index_list' ? '@items' : '@values')
      }
      size ??= this.#size(node)
    }
    if (size) this.#sizes.set(node, size)
    return plus(targetCost, cost!)
  }

  /** The cost of a call with its arguments, by the caller's estimator first. */
  #function(
    node: Call,
    id: string,
    target: Estimated | undefined,
    args: readonly Estimated[],
    argCosts: readonly Range[],
  ): CallEstimate {
    const all = plus(...argCosts)
    const own = this.#estimator.call(node.resolved ?? node.name, id, target, args)
    if (own) return { ...own, cost: plus(own.cost, all) }
    switch (id) {
      case 'logical_and':
      case 'logical_or':
        return { cost: { min: argCosts[0]!.min, max: plus(argCosts[0]!, argCosts[1]!).max } }
      case 'conditional': {
        const [condition, yes, no] = argCosts as [Range, Range, Range]
        this.#uniteEntries(node, node.args[1]!, node.args[2]!)
        const size = union(known(args[1]!), known(args[2]!))
        return { cost: plus(condition, union(yes, no)), size }
      }
      case 'add_string':
      case 'add_bytes':
      case 'add_list': {
        this.#uniteEntries(node, node.args[0]!, node.args[1]!)
        const size = plus(known(args[0]!), known(args[1]!))
        return { cost: plus(id === 'add_list' ? one : scale(size, stringFactor), all), size }
      }
      default: {
        const { cost, size } = standardCall(id, target, args) ?? { cost: one }
        return { cost: plus(cost, all), ...(size && { size }) }
      }
    }
  }

  #uniteEntries(node: Node, a: Node, b: Node): void {
    const [x, y] = [this.#entriesOf(a), this.#entriesOf(b)]
    if (x && y) this.#entries.set(node, { ...x, key: union(x.key, y.key), value: union(x.value, y.value) })
  }

  /** The cost of a turn as often as the range is large. That a loop may end early is not counted on. */
  #comprehension(node: Comprehension): Range {
    const start = plus(this.cost(node.range), this.cost(node.init))
    this.#push(node.accumulator, this.#path(node.init), this.#size(node.init), this.#entriesOf(node.init))
    this.#pushVariables(node)
    const turn = plus(this.cost(node.condition), this.cost(node.step))
    this.#pop(node.variable)
    if (node.variable2 !== undefined) this.#pop(node.variable2)
    const result = this.cost(node.result)
    this.#pop(node.accumulator)
    const turns = this.#sizeOrUnknown(node.range)
    const initial = node.init.kind
    if (initial === 'constant') this.#keepSize(node, this.#size(node.init))
    else if (initial === 'list' || initial === 'map') {
      this.#sizes.set(node, turns)
      const entries = this.#entriesOf(node.step)
      if (entries) this.#entries.set(node, entries)
    }
    return plus(start, result, times(turns, turn))
  }

  /** The path of a variable goes on from that of the range, so that its size is found in the schema. */
  #pushVariables({ range, variable, variable2 }: Comprehension): void {
    const entries = this.#entriesOf(range)
    const isList = entries ? entries.isList : range.type!.kind === 'list'
    const path = this.#path(range) ?? []
    const keys = [...path, isList ? '@indices' : '@keys']
    const values = [...path, isList ? '@items' : '@values']
    if (variable2 === undefined) {
      this.#push(variable, isList ? values : keys, isList ? entries?.value : entries?.key, undefined)
      return
    }
    this.#push(variable, keys, entries?.key, undefined)
    this.#push(variable2, values, entries?.value, undefined)
  }

  /** The value of a name is computed once, whether or not it is used. */
  #binding(node: Comprehension): Range {
    const start = plus(this.cost(node.range), this.cost(node.init))
    this.#push(node.accumulator, this.#path(node.init), this.#size(node.init), this.#entriesOf(node.init))
    const result = this.cost(node.result)
    this.#pop(node.accumulator)
    this.#copySizes(node, node.result)
    return plus(start, result)
  }

  #push(
    name: string,
    path: readonly string[] | undefined,
    size: Range | undefined,
    entries: Entries | undefined,
  ): void {
    const stack = this.#locals.get(name) ?? []
    stack.push({ path, size, entries })
    this.#locals.set(name, stack)
  }

  #pop(name: string): void {
    this.#locals.get(name)!.pop()
  }

  #estimated(node: Node): Estimated {
    const path = this.#path(node)
    const isAccumulator = path?.[0] === accumulatorName
    return { path: path?.length && !isAccumulator ? path : undefined, type: node.type!, node, size: this.#size(node) }
  }

  #keepSize(node: Node, size: Range | undefined): void {
    if (size) this.#sizes.set(node, size)
  }

  #copySizes(to: Node, from: Node): void {
    this.#keepSize(to, this.#size(from))
    const entries = this.#entriesOf(from)
    if (entries) this.#entries.set(to, entries)
  }

  #entriesOf(node: Node): Entries | undefined {
    return this.#entries.get(node) ?? (node.kind === 'ident' ? this.#local(node.name)?.entries : undefined)
  }

  #sizeOrUnknown(node: Node): Range {
    return this.#size(node) ?? unknown
  }

  /** From the expression, then from the caller, then from the type. */
  #size(node: Node): Range | undefined {
    const found = this.#sizes.get(node) ?? literalSize(node)
    if (found) return found
    const path = this.#path(node)
    const given = this.#estimator.size({ path, type: node.type!, node, size: undefined })
    if (given) {
      this.#sizes.set(node, given)
      return given
    }
    if (isScalar(node.type!)) return one
    return node.kind === 'ident' ? this.#local(node.name)?.size : undefined
  }
}

const known = (element: Estimated): Range => element.size ?? unknown

function literalSize(node: Node): Range | undefined {
  if (node.kind === 'list') return fixed(node.elements.length)
  if (node.kind === 'map') return fixed(node.entries.length)
  if (node.kind !== 'constant') return undefined
  const { value } = node
  if (typeof value === 'string') return fixed(stringSize(value))
  if (value instanceof Uint8Array) return fixed(value.length)
  return value === null || typeof value !== 'object' || value instanceof Uint ? one : undefined
}

/** Whether all values of the type have the same size. */
function isScalar(type: Type): boolean {
  if (isOptional(type)) return isScalar(type.params[0]!)
  return ['bool', 'double', 'duration', 'int', 'timestamp', 'uint'].includes(type.kind)
}

/** The calls of the language whose costs go by sizes. */
function standardCall(id: string, target: Estimated | undefined, args: readonly Estimated[]): CallEstimate | undefined {
  const [first, second] = args
  switch (id) {
    case 'string_to_bytes':
      return (
        first && {
          cost: scale(known(first), stringFactor),
          size: { ...known(first), max: times(known(first), fixed(4)).max },
        }
      )
    case 'bytes_to_string':
      return (
        first && {
          cost: scale(known(first), stringFactor),
          size: { min: known(first).min / 4n, max: known(first).max },
        }
      )
    case 'strings_quote': {
      const size = known(first!)
      return {
        cost: scale(size, stringFactor),
        size: { min: plus(size, fixed(2)).min, max: plus(size, size, fixed(2)).max },
      }
    }
    case 'string_format':
      return target && { cost: scale(known(target), stringFactor) }
    case 'starts_with_string':
    case 'ends_with_string':
      return first && { cost: scale(known(first), stringFactor) }
    case 'in_list':
      return second && { cost: known(second) }
    case 'matches_string':
      return target && first && { cost: patternCost(known(target), known(first)) }
    case 'contains_string':
      return target && first && { cost: times(scale(known(target), stringFactor), scale(known(first), stringFactor)) }
    case 'equals':
    case 'not_equals':
      return { cost: comparison(known(first!), known(second!)) }
    default:
      if (/^(less|greater)(_equals)?_(string|bytes)$/.test(id))
        return { cost: comparison(known(first!), known(second!)) }
      return undefined
  }
}

/** A match looks at each character with each part of the pattern; of parts there is one for four characters. */
export const patternCost = (text: Range, pattern: Range): Range =>
  times(scale(plus(text, one), stringFactor), scale(pattern, patternFactor))

/** At most the smaller one is read. */
function comparison(a: Range, b: Range): Range {
  const max = a.max < b.max ? a.max : b.max
  return scale({ min: max > 0n ? 1n : 0n, max }, stringFactor)
}
