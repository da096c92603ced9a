// Checks an expression: finds what every name means and which overloads every call can mean, and infers types.
// Writes what it finds into the tree.
//
//     check('size(x) + 1', x: string) = int, with size → size_string and _+_ → add_int64
//
// Source: cel-spec doc/langdef.md, "Gradual Type Checking"; cel-go checker/checker.go, checker/errors.go.
import {
  qualifiedName,
  type Call,
  type Comprehension,
  type ListNode,
  type MapNode,
  type Node,
  type Select,
  type StructNode,
} from './ast.ts'
import type { Environment } from './environment.ts'
import type { FunctionDecl, Overload } from './functions.ts'
import type { Issue, Place } from './issues.ts'
import * as t from './types.ts'
import { formatType, isDynOrError, isOptional, type Type } from './types.ts'
import { assign, assignAll, Bindings, moreGeneral, substitute } from './unify.ts'
import { Uint } from './values.ts'

/** Checks the tree and returns its type; faults are added to `issues`. */
export function check(node: Node, environment: Environment, issues: Issue[]): Type {
  const checker = new Checker(environment, issues)
  checker.check(node)
  return checker.finish(node)
}

class Checker {
  readonly #environment: Environment
  readonly #issues: Issue[]
  readonly #known = new Bindings()
  #freeParams = 0
  /** Variables of the comprehensions that are open, the innermost last. */
  readonly #locals: { name: string; type: Type }[] = []
  readonly #typed: Node[] = []

  constructor(environment: Environment, issues: Issue[]) {
    this.#environment = environment
    this.#issues = issues
  }

  /** Replaces what is left of type parameters in the types of all nodes. */
  finish(root: Node): Type {
    for (const node of this.#typed) node.type = substitute(this.#known, node.type!, true)
    return root.type!
  }

  check(node: Node): Type {
    node.type = this.#typeOf(node)
    this.#typed.push(node)
    return node.type
  }

  #typeOf(node: Node): Type {
    switch (node.kind) {
      case 'constant':
        return constantType(node.value)
      case 'ident': {
        const local = this.#local(node.name)
        if (local) return local
        const ident = this.#environment.findIdent(node.name)
        if (!ident) return this.#undeclared(node.at, node.name)
        node.resolved = ident.name
        return ident.type
      }
      case 'select':
        return this.#select(node)
      case 'call':
        return this.#call(node)
      case 'list':
        return this.#list(node)
      case 'map':
        return this.#map(node)
      case 'struct':
        return this.#struct(node)
      case 'comprehension':
        return this.#comprehension(node)
    }
  }

