// How bodies are read, by the media type that the client names.
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { stringify } from 'yaml'
import { isReason } from '../../base/errors.ts'
import type { Json } from '../../api/schema/node.ts'
import { encodeEnvelope, encodeProto } from '../../api/schema/proto.ts'
import { builtinKinds } from '../../kinds/all.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { objectOf } from '../../kinds/testing.ts'
import { parseBody, patchTypeOf } from './bodies.ts'

const context = { kind: ConfigMap, kinds: builtinKinds }
const parse = (text: string | Buffer, type?: string, patchType?: 'json' | 'merge' | 'strategic' | 'apply') =>
  parseBody(Buffer.from(text), type, { ...context, patchType })

test('one object is the same in JSON, YAML and protobuf', () => {
  const object = objectOf(ConfigMap, { metadata: { name: 'a' }, data: { text: 'line\nline', number: '1' } })
  const proto = encodeEnvelope('v1', 'ConfigMap', encodeProto(ConfigMap.schema, object))
  const plain = JSON.parse(JSON.stringify(object)) as Json
  for (const [bytes, type] of [
    [JSON.stringify(object), undefined],
    [JSON.stringify(object), 'application/json; charset=utf-8'],
    [JSON.stringify(object), 'application/yaml'],
    [stringify(object), 'application/yaml'],
    [proto, 'application/vnd.kubernetes.protobuf'],
  ] as const)
    deepStrictEqual(JSON.parse(JSON.stringify(parse(bytes, type).value)), plain, type)
})

test('any JSON is also YAML with the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), value => {
      const text = JSON.stringify(value)
      const given = JSON.parse(text) as Json
      deepStrictEqual(JSON.parse(JSON.stringify(parse(text, 'application/json').value)), given)
      const yaml = parse(stringify(given, { version: '1.1' }), 'application/yaml').value
      deepStrictEqual(JSON.parse(JSON.stringify(yaml)), given)
    }),
    { numRuns: 500 },
  )
})

test('YAML has the values that it has in Kubernetes', () => {
  const table: [yaml: string, value: Json][] = [
    ['a: yes', { a: true }],
    ['a: "yes"', { a: 'yes' }],
    ['a: 010', { a: 8 }],
    ['a: 1e3', { a: 1000 }],
    ['a: 2001-01-01', { a: '2001-01-01' }],
    ['a: !!binary aGk=', { a: 'hi' }],
    ['a: ~', { a: null }],
    ['base: &b {x: 1}\na: {<<: *b, z: 2}', { base: { x: 1 }, a: { x: 1, z: 2 } }],
    ['y: 1', { true: 1 }],
    ['a: 1\n---\nb: 2', { a: 1 }],
    ['# nothing', null],
    ['', null],
  ]
  for (const [yaml, value] of table) deepStrictEqual(parse(yaml, 'application/yaml').value, value, yaml)
})

test('duplicate keys are reported with the error text of their format', () => {
  deepStrictEqual(parse('{"a":1,"b":{"c":1,"c":2},"a":3}').duplicates, ['duplicate field "b.c"', 'duplicate field "a"'])
  deepStrictEqual(parse('{"a":"b: c","d":{}}').duplicates, [])
  deepStrictEqual(parse('a: 1\nb: 2\na: 3\n', 'application/yaml').duplicates, ['line 3: key "a" already set in map'])
})

test('integers keep all digits, and floats stay floats', () => {
  const read = (text: string) => JSON.stringify(parse(text).value)
  strictEqual(read('{"a":9223372036854775807}'), '{"a":9223372036854775807}')
  strictEqual(read('{"a":-9007199254740993,"b":1.0}'), '{"a":-9007199254740993,"b":1}')
  deepStrictEqual(parse('a: 9223372036854775807', 'application/yaml').value, { a: 9223372036854775807n })
})

test('a body that cannot be read is refused with the reason', () => {
  const deep = '['.repeat(10_001)
  const bomb = `a: &a [x,x]\n${[...'bcdefghij'].map((c, i) => `${c}: &${c} [*${'abcdefghi'[i]},*${'abcdefghi'[i]}]`).join('\n')}`
  const table: [text: string | Buffer, type: string | undefined, reason: string, message: RegExp][] = [
    ['{"a":', undefined, 'BadRequest', /unexpected end of JSON input/],
    ['{a:1}', undefined, 'BadRequest', /invalid character 'a' looking for beginning of object key string/],
    ['a: b: c', 'application/yaml', 'BadRequest', /yaml: mapping values are not allowed in this context/],
    [bomb, 'application/yaml', 'BadRequest', /document contains excessive aliasing/],
    [deep, undefined, 'BadRequest', /^exceeded max depth$/],
    ['k8s', 'application/vnd.kubernetes.protobuf', 'BadRequest', /empty body/],
    ['not protobuf at all', 'application/vnd.kubernetes.protobuf', 'BadRequest', /the object provided is unrecognized/],
    ['<a/>', 'text/xml', 'UnsupportedMediaType', /the body of the request was in an unknown format/],
    ['[]', 'application/json-patch+json', 'UnsupportedMediaType', /unknown format/],
  ]
  for (const [text, type, reason, message] of table)
    throws(() => parse(text, type), { reason, message }, String(text).slice(0, 40))
})

test('any bytes give a value or a refusal', () => {
  const types = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
  const proto = encodeEnvelope(
    'v1',
    'ConfigMap',
    encodeProto(ConfigMap.schema, objectOf(ConfigMap, { data: { a: 'b' } })),
  )
  /** A message with some of its bytes changed. */
  const damaged = fc
    .array(fc.tuple(fc.nat({ max: proto.length - 1 }), fc.nat({ max: 255 })), { maxLength: 3 })
    .map(changes => {
      const copy = Buffer.from(proto)
      for (const [at, byte] of changes) copy[at] = byte
      return copy
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), damaged), fc.constantFrom(...types), (bytes, type) => {
      try {
        parse(Buffer.from(bytes), type)
      } catch (error) {
        if (!isReason(error, 'BadRequest')) throw error
      }
    }),
    { numRuns: 2000 },
  )
})

test('the media type of a patch decides its type', () => {
  strictEqual(patchTypeOf('application/merge-patch+json', ConfigMap), 'merge')
  strictEqual(patchTypeOf('Application/Strategic-Merge-Patch+JSON; charset=utf-8', ConfigMap), 'strategic')
  strictEqual(patchTypeOf('application/json-patch+json', ConfigMap), 'json')
  strictEqual(patchTypeOf('application/apply-patch+yaml', ConfigMap), 'apply')
  for (const type of [undefined, '', 'application/json', 'application/yaml'])
    throws(() => patchTypeOf(type, ConfigMap), {
      reason: 'UnsupportedMediaType',
      message: '415: Unsupported Media Type',
    })
  deepStrictEqual(parse('a: 1', 'application/apply-patch+yaml', 'apply').value, { a: 1 })
  deepStrictEqual(parse('{"a":1}', 'application/apply-patch+yaml', 'apply').value, { a: 1 })
  throws(() => parse('{"a"', 'application/merge-patch+json', 'merge'), { message: /^error decoding patch: / })
  throws(() => parse('a: b: c', 'application/apply-patch+yaml', 'apply'), {
    message: /^error decoding YAML: error converting YAML to JSON: yaml: /,
  })
})
