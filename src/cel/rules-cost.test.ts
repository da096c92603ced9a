// What rules of custom resources cost when they run, on data with a schema, against the numbers of upstream.
// Source: apiextensions-apiserver pkg/apiserver/schema/cel/celcoststability_test.go.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { adapt } from './adapt.ts'
import { compile, kubernetes } from './kubernetes.ts'
import { declare, objectsOf, type Schema } from './schema.ts'
import { Failure } from './values.ts'

const string: Schema = { type: 'string' }
const integer: Schema = { type: 'integer' }
const number: Schema = { type: 'number' }
const boolean: Schema = { type: 'boolean' }
const byte: Schema = { type: 'string', format: 'byte' }
const intOrString: Schema = { 'x-kubernetes-int-or-string': true }
const unknown: Schema = { 'x-kubernetes-preserve-unknown-fields': true }
const object = (properties: Readonly<Record<string, Schema>>): Schema => ({ type: 'object', properties })
const list = (items: Schema): Schema => ({ type: 'array', items })
const set = (items: Schema): Schema => ({ ...list(items), 'x-kubernetes-list-type': 'set' })
const listMap = (keys: readonly string[], items: Schema): Schema => ({
  ...list(items),
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': keys,
})
const map = (additionalProperties: Schema): Schema => ({ type: 'object', additionalProperties })
const format = (name: string): Schema => ({ type: 'string', format: name })
const nullable = (schema: Schema): Schema => ({ ...schema, nullable: true })

/** Fields val1, val2, … */
const numbered = <T>(...items: readonly T[]): Record<string, T> =>
  Object.fromEntries(items.map((item, i) => [`val${i + 1}`, item]))

interface Group {
  readonly name: string
  readonly schema: Schema
  readonly data: unknown
  /** Rules that hold, and what each costs. */
  readonly costs: Readonly<Record<string, number>>
}

/** Two values equal themselves, each other and a literal. */
const allEqual = (a: string, b: string, literal: string) => `${a} == ${a} && ${a} == ${b} && ${a} == ${literal}`

function check({ schema, data }: Group, rule: string, expected: number): void {
  const declared = declare(schema, 'selfType', true)
  assert.ok(declared)
  const environment = kubernetes.extend({ variables: { self: declared.type }, objects: objectsOf(declared) })
  const compiled = compile(rule, environment)
  if (compiled.error !== undefined) assert.fail(compiled.error)
  const { value, cost } = compiled.program.evaluate({ self: adapt(data, schema, true) })
  assert.equal(value instanceof Failure ? value.message : value, true)
  assert.equal(cost, expected)
}

const rook = 'Rook takes 👑'
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'foo', generateName: 'pickItForMe', namespace: 'xyz' } }
const metadata = object({ name: string, generateName: string })

