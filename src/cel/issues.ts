// Where in a source something is, and what is wrong there, in the layout of cel-go: the message, the line, and a
// caret below the place.
// Source: cel-go common/error.go, common/errors.go.

/** A place in a source: an offset in characters (code points). -1 is no place in particular. */
export type Place = number

export interface Issue {
  at: Place
  message: string
}

/** More faults than these are counted, not printed. */
const maxReported = 100

/** The text of an expression, with its lines found once. */
export class Source {
  readonly characters: readonly string[]
  readonly #lineStarts: number[] = [0]

  constructor(text: string) {
    this.characters = Array.from(text)
    for (const [i, c] of this.characters.entries()) if (c === '\n') this.#lineStarts.push(i + 1)
  }

  /** The text between two offsets. */
  slice(from: number, to: number): string {
    return this.characters.slice(from, to).join('')
  }

  /** Line from 1, column from 0. */
  position(at: Place): { line: number; column: number } {
    if (at < 0) return { line: -1, column: -1 }
    // The end of nothing is before its first column.
    if (this.characters.length === 0) return { line: 1, column: -1 }
    let [line, beyond] = [1, this.#lineStarts.length + 1]
    while (beyond - line > 1) {
      const middle = (line + beyond) >> 1
      if (this.#lineStarts[middle - 1]! <= at) line = middle
      else beyond = middle
    }
    return { line, column: at - this.#lineStarts[line - 1]! }
  }

  /** The characters of a line, without its end; undefined when there is no such line. */
  line(number: number): readonly string[] | undefined {
    const start = this.#lineStarts[number - 1]
    // A source without text has no line to show.
    if (start === undefined || this.characters.length === 0) return undefined
    const next = this.#lineStarts[number]
    return this.characters.slice(start, next === undefined ? undefined : next - 1)
  }
}

/** All issues in the order of their places, as one text. */
export function formatIssues(source: Source, issues: readonly Issue[]): string {
  const sorted = issues.map((issue, order) => ({ ...issue, ...source.position(issue.at), order }))
  sorted.sort((a, b) => a.line - b.line || a.column - b.column || a.order - b.order)
  const texts = sorted.slice(0, maxReported).map(({ line, column, message }) => {
    const head = `ERROR: <input>:${line}:${column + 1}: ${message}`
    const snippet = source.line(line)
    return snippet ? `${head}\n | ${snippet.join('').replaceAll('\t', ' ')}\n | ${pointer(snippet, column)}` : head
  })
  const left = sorted.length - texts.length
  return left > 0 ? `${texts.join('\n')}\n${left} more errors were truncated` : texts.join('\n')
}

/** Dots up to the column and a caret, each as wide as the character above it. */
function pointer(line: readonly string[], column: number): string {
  const isWide = (character: string | undefined) => character !== undefined && character.codePointAt(0)! > 127
  const dots = line.slice(0, column).map(c => (isWide(c) ? '．' : '.'))
  return dots.join('') + (isWide(line[column]) ? '＾' : '^')
}
