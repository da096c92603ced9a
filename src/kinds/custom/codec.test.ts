// What always holds of decoded custom resources, whatever their schema and whatever is sent.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { sameJson } from '../../api/equal.ts'
import { asJson, type Json, type JsonObject } from '../../api/schema/node.ts'
import type { SchemaProps } from '../apiextensions/jsonschema.ts'
import { parseJson } from '../../wire/json.ts'
import { customCodec } from './codec.ts'
import { shapeOf } from './shape.ts'
import { schemaProblems } from './validate.ts'

const codecOf = (schema: SchemaProps) => customCodec(() => shapeOf(schema))
const decode = (schema: SchemaProps, value: Json, options = {}) =>
  codecOf({ type: 'object', properties: { spec: schema } })({ spec: value }, { defaults: true, ...options }).spec

const fieldName = fc.constantFrom('a', 'b', 'c', 'constructor', '__proto__')
const scalar: fc.Arbitrary<SchemaProps> = fc.record(
  {
    type: fc.constantFrom('string', 'integer', 'boolean'),
    nullable: fc.boolean(),
    default: fc.constantFrom<Json>('x', 1, true),
  },
  { requiredKeys: ['type'] },
)
/** Structural schemas of a few levels. */
const schemas: fc.Arbitrary<SchemaProps> = fc.letrec<{ any: SchemaProps }>(tie => ({
  any: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.record(
      {
        type: fc.constant('object'),
        properties: fc.dictionary(fieldName, tie('any'), { maxKeys: 3, noNullPrototype: true }),
        nullable: fc.boolean(),
        default: fc.constant<Json>({}),
        'x-kubernetes-preserve-unknown-fields': fc.constant(true),
      },
      { requiredKeys: ['type', 'properties'] },
    ),
    fc.record({ type: fc.constant('object'), additionalProperties: tie('any').map(asJson) }),
    fc.record({ type: fc.constant('array'), items: tie('any').map(asJson) }),
  ),
})).any

const values: fc.Arbitrary<Json> = fc.letrec<{ any: Json }>(tie => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Json>(null, '', 'x', 0, 1, false, true),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fieldName, fc.constant('unknown')), tie('any'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).any

test('decoding a decoded value changes nothing', () => {
  fc.assert(
    fc.property(schemas, values, (schema, value) => {
      const once = decode(schema, value) ?? null
      assert.deepEqual(decode(schema, once) ?? null, once)
    }),
  )
})

test('the value that was sent is not changed, and shares no object with the decoded one that may be changed', () => {
  fc.assert(
    fc.property(schemas, values, (schema, value) => {
      const before = structuredClone(value)
      const decoded = decode(schema, value)
      assert.deepEqual(value, before)
      const seen = new Set<object>()
      const visit = (one: Json | undefined, act: (object: object) => void): void => {
        if (typeof one !== 'object' || one === null) return
        act(one)
        for (const inner of Object.values(one)) visit(inner, act)
      }
      visit(value, object => seen.add(object))
      visit(decoded, object => assert.ok(!seen.has(object)))
    }),
  )
})

test('each field is kept, defaulted or reported', () => {
  const schema: SchemaProps = {
    type: 'object',
    properties: {
      known: { type: 'string' },
      list: { type: 'array', items: { type: 'object', properties: { a: { type: 'integer', default: 1 } } } },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { b: { type: 'integer' } } } },
      whole: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { c: { type: 'integer' } } },
    },
  }
  const unknown: string[] = []
  const spec = decode(
    schema,
    {
      known: 'x',
      other: 1,
      list: [{ z: 1 }],
      map: { k: { b: 1, y: 2 } },
      whole: { apiVersion: 'v1', kind: 'A', metadata: { name: 'n', made: 'up' }, c: 1, d: 2 },
    },
    { onUnknown: (path: string) => unknown.push(path) },
  )
  assert.deepEqual(spec, {
    known: 'x',
    list: [{ a: 1 }],
    map: { k: { b: 1 } },
    whole: { apiVersion: 'v1', c: 1, kind: 'A', metadata: { name: 'n' } },
  })
  assert.deepEqual(unknown, [
    'spec.list[0].z',
    'spec.map.k.y',
    'spec.other',
    'spec.whole.d',
    'spec.whole.metadata.made',
  ])
})

test('null is dropped, replaced or kept as the schema has it', () => {
  const table: [schema: SchemaProps, expected: Json | undefined][] = [
    [{ type: 'string' }, undefined],
    [{ type: 'string', nullable: true }, null],
    [{ type: 'string', default: 'x' }, 'x'],
    [{ type: 'string', default: 'x', nullable: true }, null],
    [{ type: 'object', default: {}, properties: { a: { type: 'integer', default: 1 } } }, { a: 1 }],
  ]
  for (const [schema, expected] of table)
    assert.deepEqual(
      decode({ type: 'object', properties: { f: schema } }, { f: null }),
      expected === undefined ? {} : { f: expected },
    )
})

test('keys are sorted, and the type and the metadata come first', () => {
  const schema: SchemaProps = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const sent: JsonObject = { z: 1, b: { d: 1, c: 2 }, metadata: { name: 'n' }, kind: 'K', apiVersion: 'g/v1' }
  const text = JSON.stringify(codecOf(schema)(sent, {}))
  assert.equal(text, '{"kind":"K","apiVersion":"g/v1","metadata":{"name":"n"},"b":{"c":2,"d":1},"z":1}')
})

test('what is as it was before has no problems, whatever the schema', () => {
  fc.assert(
    fc.property(schemas, values, (schema, value) => {
      const object = { spec: decode(schema, value) ?? null }
      const whole: SchemaProps = { type: 'object', properties: { spec: schema } }
      assert.deepEqual(schemaProblems(whole, object, structuredClone(object)), [])
    }),
  )
})

test('a problem of a part is found again in the whole, unless that part is as it was', () => {
  const schema: SchemaProps = {
    type: 'object',
    properties: { a: { type: 'integer' }, b: { type: 'object', properties: { c: { type: 'string', maxLength: 1 } } } },
  }
  const bad = { a: 'x', b: { c: 'long' } }
  const fields = (value: Json, old?: Json) => schemaProblems(schema, value, old).map(({ field }) => field)
  assert.deepEqual(fields(bad), ['a', 'b.c'])
  assert.deepEqual(fields(bad, { a: 'x', b: {} }), ['b.c'])
  assert.deepEqual(fields(bad, { a: 1, b: { c: 'long' } }), ['a'])
  assert.ok(sameJson(fields(bad, bad), []))
})

test('numbers with a fraction or an exponent stay numbers, with a schema and without one', () => {
  const schema: SchemaProps = {
    type: 'object',
    properties: {
      ratio: { type: 'number' },
      list: { type: 'array', items: { type: 'number' } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
  }
  const text = '{"ratio":0.1,"list":[1e3,2.0],"free":{"a":1.5,"b":[2.5]}}'
  assert.deepEqual(decode(schema, parseJson(text, true) as Json), {
    free: { a: 1.5, b: [2.5] },
    list: [1000, 2],
    ratio: 0.1,
  })
})
