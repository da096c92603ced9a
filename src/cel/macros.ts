// Macros: calls that the parser replaces by other expressions, such as `list.all(x, p)` by a loop.
// Source: cel-spec doc/langdef.md, "Macros"; cel-go parser/macro.go, cel/library.go, ext/comprehensions.go,
// ext/bindings.go.
import { accumulatorName, type Node } from './ast.ts'
import type { MacroName } from './functions.ts'
import type { Issue, Place } from './issues.ts'

/** Makes the replacement for a call, all of it at the call's place. Undefined: the call stays a call. */
type Expand = (make: Maker, target: Node | undefined, args: readonly Node[]) => Node | Issue | undefined

/** The macro for a call of this form; undefined when there is none. */
export function findMacro(
  groups: ReadonlySet<MacroName>,
  name: string,
  isMember: boolean,
  argCount: number,
): Expand | undefined {
  const key = `${isMember ? '.' : ''}${name}/${argCount}`
  for (const table of tables(groups)) if (Object.hasOwn(table, key)) return table[key]
  return undefined
}

function* tables(groups: ReadonlySet<MacroName>): Iterable<Readonly<Record<string, Expand>>> {
  yield standard
  if (groups.has('optional')) yield optionals
  if (groups.has('twoVariables')) yield twoVariables
  if (groups.has('bind')) yield bindings
  if (groups.has('sortBy')) yield sorting
}

/** Makes nodes at one place. */
export class Maker {
  readonly at: Place
  constructor(at: Place) {
    this.at = at
  }

  constant(value: boolean | bigint): Node {
    return { kind: 'constant', at: this.at, value }
  }
  ident(name: string): Node {
    return { kind: 'ident', at: this.at, name }
  }
  call(name: string, ...args: Node[]): Node {
    return { kind: 'call', at: this.at, name, target: undefined, args }
  }
  method(target: Node, name: string, ...args: Node[]): Node {
    return { kind: 'call', at: this.at, name, target, args }
  }
  list(...elements: Node[]): Node {
    return { kind: 'list', at: this.at, elements, optional: new Set() }
  }
  emptyMap(): Node {
    return { kind: 'map', at: this.at, entries: [] }
  }
  accumulator(): Node {
    return this.ident(accumulatorName)
  }

  loop(range: Node, variables: readonly string[], parts: { init: Node; condition: Node; step: Node; result?: Node }) {
    const { init, condition, step, result = this.accumulator() } = parts
    const [variable, variable2] = variables as [string, string?]
    const { at } = this
    const accumulator = accumulatorName
    return {
      kind: 'comprehension',
      at,
      range,
      variable,
      variable2,
      accumulator,
      init,
      condition,
      step,
      result,
    } as const
  }

  /** A loop over nothing, whose accumulator gives the name to the value. */
  bind(name: string, value: Node, body: Node): Node {
    return {
      kind: 'comprehension',
      at: this.at,
      range: this.list(),
      variable: '#unused',
      variable2: undefined,
      accumulator: name,
      init: value,
      condition: this.constant(false),
      step: this.ident(name),
      result: body,
    }
  }
}

// Keys are NAME/ARGUMENTS, with a dot before methods. A macro whose arguments are wrong is an issue, not a call.
const standard: Readonly<Record<string, Expand>> = {
  'has/1': (make, _, [field]) =>
    field!.kind === 'select' && !field!.test
      ? { ...field!, at: make.at, test: true }
      : { at: field!.at, message: 'invalid argument to has() macro' },
  '.all/2': (make, range, args) => overVariables(args, 1, oneVariable, v => all(make, range!, v, args[1]!)),
  '.exists/2': (make, range, args) => overVariables(args, 1, oneVariable, v => exists(make, range!, v, args[1]!)),
  '.exists_one/2': (make, range, args) => overVariables(args, 1, oneVariable, v => one(make, range!, v, args[1]!)),
  '.existsOne/2': (make, range, args) => overVariables(args, 1, oneVariable, v => one(make, range!, v, args[1]!)),
  '.map/2': (make, range, args) =>
    overVariables(args, 1, oneVariable, v => collect(make, range!, v, undefined, args[1]!)),
  '.map/3': (make, range, args) =>
    overVariables(args, 1, oneVariable, v => collect(make, range!, v, args[1], args[2]!)),
  '.filter/2': (make, range, args) =>
    overVariables(args, 1, oneVariable, v => collect(make, range!, v, args[1], args[0]!)),
}

// With two variables, the first one is the index of a list or the key of a map, the second one element or value.
const twoVariables: Readonly<Record<string, Expand>> = {
  '.all/3': (make, range, args) => overVariables(args, 2, simpleName, v => all(make, range!, v, args[2]!)),
  '.exists/3': (make, range, args) => overVariables(args, 2, simpleName, v => exists(make, range!, v, args[2]!)),
  '.exists_one/3': (make, range, args) => overVariables(args, 2, simpleName, v => one(make, range!, v, args[2]!)),
  '.existsOne/3': (make, range, args) => overVariables(args, 2, simpleName, v => one(make, range!, v, args[2]!)),
  '.transformList/3': (make, range, args) =>
    overVariables(args, 2, simpleName, v => collect(make, range!, v, undefined, args[2]!)),
  '.transformList/4': (make, range, args) =>
    overVariables(args, 2, simpleName, v => collect(make, range!, v, args[2], args[3]!)),
  '.transformMap/3': (make, range, args) =>
    overVariables(args, 2, simpleName, v => insert(make, range!, v, undefined, [make.ident(v[0]!), args[2]!])),
  '.transformMap/4': (make, range, args) =>
    overVariables(args, 2, simpleName, v => insert(make, range!, v, args[2], [make.ident(v[0]!), args[3]!])),
  '.transformMapEntry/3': (make, range, args) =>
    overVariables(args, 2, simpleName, v => insert(make, range!, v, undefined, [args[2]!])),
  '.transformMapEntry/4': (make, range, args) =>
    overVariables(args, 2, simpleName, v => insert(make, range!, v, args[2], [args[3]!])),
}

