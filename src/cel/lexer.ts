// Cuts an expression into tokens. What is no token is reported and left out, so that the parser can go on, with the
// texts of the lexer that cel-go uses.
// Source: cel-spec doc/langdef.md, "Syntax"; cel-go parser/gen/CEL.g4.
import type { Issue, Place } from './issues.ts'

type TokenKind = 'IDENTIFIER' | 'ESC_IDENTIFIER' | 'NUM_INT' | 'NUM_UINT' | 'NUM_FLOAT' | 'STRING' | 'BYTES'

export interface Token {
  /** Punctuation and keywords are their own kind; the end is `<EOF>`. */
  readonly kind: TokenKind | string
  readonly text: string
  readonly at: Place
}

const escape = `\\\\(?:[abfnrtv"'\\\\?\`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})`
const quoted = [
  `[rR]"""[^]*?"""`,
  `[rR]'''[^]*?'''`,
  `[rR]"[^"\\n\\r]*"`,
  `[rR]'[^'\\n\\r]*'`,
  `"""(?:[^\\\\]|${escape})*?"""`,
  `'''(?:[^\\\\]|${escape})*?'''`,
  `"(?:[^\\\\"\\n\\r]|${escape})*"`,
  `'(?:[^\\\\'\\n\\r]|${escape})*'`,
].join('|')

const rules: readonly (readonly [TokenKind | 'punctuation', RegExp])[] = [
  ['STRING', new RegExp(quoted, 'uy')],
  ['BYTES', new RegExp(`[bB](?:${quoted})`, 'uy')],
  ['NUM_FLOAT', /\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?/uy],
  ['NUM_UINT', /(?:0x[0-9a-fA-F]+|\d+)[uU]/uy],
  ['NUM_INT', /0x[0-9a-fA-F]+|\d+/uy],
  ['IDENTIFIER', /[A-Za-z_][A-Za-z0-9_]*/uy],
  ['ESC_IDENTIFIER', /`[A-Za-z0-9_.\-/ ]+`/uy],
  ['punctuation', /==|!=|<=|>=|&&|\|\||[<>[\]{}().,\-!?:+*/%]/uy],
]
const space = /(?:[ \t\r\n\f]+|\/\/[^\n]*)+/uy
/** The valid beginning of a string that has no end, or of an operator of which only a half is there. */
const halves: readonly RegExp[] = [
  new RegExp(`[bB]?(?:"""(?:[^\\\\]|${escape})*|'''(?:[^\\\\]|${escape})*)`, 'uy'),
  new RegExp(`[bB]?(?:"(?:[^\\\\"\\n\\r]|${escape})*|'(?:[^\\\\'\\n\\r]|${escape})*)`, 'uy'),
  /[&|=]/uy,
  /`[A-Za-z0-9_.\-/ ]*/uy,
]
const partialEscape = /\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?/uy
const keywords = new Set(['true', 'false', 'null', 'in'])

const matchAt = (rule: RegExp, text: string, index: number): string => {
  rule.lastIndex = index
  return rule.exec(text)?.[0] ?? ''
}

/** All tokens of the text, the last one `<EOF>`; faults are added to `issues`. */
export function tokensOf(text: string, issues: Issue[]): Token[] {
  const tokens: Token[] = []
  let at = 0
  for (let index = 0; index < text.length; ) {
    let skipped = matchAt(space, text, index)
    if (!skipped) {
      const token = tokenAt(text, index, at)
      if (token) tokens.push(token)
      else issues.push({ at, message: `Syntax error: token recognition error at: '${badText(text, index)}'` })
      skipped = token?.text ?? badText(text, index)
    }
    index += skipped.length
    at += characters(skipped)
  }
  tokens.push({ kind: '<EOF>', text: '<EOF>', at })
  return tokens
}

function tokenAt(text: string, index: number, at: Place): Token | undefined {
  for (const [kind, rule] of rules) {
    const found = matchAt(rule, text, index)
    if (!found) continue
    return { kind: kind === 'punctuation' || keywords.has(found) ? found : kind, text: found, at }
  }
  return undefined
}

/** What is no token: as much as could have begun one, and the character with which it could not go on. */
function badText(text: string, index: number): string {
  let end = index
  for (const half of halves) {
    const found = matchAt(half, text, index)
    if (found) end = Math.max(end, index + found.length)
  }
  if (end > index) end += matchAt(partialEscape, text, end).length
  return text.slice(index, end) + (end < text.length ? String.fromCodePoint(text.codePointAt(end)!) : '')
}

function characters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
