import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matches, matchesSelector, parseSelector, selectorOf, selectorText } from './labels.ts'

const labels = { app: 'web', tier: 'front', version: '3' }

test('selectors in text form are parsed and matched', () => {
  const table: [string, boolean][] = [
    ['', true],
    ['app=web', true],
    ['app==web,tier=front', true],
    ['app!=web', false],
    ['other!=x', true],
    ['app in (web, api)', true],
    ['app notin (web)', false],
    ['tier', true],
    ['!tier', false],
    ['!other', true],
    ['version>2', true],
    ['version<3', false],
    ['app=web,version in (1,3),!gone', true],
  ]
  for (const [text, expected] of table) assert.equal(matchesSelector(parseSelector(text), labels), expected, text)
})

test('text that is not a selector is refused as BadRequest', () => {
  for (const text of ['a in b', 'a=b c', '=x', 'a in (b', 'a b', '-a=b']) {
    assert.throws(() => parseSelector(text), { reason: 'BadRequest' }, text)
  }
})

test('selectors of objects are matched', () => {
  assert.equal(matches(undefined, labels), false)
  assert.equal(matches({}, labels), true)
  assert.equal(
    matches(
      { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['back'] }] },
      labels,
    ),
    true,
  )
  assert.equal(
    selectorText(selectorOf({ matchLabels: { b: '1' }, matchExpressions: [{ key: 'a', operator: 'Exists' }] })!),
    'a,b=1',
  )
})
