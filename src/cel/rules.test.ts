// Rules on data with a schema, by the cases of upstream's tests: what holds, and what fails with which words.
// Source: apiextensions-apiserver pkg/apiserver/schema/cel/validation_test.go, TestValidationExpressions.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { adapt, compile, declare, Failure, kubernetes, objectsOf, type Schema } from './index.ts'

interface Group {
  readonly schema: Schema
  readonly data: unknown
  readonly isRoot?: boolean
  readonly true?: readonly string[]
  /** What the message of a failure or of the compiler contains, by rule. */
  readonly failures?: Readonly<Record<string, string>>
}

const object = (properties: Record<string, Schema>): Schema => ({ type: 'object', properties })
const map = (additionalProperties: Schema): Schema => ({ type: 'object', additionalProperties })
const list = (items: Schema): Schema => ({ type: 'array', items })
const set = (items: Schema): Schema => ({ ...list(items), 'x-kubernetes-list-type': 'set' })
const listMap = (keys: readonly string[], items: Schema): Schema => ({
  ...list(items),
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [...keys],
})
const nullable = (schema: Schema): Schema => ({ ...schema, nullable: true })
const integer: Schema = { type: 'integer' }
const number: Schema = { type: 'number' }
const string: Schema = { type: 'string' }
const bytes: Schema = { type: 'string', format: 'byte' }
const duration: Schema = { type: 'string', format: 'duration' }
const date: Schema = { type: 'string', format: 'date' }
const dateTime: Schema = { type: 'string', format: 'date-time' }
const intOrString: Schema = { 'x-kubernetes-int-or-string': true }
const unknown: Schema = { 'x-kubernetes-preserve-unknown-fields': true }

const reserved =
  'true false null in as break const continue else for function if import let loop package namespace return var void while'
const harmless = 'int uint double bool string bytes list map null_type type self getDate all _true'

