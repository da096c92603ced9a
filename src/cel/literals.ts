// Reads the literals of CEL: numbers, and strings and bytes with their escapes.
// Source: cel-go parser/unescape.go; cel-spec doc/langdef.md, "String and Bytes Values".
import { Uint, type Value } from './values.ts'

/** What a literal is worth, or what is wrong with it. */
export type Literal = { value: Value } | { error: string }

const minInt = -(1n << 63n)
const maxInt = (1n << 63n) - 1n
const maxUint = (1n << 64n) - 1n

export function intLiteral(text: string, isNegative: boolean): Literal {
  const value = isNegative ? -BigInt(text) : BigInt(text)
  return value < minInt || value > maxInt ? { error: 'invalid int literal' } : { value }
}

export function uintLiteral(text: string): Literal {
  const value = BigInt(text.slice(0, -1))
  return value > maxUint ? { error: 'invalid uint literal' } : { value: new Uint(value) }
}

export function doubleLiteral(text: string, isNegative: boolean): Literal {
  const value = Number(text)
  return Number.isFinite(value) ? { value: isNegative ? -value : value } : { error: 'invalid double literal' }
}

/** The text of a string literal or the bytes of a bytes literal, from the token with its prefix and quotes. */
export function stringLiteral(token: string): Literal {
  const prefix = /^[bBrR]*/.exec(token)![0].toLowerCase()
  const quoted = token.slice(prefix.length)
  const quotes = /^("""|'''|"|')/.exec(quoted)![0].length
  const body = quoted.slice(quotes, quoted.length - quotes).replace(/\r\n?/g, '\n')
  const isBytes = prefix.includes('b')
  if (prefix.includes('r') || !body.includes('\\')) return { value: isBytes ? Buffer.from(body) : body }
  return unescape(body, isBytes)
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
}
/** The digits after `x`, `u`, `U`; octal escapes have three digits and no letter. */
const digitCounts: Readonly<Record<string, number>> = { x: 2, X: 2, u: 4, U: 8 }

function unescape(body: string, isBytes: boolean): Literal {
  const parts: (string | number)[] = []
  for (const [, plain, escape] of body.matchAll(
    /([^\\]+)|\\([xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)/gs,
  )) {
    if (plain !== undefined) parts.push(plain)
    else if (escape!.length === 1 && Object.hasOwn(simpleEscapes, escape!)) parts.push(simpleEscapes[escape!]!)
    else {
      const code = codeOf(escape!)
      if (code === undefined || (isBytes && /^[uU]/.test(escape!))) return { error: 'unable to unescape string' }
      if (!isBytes && (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
        return { error: 'invalid unicode code point' }
      parts.push(code)
    }
  }
  if (!isBytes) return { value: parts.map(p => (typeof p === 'string' ? p : String.fromCodePoint(p))).join('') }
  // In bytes, \x and octal escapes are a byte each, and everything else is UTF-8.
  return { value: Buffer.concat(parts.map(p => (typeof p === 'string' ? Buffer.from(p) : Buffer.of(p)))) }
}

function codeOf(escape: string): number | undefined {
  if (Object.hasOwn(digitCounts, escape[0]!)) return parseInt(escape.slice(1), 16)
  return /^[0-3][0-7]{2}$/.test(escape) ? parseInt(escape, 8) : undefined
}
