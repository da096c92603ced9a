// The largest estimates of rules, by the sizes that their schemas allow: without limits in the schema, and with one.
// Source: apiextensions-apiserver pkg/apiserver/schema/cel/compilation_test.go, TestCostEstimation.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { estimateCost } from './estimate.ts'
import { estimatorWith } from './estimator.ts'
import { compile, kubernetes } from './kubernetes.ts'
import { declare, objectsOf, sizesOf, type Schema } from './schema.ts'

const ofType = (type: string): Schema =>
  type === 'int-or-string'
    ? { 'x-kubernetes-int-or-string': true }
    : ['byte', 'duration', 'date', 'date-time'].includes(type)
      ? { type: 'string', format: type }
      : { type }

/** A schema with a limit, or with none. */
type Limited = (limit?: number) => Schema

const withLimit = (name: 'maxItems' | 'maxLength' | 'maxProperties', limit: number | undefined) =>
  limit === undefined ? {} : { [name]: limit }

const array =
  (items: Schema): Limited =>
  limit => ({ type: 'array', items, ...withLimit('maxItems', limit) })
const map =
  (additionalProperties: Schema): Limited =>
  limit => ({ type: 'object', additionalProperties, ...withLimit('maxProperties', limit) })
const text =
  (more: Schema = {}): Limited =>
  limit => ({ type: 'string', ...more, ...withLimit('maxLength', limit) })

const requiredAndOptional: Schema = {
  type: 'object',
  properties: { required: { type: 'string' }, optional: { type: 'string' } },
  required: ['required'],
}
/** A list of texts, each with the limit. */
const texts: Limited = limit => array(text()(limit))(limit)
const fields =
  (...names: readonly string[]): Limited =>
  limit => ({ type: 'object', properties: Object.fromEntries(names.map(name => [name, text()(limit)])) })
const replaced: Limited = limit => ({
  type: 'object',
  properties: { str: text()(limit), before: text()(2), after: text()(4) },
})

/** The schema, the rule, the estimate without a limit, the limit, the estimate with it. */
type Row = readonly [schema: Limited, rule: string, unlimited: number, limit: number, limited: number]

