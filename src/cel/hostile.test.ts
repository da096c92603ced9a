// Expressions and data that are meant to do harm: whatever they are, compiling and evaluating ends soon, with an
// answer, and nothing outside of the value is touched.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { adaptUntyped } from './adapt.ts'
import { compile, kubernetes } from './kubernetes.ts'
import { estimateCost } from './estimate.ts'
import { estimatorWith } from './estimator.ts'
import * as t from './types.ts'
import { Failure } from './values.ts'

const environment = kubernetes.extend({ variables: { x: t.dyn, l: t.list(t.int), s: t.string } })

const errorOf = (expression: string) => compile(expression, environment).error?.split('\n')[0]?.slice(0, 200) ?? ''

function outcome(expression: string, variables: Record<string, unknown> = {}, limit?: number): string {
  const compiled = compile(expression, environment)
  if (compiled.error !== undefined) return compiled.error.split('\n')[0]!
  const adapted = Object.fromEntries(Object.entries(variables).map(([name, json]) => [name, adaptUntyped(json)]))
  const { value } = compiled.program.evaluate(adapted, limit)
  return value instanceof Failure ? value.message : 'a value'
}

suite('sources', () => {
  test('10 MB of source are refused by their size', () => {
    assert.equal(
      errorOf('a'.repeat(10_000_000)),
      'ERROR: <input>:-1:0: expression code point size exceeds limit: size: 10000000, limit 100000',
    )
  })
  for (const [name, open, close] of [
    ['parentheses', '(', ')'],
    ['lists', '[', ']'],
    ['maps', '{1:', '}'],
    ['calls', 'size(', ')'],
    ['indices', 'x[', ']'],
    ['conditionals', 'x ? 1 : (', ')'],
  ] as const)
    test(`${name} within each other have a limit`, () => {
      const nested = (depth: number) => open.repeat(depth) + (name === 'indices' ? '1' : '"a"') + close.repeat(depth)
      assert.match(errorOf(nested(5_000)), /expression recursion limit exceeded: 250|max recursion depth exceeded/)
    })
  for (const [name, expression] of [
    ['selections', `x${'.a'.repeat(10_000)}`],
    ['sums', `1${'+1'.repeat(10_000)}`],
    ['comparisons', `1${'<1'.repeat(10_000)}`],
    ['methods', `x${'.size()'.repeat(5_000)}`],
    ['conditionals to the right', `${'true ? 1 : '.repeat(5_000)}2`],
  ] as const)
    test(`chains of ${name} have a limit`, () => {
      assert.match(errorOf(expression), /max recursion depth exceeded|expression recursion limit exceeded/)
    })
  test('chains of && and || are balanced, and have none', () => {
    assert.equal(outcome(`true${' && true'.repeat(10_000)}`), 'a value')
    assert.equal(outcome(`false${' || false'.repeat(10_000)}`), 'a value')
  })
  test('chains of ! and - have none either', () => {
    assert.equal(outcome(`${'!'.repeat(90_000)}true`), 'a value')
    assert.equal(outcome(`${'-'.repeat(90_000)}(1)`), 'a value')
  })
  test('many faults are reported soon', () => {
    assert.match(errorOf('$\n'.repeat(50_000)), /token recognition error/)
    assert.match(errorOf(')'.repeat(100_000)), /Syntax error/)
    assert.match(errorOf('"'.repeat(99_999)), /Syntax error/)
    assert.match(errorOf('\\'.repeat(99_999)), /Syntax error/)
    assert.match(errorOf(`"${'\\x'.repeat(49_000)}`), /Syntax error/)
  })
  test('many elements are checked soon', () => {
    assert.equal(outcome(`[${'1,'.repeat(40_000)}1].size() > 0`), 'a value')
    assert.equal(outcome(`[${'[],'.repeat(20_000)}[]].size() > 0`), 'a value')
    assert.equal(outcome(`true${' && 1 == 1'.repeat(9_000)}`), 'a value')
    assert.equal(outcome(`true${' && [] == []'.repeat(8_000)}`), 'a value')
  })
  test('macros within each other have the limit of the tree', () => {
    const nested = (depth: number): string => (depth ? `[1].map(a, ${nested(depth - 1)})` : '1')
    assert.equal(outcome(nested(20).replaceAll('[1]', 'l'), { l: [1] }), 'a value')
    assert.match(errorOf(nested(2_000)), /recursion/)
    const optional = (depth: number): string => (depth ? `optional.of(${optional(depth - 1)}).optMap(v, v)` : '1')
    assert.match(outcome(optional(12)), /a value|limit|steps/)
  })
})

