// Selectors are compared with a matcher that is simple enough to be right, in both forms and by their text.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import { StatusError } from '../base/errors.ts'
import { type FieldSelector, matchesFields, parseFieldSelector, selectedName } from './fields.ts'
import {
  type Labels,
  matches,
  matchesPairs,
  matchesSelector,
  parseSelector,
  selectorOf,
  selectorText,
} from './labels.ts'
import { Pod } from '../kinds/core/pod.ts'

type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
interface Requirement {
  key: string
  operator: Operator
  values: string[]
}

const key = fc.constantFrom('a', 'b', 'example.com/c', 'in', 'notin', 'gt', 'constructor')
const word = fc.constantFrom('x', 'y', 'z', 'in', '', '1', '20')
/** Integers near the limits of a double and of an int64. */
const whole = fc.oneof(
  fc.integer({ min: -30, max: 30 }).map(BigInt),
  fc.bigInt({ min: 2n ** 53n - 2n, max: 2n ** 53n + 4n }),
  fc.bigInt({ min: 2n ** 63n - 2n, max: 2n ** 63n + 1n }),
)
// The value of a label cannot begin with a minus.
const label = fc.oneof(word, whole.filter(n => n >= 0n).map(String))
const labels: fc.Arbitrary<Labels> = fc.dictionary(key, label, { maxKeys: 4, noNullPrototype: true })
const isInt64 = (text: string) => /^-?\d+$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text)

const setBased = fc.record({
  key,
  operator: fc.constantFrom<Operator>('In', 'NotIn'),
  values: fc.uniqueArray(word, { minLength: 1, maxLength: 3 }),
})
const existence = fc.record({
  key,
  operator: fc.constantFrom<Operator>('Exists', 'DoesNotExist'),
  values: fc.constant([] as string[]),
})
const comparison = fc.record({
  key,
  operator: fc.constantFrom<Operator>('Gt', 'Lt'),
  values: label.filter(isInt64).map(text => [text]),
})
const requirements = fc.array(fc.oneof(setBased, existence, comparison), { maxLength: 4 })

function naive({ key: name, operator, values }: Requirement, has: Labels): boolean {
  const value = Object.hasOwn(has, name) ? has[name] : undefined
  if (operator === 'DoesNotExist') return value === undefined
  if (operator === 'NotIn') return value === undefined || values.every(other => other !== value)
  if (value === undefined) return false
  if (operator === 'Exists') return true
  if (operator === 'In') return values.some(other => other === value)
  if (!isInt64(value)) return false
  return operator === 'Gt' ? BigInt(value) > BigInt(values[0]!) : BigInt(value) < BigInt(values[0]!)
}

/** Writes a requirement in one of its forms, which `style` chooses. */
function written({ key: name, operator, values }: Requirement, style: number): string {
  const gap = ['', ' ', '  '][style % 3]!
  const [value = ''] = values
  switch (operator) {
    case 'Exists':
      return `${gap}${name}${gap}`
    case 'DoesNotExist':
      return `!${gap}${name}`
    case 'Gt':
      return `${name}${gap}>${gap}${value}`
    case 'Lt':
      return `${name}${gap}<${gap}${value}`
    case 'In':
      if (values.length === 1 && style % 2 === 0) return `${name}${gap}${style % 4 ? '=' : '=='}${gap}${value}`
      return `${name} in (${values.join(`${gap},${gap}`)})`
    case 'NotIn':
      if (values.length === 1 && style % 2 === 0) return `${name}${gap}!=${gap}${value}`
      return `${name} notin${gap}(${gap}${values.join(',')})`
  }
}

test('a selector in text form matches what each of its requirements matches', () => {
  fc.assert(
    fc.property(requirements, labels, fc.array(fc.nat({ max: 11 }), { minLength: 4 }), (list, has, styles) => {
      const text = list.map((requirement, i) => written(requirement, styles[i]!)).join(',')
      assert.equal(
        matchesSelector(parseSelector(text), has),
        list.every(requirement => naive(requirement, has)),
        text,
      )
    }),
    { numRuns: 1000 },
  )
})

test('the selector of an object matches what its requirements match, and so does its text', () => {
  const pairs = fc.dictionary(key, word, { maxKeys: 2 })
  fc.assert(
    fc.property(pairs, fc.array(fc.oneof(setBased, existence), { maxLength: 3 }), labels, (matchLabels, list, has) => {
      const selector = { matchLabels, matchExpressions: list }
      const expected =
        Object.entries(matchLabels).every(([name, value]) => has[name] === value) && list.every(r => naive(r, has))
      assert.equal(matches(selector, has), expected)
      assert.equal(matchesPairs(matchLabels, has) && matches({ matchExpressions: list }, has), expected)
      const text = selectorText(selectorOf(selector)!)
      assert.equal(matchesSelector(parseSelector(text), has), expected, text)
      assert.equal(selectorText(parseSelector(text)), text, 'the text is its own')
    }),
    { numRuns: 1000 },
  )
})

