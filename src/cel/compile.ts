// Compiles a tree to closures, once, for many evaluations.
//
// Costs are counted as upstream's interpreter counts them. It evaluates a chain of names, fields and indices as one
// attribute: one for the attribute, one for each step, nothing for an attribute that only stands inside of another one
// or in a branch of a conditional. Hence `bare` below: compile without the one for the attribute itself.
//
//     self.a.b[i] > 0    1 (self) + 1 (.a) + 1 (.b) + 1 ([i]) + 1 (>) = 5
//
// Source: cel-go interpreter/planner.go, interpretable.go, runtimecost.go.
import { isBinding, qualifiedName, type Call, type Comprehension, type Node, type StructNode } from './ast.ts'
import { compileFold, type Scope } from './fold.ts'
import { constantSet, foldedCall, foldedList, foldedMap } from './folding.ts'
import type { Environment } from './environment.ts'
import type { Code } from './frame.ts'
import type { Overload } from './functions.ts'
import { dispatch } from './dispatch.ts'
import { indexInto, optionalIndexInto, optionalSelectFrom, selectFrom, testField } from './select.ts'
import {
  ArrayList,
  EntryMap,
  Failure,
  Optional,
  TypeValue,
  failure,
  noSuchOverload,
  type Mapping,
  type Value,
} from './values.ts'
import { spend } from './work.ts'

/** What a call costs at run time. Undefined: one. */
export type CallCost = (args: readonly Value[], result: Value) => number
export type CallCosts = (name: string, overloadId: string) => CallCost | undefined

interface CompileOptions {
  readonly environment: Environment
  readonly costs: CallCosts
  /** Whether lists and conversions of constants are computed here, as Kubernetes has it. They then cost nothing. */
  readonly fold: boolean
}

export const compileTree = (node: Node, options: CompileOptions): Code => new Compiler(options).node(node)

const listCost = 10
const mapCost = 30
const structCost = 40

const isAttribute = (node: Node): boolean =>
  node.kind === 'ident' ||
  node.kind === 'select' ||
  (node.kind === 'call' && node.target === undefined && attributeCalls.has(node.name))
const attributeCalls = new Set(['_[_]', '_?._', '_[?_]', '_?_:_'])

/**
 * Turns nodes into closures from the leaves up:
 *
 *     x + 1   →   frame => run(frame.variables.x, 1n), with the cost and the failures of its parts
 *
 * What is certain is done here and not in the closures: which variable a name means, which overload a call, whether
 * there is a cost other than one.
 */
class Compiler {
  readonly #options: CompileOptions
  #scope: Scope = { names: new Map(), size: 0 }

  constructor(options: CompileOptions) {
    this.#options = options
  }

  node(node: Node, bare = false): Code {
    switch (node.kind) {
      case 'constant': {
        const { value } = node
        return () => value
      }
      case 'ident':
      case 'select':
        return this.#attribute(node, bare)
      case 'call':
        return this.#call(node, bare)
      case 'list': {
        const folded = this.#options.fold ? foldedList(node) : undefined
        if (folded) return () => folded
        return makeList(
          node.elements.map(e => this.node(e)),
          node.optional,
        )
      }
      case 'map': {
        const folded = this.#options.fold ? foldedMap(node) : undefined
        if (folded) return () => folded
        return makeMap(node.entries.map(e => ({ ...e, key: this.node(e.key), value: this.node(e.value) })))
      }
      case 'struct':
        return this.#struct(node)
      case 'comprehension':
        return this.#comprehension(node)
    }
  }