suite('evaluations', () => {
  const many = Array.from({ length: 100_000 }, (_, i) => i)
  test('loops within loops end at the limit of costs', () => {
    const loop = 'l.all(a, l.all(b, l.all(c, a + b + c >= 0)))'
    assert.equal(outcome(loop, { l: many }), 'operation cancelled: actual cost limit exceeded')
  })
  test('loops that cost nothing end as well', () => {
    const loop = 'l.filter(a, l.filter(b, l.filter(c, false) == l) == l).size() >= 0'
    assert.match(outcome(loop, { l: many }), /operation cancelled/)
  })
  test('a string that doubles ends', () => {
    const doubled = (depth: number): string => (depth ? `[${doubled(depth - 1)}].map(v, v + v)[0]` : 's')
    assert.match(outcome(doubled(40), { s: 'abcdefgh' }), /limit/)
  })
  test('a list that doubles ends', () => {
    const doubled = (depth: number): string => (depth ? `[${doubled(depth - 1)}].map(v, v + v)[0]` : 'l')
    assert.match(outcome(doubled(40), { l: [1, 2, 3] }), /limit|steps/)
  })
  test('a list that contains itself twice, forty times over, is not compared for years', () => {
    const twice = (depth: number): string => (depth ? `[${twice(depth - 1)}].map(v, [v, v])[0]` : '[l, l]')
    assert.match(outcome(`dyn(${twice(40)}) == dyn(${twice(40)})`, { l: [1] }), /steps/)
    assert.match(outcome(`'%s'.format([${twice(40)}])`, { l: [1] }), /steps|limit/)
    assert.match(outcome(`[${twice(40)}].indexOf(${twice(40)}) == 0`, { l: [1] }), /steps/)
  })
  test('replacements that grow end', () => {
    const grown = "s.replace('', s).replace('', s).replace('', s).replace('', s).size() > 0"
    assert.match(outcome(grown, { s: 'a'.repeat(10_000) }), /limit/)
  })
  test('lists that functions make end', () => {
    assert.match(outcome('lists.range(1000000000).size() > 0', {}), /steps/)
    assert.match(outcome('lists.range(9223372036854775807).sort().reverse().size() > 0', {}), /steps/)
    assert.match(outcome('l.distinct().size() > 0', { l: [...many, 'x'] }), /steps|limit/)
    const nested = 'lists.range(1000).map(a, lists.range(1000).map(b, lists.range(1000)))'
    assert.match(outcome(`${nested}.flatten(3).size() > 0`, {}), /steps|limit/)
    const twice = (depth: number): string => (depth ? `[${twice(depth - 1)}].map(v, [v, v])[0]` : '[l, l]')
    assert.match(outcome(`dyn(${twice(40)}).flatten(50).size() > 0`, { l: [1] }), /steps/)
  })
  test('texts of 3 MB are handled', () => {
    const s = 'ab'.repeat(1_500_000)
    assert.equal(outcome("s.contains('x') || s.split('b').size() > 0", { s }), 'a value')
    assert.match(outcome("s.matches('(a|b)*c(a|b)*d(a|b)*')", { s }), /limit|steps/)
  })
  for (const pattern of ['(a*)*b', '(a|a)*b', '(a|b|ab)*c', '(((a+)+)+)+b', '(?:a?){30}a{30}'])
    test(`the pattern ${pattern} is linear`, () => {
      assert.equal(outcome(`s.matches('${pattern}') || true`, { s: 'a'.repeat(20_000) }), 'a value')
    })
  test('patterns that are large are refused', () => {
    assert.match(outcome("s.matches('((a{100}){100}){100}')", { s: 'a' }), /invalid matches argument|regexp/)
    assert.match(outcome('s.matches(s)', { s: '('.repeat(100_000) }), /limit|regexp/)
    assert.match(outcome('s.matches(s)', { s: '(a{999}){1}'.repeat(30) }), /limit|regexp|a value/)
  })
  test('numbers at their bounds are no crash', () => {
    for (const expression of [
      '-9223372036854775808 / -1',
      '-9223372036854775808 % -1',
      '-(-9223372036854775808)',
      'int(1e300)',
      'uint(-1)',
      'timestamp("9999-12-31T23:59:59Z") + duration("1s")',
      'duration("9223372036s") + duration("9223372036s")',
      'timestamp(9223372036854775807)',
      '[1][9223372036854775807]',
      '"a".substring(9223372036854775807)',
      '"%.9999f".format([1.0])',
      '"a".split("", -9223372036854775808)',
      '"a".replace("a", "b", 9223372036854775807)',
    ])
      assert.doesNotThrow(() => outcome(expression), expression)
  })
  test('data that is deep is compared', () => {
    let json: unknown = 1
    for (let i = 0; i < 1_000; i++) json = [json]
    assert.equal(outcome('x == x[0]', { x: json }), 'a value')
    for (let i = 0; i < 100_000; i++) json = [json]
    assert.equal(outcome('x == x[0]', { x: json }), 'operation cancelled: a value is nested too deeply')
  })
  test('an estimate of a large expression is found soon', () => {
    const compiled = compile(`true${' && l.all(a, l.exists(b, a == b))'.repeat(2_000)}`, environment)
    if (compiled.error !== undefined) assert.fail(compiled.error)
    const { max } = estimateCost(
      compiled.program.node,
      estimatorWith(() => undefined),
    )
    assert.equal(max, (1n << 64n) - 1n)
  })
})

test('objects outside of values stay as they are', () => {
  const data: unknown = JSON.parse('{"__proto__": {"a": 1}, "constructor": {"prototype": {"a": 1}}}')
  for (const expression of ['x == x', 'x.all(k, v, true)', 'x.transformMap(k, v, v).size() == 2', '"__proto__" in x'])
    assert.equal(outcome(expression, { x: data }), 'a value', expression)
  assert.equal(Object.hasOwn(Object.prototype, 'a'), false)
})
