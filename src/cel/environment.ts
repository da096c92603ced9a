// What an expression is checked against: variables with their types, functions, types of objects, and the switches
// of the language.
import type { FunctionDecl, Library, MacroName, Overload } from './functions.ts'
import * as t from './types.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

/** Types of objects, by name. The caller computes them from schemas. */
export interface ObjectTypes {
  /** The type of a field; undefined when the object has no such field, `null` when there is no such type. */
  fieldType(typeName: string, field: string): Type | undefined | null
  /** Makes an object of a literal such as `JSONPatch{…}`; absent where there are no such literals. */
  create?(typeName: string, fields: ReadonlyMap<string, Value>): Value
  /** The type that a name in an expression means: an object, or one that a literal can make. */
  named?(name: string): Type | undefined
}

interface EnvironmentOptions {
  readonly libraries: readonly Library[]
  readonly variables?: Readonly<Record<string, Type>>
  readonly objects?: ObjectTypes
  /** Names are looked up in it first: in container `a.b`, `x` may mean `a.b.x`, `a.x` or `x`. */
  readonly container?: string
  /** Lists and maps of one literal have one type of elements. */
  readonly homogeneousLiterals?: boolean
  readonly quotedFields?: boolean
  readonly maxCharacters?: number
  readonly maxDepth?: number
}

const noObjects: ObjectTypes = { fieldType: () => null }

const basicTypes: readonly Type[] = [
  t.bool,
  t.int,
  t.uint,
  t.double,
  t.string,
  t.bytes,
  t.nullType,
  t.timestamp,
  t.duration,
  t.list(t.dyn),
  t.map(t.dyn, t.dyn),
]

/** Immutable, and expensive to make: one serves many expressions. */
export class Environment {
  readonly options: EnvironmentOptions
  readonly container: string
  readonly objects: ObjectTypes
  readonly macros: ReadonlySet<MacroName>
  readonly #functions: Map<string, FunctionDecl>
  readonly #idents: Map<string, Type>

  constructor(options: EnvironmentOptions, base?: Environment) {
    this.options = options
    this.container = options.container ?? ''
    this.objects = options.objects ?? noObjects
    this.macros = new Set(options.libraries.flatMap(l => l.macros ?? []))
    // An environment that only has other variables shares the functions of the one it extends.
    this.#functions = base ? base.#functions : functionsOf(options.libraries)
    this.#idents = new Map(base ? base.#idents : typeIdents(options.libraries))
    for (const [name, type] of Object.entries(options.variables ?? {})) this.#idents.set(name, type)
  }

  /** The same environment with further variables, or other types of objects. */
  extend(more: Pick<EnvironmentOptions, 'variables' | 'objects'>): Environment {
    return new Environment({ ...this.options, ...more }, this)
  }

  /** The type of a variable or of the name of a type, with its full name. */
  findIdent(name: string): { name: string; type: Type } | undefined {
    for (const candidate of this.candidates(name)) {
      const type = this.#idents.get(candidate)
      if (type) return { name: candidate, type }
      const named = this.objects.named?.(candidate)
      if (named) return { name: candidate, type: t.typeOfType(named) }
    }
    return undefined
  }

  findFunction(name: string): FunctionDecl | undefined {
    for (const candidate of this.candidates(name)) {
      const found = this.#functions.get(candidate)
      if (found) return found
    }
    return undefined
  }

  /** All that a name may mean, the innermost first. */
  *candidates(name: string): Iterable<string> {
    if (name.startsWith('.')) {
      yield name.slice(1)
      return
    }
    for (let container = this.container; container; container = outer(container)) yield `${container}.${name}`
    yield name
  }
}

const outer = (container: string) => container.slice(0, Math.max(0, container.lastIndexOf('.')))

function functionsOf(libraries: readonly Library[]): Map<string, FunctionDecl> {
  const functions = new Map<string, FunctionDecl>()
  for (const { name, overloads } of libraries.flatMap(l => l.functions)) {
    const before: readonly Overload[] = functions.get(name)?.overloads ?? []
    functions.set(name, { name, overloads: [...before, ...overloads] })
  }
  return functions
}

function typeIdents(libraries: readonly Library[]): [string, Type][] {
  const types = [...basicTypes, t.typeOfType(), ...libraries.flatMap(l => l.types ?? [])]
  return types.map(type => [type.name, t.typeOfType(type)])
}
