// Values as Go prints them, which messages of Kubernetes contain.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goQuote, goTypeOf, goValue, notAnObject } from './go-text.ts'

test('a string is quoted with the escapes of Go', () => {
  const table: [text: string, quoted: string][] = [
    ['', '""'],
    ['plain text', '"plain text"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['a\\b', '"a\\\\b"'],
    ['a\nb\tc\rd', '"a\\nb\\tc\\rd"'],
    ['\x07\b\f\v', '"\\a\\b\\f\\v"'],
    ['\0\x1b\x7f', '"\\x00\\x1b\\x7f"'],
    ['grüße, 世界 😀', '"grüße, 世界 😀"'],
    // What cannot be seen is escaped: a zero-width space, a byte order mark, and a tag beyond 16 bits.
    ['a\u200bb', '"a\\u200bb"'],
    ['\ufeff', '"\\ufeff"'],
    ['\u{e0001}', '"\\U000e0001"'],
    ['\u00a0', '"\\u00a0"'],
    ["it's", '"it\'s"'],
  ]
  for (const [text, quoted] of table) assert.equal(goQuote(text), quoted, JSON.stringify(text))
})

test('a JSON value is printed as Go prints a map, with its keys in order', () => {
  const table: [value: unknown, text: string][] = [
    [null, '<nil>'],
    [undefined, '<nil>'],
    [true, 'true'],
    [1.5, '1.5'],
    [12n, '12'],
    ['a b', 'a b'],
    [[], '[]'],
    [['x', 1, null], '[x 1 <nil>]'],
    [{}, 'map[]'],
    [{ b: ['x', 'y'], a: 1 }, 'map[a:1 b:[x y]]'],
    [{ a: { b: { c: false } } }, 'map[a:map[b:map[c:false]]]'],
  ]
  for (const [value, text] of table) assert.equal(goValue(value), text)
})

test('a type has the name that Go gives it', () => {
  const table: [json: unknown, type: string][] = [
    [null, '<nil>'],
    [[], '[]interface {}'],
    [{}, 'map[string]interface {}'],
    [1, 'int64'],
    [1.5, 'float64'],
    [1n, 'int64'],
    [true, 'bool'],
    ['', 'string'],
  ]
  for (const [json, type] of table) assert.equal(goTypeOf(json), type)
  const message = (what: string) => `json: cannot unmarshal ${what} into Go value of type map[string]interface {}`
  assert.equal(notAnObject([]), message('array'))
  assert.equal(notAnObject(true), message('bool'))
  assert.equal(notAnObject('x'), message('string'))
  assert.equal(notAnObject(1), message('number'))
})