  /** An operand or index: an attribute without its own cost, anything else with all of it. */
  #inner(node: Node): Code {
    return this.node(node, isAttribute(node))
  }

  #attribute(node: Node & { kind: 'ident' | 'select' }, bare: boolean): Code {
    const type = this.#typeValue(node)
    if (type) return () => type
    const variable = this.#variable(node)
    if (variable) return charged(variable, bare ? 0 : 1)
    if (node.kind === 'ident') return () => failure(`no such attribute(s): ${node.name}`)
    const operand = this.#inner(node.operand)
    const { field } = node
    // The presence of a field is asked for at no cost.
    if (node.test) return charged(frame => testField(operand(frame), field), bare ? 0 : 1)
    return charged(frame => selectFrom(operand(frame), field), this.#stepCost(node.operand, bare))
  }

  /** One for the step, and one for the attribute that it makes; of a conditional there is none. */
  #stepCost(operand: Node, bare: boolean): number {
    return bare || rootOf(operand) === 'conditional' ? 1 : 2
  }

  /** The name of a type is a constant, which costs nothing. */
  #typeValue(node: Node & { kind: 'ident' | 'select' }): TypeValue | undefined {
    const name = qualifiedName(node)
    if (name === undefined || this.#scope.names.has(name.split('.')[0]!)) return undefined
    const found = this.#options.environment.findIdent(node.resolved === undefined ? name : `.${node.resolved}`)
    if (found?.type.kind !== 'type' || (node.type && node.resolved === undefined)) return undefined
    return new TypeValue(found.type.params[0]?.name ?? 'type')
  }

  /** A name, or a chain of names that is one variable. */
  #variable(node: Node & { kind: 'ident' | 'select' }): Code | undefined {
    const name = qualifiedName(node)
    if (name === undefined) return undefined
    const slot = node.kind === 'ident' ? this.#scope.names.get(name) : undefined
    if (slot !== undefined) return frame => frame.slots[slot]!
    if (this.#scope.names.has(name.split('.')[0]!)) return undefined
    const full = node.resolved ?? (node.type ? undefined : this.#options.environment.findIdent(name)?.name)
    if (full === undefined) return undefined
    return frame => {
      const given = Object.hasOwn(frame.variables, full) ? frame.variables[full] : undefined
      return given === undefined ? failure(`no such attribute(s): ${full}`) : given
    }
  }

  #call(node: Call, bare: boolean): Code {
    const { args } = node
    const [first, second, third] = args
    switch (node.target === undefined ? node.name : '') {
      case '_&&_':
        return logical(this.node(first!), this.node(second!), false)
      case '_||_':
        return logical(this.node(first!), this.node(second!), true)
      case '_?_:_':
        return conditional(this.node(first!), this.#inner(second!), this.#inner(third!))
      case '_[_]':
        return this.#step(first!, second!, bare, indexInto)
      case '_[?_]':
        return this.#step(first!, second!, bare, optionalIndexInto)
      case '_?._':
        return this.#step(first!, second!, bare, optionalSelectFrom)
      default:
        return this.#function(node)
    }
  }

  #step(operand: Node, index: Node, bare: boolean, step: (operand: Value, index: Value) => Value): Code {
    const [left, right] = [this.#inner(operand), this.#inner(index)]
    const cost = this.#stepCost(operand, bare)
    const isOptionalStep = step === optionalIndexInto
    return frame => {
      const value = left(frame)
      const at = right(frame)
      const result = value instanceof Failure ? value : at instanceof Failure ? at : step(value, at)
      // A step to what is not there costs nothing when it is optional.
      const isAbsent = isOptionalStep && result instanceof Optional && result.value === undefined
      frame.charge(isAbsent ? cost - 1 : cost)
      return result
    }
  }

  #function(node: Call): Code {
    const { overloads, args, name, error } = this.#resolve(node)
    if (error) return () => error
    const id = node.overloads?.length === 1 ? node.overloads[0]!.id : ''
    const set = this.#options.fold && id === 'in_list' ? constantSet(args[1]!) : undefined
    // Upstream looks up constants in a set, which costs nothing.
    if (set) return membership(this.node(args[0]!), set)
    const folded = this.#options.fold ? foldedCall(name, args, overloads) : undefined
    if (folded !== undefined) return () => folded
    const codes = args.map(arg => this.node(arg))
    if (node.target && codes.length === 2 && (name === 'or' || name === 'orValue'))
      return alternative(codes[0]!, codes[1]!, name)
    const run = isTotal(name) && overloads.length === 1 ? overloads[0]!.run : dispatch(name, overloads)
    const cost = this.#options.costs(name, id)
    return overloads.every(o => o.nonStrict) ? lazyCall(codes, run) : strictCall(codes, run, cost)
  }

  /** The overloads that a call may mean, and its arguments with the target. */
  #resolve(node: Call): { overloads: readonly Overload[]; args: readonly Node[]; name: string; error?: Failure } {
    const asMethod = node.target ? [node.target, ...node.args] : node.args
    if (node.overloads) {
      const isFunction = node.resolved !== undefined
      return { overloads: node.overloads, args: isFunction ? node.args : asMethod, name: node.resolved ?? node.name }
    }
    const { environment } = this.#options
    const prefix = node.target && qualifiedName(node.target)
    const namespaced =
      prefix === undefined || this.#scope.names.has(prefix)
        ? undefined
        : environment.findFunction(`${prefix}.${node.name}`)
    const found = namespaced ?? environment.findFunction(node.name)
    const args = namespaced ? node.args : asMethod
    const isMember = node.target !== undefined && !namespaced
    const overloads = found?.overloads.filter(o => o.isMember === isMember && o.args.length === args.length) ?? []
    const error = found ? undefined : failure(`unbound function: ${node.name}`)
    return { overloads, args, name: found?.name ?? node.name, ...(error && { error }) }
  }

  /** The caller of the engine makes the object: a literal is only of types that it declares. */
  #struct(node: StructNode): Code {
    const { objects } = this.#options.environment
    const name = node.resolved ?? node.name
    const fields = node.fields.map(f => ({ ...f, value: this.node(f.value) }))
    return frame => {
      const values = new Map<string, Value>()
      let failed: Failure | undefined
      for (const field of fields) {
        const value = field.value(frame)
        if (value instanceof Failure) failed ??= value
        else if (!field.optional) values.set(field.name, value)
        else if (!(value instanceof Optional))
          failed ??= failure(`cannot initialize optional entry '${field.name}' from non-optional value`)
        else if (value.value !== undefined) values.set(field.name, value.value)
      }
      frame.charge(structCost)
      return failed ?? objects.create?.(name, values) ?? failure(`unknown type: ${name}`)
    }
  }

  /** Names become slots of the frame here, so that the loop does not look up names. */
  #comprehension(node: Comprehension): Code {
    const range = this.node(node.range)
    const init = this.node(node.init)
    const outer = this.#scope
    const [accumulator, first, second] = [outer.size, outer.size + 1, outer.size + 2]
    const names = new Map(outer.names).set(node.accumulator, accumulator)
    this.#scope = { names, size: outer.size + 3 }
    if (isBinding(node)) {
      const body = this.node(node.result)
      this.#scope = outer
      return frame => {
        range(frame)
        const value = init(frame)
        frame.slots[accumulator] = value
        return body(frame)
      }
    }
    const inside = new Map(names).set(node.variable, first)
    if (node.variable2 !== undefined) inside.set(node.variable2, second)
    this.#scope = { names: inside, size: outer.size + 3 }
    const [condition, step] = [this.node(node.condition), this.node(node.step)]
    this.#scope = { names, size: outer.size + 3 }
    const result = this.node(node.result)
    this.#scope = outer
    const slots = { accumulator, first, second: node.variable2 === undefined ? undefined : second }
    return compileFold({ range, init, condition, step, result }, slots)
  }
}

