// Walks over the tokens of an expression and words what is expected and not there. After a fault it goes on, by the
// rules of the parser that cel-go uses, so that the same faults are reported: a superfluous token is left out, a
// missing one is thought of as there, and while nothing fits nothing more is said.
// Source: ANTLR 4, DefaultErrorStrategy.
import type { Issue, Place } from './issues.ts'
import type { Token } from './lexer.ts'

/** Kinds in the order in which lists of expected ones print them. */
const order = [
  '[',
  ']',
  '{',
  '}',
  '(',
  ')',
  '.',
  ',',
  '-',
  '!',
  '?',
  ':',
  'true',
  'false',
  'null',
  'NUM_FLOAT',
  'NUM_INT',
  'NUM_UINT',
  'STRING',
  'BYTES',
  'IDENTIFIER',
  'ESC_IDENTIFIER',
]
const names = new Set(['NUM_FLOAT', 'NUM_INT', 'NUM_UINT', 'STRING', 'BYTES', 'IDENTIFIER', 'ESC_IDENTIFIER', '<EOF>'])
const printed = (kind: string) => (names.has(kind) ? kind : `'${kind}'`)

/** What an operand begins with. */
export const operandStart: ReadonlySet<string> = new Set(
  ['[', '{', '(', '.', '-', '!', 'true', 'false', 'null'].concat([...names].slice(0, 6)),
)

/** After this many faults the rest is not looked at. */
const maxFaults = 30

/** Thrown to give up: the issues say why. */
export class GiveUp extends Error {}

export class Tokens {
  readonly issues: Issue[]
  readonly #tokens: readonly Token[]
  #index = 0
  /** After a fault nothing more is said until a token fits. */
  #isSilent = false
  #faults = 0

  constructor(tokens: readonly Token[], issues: Issue[]) {
    this.#tokens = tokens
    this.issues = issues
  }

  get next(): Token {
    return this.ahead(0)
  }

  ahead(count: number): Token {
    return this.#tokens[Math.min(this.#index + count, this.#tokens.length - 1)]!
  }

  /** The next token, when it is of this kind; otherwise undefined. */
  accept(kind: string): Token | undefined {
    if (this.next.kind !== kind) return undefined
    this.#isSilent = false
    return this.advance()
  }

  advance(): Token {
    const token = this.next
    if (this.#index < this.#tokens.length - 1) this.#index++
    return token
  }

  /** The next token, which has to be of this kind. `after` says what may follow, so that a missing one is seen. */
  expect(kind: string, after: (next: string) => boolean = () => false): Token {
    const token = this.accept(kind)
    if (token) return token
    if (this.#isSuperfluous(new Set([kind]))) return this.accept(kind)!
    if (after(this.next.kind)) this.#fault(`missing ${printed(kind)} at '${this.next.text}'`)
    else this.mismatch(new Set([kind]))
    return { kind, text: '', at: this.next.at }
  }

  /** Leaves a superfluous token out when what follows it is expected; otherwise reports the mismatch. */
  require(expected: ReadonlySet<string>): boolean {
    if (expected.has(this.next.kind) || this.#isSuperfluous(expected)) return true
    this.mismatch(expected)
    return false
  }

  mismatch(expected: ReadonlySet<string>): void {
    this.#fault(`mismatched input '${this.next.text}' expecting ${setText(expected)}`)
  }

  noAlternative(text: string): void {
    this.#fault(`no viable alternative at input '${text}'`)
  }

  /** Skips tokens until one that can follow an operand. */
  recover(): void {
    while (this.next.kind !== '<EOF>' && (operandStart.has(this.next.kind) || this.next.kind === 'ESC_IDENTIFIER')) {
      if (['[', '(', '.', '-', '{'].includes(this.next.kind)) break
      this.advance()
    }
  }

  #isSuperfluous(expected: ReadonlySet<string>): boolean {
    if (this.next.kind === '<EOF>' || !expected.has(this.ahead(1).kind)) return false
    this.#fault(`extraneous input '${this.next.text}' expecting ${setText(expected)}`)
    this.advance()
    this.#isSilent = false
    return true
  }

  #fault(message: string, at: Place = this.next.at): void {
    if (this.#isSilent) return
    this.#isSilent = true
    this.issues.push({ at, message: `Syntax error: ${message}` })
    if (++this.#faults <= maxFaults) return
    this.issues.push({ at, message: `Syntax error: error recovery attempt limit exceeded: ${maxFaults}` })
    throw new GiveUp()
  }
}

function setText(kinds: ReadonlySet<string>): string {
  const sorted = [...kinds].sort((a, b) => order.indexOf(a) - order.indexOf(b)).map(printed)
  return sorted.length === 1 ? sorted[0]! : `{${sorted.join(', ')}}`
}
