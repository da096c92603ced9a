// Regular expressions that users write as paths. HAProxy evaluates them by backtracking, in the process that serves
// everyone, so only such are accepted as cannot take long: what is repeated may not contain a repetition or a choice,
// and few parts may be repeated without limit.
const maxLength = 256
const maxUnbounded = 3
const maxRepeat = 100

interface Group {
  /** Whether it contains something that may match in several ways. */
  isLoose: boolean
}

type Checked = { groups: number; problem?: undefined } | { problem: string }

/** The number of capture groups of an expression, or why it is refused. */
export function checkRegex(text: string): Checked {
  if (text.length > maxLength) return { problem: `is longer than ${maxLength} characters` }
  try {
    return { groups: new Reader(text).read() }
  } catch (error) {
    return { problem: error instanceof Refused ? error.message : 'cannot be read' }
  }
}

class Refused extends Error {}

const literal = /^[A-Za-z0-9/_~!&,;=:@%<> -]$/
const escaped = /^[dDwWsS.\-/+*?()[\]{}|^$]$/
const inClass = /^[A-Za-z0-9/_~!&,;=:@%.+*?()|$-]$/

/** Reads an expression from left to right. `#last` is what a quantifier that follows would repeat. */
class Reader {
  readonly #text: string
  #at = 0
  #groups = 0
  #unbounded = 0
  #last: Group | undefined
  readonly #open: Group[] = [{ isLoose: false }]

  constructor(text: string) {
    this.#text = text
  }

  read(): number {
    while (this.#at < this.#text.length) this.#one(this.#text[this.#at++]!)
    if (this.#open.length > 1) throw new Refused('has a group that is not closed')
    return this.#groups
  }

  #one(char: string): void {
    switch (char) {
      case '(':
        return this.#group()
      case ')': {
        const group = this.#open.pop()
        if (!group || !this.#open.length) throw new Refused('closes a group that is not open')
        if (group.isLoose) this.#inner().isLoose = true
        this.#last = group
        return
      }
      case '[':
        return this.#class()
      case '\\':
        return this.#atom(escaped.test(this.#text[this.#at++] ?? ''))
      case '*':
      case '+':
        return this.#repeat(true)
      case '?':
        return this.#repeat(false, false)
      case '{':
        return this.#counted()
      case '|':
        this.#inner().isLoose = true
        this.#last = undefined
        return
      case '^':
      case '$':
        this.#last = undefined
        return
      case '.':
        return this.#atom(true)
      default:
        return this.#atom(literal.test(char) && char !== ' ')
    }
  }

  #inner = (): Group => this.#open[this.#open.length - 1]!

  #atom(isAllowed: boolean): void {
    if (!isAllowed) throw new Refused(`has a character or escape that is not allowed, at ${this.#at}`)
    this.#last = { isLoose: false }
  }

  #group(): void {
    if (this.#text[this.#at] === '?') {
      if (this.#text[this.#at + 1] !== ':') throw new Refused('uses lookaround, names or options')
      this.#at += 2
    } else this.#groups++
    this.#open.push({ isLoose: false })
    this.#last = undefined
  }

  #class(): void {
    if (this.#text[this.#at] === '^') this.#at++
    const from = this.#at
    for (;;) {
      const char = this.#text[this.#at++]
      if (char === ']' && this.#at > from + 1) break
      const isFine =
        char === '\\' ? escaped.test(this.#text[this.#at++] ?? '') : char !== undefined && inClass.test(char)
      if (!isFine) throw new Refused(`has a class of characters that is not allowed, at ${this.#at}`)
    }
    // PCRE refuses a range whose ends are in the wrong order, and so does this.
    try {
      new RegExp(`[${this.#text.slice(from, this.#at - 1)}]`)
    } catch {
      throw new Refused('has a class of characters that is no range')
    }
    this.#last = { isLoose: false }
  }

  #counted(): void {
    const [all, from, comma, to] = /^(\d{1,4})(?:(,)(\d{0,4}))?\}/.exec(this.#text.slice(this.#at)) ?? []
    if (all === undefined) throw new Refused('has a brace that counts nothing')
    this.#at += all.length
    const most = comma ? (to ? Number(to) : Infinity) : Number(from)
    if (Number(from) > most || Number(from) > maxRepeat || (most !== Infinity && most > maxRepeat))
      throw new Refused(`repeats more than ${maxRepeat} times`)
    this.#repeat(most === Infinity)
  }

  /** @param isRepeated false for what is there once or not at all */
  #repeat(isUnbounded: boolean, isRepeated = true): void {
    if (!this.#last) throw new Refused('repeats nothing')
    if (isRepeated && this.#last.isLoose) throw new Refused('repeats a group with a repetition or a choice in it')
    if (isUnbounded && ++this.#unbounded > maxUnbounded)
      throw new Refused(`repeats more than ${maxUnbounded} parts without limit`)
    this.#inner().isLoose = true
    // A lazy quantifier is fine, a second one is not.
    if (this.#text[this.#at] === '?') this.#at++
    this.#last = undefined
  }
}

/** The text as an expression that matches just it. */
export const regexOf = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
