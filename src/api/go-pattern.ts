// Checks regular expressions by the rules of Go, with Go's messages. Go has neither lookaround nor backreferences, so
// that the time of a match is proportional to the text.
// Source: RE2 syntax (https://github.com/google/re2/wiki/Syntax); Go's regexp/syntax.

/** The error of Go for a pattern; undefined for a valid one. */
export function goPatternError(pattern: string): string | undefined {
  const error = scan(pattern)
  return error && `error parsing regexp: ${error}`
}

const repetition = /^(?:[*+?]|\{\d+(?:,\d*)?\})/
const escape = /^\\(?:[pP](?:\{\^?\w+\}|\w)|x[0-9a-fA-F]{2}|x\{[0-9a-fA-F]+\}|[0-7]{1,3}|Q|[aAbBCdDfnrsStvwWz]|[^\w])/
const group = /^\((?:\?(?:[imsU]*(?:-[imsU]+)?(?::|\))|P?<\w+>))?/

function scan(pattern: string): string | undefined {
  let open = 0
  /** The text that a repetition would repeat, and whether it is a repetition itself; undefined at the beginning. */
  let before: { text: string; isRepetition: boolean } | undefined
  for (let rest = pattern; rest; ) {
    const repeat = repetition.exec(rest)?.[0]
    if (repeat) {
      if (!before) return `missing argument to repetition operator: \`${repeat}\``
      // A question mark after a repetition makes it match as little as possible.
      if (before.isRepetition) return `invalid nested repetition operator: \`${before.text}${repeat}\``
      const lazy = rest[repeat.length] === '?' ? '?' : ''
      before = { text: repeat + lazy, isRepetition: true }
      rest = rest.slice(repeat.length + lazy.length)
      continue
    }
    const token = tokenOf(rest)
    if ('error' in token) return token.error
    if (rest[0] === '(' && !token.text.endsWith(')')) open++
    if (rest[0] === ')' && --open < 0) return `unexpected ): \`${pattern}\``
    before = rest[0] === '(' || rest[0] === '|' ? undefined : { text: token.text, isRepetition: false }
    rest = rest.slice(token.text.length)
  }
  return open ? `missing closing ): \`${pattern}\`` : undefined
}

function tokenOf(rest: string): { text: string } | { error: string } {
  switch (rest[0]) {
    case '(': {
      const text = group.exec(rest)![0]
      return text === '(' && rest[1] === '?'
        ? { error: `invalid or unsupported Perl syntax: \`${/^\(\?(?:<?[=!]|<|.)?/s.exec(rest)![0]}\`` }
        : { text }
    }
    case '[':
      return classOf(rest)
    case '\\': {
      if (rest === '\\') return { error: 'trailing backslash at end of expression: ``' }
      const text = escape.exec(rest)?.[0]
      // \1 to \7 would be references to groups.
      if (!text || /^\\[1-7]$/.test(text)) return { error: `invalid escape sequence: \`${rest.slice(0, 2)}\`` }
      return { text }
    }
    default:
      return { text: String.fromCodePoint(rest.codePointAt(0)!) }
  }
}

function classOf(rest: string): { text: string } | { error: string } {
  const text = /^\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]/s.exec(rest)?.[0]
  if (!text) return { error: `missing closing ]: \`${rest}\`` }
  for (const [range, from, to] of text.matchAll(/([^\\\]^[])-([^\\\][])/gu))
    if (from! > to!) return { error: `invalid character class range: \`${range}\`` }
  return { text }
}
