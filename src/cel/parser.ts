// Parses an expression: recursive descent over the grammar of CEL, with macros expanded on the way.
//
//     parse('self.a > 1', …) = { node: _>_(select(ident self, a), 1), issues: [] }
//
// Bounds: the size of the text in characters, how deep expressions may stand in each other, and how deep the tree may
// be, so that no recursion over it can exhaust the stack.
// Source: cel-spec doc/langdef.md, "Syntax"; cel-go parser/parser.go.
import type { FieldEntry, MapEntry, Node } from './ast.ts'
import type { MacroName } from './functions.ts'
import { Source, type Issue, type Place } from './issues.ts'
import { tokensOf } from './lexer.ts'
import { doubleLiteral, intLiteral, stringLiteral, uintLiteral, type Literal } from './literals.ts'
import { findMacro, Maker } from './macros.ts'
import { GiveUp, operandStart, Tokens } from './tokens.ts'

interface ParseOptions {
  readonly macros: ReadonlySet<MacroName>
  /** Whether fields may be written in backquotes: a.`b-c`. */
  readonly quotedFields?: boolean
  readonly maxCharacters?: number
  readonly maxDepth?: number
}

const defaultMaxCharacters = 100_000
const defaultMaxDepth = 250

interface Parsed {
  readonly source: Source
  /** Not to be used when there are issues. */
  readonly node: Node
  readonly issues: Issue[]
}

const nothing = (at: Place): Node => ({ kind: 'constant', at, value: null })

export function parse(text: string, options: ParseOptions): Parsed {
  const limit = options.maxCharacters ?? defaultMaxCharacters
  // No text has more characters than units of UTF-16; only a text near the limit needs to be counted.
  const size = text.length > 2 * limit ? text.length : text.length > limit ? Array.from(text).length : 0
  if (size > limit) {
    const message = `expression code point size exceeds limit: size: ${size}, limit ${limit}`
    return { source: new Source(''), node: nothing(-1), issues: [{ at: -1, message }] }
  }
  const source = new Source(text)
  const issues: Issue[] = []
  const tokens = new Tokens(tokensOf(text, issues), issues)
  let node: Node = nothing(0)
  try {
    node = new Parser(tokens, options).whole()
  } catch (error) {
    if (!(error instanceof GiveUp)) throw error
  }
  return { source, node, issues }
}

const reserved = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
)
const relations = new Set(['<', '<=', '>=', '>', '==', '!=', 'in'])
const sums = new Set(['+', '-'])
const products = new Set(['*', '/', '%'])
const functionOf = (operator: string) => (operator === 'in' ? '@in' : `_${operator}_`)

/** What may follow a complete expression, so that a missing bracket is recognized there. */
const followers = new Set(['<EOF>', ')', ']', '}', ',', ':', '?', '.', '[', '&&', '||', '-', '+', '*', '/', '%'])
const canFollow = (kind: string) => followers.has(kind) || relations.has(kind)

class Parser {
  readonly #tokens: Tokens
  readonly #options: ParseOptions
  readonly #maxDepth: number
  readonly #depths = new WeakMap<Node, number>()
  #nesting = 0

  constructor(tokens: Tokens, options: ParseOptions) {
    this.#tokens = tokens
    this.#options = options
    this.#maxDepth = options.maxDepth ?? defaultMaxDepth
  }

  whole(): Node {
    const node = this.#expression()
    this.#tokens.expect('<EOF>')
    return node
  }

  /** conditionalOr ('?' conditionalOr ':' expression)? */
  #expression(): Node {
    if (++this.#nesting > this.#maxDepth) this.#giveUp(`expression recursion limit exceeded: ${this.#maxDepth}`)
    const condition = this.#logical('||')
    const mark = this.#tokens.accept('?')
    let node = condition
    if (mark) {
      const yes = this.#logical('||')
      this.#tokens.expect(':')
      node = this.#call(mark.at, '_?_:_', undefined, [condition, yes, this.#expression()])
    }
    this.#nesting--
    return node
  }