/** Whether a function looks at its arguments itself: operators do. What is null in the data may be of any type. */
const isTotal = (name: string) => /^(_|@|-|!)/.test(name)

/** What an attribute begins with. */
function rootOf(node: Node): 'conditional' | 'other' {
  if (node.kind === 'select') return rootOf(node.operand)
  if (node.kind !== 'call' || node.target) return 'other'
  if (node.name === '_?_:_') return 'conditional'
  return attributeCalls.has(node.name) ? rootOf(node.args[0]!) : 'other'
}

const charged = (code: Code, cost: number): Code =>
  cost
    ? frame => {
        const value = code(frame)
        frame.charge(cost)
        return value
      }
    : code

/** `&&` and `||`: a side that decides absorbs the failure of the other one, whichever comes first. */
function logical(left: Code, right: Code, decisive: boolean): Code {
  return frame => {
    const a = left(frame)
    if (a === decisive) return a
    const b = right(frame)
    if (b === decisive) return b
    if (typeof a === 'boolean' && typeof b === 'boolean') return !decisive
    return a instanceof Failure ? a : b instanceof Failure ? b : noSuchOverload()
  }
}

/** `a.or(b)` and `a.orValue(b)`: the alternative is evaluated only when it is needed, and choosing costs nothing. */
function alternative(left: Code, right: Code, name: 'or' | 'orValue'): Code {
  return frame => {
    const optional = left(frame)
    if (!(optional instanceof Optional)) return optional instanceof Failure ? optional : noSuchOverload()
    if (optional.value === undefined) return right(frame)
    return name === 'or' ? optional : optional.value
  }
}

