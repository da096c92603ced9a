// Label selectors, in the text form of query parameters and in the object form of specs. Both become a list of
// requirements, which must all be met. Source: apimachinery pkg/labels/selector.go.
import { own } from '../base/own.ts'
import { StatusError } from '../base/errors.ts'
import { goQuote } from '../base/go-text.ts'
import { holdsForIntegers, parseInt64 } from './int64.ts'
import type { LabelSelector } from './meta.ts'
import { labelValueErrors, qualifiedNameErrors } from './names.ts'

export type Labels = Readonly<Record<string, string>>
type Operator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<'

interface Requirement {
  key: string
  operator: Operator
  values: readonly string[]
}
export type Selector = readonly Requirement[]

/** Whether labels meet all requirements of a selector. */
export function matchesSelector(selector: Selector, labels: Labels | undefined): boolean {
  return selector.every(requirement => holds(requirement, own(labels, requirement.key)))
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case '=':
    case 'in':
      return value !== undefined && values.includes(value)
    case '!=':
    case 'notin':
      return value === undefined || !values.includes(value)
    case 'exists':
      return value !== undefined
    case '!':
      return value === undefined
    case '>':
    case '<':
      return holdsForIntegers(value, operator, values[0])
  }
}

const objectOperators: Record<string, Operator> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' }
const converted = new WeakMap<object, Selector>()

/** The requirements of an object's selector. They are undefined for an absent one, which selects nothing. */
export function selectorOf(selector: LabelSelector | undefined): Selector | undefined {
  if (!selector) return undefined
  let result = converted.get(selector)
  if (!result) {
    result = [
      ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
        key,
        operator: '=' as const,
        values: [value],
      })),
      ...(selector.matchExpressions ?? []).map(e => ({
        key: e.key,
        operator: objectOperators[e.operator] ?? 'in',
        values: e.values ?? [],
      })),
    ]
    converted.set(selector, result)
  }
  return result
}

/** Whether labels meet an object's selector. An absent one matches nothing, an empty one everything. */
export function matches(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  const requirements = selectorOf(selector)
  return requirements !== undefined && matchesSelector(requirements, labels)
}

/** Whether labels have all pairs of `wanted`, the form of selectors in Services and ReplicationControllers. */
export function matchesPairs(wanted: Labels | undefined, labels: Labels | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels?.[key] === value)
}

/** The text form of an object's selector, as in the subresource scale. */
export function selectorText(selector: Selector): string {
  return [...selector]
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ key, operator, values }) => {
      if (operator === 'exists') return key
      if (operator === '!') return `!${key}`
      if (operator === 'in' || operator === 'notin') return `${key} ${operator} (${[...values].sort().join(',')})`
      return `${key}${operator}${values[0]}`
    })
    .join(',')
}

const maxSelectorLength = 64 * 1024
const symbols = new Set(['(', ')', ',', '!=', '==', '=', '!', '<', '>'])
const symbolOperators: Readonly<Record<string, Operator>> = {
  in: 'in',
  notin: 'notin',
  '=': '=',
  '==': '=',
  '!=': '!=',
  '>': '>',
  '<': '<',
}

/** Parses `a=b,c!=d,e in (f,g),!h`. Throws BadRequest. */
export function parseSelector(text: string): Selector {
  if (text.length > maxSelectorLength)
    throw new StatusError(
      'BadRequest',
      `unable to parse requirement: the selector is longer than ${maxSelectorLength} characters`,
    )
  return new SelectorParser(text).parse()
}

class SelectorParser {
  readonly #tokens: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#tokens = text.match(/[(),]|!=|==|=|!|<|>|[^\s(),=!<>]+/g) ?? []
  }

  parse(): Requirement[] {
    const result: Requirement[] = []
    if (this.#peek() === '') return result
    if (!this.#startsRequirement()) throw bad(`found '${this.#peek()}', expected: !, identifier, or 'end of string'`)
    for (;;) {
      result.push(this.#requirement())
      const next = this.#take()
      if (next === '') return result
      if (next !== ',') throw bad(`found '${next}', expected: ',' or 'end of string'`)
      if (!this.#startsRequirement()) throw bad(`found '${this.#peek()}', expected: identifier after ','`)
    }
  }

  #requirement(): Requirement {
    let key = this.#take()
    const negated = key === '!'
    if (negated) key = this.#take()
    if (!isWord(key)) throw badRequirement(`found '${key}', expected: identifier`)
    checkLabelKey(key)
    if (negated) return { key, operator: '!', values: [] }
    if (this.#peek() === '' || this.#peek() === ',') return { key, operator: 'exists', values: [] }
    const symbol = this.#take()
    const operator = own(symbolOperators, symbol)
    if (!operator) throw badRequirement(`found '${symbol}', expected: in, notin, =, ==, !=, gt, lt`)
    const values = symbol === 'in' || symbol === 'notin' ? this.#values() : [this.#value()]
    const problems = [...valueProblems(key, operator, values)]
    if (problems.length) throw badRequirement(problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`)
    return { key, operator, values }
  }

  /** Reads one value, which is empty if there is none. */
  #value(): string {
    if (this.#peek() === '' || this.#peek() === ',') return ''
    const value = this.#take()
    if (!isWord(value)) throw badRequirement(`found '${value}', expected: identifier`)
    return value
  }

  /** Reads `(a, b)`. Nothing between two commas is the empty value. */
  #values(): string[] {
    const open = this.#take()
    if (open !== '(') throw badRequirement(`found '${open}' expected: '('`)
    const values = new Set<string>()
    for (let afterValue = false; ; ) {
      const token = this.#take()
      if (token === ')') {
        if (!afterValue) values.add('')
        return [...values].sort()
      }
      if (token === ',') {
        if (!afterValue) values.add('')
        afterValue = false
      } else if (isWord(token) && !afterValue) {
        values.add(token)
        afterValue = true
      } else throw badRequirement(`found '${token}', expected: ${afterValue ? "',' or ')'" : "',', or identifier"}`)
    }
  }

  #startsRequirement(): boolean {
    return this.#peek() === '!' || isWord(this.#peek())
  }

  /** The next token, or '' at the end. */
  #peek(): string {
    return this.#tokens[this.#at] ?? ''
  }

  #take(): string {
    return this.#tokens[this.#at++] ?? ''
  }
}

const isWord = (token: string) => token !== '' && !symbols.has(token)
const bad = (why: string) => new StatusError('BadRequest', why)
const badRequirement = (why: string) => bad(`unable to parse requirement: ${why}`)

function* valueProblems(key: string, operator: Operator, values: readonly string[]): Iterable<string> {
  for (const [i, value] of values.entries()) {
    const invalid = (at: string, why: string) => `${at}: Invalid value: ${goQuote(value)}: ${why}`
    if ((operator === '>' || operator === '<') && parseInt64(value) === undefined)
      yield invalid(`values[${i}]`, "for 'Gt', 'Lt' operators, the value must be an integer")
    const errors = labelValueErrors(value)
    if (errors.length) yield invalid(`values[${i}][${key}]`, errors.join('; '))
  }
}

function checkLabelKey(key: string): void {
  const errors = qualifiedNameErrors(key)
  if (errors.length) throw badRequirement(`<nil>: Invalid value: ${goQuote(key)}: ${errors.join('; ')}`)
}