  /** The type of a variable of a comprehension. */
  #local(name: string): Type | undefined {
    return this.#locals.findLast(local => local.name === name)?.type
  }

  /** `a.b` may be a field of a variable `a`, or a variable `a.b`; the longest name that is declared wins. */
  #select(node: Select): Type {
    const name = qualifiedName(node)
    const first = name?.split('.')[0]
    // A variable of a comprehension hides what could begin with its name.
    const ident = name !== undefined && !this.#local(first!) ? this.#environment.findIdent(name) : undefined
    if (ident) {
      node.resolved = ident.name
      return ident.type
    }
    const type = this.#field(node.at, node.operand, node.field, false)
    return node.test ? t.bool : substitute(this.#known, type)
  }

  /** The type of a field; of an optional object, an optional. */
  #field(at: Place, operand: Node, field: string, isOptionalSelect: boolean): Type {
    const operandType = substitute(this.#known, this.check(operand))
    const wasOptional = isOptional(operandType)
    const target = wasOptional ? operandType.params[0]! : operandType
    const type = this.#fieldOf(at, target, field)
    return wasOptional || isOptionalSelect ? t.optional(type) : type
  }

  #fieldOf(at: Place, target: Type, field: string): Type {
    if (isDynOrError(target)) return t.dyn
    switch (target.kind) {
      case 'map':
        return target.params[1]!
      case 'param':
        // From here on it is dyn, so that nothing else is inferred from the selection.
        this.#isAssignable(t.dyn, target)
        return t.dyn
      case 'object': {
        const type = this.#environment.objects.fieldType(target.name, field)
        if (type) return type
        const message =
          type === null ? `unexpected failed resolution of '${target.name}'` : `undefined field '${field}'`
        return this.#fault(at, message)
      }
      default:
        return this.#fault(at, `type '${formatType(target)}' does not support field selection`)
    }
  }

  /** Arguments come before the target, so that faults are found in upstream's order. */
  #call(node: Call): Type {
    if (node.name === '_?._') return this.#optionalSelect(node)
    for (const arg of node.args) this.check(arg)
    const namespaced = node.target && this.#namespaced(node)
    if (!node.target || namespaced) {
      const found = namespaced ?? this.#environment.findFunction(node.name)
      if (!found) return this.#undeclared(node.at, node.name)
      node.resolved = found.name
      return this.#overloads(node, found, node.args, false)
    }
    this.check(node.target)
    const found = this.#environment.findFunction(node.name)
    return found
      ? this.#overloads(node, found, [node.target, ...node.args], true)
      : this.#undeclared(node.at, node.name)
  }

  /** The function `sets.contains` for the call `sets.contains(…)`, which looks like a method. */
  #namespaced(node: Call): FunctionDecl | undefined {
    const prefix = qualifiedName(node.target!)
    if (prefix === undefined || this.#local(prefix.split('.')[0]!)) return undefined
    return this.#environment.findFunction(`${prefix}.${node.name}`)
  }

  #optionalSelect(node: Call): Type {
    const [operand, field] = node.args as [Node, Node]
    const found = this.#environment.findFunction(node.name)
    if (!found) return this.#undeclared(node.at, node.name)
    this.check(field)
    node.overloads = found.overloads
    node.resolved = found.name
    const name = field.kind === 'constant' ? String(field.value) : ''
    return substitute(this.#known, this.#field(node.at, operand, name, true))
  }

  /**
   * Keeps all overloads that fit. With arguments of type dyn there may be several: the values then decide, and the
   * result is dyn unless all agree.
   */
  #overloads(node: Call, decl: FunctionDecl, args: readonly Node[], isMember: boolean): Type {
    const argTypes = args.map(arg => arg.type!)
    if (decl.name === '_&&_' || decl.name === '_||_') return this.#logical(node, decl, args)
    const matching: Overload[] = []
    let result: Type | undefined
    for (const overload of decl.overloads) {
      if (overload.isMember !== isMember || overload.args.length !== args.length) continue
      const fresh = this.#fresh(overload)
      if (!assignAll(this.#known, argTypes, fresh.args)) continue
      matching.push(overload)
      const type = substitute(this.#known, fresh.result)
      if (!result) result = type
      else if (result.kind !== 'dyn' && !t.sameType(result, type)) result = t.dyn
    }
    if (!result) {
      const applied = t.formatCall(
        argTypes.map(type => substitute(this.#known, type, true)),
        isMember,
      )
      return this.#fault(node.at, `found no matching overload for '${decl.name}' applied to '${applied}'`)
    }
    node.overloads = matching
    return result
  }

  /** What is no bool is a fault of its operand, not of the operator. */
  #logical(node: Call, decl: FunctionDecl, args: readonly Node[]): Type {
    node.overloads = decl.overloads
    const fit = args.map(arg => this.#assertType(arg, t.bool))
    return fit.every(Boolean) ? t.bool : t.errorType
  }

  /** The overload with type parameters of its own, which no other call has. */
  #fresh(overload: Overload): { args: readonly Type[]; result: Type } {
    const names = new Set<string>()
    const collect = (type: Type): void => {
      if (type.kind === 'param') names.add(type.name)
      type.params.forEach(collect)
    }
    overload.args.forEach(collect)
    collect(overload.result)
    if (!names.size) return overload
    const renamed = new Map([...names].map(name => [name, this.#param()]))
    return {
      args: overload.args.map(arg => substitute(renamed, arg)),
      result: substitute(renamed, overload.result),
    }
  }

  #list(node: ListNode): Type {
    let joined: Type | undefined
    node.elements.forEach((element, i) => {
      const type = this.check(element)
      joined = this.#join(element, joined, node.optional.has(i) ? this.#unwrap(element, type) : type)
    })
    return t.list(joined ?? this.#param())
  }

  #map(node: MapNode): Type {
    let keys: Type | undefined
    let values: Type | undefined
    for (const { key, value, optional } of node.entries) {
      keys = this.#join(key, keys, this.check(key))
      const type = this.check(value)
      values = this.#join(value, values, optional ? this.#unwrap(value, type) : type)
    }
    return t.map(keys ?? this.#param(), values ?? this.#param())
  }

  /** `JSONPatch{op: 'add'}`: the name has to be one of an object, and every field one of its. */
  #struct(node: StructNode): Type {
    const ident = this.#environment.findIdent(node.name)
    const meant = ident?.type.kind === 'type' ? ident.type.params[0] : undefined
    // Of a type that is not known, nor are the fields.
    if (!ident) return this.#undeclared(node.at, node.name)
    const type = ((): Type => {
      if (!meant) return this.#fault(node.at, `'${formatType(ident.type)}' is not a type`)
      if (meant.kind !== 'object') return this.#fault(node.at, `'${meant.name}' is not a message type`)
      node.resolved = meant.name
      return meant
    })()
    for (const { at, name, value, optional } of node.fields) {
      const given = this.check(value)
      const valueType = optional ? this.#unwrap(value, given) : given
      const fieldType = type.kind === 'object' ? this.#fieldOf(at, type, name) : t.errorType
      if (!this.#isAssignable(fieldType, valueType)) {
        const texts = [name, formatType(fieldType), formatType(substitute(this.#known, valueType))]
        this.#fault(at, `expected type of field '${texts[0]}' is '${texts[1]}' but provided type is '${texts[2]}'`)
      }
    }
    return type
  }

  /** What an optional holds; a plain value where an optional has to stand is a fault. */
  #unwrap(node: Node, type: Type): Type {
    const known = substitute(this.#known, type)
    if (isOptional(known)) return known.params[0]!
    if (!isDynOrError(known)) this.#mismatch(node.at, t.optional(known), known)
    return known
  }

  /** The type of elements of which one has `type`, and those before have `before`. */
  #join(node: Node, before: Type | undefined, type: Type): Type {
    if (!before) return type
    if (this.#isAssignable(before, type)) return moreGeneral(before, type)
    if (!this.#environment.options.homogeneousLiterals) return t.dyn
    return this.#mismatch(node.at, before, type)
  }

  /** The accumulator is seen in the loop and in the result, the variables in the loop alone. */
  #comprehension(node: Comprehension): Type {
    this.check(node.range)
    const accumulator = this.check(node.init)
    const [first, second] = this.#loopTypes(node)
    this.#locals.push({ name: node.accumulator, type: accumulator })
    const outer = this.#locals.length
    this.#locals.push({ name: node.variable, type: first })
    if (node.variable2 !== undefined) this.#locals.push({ name: node.variable2, type: second })
    this.check(node.condition)
    this.#assertType(node.condition, t.bool)
    this.check(node.step)
    this.#assertType(node.step, accumulator)
    this.#locals.length = outer
    this.check(node.result)
    this.#locals.length = outer - 1
    return substitute(this.#known, node.result.type!)
  }

  /** The types of the one or two variables of a loop. */
  #loopTypes({ range, variable2 }: Comprehension): [Type, Type] {
    const type = substitute(this.#known, range.type!)
    switch (type.kind) {
      case 'list':
        return variable2 === undefined ? [type.params[0]!, t.dyn] : [t.int, type.params[0]!]
      case 'map':
        return [type.params[0]!, type.params[1]!]
      case 'dyn':
      case 'error':
      case 'param':
        this.#isAssignable(t.dyn, type)
        return [t.dyn, t.dyn]
      default: {
        const text = formatType(type)
        const message = `expression of type '${text}' cannot be range of a comprehension (must be list, map, or dynamic)`
        return [this.#fault(range.at, message), t.errorType]
      }
    }
  }

  #param(): Type {
    return t.param(`_var${this.#freeParams++}`)
  }

  #isAssignable(to: Type, from: Type): boolean {
    return assign(this.#known, to, from)
  }

  #assertType(node: Node, expected: Type): boolean {
    if (this.#isAssignable(expected, node.type!)) return true
    this.#mismatch(node.at, expected, node.type!)
    return false
  }

  #mismatch(at: Place, expected: Type, found: Type): Type {
    const texts = [expected, found].map(type => formatType(substitute(this.#known, type)))
    return this.#fault(at, `expected type '${texts[0]}' but found '${texts[1]}'`)
  }

  #undeclared(at: Place, name: string): Type {
    return this.#fault(at, `undeclared reference to '${name}' (in container '${this.#environment.container}')`)
  }

  #fault(at: Place, message: string): Type {
    this.#issues.push({ at, message })
    return t.errorType
  }
}

function constantType(value: unknown): Type {
  switch (typeof value) {
    case 'boolean':
      return t.bool
    case 'bigint':
      return t.int
    case 'number':
      return t.double
    case 'string':
      return t.string
    default:
      return value === null ? t.nullType : value instanceof Uint ? t.uint : t.bytes
  }
}
