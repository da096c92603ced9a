// What Go says about a text that is not JSON. Clients see these messages for bodies, tokens of lists, answers of webhooks
// and fields that contain JSON. Source: Go's encoding/json (scanner.go).

/** The error of Go for a text that is not JSON, such as `invalid character '}' looking for beginning of value`. */
export function jsonSyntaxError(text: string): string {
  return new Scanner(text).run() ?? 'unexpected end of JSON input'
}

const whole = (text: string) => ({ t: 'true', f: 'false', n: 'null' })[text]

/** Finds the first character that Go's scanner refuses. */
class Scanner {
  readonly #text: string
  #at = 0
  /** For each open object or array, whether it is an object. */
  readonly #open: boolean[] = []

  constructor(text: string) {
    this.#text = text
  }

  /** Returns the problem; undefined when the text ends before there is one. */
  run(): string | undefined {
    for (let problem = this.#value('looking for beginning of value'); ; problem = this.#afterValue()) {
      if (problem !== '') return problem
      if (!this.#open.length) break
    }
    this.#space()
    return this.#at < this.#text.length ? this.#refuse('after top-level value') : undefined
  }

  /** Returns the problem, or '' without one. */
  #value(context: string): string | undefined {
    const c = this.#next()
    if (c === undefined) return undefined
    if (c === '{') return this.#object()
    if (c === '[') return this.#array()
    if (c === '"') return this.#string()
    const word = whole(c)
    if (word) return this.#word(word)
    if (c === '-' || (c >= '0' && c <= '9')) return this.#number()
    return this.#refuse(context)
  }

  #object(): string | undefined {
    this.#at++
    const c = this.#next()
    if (c === undefined) return undefined
    if (c === '}') {
      this.#at++
      return ''
    }
    this.#open.push(true)
    return this.#key()
  }

  #array(): string | undefined {
    this.#at++
    const c = this.#next()
    if (c === undefined) return undefined
    if (c === ']') {
      this.#at++
      return ''
    }
    this.#open.push(false)
    return this.#value('looking for beginning of value')
  }

  #key(): string | undefined {
    const c = this.#next()
    if (c === undefined) return undefined
    if (c !== '"') return this.#refuse('looking for beginning of object key string')
    const problem = this.#string()
    if (problem !== '') return problem
    const colon = this.#next()
    if (colon === undefined) return undefined
    if (colon !== ':') return this.#refuse('after object key')
    this.#at++
    return this.#value('looking for beginning of value')
  }

  #afterValue(): string | undefined {
    const isObject = this.#open.at(-1)!
    const c = this.#next()
    if (c === undefined) return undefined
    if (c === (isObject ? '}' : ']')) {
      this.#open.pop()
      this.#at++
      return ''
    }
    if (c !== ',') return this.#refuse(isObject ? 'after object key:value pair' : 'after array element')
    this.#at++
    return isObject ? this.#key() : this.#value('looking for beginning of value')
  }

  #string(): string | undefined {
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const c = this.#text[this.#at]!
      if (c === '"') {
        this.#at++
        return ''
      }
      if (c < ' ') return this.#refuse('in string literal')
      if (c !== '\\') continue
      const escaped = this.#text[++this.#at]
      if (escaped === undefined) return undefined
      if (!'bfnrt\\/"u'.includes(escaped)) return this.#refuse('in string escape code')
      if (escaped !== 'u') continue
      for (let i = 0; i < 4; i++) {
        const digit = this.#text[++this.#at]
        if (digit === undefined) return undefined
        if (!/[\da-fA-F]/.test(digit)) return this.#refuse('in \\u hexadecimal character escape')
      }
    }
    return undefined
  }

  #word(word: string): string | undefined {
    for (const [i, expected] of [...word].entries()) {
      const c = this.#text[this.#at]
      if (c === undefined) return undefined
      if (i > 0 && c !== expected) return this.#refuse(`in literal ${word} (expecting '${expected}')`)
      this.#at++
    }
    return ''
  }

  #number(): string | undefined {
    if (this.#text[this.#at] === '-') {
      this.#at++
      if (this.#text[this.#at] === undefined) return undefined
      if (!this.#isDigit()) return this.#refuse('in numeric literal')
    }
    if (this.#text[this.#at] === '0') this.#at++
    else while (this.#isDigit()) this.#at++
    if (this.#text[this.#at] === '.') {
      this.#at++
      if (this.#text[this.#at] === undefined) return undefined
      if (!this.#isDigit()) return this.#refuse('after decimal point in numeric literal')
      while (this.#isDigit()) this.#at++
    }
    if ('eE'.includes(this.#text[this.#at] ?? '-')) {
      this.#at++
      if ('+-'.includes(this.#text[this.#at] ?? ' ')) this.#at++
      if (this.#text[this.#at] === undefined) return undefined
      if (!this.#isDigit()) return this.#refuse('in exponent of numeric literal')
      while (this.#isDigit()) this.#at++
    }
    return ''
  }

  #isDigit(): boolean {
    const c = this.#text[this.#at]
    return c !== undefined && c >= '0' && c <= '9'
  }

  #space(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at++
  }

  #next(): string | undefined {
    this.#space()
    return this.#text[this.#at]
  }

  #refuse(context: string): string {
    return `invalid character ${quoteCharacter(this.#text, this.#at)} ${context}`
  }
}

/** Quotes the character at a position, as Go quotes a byte of UTF-8. */
function quoteCharacter(text: string, at: number): string {
  const c = text[at]!
  if (c === "'") return "'\\''"
  if (c === '"') return `'"'`
  const special = ({ '\n': '\\n', '\t': '\\t', '\r': '\\r', '\\': '\\\\' } as Record<string, string>)[c]
  if (special) return `'${special}'`
  const byte = Buffer.from(String.fromCodePoint(text.codePointAt(at)!))[0]!
  return byte < 0x20 || byte === 0x7f || (byte >= 0x80 && byte < 0xa0)
    ? `'\\x${byte.toString(16).padStart(2, '0')}'`
    : `'${String.fromCharCode(byte)}'`
}