test('the text of a selector keeps the form of each requirement, sorted by key', () => {
  const text = selectorText(
    selectorOf({
      matchLabels: { b: '1', a: '2' },
      matchExpressions: [
        { key: 'c', operator: 'In', values: ['y'] },
        { key: 'a', operator: 'NotIn', values: ['q', 'p'] },
        { key: 'B', operator: 'Exists' },
        { key: 'd', operator: 'DoesNotExist' },
      ],
    })!,
  )
  assert.equal(text, 'B,a=2,a notin (p,q),b=1,c in (y),!d')
})

/** The value that was thrown, or undefined. */
function refusal(parse: () => unknown): unknown {
  try {
    parse()
    return undefined
  } catch (error) {
    return error
  }
}

test('any text is a selector or a BadRequest', () => {
  const pieces = fc.constantFrom(
    'a',
    'b/c',
    'in',
    'notin',
    '(',
    ')',
    ',',
    '=',
    '==',
    '!',
    '!=',
    '<',
    '>',
    ' ',
    '1',
    '\\',
  )
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 12 }).map(parts => parts.join('')),
    fc.string(),
  )
  fc.assert(
    fc.property(text, given => {
      for (const parse of [() => parseSelector(given), () => parseFieldSelector(Pod, given)]) {
        const error = refusal(parse)
        assert.ok(error === undefined || (error instanceof StatusError && error.reason === 'BadRequest'), String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

/** Escapes a value for a field selector. */
const escaped = (value: string) => value.replace(/[\\,=]/g, '\\$&')

test('a field selector matches what each of its terms matches, whatever characters the values have', () => {
  const pod = (nodeName: string, phase: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n' },
    spec: { nodeName },
    status: { phase },
  })
  const value = fc.oneof(fc.constantFrom('', 'p', 'n', 'Running'), fc.string({ maxLength: 4 }))
  const field = fc.constantFrom('metadata.name', 'metadata.namespace', 'spec.nodeName', 'status.phase')
  const term = fc.record({ field, value, equal: fc.boolean() }, { noNullPrototype: true })
  fc.assert(
    fc.property(fc.array(term, { maxLength: 4 }), value, value, (terms, nodeName, phase) => {
      const has: Record<string, string> = {
        'metadata.name': 'p',
        'metadata.namespace': 'n',
        'spec.nodeName': nodeName,
        'status.phase': phase,
      }
      const text = terms.map(t => `${t.field}${t.equal ? '=' : '!='}${escaped(t.value)}`).join(',')
      const selector: FieldSelector = parseFieldSelector(Pod, text)
      const texts = (list: readonly object[]) => list.map(t => JSON.stringify(t, ['field', 'value', 'equal'])).sort()
      assert.deepEqual(texts(selector), texts(terms), text)
      assert.equal(
        matchesFields(Pod, selector, pod(nodeName, phase)),
        terms.every(t => (has[t.field] === t.value) === t.equal),
      )
      const names = terms.flatMap(t => (t.equal && t.field === 'metadata.name' ? [t.value] : []))
      const name = selectedName(selector)
      assert.ok(name === undefined ? names.length === 0 : names.includes(name), `${name} of ${names.join()}`)
    }),
    { numRuns: 1000 },
  )
})

test('a malformed field selector is refused with the message of Kubernetes, syntax before fields', () => {
  const table: [text: string, message: string][] = [
    ['a', "invalid selector: 'a'; can't understand 'a'"],
    ['spec.none=1,b', "invalid selector: 'spec.none=1,b'; can't understand 'b'"],
    ['spec.none=1,metadata.name=a', 'field label not supported: spec.none'],
    ['spec.y=1,spec.x=1', 'field label not supported: spec.x'],
    ['metadata.name=a=b', 'invalid field selector: unescaped character in value: 61'],
    ['metadata.name===b', 'invalid field selector: unescaped character in value: 61'],
    ['metadata.name=a\\b', 'invalid field selector: invalid escape sequence: \\b'],
    ['metadata.name=a\\', 'invalid field selector: invalid escape sequence: \\'],
  ]
  for (const [text, message] of table)
    assert.throws(() => parseFieldSelector(Pod, text), { reason: 'BadRequest', message }, text)
})
