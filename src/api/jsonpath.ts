// JSONPath as columns and scale paths use it: `.spec.replicas`, `.metadata.labels.app\.io/x`, `['a','b']`, `[0]`, `[-1]`,
// `[0:2]`, `[*]`, `..name`, and filters such as `.status.conditions[?(@.type=="Ready")].status`.
//
// A step that a value does not have, or a comparison of values that cannot be compared, has no result; it is no error.
// Source: client-go util/jsonpath (parser.go, jsonpath.go).
import { setKey } from './patch/merge.ts'
import type { Json, JsonObject } from './schema/node.ts'

type Step =
  | { type: 'field'; name: string }
  | { type: 'fields'; names: string[] }
  | { type: 'all' }
  /** The value itself, and every value within it. */
  | { type: 'deep' }
  | { type: 'slices'; slices: Slice[] }
  | { type: 'filter'; left: Operand; operator?: Operator; right?: Operand }

/** A single index has no `end`. Negative numbers count from the end of the list. */
interface Slice {
  start: number | undefined
  end: number | undefined
  step: number
  isIndex: boolean
}

type Operand = { path: readonly Step[] } | { value: Json }
const operators = ['==', '!=', '<=', '>=', '<', '>'] as const
type Operator = (typeof operators)[number]

const compiled = new Map<string, readonly Step[]>()
const maxCompiled = 2_000

/** Splits a path into steps. Throws for what is no path. */
function compilePath(path: string): readonly Step[] {
  const known = compiled.get(path)
  if (known) return known
  const steps = new Parser(path).run()
  if (compiled.size >= maxCompiled) compiled.clear()
  compiled.set(path, steps)
  return steps
}

/** Whether a path can be read. */
export function isPath(path: string): boolean {
  try {
    compilePath(path)
    return true
  } catch {
    // The parser throws for nothing else.
    return false
  }
}

class Parser {
  readonly #path: string
  #at = 0

  constructor(path: string) {
    this.#path = path
  }

  run(): Step[] {
    const steps = this.#steps()
    if (this.#at !== this.#path.length) throw this.#unreadable()
    return steps
  }

  #unreadable(): Error {
    return new Error(
      `JSONPath ${JSON.stringify(this.#path)}: cannot read ${JSON.stringify(this.#path.slice(this.#at))}`,
    )
  }

