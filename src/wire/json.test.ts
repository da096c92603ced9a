import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Decimal, indentJson, jsonSyntaxError, parseJson } from './json.ts'

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
  for (const number of ['-0.5', '1E+3', '2e-1', '10.25'])
    for (const around of [number, `{"a":${number}}`, `{"a" :\n ${number}}`, `[1, ${number}]`, `[${number}]`])
      assert.match(inspect(parseJson(around, true)), /Decimal/, around)
})

test('syntax errors have the messages of Go', () => {
  const table: [string, string][] = [
    ['', 'unexpected end of JSON input'],
    ['{', 'unexpected end of JSON input'],
    ['{"a":"b', 'unexpected end of JSON input'],
    ['hello', "invalid character 'h' looking for beginning of value"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1/*c*/}', "invalid character '/' after object key:value pair"],
    ['[1 2]', "invalid character '2' after array element"],
    ['[1,]', "invalid character ']' looking for beginning of value"],
    ['{}{}', "invalid character '{' after top-level value"],
    ['"a\tb"', "invalid character '\\t' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"],
    ['tru3', "invalid character '3' in literal true (expecting 'e')"],
    ['-x', "invalid character 'x' in numeric literal"],
    ['1.x', "invalid character 'x' after decimal point in numeric literal"],
    ['1ex', "invalid character 'x' in exponent of numeric literal"],
    ['01', "invalid character '1' after top-level value"],
    ['\ufeff{}', "invalid character 'ï' looking for beginning of value"],
    ['nope', "invalid character 'o' in literal null (expecting 'u')"],
  ]
  for (const [text, message] of table) assert.equal(jsonSyntaxError(text), message, text)
})

test('JSON is indented like that of Go', () => {
  for (const value of [{ a: [1, { b: 'x{}":,\\' }], c: {}, d: [], e: null }, [], {}, 'x', [[1.5e3, true]]])
    assert.equal(indentJson(Buffer.from(JSON.stringify(value))).toString(), JSON.stringify(value, null, 2))
})