  /** A chain of `||` or `&&`, made a balanced tree so that long chains are not deep. */
  #logical(operator: '||' | '&&'): Node {
    const operand = () => (operator === '||' ? this.#logical('&&') : this.#binary(relations))
    const terms = [operand()]
    const places: Place[] = []
    for (let token = this.#tokens.accept(operator); token; token = this.#tokens.accept(operator)) {
      places.push(token.at)
      terms.push(operand())
    }
    const balanced = (from: number, to: number): Node => {
      const middle = (from + to + 1) >> 1
      const left = middle === from ? terms[middle]! : balanced(from, middle - 1)
      const right = middle === to ? terms[middle + 1]! : balanced(middle + 1, to)
      return this.#call(places[middle]!, functionOf(operator), undefined, [left, right])
    }
    return places.length ? balanced(0, places.length - 1) : terms[0]!
  }

  /** relation: sums between `<`, `==`, `in`…; sum: products between `+` and `-`; product: unary between `*`, `/`, `%`. */
  #binary(operators: ReadonlySet<string>): Node {
    const operand = () =>
      operators === relations ? this.#binary(sums) : operators === sums ? this.#binary(products) : this.#unary()
    let node = operand()
    while (operators.has(this.#tokens.next.kind)) {
      const token = this.#tokens.accept(this.#tokens.next.kind)!
      node = this.#call(token.at, functionOf(token.kind), undefined, [node, operand()])
    }
    return node
  }

  /** Pairs of `!` or `-` cancel each other; a `-` before a number is part of it. */
  #unary(): Node {
    if (!this.#tokens.require(operandStart)) {
      this.#tokens.recover()
      return nothing(this.#tokens.next.at)
    }
    const sign = this.#tokens.next
    if (sign.kind !== '!' && sign.kind !== '-') return this.#member()
    const isNumber = (kind: string) => kind === 'NUM_INT' || kind === 'NUM_FLOAT'
    let count = 0
    while (this.#tokens.next.kind === sign.kind) {
      if (sign.kind === '-' && isNumber(this.#tokens.ahead(1).kind)) break
      this.#tokens.accept(sign.kind)
      count++
    }
    if (count && !operandStart.has(this.#tokens.next.kind)) {
      this.#tokens.noAlternative(sign.kind)
      this.#tokens.recover()
      return nothing(sign.at)
    }
    const operand = this.#member()
    return count % 2 ? this.#call(sign.at, `${sign.kind}_`, undefined, [operand]) : operand
  }

  /** primary ('.' name | '.' name '(' … ')' | '[' … ']')* */
  #member(): Node {
    let node = this.#primary()
    for (;;) {
      const token = this.#tokens.next
      if (token.kind === '.') node = this.#dotted(node)
      else if (token.kind === '[') node = this.#indexed(node)
      else return node
    }
  }

  /** `.field`, `.?field` or `.method(…)`. */
  #dotted(operand: Node): Node {
    const dot = this.#tokens.advance()
    const mark = this.#tokens.accept('?')
    const name = this.#tokens.next
    if (name.kind !== 'IDENTIFIER' && name.kind !== 'ESC_IDENTIFIER') {
      if (name.kind in keywordNames) this.#tokens.mismatch(new Set(['IDENTIFIER']))
      else this.#tokens.noAlternative(name.kind === '<EOF>' ? '.' : `.${name.text}`)
      if (name.kind !== '<EOF>') this.#tokens.advance()
      return operand
    }
    this.#tokens.accept(name.kind)
    if (mark) {
      this.#requireOptional('.?', dot.at)
      const field: Node = { kind: 'constant', at: name.at, value: this.#fieldName(name.text, name.at) }
      return this.#call(dot.at, '_?._', undefined, [operand, field])
    }
    if (name.kind === 'IDENTIFIER' && this.#tokens.next.kind === '(') {
      const { at, args } = this.#arguments()
      return this.#call(at, name.text, operand, args)
    }
    const field = this.#fieldName(name.text, name.at)
    return this.#made({ kind: 'select', at: dot.at, operand, field, test: false }, [operand])
  }

  #indexed(operand: Node): Node {
    const open = this.#tokens.accept('[')!
    const mark = this.#tokens.accept('?')
    if (mark) this.#requireOptional('[?', open.at)
    const index = this.#expression()
    this.#tokens.expect(']', canFollow)
    return this.#call(open.at, mark ? '_[?_]' : '_[_]', undefined, [operand, index])
  }

  #primary(): Node {
    const token = this.#tokens.next
    switch (token.kind) {
      case '(': {
        this.#tokens.accept('(')
        const node = this.#expression()
        this.#tokens.expect(')', canFollow)
        return node
      }
      case '[':
        return this.#list()
      case '{':
        return this.#map()
      case '.':
      case 'IDENTIFIER':
        return this.#name()
      default:
        return this.#literal()
    }
  }