  /** Takes what the pattern matches here. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(pattern, 'y')
    sticky.lastIndex = this.#at
    const match = sticky.exec(this.#path)
    if (match) this.#at = sticky.lastIndex
    return match ?? undefined
  }

  #steps(): Step[] {
    const steps: Step[] = []
    for (;;) {
      if (this.#take(/\.\.(?=[^.\]])/)) {
        steps.push({ type: 'deep' })
        if (this.#path[this.#at] === '[') continue
        steps.push(this.#name())
      } else if (this.#take(/\.(?=[^.[\]])/)) steps.push(this.#name())
      else if (this.#take(/\[\s*\?\(\s*/)) steps.push(this.#filter())
      else if (this.#take(/\[/)) steps.push(this.#brackets())
      else return steps
    }
  }

  #name(): Step {
    if (this.#take(/\*(?=[.[]|$)/)) return { type: 'all' }
    const match = this.#take(/(?:\\.|[^.[\]\\=<>!\s()])+/)
    if (!match) throw this.#unreadable()
    return { type: 'field', name: match[0].replace(/\\(.)/g, '$1') }
  }

  /** What stands between brackets, up to the closing one: `*`, names in quotes, or indexes and slices. */
  #brackets(): Step {
    if (this.#take(/\s*\*\s*\]/)) return { type: 'all' }
    const names: string[] = []
    const slices: Slice[] = []
    do {
      const name = this.#take(/\s*(?:'([^']*)'|"([^"]*)")\s*/)
      const slice = name ? undefined : this.#take(/\s*(-?\d+)?(:(-?\d+)?(?::(\d+))?)?\s*/)
      if (name) names.push(name[1] ?? name[2]!)
      else if (slice?.[0].trim()) slices.push(sliceOf(slice))
      else throw this.#unreadable()
    } while (this.#take(/,/))
    if (!this.#take(/\]/) || (names.length && slices.length)) throw this.#unreadable()
    return names.length ? { type: 'fields', names } : { type: 'slices', slices }
  }

  #filter(): Step {
    const left = this.#operand()
    const operator = this.#take(/\s*(==|!=|<=|>=|<|>)\s*/)?.[1] as Operator | undefined
    const right = operator && this.#operand()
    if (!this.#take(/\s*\)\s*\]/)) throw this.#unreadable()
    return { type: 'filter', left, ...(operator && { operator }), ...(right && { right }) }
  }

  #operand(): Operand {
    if (this.#take(/@/)) return { path: this.#steps() }
    const quoted = this.#take(/'([^']*)'|"([^"]*)"/)
    if (quoted) return { value: quoted[1] ?? quoted[2]! }
    const plain = this.#take(/true\b|false\b|-?\d+(?:\.\d+)?/)
    if (!plain) throw this.#unreadable()
    return { value: JSON.parse(plain[0]) as Json }
  }
}

const sliceOf = ([, start, range, end, step]: RegExpExecArray): Slice => ({
  start: start === undefined ? undefined : Number(start),
  end: end === undefined ? undefined : Number(end),
  step: Math.max(1, Number(step ?? 1)),
  isIndex: range === undefined,
})

/** All values at a path. */
export const readAll = (value: unknown, path: string): Json[] => walk(value as Json, compilePath(path))

/** The first value at a path; undefined without one. */
export const readPath = (value: unknown, path: string): Json | undefined => readAll(value, path)[0]

const walk = (value: Json, steps: readonly Step[]): Json[] =>
  steps.reduce<Json[]>((values, step) => values.flatMap(one => take(one, step)), [value])

/** How deep a search for values at any depth goes. */
const maxDepth = 500

function take(value: Json, step: Step, depth = 0): Json[] {
  if (value === null || typeof value !== 'object') return step.type === 'deep' ? [value] : []
  const elements = Array.isArray(value) ? value : Object.values(value)
  switch (step.type) {
    case 'field':
      return fieldOf(value, step.name)
    case 'fields':
      return step.names.flatMap(name => fieldOf(value, name))
    case 'all':
      return elements
    case 'deep':
      return depth < maxDepth ? [value, ...elements.flatMap(element => take(element, step, depth + 1))] : []
    case 'slices':
      return Array.isArray(value) ? step.slices.flatMap(slice => sliced(value, slice)) : []
    case 'filter':
      return elements.filter(element => passes(element, step))
  }
}

function fieldOf(value: JsonObject | Json[], name: string): Json[] {
  const found = Array.isArray(value) || !Object.hasOwn(value, name) ? undefined : value[name]
  return found === undefined ? [] : [found]
}

function sliced(list: readonly Json[], { start, end, step, isIndex }: Slice): Json[] {
  if (isIndex) {
    const element = list.at(start!)
    return element === undefined ? [] : [element]
  }
  return list.slice(start ?? 0, end ?? list.length).filter((_, i) => i % step === 0)
}

function passes(element: Json, { left, operator, right }: Extract<Step, { type: 'filter' }>): boolean {
  const [a] = valuesOf(element, left)
  if (a === undefined) return false
  if (!operator) return true
  const [b] = valuesOf(element, right!)
  if (b === undefined || typeof a !== typeof b || typeof a === 'object') return false
  switch (operator) {
    case '==':
      return a === b
    case '!=':
      return a !== b
    case '<':
      return a < b!
    case '<=':
      return a <= b!
    case '>':
      return a > b!
    case '>=':
      return a >= b!
  }
}

const valuesOf = (element: Json, operand: Operand): Json[] =>
  'path' in operand ? walk(element, operand.path) : [operand.value]

/** Sets the value at a path of plain fields, and creates objects on the way. */
export function writePath(target: object, path: string, value: Json): void {
  const fields = compilePath(path).map(step => (step.type === 'field' ? step.name : ''))
  let object = target as JsonObject
  for (const field of fields.slice(0, -1)) {
    if (!Object.hasOwn(object, field)) setKey(object, field, {})
    object = object[field] as JsonObject
  }
  setKey(object, fields.at(-1)!, value)
}