const groups: Readonly<Record<string, Group>> = {
  numbers: {
    schema: object({ i: integer, n: number, whole: number }),
    data: { i: 10, n: 10.5, whole: 10 },
    true: [
      'type(self.whole) == double && self.whole == 10.0',
      'double(self.i) == self.whole && int(self.n) == self.i && self.i < 11',
      "string(self.n) == '10.5' && string(self.whole) == '10'",
    ],
    failures: { '9223372036854775807 + self.i == 0': 'integer overflow', '1 / 0 == 1 / 0': 'division by zero' },
  },
  'formats of strings': {
    schema: object({ bytes, duration, date, dateTime, text: string }),
    data: {
      bytes: 'QUI=',
      duration: '1h2m3s4ms',
      date: '1997-07-16',
      dateTime: '2011-08-18T19:03:37.010000000+01:00',
      text: '2011-08-18T19:03:37.01+01:00',
    },
    true: [
      "self.bytes == b'AB' && size(self.bytes) == 2 && type(self.bytes) == bytes",
      "self.duration == duration('1h2m') + duration('3s4ms') && string(self.duration) == '3723.004s'",
      'self.duration.getMinutes() == 62 && self.duration.getMilliseconds() == 3723004',
      "self.date == timestamp('1997-07-16T00:00:00.000Z') && string(self.date) == '1997-07-16T00:00:00Z'",
      "self.dateTime == timestamp('2011-08-18T00:00:00.000+01:00') + duration('19h3m37s10ms')",
      "self.dateTime.getHours('01:00') == 19 && self.dateTime.getHours('UTC') == 18",
      'string(self.dateTime) == self.text && timestamp(self.text) == self.dateTime',
      'type(self.date) == google.protobuf.Timestamp',
    ],
  },
  'lists, sets and lists with keys': {
    schema: object({
      list: list(integer),
      set: set(string),
      same: set(string),
      keyed: list(listMap(['k'], object({ k: string, v: string }))),
    }),
    data: {
      list: [1, 2, 3],
      set: ['a', 'b', 'c'],
      same: ['a', 'c', 'b'],
      keyed: [
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
      ],
    },
    true: [
      'self.list + [4, 5] == [1, 2, 3, 4, 5] && !(0 in self.list)',
      "self.set == ['c', 'b', 'a'] && self.set == self.same && self.set + ['c', 'd'] == ['a', 'b', 'c', 'd']",
      'self.keyed[0] == self.keyed[1] && self.keyed[0] != self.keyed[2]',
      'self.keyed[0] + self.keyed[2] == self.keyed[2] && self.keyed[2] + self.keyed[0] == self.keyed[0]',
      'self.keyed[0] == [self.keyed[0][1], self.keyed[0][0]]',
    ],
    failures: {
      "self.keyed[0] == {'k': 'a', 'v': '1'}": "no matching overload for '_==_'",
      "self.keyed[0][0] == {'k': 'a', 'v': '1'}": "found no matching overload for '_==_'",
      'self.list[100] == 0': 'index out of bounds: 100',
    },
  },
  'fields that are absent': {
    schema: object({
      a: object({ b: integer, c: integer, d: nullable(integer) }),
      a1: object({ b1: object({ c1: integer }), d2: object({ e2: integer }) }),
    }),
    data: { a: { b: 1, d: null }, a1: { b1: { c1: 4 } } },
    true: [
      'has(self.a.b) && !has(self.a.c) && !has(self.a.d) && has(self.a1.b1.c1)',
      '!(has(self.a1.d2) && has(self.a1.d2.e2))',
    ],
    failures: {
      'has(self.a.z)': "undefined field 'z'",
      "self.a['b'] == 1": "no matching overload for '_[_]'",
      'has(self.a1.d2.e2)': 'no such key: d2',
      'self.a.d == 1': 'no such key: d',
      'self.a.b == null': "no matching overload for '_==_' applied to '(int, null)",
    },
  },
  'loops over elements that lack a field': {
    schema: object({ l: listMap(['k'], object({ k: string, v2: string })) }),
    data: { l: [{ k: 'a1' }, { k: 'a2' }, { k: 'a3', v2: 'z' }] },
    true: [
      "self.l.exists(m, m.v2 == 'z') && !self.l.all(m, m.v2 != 'z')",
      "self.l.map(m, has(m.v2) && m.v2 == 'z', m.v2).size() == 1",
      "self.l.exists_one(m, has(m.v2) && m.v2 == 'z')",
    ],
    failures: {
      "self.l.all(m, m.v2 == 'z')": 'no such key: v2',
      "self.l.exists_one(m, m.v2 == 'z')": 'no such key: v2',
      "self.l.filter(m, m.v2 == 'z').size() == 1": 'no such key: v2',
      'self.l.map(m, m.v2).size() == 1': 'no such key: v2',
      "self.l.map(m, m.v2 == 'z', m.v2).size() == 1": 'no such key: v2',
    },
  },
  'an object at the root': {
    isRoot: true,
    schema: object({ spec: object({ f: string }) }),
    data: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'n', generateName: 'g', namespace: 's' },
      spec: { f: 'a' },
    },
    true: [
      "self.kind == 'Pod' && self.apiVersion == 'v1' && self.metadata.name == 'n' && self.metadata.generateName == 'g'",
    ],
    failures: { 'has(self.metadata.namespace)': "undefined field 'namespace'" },
  },
  'an object within': {
    schema: object({
      o: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
    }),
    data: { o: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'n', namespace: 's' }, spec: {} } },
    true: ["has(self.o) && self.o.kind == 'Pod' && self.o.metadata.name == 'n'"],
    failures: {
      'has(self.o.metadata.namespace)': "undefined field 'namespace'",
      'has(self.o.spec)': "undefined field 'spec'",
    },
  },
  'int or string': {
    schema: object({
      s: intOrString,
      i: intOrString,
      absent: nullable(intOrString),
      current: integer,
      available: integer,
    }),
    data: { s: '50%', i: 1, absent: null, current: 5, available: 10 },
    true: [
      "self.s == '50%' && self.s != 1 && (self.s == 1 || self.s == '50%') && self.s != ['anything']",
      "self.i == 1 && self.i != 'x' && (self.i == '25%' || self.i == 1)",
      '!has(self.absent)',
      "type(self.s) == string && self.s.matches(r'(\\d+(\\.\\d+)?%)')",
      "type(self.s) == int ? self.current <= self.s : double(self.current) / double(self.available) >= double(self.s.replace('%', '')) / 100.0",
    ],
    failures: { 'type(self.absent) == int': 'no such key' },
  },
  'fields that are unknown': {
    schema: object({
      o: { ...object({ known: integer }), ...unknown },
      l: list({ ...object({ known: integer }), ...unknown }),
      values: list(unknown),
      entries: map(unknown),
      value: unknown,
    }),
    data: {
      o: { known: 1, x: 'a' },
      l: [{ known: 1, x: 'a' }, { known: 1, x: 'b' }, { known: 1, x: 'b' }, { known: 1 }, { known: 1 }, { known: 2 }],
      values: ['a', 2],
      entries: { k: '1' },
      value: 1,
    },
    true: [
      'self.o.known == 1 && self.l[0] != self.l[1] && self.l[1] == self.l[2] && self.l[0] != self.l[3]',
      'self.l[3] == self.l[4] && self.l[4] != self.l[5]',
    ],
    failures: {
      'has(self.o.x)': "undefined field 'x'",
      'has(self.values)': "undefined field 'values'",
      'has(self.entries)': "undefined field 'entries'",
      'has(self.value)': "undefined field 'value'",
    },
  },
  'null in containers': {
    schema: object({ m: map(nullable(string)), l: list(nullable(string)), s: set(nullable(string)) }),
    data: { m: { a: null, b: 'x' }, l: [null, 'x'], s: [null, 'x'] },
    true: ["'a' in self.m", ...["m['a']", 'l[0]', 's[0]'].map(at => `type(self.${at}) == null_type`)],
  },
  'names that are escaped': {
    schema: object(
      Object.fromEntries(
        `${reserved} ${harmless} dot.dot dash-dash slash/slash one_underscore two__underscores`
          .split(' ')
          .map(name => [name, integer]),
      ),
    ),
    data: Object.fromEntries(
      [
        ...`${reserved} ${harmless}`.split(' '),
        'dot.dot',
        'dash-dash',
        'slash/slash',
        'one_underscore',
        'two__underscores',
      ].map((name, i) => [name, i]),
    ),
    true: [
      ...reserved.split(' ').map((name, i) => `self.__${name}__ == ${i}`),
      ...harmless.split(' ').map((name, i) => `self.${name} == ${reserved.split(' ').length + i}`),
      'self.dot__dot__dot == 35 && self.dash__dash__dash == 36 && self.slash__slash__slash == 37',
      'self.one_underscore == 38 && self.two__underscores__underscores == 39',
    ],
    failures: {
      'self.true == 1': "mismatched input 'true' expecting IDENTIFIER",
      'self == 201': "found no matching overload for '_==_'",
      'self.__illegal__ == 301': "undefined field '__illegal__'",
    },
  },
  'keys that are not escaped': {
    schema: object({ m: map(integer) }),
    data: { m: { '@': 1, 9: 2, int: 3, './-': 4, '👑': 5 } },
    true: ["self.m['@'] == 1 && self.m['9'] == 2 && self.m['int'] == 3 && self.m['./-'] == 4 && self.m['👑'] == 5"],
    failures: { "self.m['c'] == 1": 'no such key: c' },
  },
  'names that cannot be escaped': {
    schema: object({ l: list(listMap(['k!', 'k.'], object({ 'k!': string, 'k.': string }))) }),
    data: {
      l: [
        [
          { 'k!': 'a', 'k.': '1' },
          { 'k!': 'b', 'k.': '2' },
        ],
        [
          { 'k!': 'b', 'k.': '2' },
          { 'k!': 'a', 'k.': '1' },
        ],
        [
          { 'k!': 'b', 'k.': '2' },
          { 'k!': 'c', 'k.': '1' },
        ],
        [
          { 'k!': 'b', 'k.': '2' },
          { 'k!': 'a', 'k.': '3' },
        ],
      ],
    },
    true: [
      "self.l[0] == self.l[1] && self.l[0][0].k__dot__ == '1'",
      'self.l[0] != self.l[2] && self.l[0] != self.l[3]',
    ],
    failures: { "self.l[0][0].k! == '1'": "Syntax error: mismatched input '!' expecting" },
  },
  'types of objects': {
    schema: object({ m: map(object({ f: integer })), l: list(object({ f: integer })) }),
    data: { m: { a: { f: 1 }, b: { f: 2 } }, l: [{ f: 1 }, { f: 2 }] },
    true: ["type(self) == type(self) && type(self.m['a']) == type(self.m['b']) && type(self.l[0]) == type(self.l[1])"],
    failures: { 'string(type(self.l[0])) == "x"': "found no matching overload for 'string' applied to '(type" },
  },
  'data that is not of the schema': {
    schema: object({
      o: object({ f: string }),
      m: map(string),
      l: list(string),
      s: set(string),
      keyed: listMap(['k'], object({ k: string })),
      either: intOrString,
      values: list(string),
    }),
    data: { o: [], m: [], l: {}, s: {}, keyed: {}, either: true, values: [null] },
    failures: {
      'has(self.o)': 'invalid data, expected a map for the provided schema with type=object',
      'has(self.m)': 'invalid data, expected a map for the provided schema with type=object',
      'has(self.l)': 'invalid data, expected an array for the provided schema with type=array',
      'has(self.s)': 'invalid data, expected an array for the provided schema with type=array',
      'has(self.keyed)': 'invalid data, expected an array for the provided schema with type=array',
      'has(self.either)': 'invalid data, expected XIntOrString value to be either a string or integer',
      "self.values[0] == 'x'": 'invalid data, got null for schema with nullable=false',
    },
  },
  'functions of lists': {
    schema: object({
      none: list(integer),
      noneOfTime: list(duration),
      ints: list(integer),
      doubles: list(number),
      durations: list(duration),
      dates: list(date),
      objects: list(object({ f: string })),
    }),
    data: {
      none: [],
      noneOfTime: [],
      ints: [1, 2, 2, 3],
      doubles: [1, 2, 2, 3],
      durations: ['1s', '1m', '1m', '1h'],
      dates: ['2000-01-01', '2000-02-01', '2000-02-01', '2010-01-01'],
      objects: [{ f: 'a' }, { f: 'b' }, { f: 'b' }],
    },
    true: [
      'self.ints.sum() == 8 && self.doubles.sum() == 8.0 && self.none.sum() == 0 && ([0] + self.none).min() == 0',
      'self.doubles.indexOf(2.0) == 1 && self.doubles.lastIndexOf(2.0) == 2 && self.doubles.indexOf(9.0) == -1',
      "self.durations.sum() == duration('1h2m1s') && self.noneOfTime.sum() == duration('0')",
      "self.durations.min() == duration('1s') && self.durations.lastIndexOf(duration('1m')) == 2",
      "self.dates.isSorted() && self.dates.max() == timestamp('2010-01-01T00:00:00Z')",
      'self.objects.indexOf(self.objects[1]) == 1 && self.objects.lastIndexOf(self.objects[1]) == 2',
      'dyn([]).sum() == 0 && dyn([1, 2]).sum() == 3 && dyn([1.0, 2.0]).sum() == 3.0',
    ],
    failures: {
      'self.none.max() == 3': 'max called on empty list',
      "['a', 'b'].sum() == 'c'": "found no matching overload for 'sum' applied to 'list(string).()",
      '[[1], [2]].min() == [1]': "found no matching overload for 'min' applied to 'list(list(int)).()'",
      "[{'a': 1}].max() == {'b': 2}": "found no matching overload for 'max' applied to 'list(map(string, int)).()",
    },
  },
}

/** `true`, `false`, or the message. */
function outcomeOf({ schema, data, isRoot = false }: Group, rule: string): unknown {
  const self = declare(schema, 'self', isRoot) ?? assert.fail('the schema declares nothing')
  const environment = kubernetes.extend({ variables: { self: self.type }, objects: objectsOf(self) })
  const compiled = compile(rule, environment)
  if (compiled.error !== undefined) return compiled.error
  const { value } = compiled.program.evaluate({ self: adapt(data, schema, isRoot) })
  return value instanceof Failure ? value.message : value
}

for (const [name, group] of Object.entries(groups))
  suite(name, () => {
    for (const rule of group.true ?? []) test(rule, () => assert.equal(outcomeOf(group, rule), true))
    for (const [rule, message] of Object.entries(group.failures ?? {}))
      test(rule, () => {
        const outcome = outcomeOf(group, rule)
        assert.ok(typeof outcome === 'string' && outcome.includes(message), String(outcome))
      })
  })
