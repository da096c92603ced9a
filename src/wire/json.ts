// JSON as Go reads and writes it: 64-bit integers keep all digits, and syntax errors have Go's messages.
//
// An integer beyond 2^53 is a bigint, which JSON.stringify writes with all digits once this module is loaded. All other
// numbers are JavaScript numbers. The two can be compared with each other; arithmetic on a field that may be so large
// converts it by Number() first.
// Source: encoding/json (scanner.go), sigs.k8s.io/json.

/** Makes a value that JSON.stringify writes as it is. The types of TypeScript do not have it yet. */
declare global {
  interface JSON {
    rawJSON(text: string): unknown
  }
}
const { rawJSON } = JSON

Object.defineProperty(BigInt.prototype, 'toJSON', {
  value(this: bigint) {
    return rawJSON(this.toString())
  },
  configurable: true,
  writable: true,
})

/** A number that was written with a fraction or an exponent, which Go reads as a float even if it is whole. */
export class Decimal {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }

  valueOf(): number {
    return Number(this.source)
  }

  toJSON(): number {
    return this.valueOf()
  }
}

/** Matches numbers that may be beyond 2^53. A match inside a string only costs time. */
const manyDigits = /[\s:[,-]\d{16}/
const fractionOrExponent = /(?:^|[\s:[,])-?\d+(?:\.\d|[eE][\d+-])/

/**
 * Parses JSON with exact integers. Throws SyntaxError.
 * @param decimals whether numbers with a fraction or an exponent become Decimal, for a reader that distinguishes them
 */
export function parseJson(text: string, decimals = false): unknown {
  if (manyDigits.test(text) || (decimals && fractionOrExponent.test(text)))
    return JSON.parse(text, ((_key: string, value: unknown, { source }: { source: string }) =>
      typeof value === 'number' ? exactNumber(value, source, decimals) : value) as Parameters<typeof JSON.parse>[1])
  return JSON.parse(text)
}

function exactNumber(value: number, source: string, decimals: boolean): number | bigint | Decimal {
  if (/[.eE]/.test(source)) return decimals ? new Decimal(source) : value
  return Number.isSafeInteger(value) ? value : BigInt(source)
}

/** Indents JSON with one member on each line, like `json.MarshalIndent(value, "", "  ")`. */
export const indentJson = (json: Buffer): Buffer => new JsonIndent().indent(json)

/** Indents JSON that comes in pieces, each of which ends behind a token, and not between an opening and its closing. */
export class JsonIndent {
  #depth = 0

  indent(json: Buffer): Buffer {
    const out: string[] = []
    const line = () => `\n${'  '.repeat(this.#depth)}`
    // A string is one token, so that braces and colons in it are not structure.
    for (const [token] of json.toString().matchAll(/"(?:[^"\\]|\\.)*"|\{\s*\}|\[\s*\]|[{}[\],:]|[^\s"{}[\],:]+/g)) {
      if (token === '{' || token === '[') {
        this.#depth++
        out.push(token, line())
      } else if (token === '}' || token === ']') {
        this.#depth--
        out.push(line(), token)
      } else if (token === ',') out.push(token, line())
      else if (token === ':') out.push(': ')
      else out.push(token.startsWith('{') || token.startsWith('[') ? token[0]! + token.at(-1)! : token)
    }
    return Buffer.from(out.join(''))
  }
}