// `x.optMap(v, e)`: e with v for the value of x, as an optional; none when x is none. With optFlatMap, e is an optional.
const optionals: Readonly<Record<string, Expand>> = {
  '.optMap/2': (make, target, [name, body]) =>
    optionalBinding(make, target!, name!, 'optMap', value => make.call('optional.of', value(body!))),
  '.optFlatMap/2': (make, target, [name, body]) =>
    optionalBinding(make, target!, name!, 'optFlatMap', value => value(body!)),
}

// `cel.bind(v, x, e)`: e with v for x, which is evaluated once.
const bindings: Readonly<Record<string, Expand>> = {
  '.bind/3': (make, target, [name, value, body]) => {
    if (target!.kind !== 'ident' || target!.name !== 'cel') return undefined
    if (name!.kind !== 'ident') return { at: name!.at, message: 'cel.bind() variable names must be simple identifiers' }
    return make.bind(name!.name, value!, body!)
  },
}

// `list.sortBy(v, e)`: the list in the order of what e is for each element, which is computed once for each.
const sorting: Readonly<Record<string, Expand>> = {
  '.sortBy/2': (make, target, args) => {
    if (!sortable.has(target!.kind)) return { at: target!.at, message: notSortable }
    const input = '@__sortBy_input__'
    const keys = overVariables(args, 1, oneVariable, v => collect(make, make.ident(input), v, undefined, args[1]!))
    if (!('kind' in keys)) return keys
    return make.bind(input, target!, make.method(make.ident(input), '@sortByAssociatedKeys', keys))
  },
}
const sortable: ReadonlySet<Node['kind']> = new Set(['list', 'select', 'ident', 'comprehension', 'call'])
const notSortable = 'sortBy can only be applied to a list, identifier, comprehension, call or select expression'

const oneVariable = 'argument is not an identifier'
const simpleName = 'argument must be a simple name'

/** Calls `expand` with the names that the first arguments are. */
function overVariables(
  args: readonly Node[],
  count: number,
  notAName: string,
  expand: (variables: string[]) => Node,
): Node | Issue {
  const names: string[] = []
  for (const arg of args.slice(0, count)) {
    if (arg.kind !== 'ident' || arg.name.startsWith('.')) return { at: arg.at, message: notAName }
    if (arg.name === accumulatorName || arg.name === '__result__')
      return { at: arg.at, message: 'iteration variable overwrites accumulator variable' }
    if (names.includes(arg.name)) return { at: arg.at, message: `duplicate variable name: ${arg.name}` }
    names.push(arg.name)
  }
  return expand(names)
}

// The loops of `all` and `exists` end as soon as the answer is certain. A failure in between does not end them: an
// element after it may decide, and only when none does is the failure the answer.
const all = (make: Maker, range: Node, variables: string[], predicate: Node): Node =>
  make.loop(range, variables, {
    init: make.constant(true),
    condition: make.call('@not_strictly_false', make.accumulator()),
    step: make.call('_&&_', make.accumulator(), predicate),
  })

const exists = (make: Maker, range: Node, variables: string[], predicate: Node): Node =>
  make.loop(range, variables, {
    init: make.constant(false),
    condition: make.call('@not_strictly_false', make.call('!_', make.accumulator())),
    step: make.call('_||_', make.accumulator(), predicate),
  })

/** Counts those that hold. Every element is looked at, and a failure is one of the whole. */
const one = (make: Maker, range: Node, variables: string[], predicate: Node): Node =>
  make.loop(range, variables, {
    init: make.constant(0n),
    condition: make.constant(true),
    step: make.call('_?_:_', predicate, make.call('_+_', make.accumulator(), make.constant(1n)), make.accumulator()),
    result: make.call('_==_', make.accumulator(), make.constant(1n)),
  })

const when = (make: Maker, predicate: Node | undefined, step: Node): Node =>
  predicate ? make.call('_?_:_', predicate, step, make.accumulator()) : step

/** A list of what `element` is for each element that `predicate` holds for. */
const collect = (make: Maker, range: Node, variables: string[], predicate: Node | undefined, element: Node): Node =>
  make.loop(range, variables, {
    init: make.list(),
    condition: make.constant(true),
    step: when(make, predicate, make.call('_+_', make.accumulator(), make.list(element))),
  })

/** A map of entries: of a key and a value, or of maps that are merged. */
const insert = (make: Maker, range: Node, variables: string[], predicate: Node | undefined, entry: Node[]): Node =>
  make.loop(range, variables, {
    init: make.emptyMap(),
    condition: make.constant(true),
    step: when(make, predicate, make.call('cel.@mapInsert', make.accumulator(), ...entry)),
  })

/** `target` is looked at twice, as upstream does: once whether it has a value, once for the value. */
function optionalBinding(
  make: Maker,
  target: Node,
  name: Node,
  macro: string,
  then: (bound: (body: Node) => Node) => Node,
): Node | Issue {
  if (name.kind !== 'ident') return { at: name.at, message: `${macro}() variable name must be a simple identifier` }
  return make.call(
    '_?_:_',
    make.method(target, 'hasValue'),
    then(body => make.bind(name.name, make.method(target, 'value'), body)),
    make.call('optional.none'),
  )
}
