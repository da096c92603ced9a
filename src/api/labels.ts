// Label selectors: the text form of query parameters and the object form inside specs. Both become a list of
// requirements that must all hold. Source: apimachinery pkg/labels/selector.go.
import { StatusError } from '../base/errors.ts'
import type { LabelSelector } from './meta.ts'
import type { DeepReadonly } from './schema/node.ts'

export type Labels = Readonly<Record<string, string>>
type Operator = 'in' | 'notin' | 'exists' | '!' | '>' | '<'

export interface Requirement {
  key: string
  operator: Operator
  values: readonly string[]
}
export type Selector = readonly Requirement[]

/** Selects everything. */
export const everything: Selector = []

/** Whether labels meet a selector in text-parsed form. */
export function matchesSelector(selector: Selector, labels: Labels | undefined): boolean {
  return selector.every(requirement => holds(requirement, labels?.[requirement.key]))
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'in':
      return value !== undefined && values.includes(value)
    case 'notin':
      return value === undefined || !values.includes(value)
    case 'exists':
      return value !== undefined
    case '!':
      return value === undefined
    case '>':
      return value !== undefined && /^-?\d+$/.test(value) && Number(value) > Number(values[0])
    case '<':
      return value !== undefined && /^-?\d+$/.test(value) && Number(value) < Number(values[0])
  }
}

const objectOperators: Record<string, Operator> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' }
const converted = new WeakMap<object, Selector>()

/** The selector an object carries. An absent one selects nothing (undefined), an empty one everything. */
export function selectorOf(selector: DeepReadonly<LabelSelector> | undefined): Selector | undefined {
  if (!selector) return undefined
  let result = converted.get(selector)
  if (!result) {
    result = [
      ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
        key,
        operator: 'in' as const,
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

/** Whether labels meet the selector an object carries; an absent selector matches nothing. */
export function matches(selector: DeepReadonly<LabelSelector> | undefined, labels: Labels | undefined): boolean {
  const requirements = selectorOf(selector)
  return requirements !== undefined && matchesSelector(requirements, labels)
}

/** Whether labels have every pair of `wanted` (Service and ReplicationController selectors). */
export function matchesPairs(wanted: Labels | undefined, labels: Labels | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels?.[key] === value)
}

/** The text form of an object's selector, as the scale subresource shows it. */
export function selectorText(selector: Selector): string {
  return [...selector]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ key, operator, values }) => {
      const sorted = [...values].sort()
      if (operator === 'exists') return key
      if (operator === '!') return `!${key}`
      if (operator === 'in') return sorted.length === 1 ? `${key}=${sorted[0]}` : `${key} in (${sorted.join(',')})`
      if (operator === 'notin') return `${key} notin (${sorted.join(',')})`
      return `${key}${operator}${sorted[0]}`
    })
    .join(',')
}

const maxSelectorLength = 64 * 1024

/** Parses `a=b,c!=d,e in (f,g),!h`. Throws BadRequest. */
export function parseSelector(text: string): Selector {
  if (text.length > maxSelectorLength)
    throw new StatusError(
      'BadRequest',
      `unable to parse requirement: the selector is longer than ${maxSelectorLength} characters`,
    )
  const tokens = text.match(/[(),]|!=|==|=|!|<|>|[^\s(),=!<>]+/g) ?? []
  const result: Requirement[] = []
  let at = 0
  const fail = (expected: string): never => {
    throw new StatusError(
      'BadRequest',
      `unable to parse requirement: found '${tokens[at] ?? ''}', expected: ${expected}`,
    )
  }
  const isWord = (token: string | undefined) => token !== undefined && !/^([(),]|!=|==|=|!|<|>)$/.test(token)
  const values = (): string[] => {
    if (tokens[at++] !== '(') fail("'('")
    const list: string[] = []
    for (;;) {
      list.push(isWord(tokens[at]) ? tokens[at++]! : '')
      const next = tokens[at++]
      if (next === ')') return list
      if (next !== ',') fail("',' or ')'")
    }
  }
  while (at < tokens.length) {
    const negated = tokens[at] === '!'
    if (negated) at++
    if (!isWord(tokens[at])) fail('identifier')
    const key = tokens[at++]!
    checkLabelKey(key)
    const operator = tokens[at]
    if (negated) result.push({ key, operator: '!', values: [] })
    else if (operator === undefined || operator === ',') result.push({ key, operator: 'exists', values: [] })
    else {
      at++
      if (operator === 'in' || operator === 'notin') result.push({ key, operator, values: values() })
      else if (operator === '=' || operator === '==')
        result.push({ key, operator: 'in', values: [isWord(tokens[at]) ? tokens[at++]! : ''] })
      else if (operator === '!=')
        result.push({ key, operator: 'notin', values: [isWord(tokens[at]) ? tokens[at++]! : ''] })
      else if (operator === '>' || operator === '<') result.push({ key, operator, values: [tokens[at++] ?? ''] })
      else {
        at--
        fail('in, notin, =, ==, !=, gt, lt')
      }
    }
    if (at < tokens.length && tokens[at++] !== ',') {
      at--
      fail("',' or 'end of string'")
    }
  }
  return result
}

function checkLabelKey(key: string): void {
  const slash = key.indexOf('/')
  const name = slash < 0 ? key : key.slice(slash + 1)
  if (!/^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/.test(name) || name.length > 63) {
    throw new StatusError(
      'BadRequest',
      `unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(key)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
    )
  }
}