const all = 'self.all(x, true)'
const rows: readonly Row[] = [
  [array(ofType('number')), all, 4_718_591, 10, 32],
  [array(ofType('string')), all, 3_145_727, 20, 62],
  [array(ofType('boolean')), all, 1_887_437, 5, 17],
  [array(array(ofType('number'))()), all, 3_145_727, 100, 302],
  [array(requiredAndOptional), all, 555_128, 50, 152],
  [array(ofType('int-or-string')), all, 4_718_591, 10, 32],
  [array(ofType('duration')), all, 2_359_295, 5, 17],
  [array(ofType('date')), all, 725_936, 15, 47],
  [array(ofType('date-time')), all, 428_963, 25, 77],
  [map(ofType('number')), all, 1_348_169, 10, 32],
  [map(ofType('string')), all, 1_179_647, 3, 11],
  [map(ofType('boolean')), all, 943_718, 100, 302],
  [map(ofType('int-or-string')), all, 1_348_169, 15, 47],
  [map(requiredAndOptional), all, 428_963, 20, 62],
  [map(map(ofType('number'))()), all, 1_179_647, 10, 32],
  [map(array(ofType('number'))()), all, 1_179_647, 25, 77],
  [map(ofType('duration')), all, 1_048_577, 5, 17],
  [map(ofType('date')), all, 524_288, 10, 32],
  [map(ofType('date-time')), all, 349_526, 25, 77],
  [text(), "self.contains('test')", 314_574, 10, 5],
  [text(), "self.startsWith('test')", 2, 15, 2],
  [text(), "self.endsWith('test')", 2, 30, 2],
  [text(), 'size(self + "hello") > size("hello")', 314_578, 4, 7],
  [text(), 'self.matches("x")', 314_574, 50, 22],
  [text(), '"".matches("(((((((((())))))))))[0-9]")', 7, 10, 7],
  [text(), 'self.matches("")', 1, 100, 1],
  [text(), 'self == "x"', 2, 0, 1],
  [text({ format: 'byte' }), 'self == b"x"', 2, 0, 1],
  [text({ enum: ['A', 'B', 'C', 'LongValue'] }), "self.contains('A')", 2, 1000, 401],
  [array(ofType('number')), 'self[1] == 0.0', 2, 5000, 2],
  [array(ofType('string')), 'self[1] == self[1]', 314_577, 8, 314_577],
  [array(ofType('number')), 'self.all(x, x == 0.0)', 6_291_454, 3 * 1024 * 2048, 25_165_826],
  [array(ofType('int-or-string')), 'self[0] == 5', 3, 10, 3],
  [array(ofType('boolean')), 'self[0] == false', 2, 25, 2],
  [array(requiredAndOptional), 'self[0] == null', 2, 422, 2],
  [array(array(ofType('number'))()), 'self[0][0] == -1.0', 3, 51, 3],
  [array(map(ofType('number'))()), 'self.all(x, x.y == 25.2)', 6_291_452, 12, 74],
  [array(map(ofType('number'))()), 'self[0].x > 2.0', 4, 3000, 4],
  [array(ofType('duration')), 'self[0].getHours() == 2', 4, 525, 4],
  [array(ofType('date')), 'self[2].getDayOfMonth() == 13', 4, 42, 4],
  [map(ofType('number')), 'self["x"] == 0.0', 2, 0, 2],
  [limit => map(text()(limit))(limit), 'self.all(x, x.contains(self[x]))', 2_752_507, 10, 72],
  [limit => array(map(requiredAndOptional)(limit))(limit), 'self.all(x, x["y"].required == "z")', 7_340_027, 10, 72],
  [limit => array(map(requiredAndOptional)(limit))(), 'self.all(x, x["y"].required == "z")', 7_340_027, 10, 7_340_027],
  [text(), "self.find('[0-9]+') == ''", 629_147, 10, 11],
  [texts, "self.join(' ') == 'aa bb'", 329_853_068_905, 10, 43],
  [texts, 'self.isSorted() == true', 329_854_432_052, 10, 52],
  [replaced, "self.str.replace(self.before, self.after) == 'does not matter'", 629_154, 4, 12],
  [fields('str', 'separator'), 'self.str.split(self.separator) == []', 629_160, 10, 22],
  [text(), "self.lowerAscii() == 'lower!'", 314_575, 10, 6],
  [map(ofType('integer')), 'oldSelf.size() == self.size()', 5, 10, 5],
  [map(ofType('date-time')), 'self["a"] == self["b"]', 8, 7, 8],
  [map(ofType('duration')), 'self["c"] == self["d"]', 8, 42, 8],
]

function largestEstimate(schema: Schema, rule: string): bigint {
  const self = declare(schema, 'self') ?? assert.fail()
  const variables = { self: self.type, oldSelf: self.type }
  const compiled = compile(rule, kubernetes.extend({ variables, objects: objectsOf(self) }))
  if (compiled.error !== undefined) assert.fail(compiled.error)
  return estimateCost(compiled.program.node, estimatorWith(sizesOf({ self, oldSelf: self }))).max
}

for (const [i, [schema, rule, unlimited, limit, limited]] of rows.entries())
  test(`${i}: ${rule}`, () => {
    assert.equal(largestEstimate(schema(), rule), BigInt(unlimited))
    assert.equal(largestEstimate(schema(limit), rule), BigInt(limited))
  })

test('loops within loops are multiplied', () => {
  const numbers = array(ofType('number'))
  assert.equal(largestEstimate(numbers(10), 'self.all(x, self.all(y, true))'), 352n)
  assert.equal(largestEstimate(numbers(10), 'self.all(x, self.all(y, self.all(z, true)))'), 3552n)
  assert.ok(largestEstimate(numbers(), 'self.all(x, self.all(y, true))') > 1_000_000_000n)
})