const groups: readonly Group[] = [
  {
    name: 'integers',
    data: numbered(1, 1, 2 ** 31 - 1),
    schema: object(numbered(integer, integer, integer)),
    costs: {
      [allEqual('self.val1', 'self.val2', '1')]: 13,
      'self.val1 == self.val2': 5,
      'type(self.val1) == int': 4,
      'self.val3 + 1 == 2147483647 + 1': 5,
    },
  },
  {
    name: 'numbers',
    data: numbered(5, 10, 1),
    schema: object(numbered(integer, number, number)),
    costs: {
      'type(self.val2) == double': 4,
      'self.val3 == 1.0': 3,
      'double(self.val1) < self.val2': 6,
      'self.val1 < int(self.val2)': 6,
      'double(5) < 10.0': 1,
      'double(self.val1) < 10.0': 4,
    },
  },
  {
    name: 'strings',
    data: numbered(rook, rook),
    schema: object(numbered(string, string)),
    costs: {
      "self.val1.startsWith('Rook')": 4,
      "!self.val1.startsWith('knight')": 5,
      "self.val1.matches('^[^0-9]*$')": 8,
      "!self.val1.matches('^[0-9]*$')": 7,
      'type(self.val1) == string': 4,
      'size(self.val1) == 12': 4,
      "self.val1.charAt(3) == 'k'": 4,
      "self.val1.indexOf('o') == 1": 4,
      "self.val1.indexOf('o', 2) == 2": 4,
      "self.val1.replace(' ', 'x') == 'Rookxtakesx👑'": 7,
      "self.val1.replace(' ', 'x', 1) == 'Rookxtakes 👑'": 7,
      "self.val1.split(' ') == ['Rook', 'takes', '👑']": 6,
      "self.val1.split(' ', 2) == ['Rook', 'takes 👑']": 6,
      "self.val1.substring(5) == 'takes 👑'": 5,
      "self.val1.substring(0, 4) == 'Rook'": 5,
      "self.val1.substring(4, 10).trim() == 'takes'": 6,
      "self.val1.upperAscii() == 'ROOK TAKES 👑'": 6,
    },
  },
  {
    name: 'bytes and booleans',
    data: numbered<unknown>('QUI=', 'QUI=', true, false),
    schema: object(numbered(byte, byte, boolean, boolean)),
    costs: {
      'self.val1 == self.val2': 5,
      "self.val1 == b'AB'": 3,
      'type(self.val1) == bytes': 4,
      'size(self.val1) == 2': 4,
      'self.val3 != self.val4': 5,
    },
  },
  {
    name: 'times',
    data: numbered('1h2m3s4ms', '1997-07-16', '2011-08-18T19:03:37.010000000+01:00'),
    schema: object(numbered(format('duration'), format('date'), format('date-time'))),
    costs: {
      "self.val1 == duration('1h2m') + duration('3s4ms')": 4,
      'self.val1.getHours() == 1': 4,
      'type(self.val1) == google.protobuf.Duration': 4,
      'self.val2.getDate() == 16': 4,
      "self.val3 == timestamp('2011-08-18T00:00:00.000+01:00') + duration('19h3m37s10ms')": 4,
      "self.val3.getDate('01:00') == 18": 4,
    },
  },
  {
    name: 'conversions',
    data: numbered<unknown>(
      10,
      10.0,
      10.5,
      '10',
      'MTA=',
      '3723.004s',
      '1h2m3s4ms',
      '2011-08-18T18:03:37.01Z',
      '2011-08-18T19:03:37.01+01:00',
    ),
    schema: object(
      numbered(integer, number, number, string, byte, string, format('duration'), string, format('date-time')),
    ),
    costs: {
      'int(self.val2) == self.val1': 6,
      'bytes(self.val4) == self.val5': 6,
      'string(self.val1) == self.val4': 6,
      "string(self.val3) == '10.5'": 4,
      'string(self.val5) == self.val4': 6,
      'duration(self.val6) == self.val7': 6,
      'timestamp(self.val8) == self.val9': 6,
    },
  },
  {
    name: 'enumerations',
    data: { enumStr: 'Pending' },
    schema: object({ enumStr: { type: 'string', enum: ['Pending', 'Available'] } }),
    costs: { "self.enumStr == 'Pending'": 3, "self.enumStr in ['Pending', 'Available']": 2 },
  },
  {
    name: 'lists',
    data: numbered([1, 2, 3], [1, 2, 3]),
    schema: object(numbered(list(integer), list(integer))),
    costs: {
      '1 in self.val1': 5,
      'self.val2[0] in self.val1': 8,
      '!(0 in self.val1)': 6,
      'self.val1 + self.val2 == [1, 2, 3, 1, 2, 3]': 6,
      'self.val1 + [4, 5] == [1, 2, 3, 4, 5]': 4,
    },
  },
  {
    name: 'sets',
    data: numbered(['a', 'b', 'c'], ['a', 'c', 'b']),
    schema: object(numbered(set(string), set(string))),
    costs: {
      "self.val1 == ['c', 'b', 'a']": 3,
      'self.val1 == self.val2': 5,
      "'a' in self.val1": 5,
      'self.val2[0] in self.val1': 8,
      "self.val1 + self.val2 == ['a', 'b', 'c']": 6,
      "self.val1 + ['c', 'd'] == ['a', 'b', 'c', 'd']": 4,
    },
  },
  {
    name: 'lists of type map',
    data: {
      objs: [
        [
          { k: 'a', v: '1' },
          { k: 'b', v: '2' },
        ],
        [
          { k: 'b', v: '2' },
          { k: 'a', v: '1' },
        ],
        [
          { k: 'b', v: '3' },
          { k: 'a', v: '1' },
        ],
        [{ k: 'c', v: '4' }],
      ],
    },
    schema: object({ objs: list(listMap(['k'], object({ k: string, v: string }))) }),
    costs: {
      'self.objs[0] == self.objs[1]': 7,
      'self.objs[0] + self.objs[2] == self.objs[2]': 11,
      'self.objs[2] + self.objs[0] == self.objs[0]': 11,
      'self.objs[0] == [self.objs[0][0], self.objs[0][1]]': 22,
      'self.objs[0] == [self.objs[0][1], self.objs[0][0]]': 22,
      'self.objs[2] + [self.objs[0][0], self.objs[0][1]] == self.objs[0]': 26,
      'size(self.objs[0] + [self.objs[3][0]]) == 3': 20,
    },
  },
  {
    name: 'maps',
    data: numbered({ k1: 'a', k2: 'b' }, { k2: 'b', k1: 'a' }),
    schema: object(numbered(map(string), map(string))),
    costs: {
      'self.val1 == self.val2': 5,
      "'k1' in self.val1": 3,
      "!('k3' in self.val1)": 4,
      "self.val1 == {'k1': 'a', 'k2': 'b'}": 3,
    },
  },
  {
    name: 'objects',
    data: { a: { b: 1, d: null }, a1: { b1: { c1: 4 } }, a3: {} },
    schema: object({
      a: object({ b: integer, c: integer, d: nullable(integer) }),
      a1: object({ b1: object({ c1: integer }), d2: object({ e2: integer }) }),
    }),
    costs: {
      'has(self.a.b)': 2,
      'has(self.a1.b1.c1)': 3,
      '!(has(self.a1.d2) && has(self.a1.d2.e2))': 3,
      '!has(self.a1.d2)': 3,
      '!has(self.a.d)': 3,
    },
  },
  {
    name: 'steps into maps',
    data: { val: { b: 1, d: 2 } },
    schema: object({ val: map(integer) }),
    costs: {
      "!('a' in self.val)": 4,
      '!has(self.val.a)': 3,
      'has(self.val.b)': 2,
      'self.val.all(k, self.val[k] > 0)': 17,
      'self.val.exists_one(k, self.val[k] == 2)': 14,
      '!self.val.exists_one(k, self.val[k] > 0)': 17,
      'size(self.val) == 2': 4,
      'size(self.val.filter(k, self.val[k] > 1)) == 1': 26,
    },
  },
  {
    name: 'macros over lists of type map',
    data: {
      listMap: [
        { k: 'a1', v: 'b1' },
        { k: 'a2', v: 'b2' },
        { k: 'a3', v: 'b3', v2: 'z' },
      ],
    },
    schema: object({ listMap: listMap(['k'], object({ k: string, v: string, v2: string })) }),
    costs: {
      'has(self.listMap[0].v)': 3,
      "self.listMap.all(m, m.k.startsWith('a'))": 21,
      "self.listMap.all(m, !has(m.v2) || m.v2 == 'z')": 21,
      "self.listMap.exists(m, m.k.endsWith('1'))": 13,
      "self.listMap.exists_one(m, m.k == 'a3')": 15,
      "!self.listMap.all(m, m.k.endsWith('1'))": 18,
      "!self.listMap.exists(m, m.v == 'x')": 25,
      "!self.listMap.exists_one(m, m.k.startsWith('a'))": 20,
      "size(self.listMap.filter(m, m.k == 'a1')) == 1": 27,
      "self.listMap.exists(m, m.k == 'a1' && m.v == 'b1')": 16,
      "self.listMap.map(m, m.v).exists(v, v == 'b1')": 55,
      "self.listMap.exists(m, has(m.v2) && m.v2 == 'z')": 21,
      "!self.listMap.all(m, has(m.v2) && m.v2 != 'z')": 10,
      "self.listMap.exists_one(m, has(m.v2) && m.v2 == 'z')": 12,
      "self.listMap.filter(m, has(m.v2) && m.v2 == 'z').size() == 1": 24,
      "self.listMap.map(m, has(m.v2) && m.v2 == 'z', m.v2).size() == 1": 25,
      "self.listMap.filter(m, has(m.v2) && m.v2 == 'z').map(m, m.v2).size() == 1": 39,
      "self.listMap.exists(m, m.v2 == 'z')": 24,
      "!self.listMap.all(m, m.v2 != 'z')": 22,
    },
  },
  {
    name: 'macros over lists',
    data: { array: [1, 1, 2, 2, 3, 3, 4, 5] },
    schema: object({ array: list(integer) }),
    costs: {
      '2 in self.array': 10,
      'self.array.all(e, e > 0)': 43,
      'self.array.exists(e, e > 2)': 36,
      'self.array.exists_one(e, e > 4)': 22,
      '!self.array.all(e, e < 2)': 21,
      '!self.array.exists(e, e < 0)': 52,
      '!self.array.exists_one(e, e == 2)': 25,
      'size(self.array.filter(e, e%2 == 0)) == 3': 68,
      'self.array.map(e, e * 20).filter(e, e > 50).exists(e, e == 60)': 194,
    },
  },
  {
    name: 'what is known of every resource',
    data: { ...pod, spec: { field1: 'a' }, embedded: pod },
    schema: object({
      spec: object({ field1: string }),
      embedded: { type: 'object', 'x-kubernetes-embedded-resource': true },
    }),
    costs: {
      "self.kind == 'Pod'": 3,
      "self.metadata.name == 'foo'": 4,
      "self.metadata.generateName == 'pickItForMe'": 5,
      "self.spec.field1 == 'a'": 4,
      "self.embedded.kind == 'Pod'": 4,
      "self.embedded.metadata.name == 'foo'": 5,
      'has(self.embedded)': 1,
    },
  },
  {
    name: 'metadata of the schema',
    data: pod,
    schema: object({ kind: string, apiVersion: string, metadata }),
    costs: { "self.apiVersion == 'v1'": 3, "self.metadata.generateName == 'pickItForMe'": 5 },
  },
  {
    name: 'a string where an integer may be',
    data: { something: '25%' },
    schema: object({ something: intOrString }),
    costs: {
      "type(self.something) == int ? self.something == 1 : self.something == '25%'": 7,
      "type(self.something) == string && self.something == '25%'": 7,
      "self.something == '25%'": 3,
      'self.something != 1': 3,
      "self.something == 1 || self.something == '25%'": 6,
      "self.something == '25%' || self.something == 1": 3,
      "self.something != ['anything']": 3,
    },
  },
  {
    name: 'percentages',
    data: { min: '50%', current: 5, available: 10, nothing: null },
    schema: object({ min: intOrString, current: integer, available: integer, nothing: nullable(intOrString) }),
    costs: {
      '!has(self.nothing)': 2,
      [String.raw`type(self.min) == string && self.min.matches(r'(\d+(\.\d+)?%)')`]: 10,
      "type(self.min) == int ? self.current <= self.min : double(self.current) / double(self.available) >= double(self.min.replace('%', '')) / 100.0": 17,
    },
  },
  {
    name: 'unknown fields',
    data: {
      withUnknown: { field1: 'a', field2: 'b' },
      withUnknownList: [{ f: 'a' }, { f: 'x' }, { f: 'x' }, {}, {}],
      known: [
        { known: 1, u: 'a' },
        { known: 1, u: 'b' },
        { known: 1, u: 'b' },
        { known: 1 },
        { known: 1 },
        { known: 2 },
      ],
    },
    schema: object({
      withUnknown: { ...unknown, type: 'object' },
      withUnknownList: list({ ...unknown, type: 'object' }),
      known: list({ ...unknown, ...object({ known: integer }) }),
    }),
    costs: {
      'has(self.withUnknown)': 1,
      'self.withUnknownList.size() == 5': 4,
      'self.withUnknownList[0] != self.withUnknownList[1]': 7,
      'self.withUnknownList[1] == self.withUnknownList[2]': 7,
      'self.withUnknownList[3] == self.withUnknownList[4]': 6,
      'self.known[1] == self.known[2]': 7,
      'self.known[0] != self.known[1]': 7,
      'self.known[0] != self.known[3]': 7,
      'self.known[3] == self.known[4]': 7,
      'self.known[4] != self.known[5]': 7,
    },
  },
  {
    name: 'null',
    data: { unset: 'default value', set: 'v3', toNull: null, m: { a: null, b: 'x' } },
    schema: object({
      plain: string,
      unset: { type: 'string', default: 'default value' },
      set: nullable(string),
      toNull: nullable(string),
      m: map(nullable(string)),
    }),
    costs: {
      '!has(self.plain)': 2,
      "has(self.unset) && self.unset == 'default value'": 5,
      "has(self.set) && self.set == 'v3'": 4,
      'type(self.set) != null_type': 4,
      '!has(self.toNull)': 2,
      'self.m.size() == 2': 4,
      "'a' in self.m": 3,
      "type(self.m['a']) == null_type": 5,
      'type(self) == type(self)': 5,
    },
  },
  {
    name: 'fields whose names are escaped',
    data: {
      objs: [
        [
          { 'k!': 'a', 'k.': '1' },
          { 'k!': 'b', 'k.': '2' },
        ],
        [
          { 'k!': 'b', 'k.': '2' },
          { 'k!': 'a', 'k.': '1' },
        ],
      ],
    },
    schema: object({ objs: list(listMap(['k.'], object({ 'k!': string, 'k.': string }))) }),
    costs: { 'self.objs[0] == self.objs[1]': 7, "self.objs[0][0].k__dot__ == '1'": 6 },
  },
  {
    name: 'types within types',
    data: { mapOfMap: { x: { y: 'b' } }, mapOfObj: { k: { f: 'c' } }, listOfListMap: [[{ k3: '3', v3: 'i' }]] },
    schema: object({
      mapOfMap: map(map(string)),
      mapOfObj: map(object({ f: string })),
      listOfListMap: list(listMap(['k3'], object({ k3: string, v3: string }))),
    }),
    costs: {
      "self.mapOfMap['x']['y'] == 'b'": 5,
      "self.mapOfObj['k'].f == 'c'": 5,
      "self.listOfListMap[0].exists(e, e.k3 == '3' && e.v3 == 'i')": 14,
    },
  },
  {
    name: 'optionals',
    data: { obj: { field: 'a' }, m: { k: 'v' }, l: ['a'] },
    schema: object({ obj: object({ field: string, absentField: string }), m: map(string), l: list(string) }),
    costs: {
      "optional.of('a') != optional.of('b')": 3,
      "optional.of('a').hasValue()": 2,
      "optional.of('a').or(optional.of('a')).hasValue()": 2,
      "optional.none().or(optional.of('a')).hasValue()": 3,
      "optional.of('a').optMap(v, v == 'value').hasValue()": 8,
      "self.obj.?field == optional.of('a')": 5,
      'self.obj.?absentField == optional.none()': 4,
      "self.obj.?field.orValue('v') == 'a'": 4,
      "self.m[?'k'] == optional.of('v')": 5,
      "self.l[?0] == optional.of('a')": 5,
      'optional.ofNonZeroValue(1).hasValue()': 2,
    },
  },
]

for (const group of groups)
  suite(group.name, () => {
    for (const [rule, cost] of Object.entries(group.costs)) test(rule, () => check(group, rule, cost))
  })
