import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Decimal, indentJson, parseJson } from './json.ts'

test('integers keep all digits, and small ones are numbers', () => {
  const text = '{"a":9223372036854775807,"b":[-9007199254740993,7,1.5],"c":"1234567890123456789"}'
  const value = parseJson(text)
  assert.deepEqual(value, { a: 9223372036854775807n, b: [-9007199254740993n, 7, 1.5], c: '1234567890123456789' })
  assert.equal(JSON.stringify(value), text)
  assert.deepEqual(parseJson('{"a": 9007199254740991}'), { a: 9007199254740991 })
})

test('numbers with a fraction or an exponent can be distinguished from integers', () => {
  assert.deepEqual(parseJson('[1.0,1e2,3]', true), [new Decimal('1.0'), new Decimal('1e2'), 3])
  assert.equal(JSON.stringify(parseJson('[1.5,1e2]', true)), '[1.5,100]')
  assert.deepEqual((parseJson('[1.5,1e2]', true) as Decimal[]).map(Number), [1.5, 100])
  for (const number of ['-0.5', '1E+3', '2e-1', '10.25'])
    for (const around of [number, `{"a":${number}}`, `{"a" :\n ${number}}`, `[1, ${number}]`, `[${number}]`])
      assert.match(inspect(parseJson(around, true)), /Decimal/, around)
})

test('JSON is indented like that of Go', () => {
  for (const value of [{ a: [1, { b: 'x{}":,\\' }], c: {}, d: [], e: null }, [], {}, 'x', [[1.5e3, true]]])
    assert.equal(indentJson(Buffer.from(JSON.stringify(value))).toString(), JSON.stringify(value, null, 2))
})