  #literal(): Node {
    const first = this.#tokens.next
    const isNegative = this.#tokens.accept('-') !== undefined
    const { kind, text } = this.#tokens.next
    this.#tokens.accept(kind)
    const literal = ((): Literal => {
      switch (kind) {
        case 'NUM_INT':
          return intLiteral(text, isNegative)
        case 'NUM_UINT':
          return uintLiteral(text)
        case 'NUM_FLOAT':
          return doubleLiteral(text, isNegative)
        case 'STRING':
        case 'BYTES':
          return stringLiteral(text)
        default:
          return { value: kind === 'null' ? null : kind === 'true' }
      }
    })()
    if ('error' in literal) this.#issue(first.at, literal.error)
    return { kind: 'constant', at: first.at, value: 'error' in literal ? null : literal.value }
  }

  /** A name, a call of a function, or the literal of a message: `x`, `f(…)`, `a.B{…}`. */
  #name(): Node {
    const dot = this.#tokens.accept('.')
    if (dot && this.#tokens.next.kind !== 'IDENTIFIER') {
      this.#tokens.noAlternative(this.#tokens.next.kind === '<EOF>' ? '.' : `.${this.#tokens.next.text}`)
      return nothing(dot.at)
    }
    const token = this.#tokens.expect('IDENTIFIER')
    const message = this.#messageName(token.text)
    const prefix = dot ? '.' : ''
    if (message) return this.#message(prefix + message)
    if (reserved.has(token.text)) {
      this.#issue(token.at, `reserved identifier: ${token.text}`)
      if (this.#tokens.next.kind !== '(') return nothing(token.at)
    }
    const name = prefix + token.text
    if (this.#tokens.next.kind !== '(') return { kind: 'ident', at: dot?.at ?? token.at, name }
    const { at, args } = this.#arguments()
    return this.#call(at, name, undefined, args)
  }

  /** The name before a `{`, all of which is read; undefined, and nothing read, when there is no brace. */
  #messageName(first: string): string | undefined {
    let count = 0
    let name = first
    while (this.#tokens.ahead(count).kind === '.' && this.#tokens.ahead(count + 1).kind === 'IDENTIFIER') {
      name += `.${this.#tokens.ahead(count + 1).text}`
      count += 2
    }
    if (this.#tokens.ahead(count).kind !== '{') return undefined
    for (let i = 0; i < count; i++) this.#tokens.advance()
    return name
  }

  /** '(' (expression (',' expression)*)? ')'. The place of a call is that of its bracket. */
  #arguments(): { at: Place; args: Node[] } {
    const { at } = this.#tokens.accept('(')!
    const args: Node[] = []
    if (this.#tokens.next.kind !== ')')
      do args.push(this.#expression())
      while (this.#tokens.accept(','))
    this.#tokens.expect(')', canFollow)
    return { at, args }
  }

  /** '[' ('?'? expression (',' '?'? expression)*)? ','? ']' */
  #list(): Node {
    const { at } = this.#tokens.accept('[')!
    const elements: Node[] = []
    const optional = new Set<number>()
    while (this.#tokens.next.kind !== ']' && this.#tokens.next.kind !== ',') {
      if (this.#optionalMark()) optional.add(elements.length)
      elements.push(this.#expression())
      if (!this.#tokens.accept(',')) break
    }
    this.#close(']', elements.length > 0)
    return this.#made({ kind: 'list', at, elements, optional }, elements)
  }

  /** '{' ('?'? expression ':' expression …)? ','? '}' */
  #map(): Node {
    const { at } = this.#tokens.accept('{')!
    const entries: MapEntry[] = []
    while (this.#mayBegin(mapKeyStart)) {
      const optional = this.#optionalMark()
      const key = this.#expression()
      const colon = this.#tokens.expect(':')
      entries.push({ at: colon.at, key, value: this.#expression(), optional })
      if (!this.#tokens.accept(',')) break
    }
    this.#close('}', entries.length > 0)
    return this.#made(
      { kind: 'map', at, entries },
      entries.flatMap(e => [e.key, e.value]),
    )
  }

  /** NAME '{' ('?'? field ':' expression …)? ','? '}' */
  #message(name: string): Node {
    const { at } = this.#tokens.accept('{')!
    const fields: FieldEntry[] = []
    while (this.#mayBegin(fieldStart)) {
      const optional = this.#optionalMark()
      const token = this.#tokens.next
      if (token.kind !== 'ESC_IDENTIFIER') this.#tokens.expect('IDENTIFIER')
      else this.#tokens.accept('ESC_IDENTIFIER')
      const colon = this.#tokens.expect(':')
      const field = this.#fieldName(token.text, token.at)
      fields.push({ at: colon.at, name: field, value: this.#expression(), optional })
      if (!this.#tokens.accept(',')) break
    }
    this.#close('}', fields.length > 0)
    return this.#made(
      { kind: 'struct', at, name, fields },
      fields.map(f => f.value),
    )
  }

  /** Whether an entry follows; what is neither an entry nor the end is reported. */
  #mayBegin(start: ReadonlySet<string>): boolean {
    if (this.#tokens.next.kind === '}' || this.#tokens.next.kind === ',') return false
    return this.#tokens.require(start) && this.#tokens.next.kind !== '}' && this.#tokens.next.kind !== ','
  }

  /** The bracket that closes a literal; a comma may stand before it. */
  #close(bracket: string, hasElements: boolean): void {
    if (!hasElements) this.#tokens.accept(',')
    if (this.#tokens.next.kind === bracket) this.#tokens.accept(bracket)
    else if (this.#tokens.require(new Set([bracket, ',']))) this.#tokens.accept(bracket)
  }

  #optionalMark(): boolean {
    const mark = this.#tokens.accept('?')
    if (mark) this.#requireOptional('?', mark.at)
    return mark !== undefined
  }

  #requireOptional(syntax: string, at: Place): void {
    if (!this.#options.macros.has('optional')) this.#issue(at, `unsupported syntax '${syntax}'`)
  }

  #fieldName(text: string, at: Place): string {
    if (!text.startsWith('`')) return text
    if (!this.#options.quotedFields) this.#issue(at, "unsupported syntax: '`'")
    return text.slice(1, -1)
  }

  /** A call, or what the macro of this name makes of it. */
  #call(at: Place, name: string, target: Node | undefined, args: readonly Node[]): Node {
    const expand = findMacro(this.#options.macros, name, target !== undefined, args.length)
    const expanded = expand?.(new Maker(at), target, args)
    const children = target ? [target, ...args] : args
    if (expanded && 'kind' in expanded) return this.#made(expanded, children)
    if (expanded) this.#issue(expanded.at, expanded.message)
    return this.#made({ kind: 'call', at, name, target, args }, children)
  }

  /** Keeps how deep a node is. */
  #made(node: Node, children: readonly Node[]): Node {
    const depth = children.reduce((most, c) => Math.max(most, 1 + (this.#depths.get(c) ?? 1)), 1)
    if (depth > this.#maxDepth) this.#giveUp('max recursion depth exceeded')
    this.#depths.set(node, depth)
    return node
  }

  #issue(at: Place, message: string): void {
    this.#tokens.issues.push({ at, message })
  }

  #giveUp(message: string): never {
    this.#issue(-1, message)
    throw new GiveUp()
  }
}

const keywordNames: Readonly<Record<string, true>> = { true: true, false: true, null: true, in: true }
const mapKeyStart: ReadonlySet<string> = new Set([...operandStart, '}', ',', '?'])
const fieldStart: ReadonlySet<string> = new Set(['}', ',', '?', 'IDENTIFIER', 'ESC_IDENTIFIER'])
