// Which expressions are accepted, and that those which are take no time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { checkRegex, regexOf } from './path-regex.ts'

const problemOf = (text: string) => {
  const found = checkRegex(text)
  return found.problem ?? found.groups
}

test('expressions that are in use are accepted, with their groups', () => {
  for (const [text, groups] of [
    ['/app(/|$)(.*)', 2],
    ['/api/v[0-9]+/users', 0],
    ['/(foo|bar)/?$', 1],
    ['/(?:a|b)?/[^/]*\\.html', 0],
    ['/x{2,4}y{3}z{1,}', 0],
    ['/a.*?/b', 0],
  ] as const)
    assert.equal(problemOf(text), groups, text)
})

test('what could take long, cannot be read, or is none of a path is refused', () => {
  for (const [text, problem] of [
    ['/(a+)+$', /repetition/],
    ['/(a|aa)*$', /choice/],
    ['/((a?)b)*', /repetition/],
    ['/.*.*.*.*x', /without limit/],
    ['/a{1000}', /100 times/],
    ['/a{5,2}', /100 times/],
    ['/(?=x)', /lookaround/],
    ['/(?i)x', /lookaround/],
    ['/(x', /not closed/],
    ['/x)', /not open/],
    ['/*+', /repeats nothing/],
    ['/a**', /repeats nothing/],
    ['/[z-a]', /no range/],
    ['/[[:alpha:]]', /class/],
    ['/[]a', /class/],
    ['/\\1', /not allowed/],
    ['/a b', /not allowed/],
    ['/a\nb', /not allowed/],
    ["/a'b", /not allowed/],
    ['/a"b', /not allowed/],
    ['/a#b', /not allowed/],
    ['/a\0b', /not allowed/],
    ['/a\\', /not allowed/],
    [`/${'a'.repeat(300)}`, /longer/],
  ] as const)
    assert.match(String(problemOf(text)), problem, text)
})

test('an accepted expression is one to others, and ends soon on any text', () => {
  const pieces = fc.constantFrom(
    'a',
    'b',
    '/',
    '.',
    '*',
    '+',
    '?',
    '(',
    ')',
    '|',
    '[ab]',
    '[^/]',
    '{2}',
    '{1,}',
    '\\d',
    '$',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 14 }), fc.stringMatching(/^[ab/]{0,40}$/), (parts, text) => {
      const pattern = `/${parts.join('')}`
      if (checkRegex(pattern).problem !== undefined) return
      const began = performance.now()
      new RegExp(`^${pattern}$`).test(`/${text.repeat(10)}c`)
      assert.ok(performance.now() - began < 500, pattern)
    }),
    { numRuns: 3_000 },
  )
})

test('a text as an expression matches just itself', () => {
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => new RegExp(`^${regexOf(a)}$`).test(b) === (a === b)))
  assert.ok(new RegExp(`^${regexOf('*.a.b')}$`).test('*.a.b'))
})