function conditional(condition: Code, yes: Code, no: Code): Code {
  return frame => {
    const truth = condition(frame)
    if (typeof truth !== 'boolean') return truth instanceof Failure ? truth : noSuchOverload()
    return truth ? yes(frame) : no(frame)
  }
}

/** All arguments are evaluated, and cost, before the first failure among them becomes the result. */
function strictCall(codes: readonly Code[], run: (...args: Value[]) => Value, cost: CallCost | undefined): Code {
  const [first, second] = codes
  if (!cost && codes.length === 1)
    return frame => {
      const a = first!(frame)
      frame.charge(1)
      return a instanceof Failure ? a : run(a)
    }
  if (!cost && codes.length === 2)
    return frame => {
      const a = first!(frame)
      const b = second!(frame)
      frame.charge(1)
      return a instanceof Failure ? a : b instanceof Failure ? b : run(a, b)
    }
  return frame => {
    const args = codes.map(code => code(frame))
    const failed = args.find(arg => arg instanceof Failure)
    const result = failed ?? run(...args)
    frame.charge(cost ? cost(args, result) : 1)
    return result
  }
}

/** A function that may be given failures. */
const lazyCall = (codes: readonly Code[], run: (...args: Value[]) => Value): Code =>
  charged(frame => run(...codes.map(code => code(frame))), 1)

const membership = (code: Code, set: Mapping): Code => {
  return frame => {
    const value = code(frame)
    return value instanceof Failure ? value : set.get(value) !== undefined
  }
}

function makeList(codes: readonly Code[], optional: ReadonlySet<number>): Code {
  return frame => {
    const items: Value[] = []
    let failed: Failure | undefined
    codes.forEach((code, i) => {
      const value = code(frame)
      if (value instanceof Failure) failed ??= value
      else if (!optional.has(i)) items.push(value)
      else if (!(value instanceof Optional))
        failed ??= failure('cannot initialize optional list element from non-optional value')
      else if (value.value !== undefined) items.push(value.value)
    })
    frame.charge(listCost)
    return failed ?? new ArrayList(items)
  }
}

interface EntryCode {
  readonly key: Code
  readonly value: Code
  readonly optional: boolean
}

function makeMap(entries: readonly EntryCode[]): Code {
  return frame => {
    const map = new EntryMap()
    let failed: Failure | undefined
    for (const entry of entries) {
      const key = entry.key(frame)
      const value = entry.value(frame)
      if (key instanceof Failure) failed ??= key
      else if (value instanceof Failure) failed ??= value
      else failed ??= addEntry(map, key, value, entry.optional)
    }
    frame.charge(mapCost)
    return failed ?? map
  }
}

function addEntry(map: EntryMap, key: Value, value: Value, isOptional: boolean): Failure | undefined {
  spend(1)
  if (isOptional && !(value instanceof Optional))
    return failure('cannot initialize optional map entry from non-optional value')
  const given = isOptional ? (value as Optional).value : value
  if (given === undefined) return undefined
  if (map.add(key, given)) return undefined
  return failure(map.get(key) === undefined ? 'unsupported key type' : `Failed with repeated key`)
}
