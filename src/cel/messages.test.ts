// What the checker says about expressions that are wrong, letter for letter as upstream says it.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { compile, kubernetes } from './kubernetes.ts'
import { declare, objectsOf, type Schema } from './schema.ts'

const schema: Schema = {
  type: 'object',
  properties: {
    i: { type: 'integer' },
    s: { type: 'string' },
    d: { type: 'number' },
    l: { type: 'array', items: { type: 'string' } },
    m: { type: 'object', additionalProperties: { type: 'integer' } },
    o: { type: 'object', properties: { x: { type: 'boolean' } } },
    any: { 'x-kubernetes-int-or-string': true },
  },
}
const self = declare(schema, 'self') ?? assert.fail()
const environment = kubernetes.extend({ variables: { self: self.type }, objects: objectsOf(self) })

/** The messages alone, each as LINE:COLUMN: MESSAGE. */
const messagesOf = (expression: string): string[] =>
  (compile(expression, environment).error ?? '')
    .split('\n')
    .filter(line => line.startsWith('ERROR'))
    .map(line => line.slice('ERROR: <input>:'.length))

const table = {
  formats: {
    "'%d'.format([self.s])": [
      '1:18: error during formatting: decimal clause can only be used on integers, was given string',
    ],
    "'%f'.format([self.i])": [
      '1:18: error during formatting: fixed-point clause can only be used on doubles, was given int',
    ],
    "'%x %o'.format([self.s, 'a'])": [
      '1:25: error during formatting: octal clause can only be used on integers, was given string',
    ],
    "'%s'.format([self.o])": [
      '1:18: error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given self.o',
    ],
    "'%s'.format([[ip(self.s)]])": [
      '1:17: error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given net.IP',
    ],
    "'%s %s'.format([self.s])": ['1:15: index 1 out of range'],
    "'%s'.format([self.s, self.s])": ['1:12: too many arguments supplied to string.format (expected 1, got 2)'],
    "'%'.format([])": ['1:11: unexpected end of string'],
    "'%j'.format([1])": ['1:12: could not parse formatting clause: unrecognized formatting clause "j"'],
    "'%é'.format([1])": ['1:12: could not parse formatting clause: unrecognized formatting clause "Ã"'],
    "'%S'.format([1])": ['1:12: could not parse formatting clause: unrecognized formatting clause "S"'],
    "'%5d'.format([1])": ['1:13: could not parse formatting clause: unrecognized formatting clause "5"'],
    "'%.5'.format([1])": [
      '1:13: could not parse formatting clause: error while parsing precision: could not find end of precision specifier',
    ],
    "'%.f'.format([1.0])": [
      '1:13: could not parse formatting clause: error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax',
    ],
    "'%% %X %s'.format([self.s, self.any])": [],
  },
  names: {
    foo: ["1:1: undeclared reference to 'foo' (in container '')"],
    'self.foo': ["1:5: undefined field 'foo'"],
    'self.o.foo.bar': ["1:7: undefined field 'foo'"],
    'foo(self)': ["1:4: undeclared reference to 'foo' (in container '')"],
    'self.s.foo()': ["1:11: undeclared reference to 'foo' (in container '')"],
    'self.i.foo': ["1:7: type 'int' does not support field selection"],
    'self.l.foo': ["1:7: type 'list(string)' does not support field selection"],
    'has(self.foo)': ["1:4: undefined field 'foo'"],
    'Foo{a: 1}': ["1:4: undeclared reference to 'Foo' (in container '')"],
    'int{a: 1}': ["1:4: 'int' is not a message type"],
    'self.l.all(x, y)': ["1:15: undeclared reference to 'y' (in container '')"],
  },
  'mixed literals': {
    '[self.i, self.s]': ["1:14: expected type 'int' but found 'string'"],
    '[self.i, self.any, self.s]': ["1:14: expected type 'int' but found 'dyn'"],
    '[self.i, self.any, self.any]': ["1:14: expected type 'int' but found 'dyn'"],
    '[self.any, 1]': ["1:12: expected type 'dyn' but found 'int'"],
    '[self.any, self.any]': [],
    '[[1], [], [2]]': [],
    '[[1], [self.any]]': ["1:7: expected type 'list(int)' but found 'list(dyn)'"],
    '[timestamp(self.s), null]': ["1:21: expected type 'timestamp' but found 'null'"],
    '{"a": 1, self.any: self.any}': [
      "1:14: expected type 'string' but found 'dyn'",
      "1:24: expected type 'int' but found 'dyn'",
    ],
    '{"a": 1, ?"b": optional.of(2)} == {?"a": optional.none(), "b": 1}': [],
    '[?optional.of(1), 2, ?optional.none()].size()': [],
    "'%s %d'.format([self.any, 1]) + '%s'.format([[self.any, 1]])": [],
    "'%s'.format([size([self.any, 1])])": ["1:30: expected type 'dyn' but found 'int'"],
  },
  sorting: {
    '"a".sortBy(e, e)': [
      '1:1: sortBy can only be applied to a list, identifier, comprehension, call or select expression',
    ],
    'self.l.sortBy(1, e)': ['1:15: argument is not an identifier'],
    'self.l.sort().sortBy(e, [e])': [
      "1:21: found no matching overload for '@sortByAssociatedKeys' applied to 'list(string).(list(list(string)))'",
    ],
    '[self.o].sort()': ["1:14: found no matching overload for 'sort' applied to 'list(self.o).()'"],
  },
  overloads: {
    'self.i + self.s': ["1:8: found no matching overload for '_+_' applied to '(int, string)'"],
    'self.i + self.d': ["1:8: found no matching overload for '_+_' applied to '(int, double)'"],
    'self.i == self.s': ["1:8: found no matching overload for '_==_' applied to '(int, string)'"],
    '-self.s': ["1:1: found no matching overload for '-_' applied to '(string)'"],
    '!self.i': ["1:1: found no matching overload for '!_' applied to '(int)'"],
    'self.s.startsWith(1)': ["1:18: found no matching overload for 'startsWith' applied to 'string.(int)'"],
    'startsWith(self.s, "a")': ["1:11: found no matching overload for 'startsWith' applied to '(string, string)'"],
    'size(self.i)': ["1:5: found no matching overload for 'size' applied to '(int)'"],
    'self.l["a"]': ["1:7: found no matching overload for '_[_]' applied to '(list(string), string)'"],
    'self.m[1]': ["1:7: found no matching overload for '_[_]' applied to '(map(string, int), int)'"],
    '1 in self.l': ["1:3: found no matching overload for '@in' applied to '(int, list(string))'"],
    'self.o == self.m': ["1:8: found no matching overload for '_==_' applied to '(self.o, map(string, int))'"],
    'self.l.sum()': ["1:11: found no matching overload for 'sum' applied to 'list(string).()'"],
    'quantity(1)': ["1:9: found no matching overload for 'quantity' applied to '(int)'"],
    'self.i ? 1 : 2': ["1:8: found no matching overload for '_?_:_' applied to '(int, int, int)'"],
    'true ? 1 : "a"': ["1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'"],
    'optional.of(1).orValue("a")': [
      "1:23: found no matching overload for 'orValue' applied to 'optional_type(int).(string)'",
    ],
  },
  types: {
    'self.i && true': ["1:5: expected type 'bool' but found 'int'"],
    'self.i || self.s': ["1:5: expected type 'bool' but found 'int'", "1:15: expected type 'bool' but found 'string'"],
    '[1, "a"]': ["1:5: expected type 'int' but found 'string'"],
    '{"a": 1, "b": "c"}': ["1:15: expected type 'int' but found 'string'"],
    '{1: 1, "b": 1}': ["1:8: expected type 'int' but found 'string'"],
    '[?self.i]': ["1:7: expected type 'optional_type(int)' but found 'int'"],
    'self.l.all(x, x)': ["1:15: expected type 'bool' but found 'string'"],
    'self.i.all(x, true)': [
      "1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
    ],
  },
  macros: {
    'has(self)': ['1:5: invalid argument to has() macro'],
    'self.l.all(1, true)': ['1:12: argument is not an identifier'],
    'self.l.all(i, 1, true)': ['1:15: argument must be a simple name'],
    'self.m.all(k, k, true)': ['1:15: duplicate variable name: k'],
    'self.l.map(__result__, 1)': ['1:12: iteration variable overwrites accumulator variable'],
    'optional.of(1).optMap(1, 2)': ['1:23: optMap() variable name must be a simple identifier'],
  },
  constants: {
    'duration("x") == duration("1s")': ['1:10: invalid duration argument'],
    'timestamp("x") == timestamp("x")': ['1:11: invalid timestamp argument', '1:29: invalid timestamp argument'],
    'self.s.matches("(")': ['1:16: invalid matches argument'],
    '9223372036854775808': ['1:1: invalid int literal'],
    '18446744073709551616u': ['1:1: invalid uint literal'],
  },
  syntax: {
    '': [
      "1:0: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
    ],
    'self.i >': [
      "1:9: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
    ],
    '(self.i': ["1:8: Syntax error: missing ')' at '<EOF>'"],
    'self.l[0': ["1:9: Syntax error: missing ']' at '<EOF>'"],
    '[1, 2': ["1:6: Syntax error: mismatched input '<EOF>' expecting {']', ','}"],
    'self.i self.s': ["1:8: Syntax error: mismatched input 'self' expecting <EOF>"],
    'self.i = 1': [
      "1:8: Syntax error: token recognition error at: '= '",
      "1:10: Syntax error: extraneous input '1' expecting <EOF>",
    ],
    'Bad Value!': ["1:5: Syntax error: mismatched input 'Value' expecting <EOF>"],
    "'a'x": ["1:4: Syntax error: extraneous input 'x' expecting <EOF>"],
    "[JSONPatch{op: 'remove', path: '/a'}]x": ["1:38: Syntax error: extraneous input 'x' expecting <EOF>"],
    'object.(': ["1:8: Syntax error: no viable alternative at input '.('"],
    '(': [
      "1:2: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
    ],
    'true ? 1': ["1:9: Syntax error: mismatched input '<EOF>' expecting ':'"],
    'self.s == "abc': [
      "1:11: Syntax error: token recognition error at: '\"abc'",
      "1:15: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
    ],
    while: ['1:1: reserved identifier: while'],
  },
} as const satisfies Record<string, Record<string, readonly string[]>>

for (const [name, rows] of Object.entries(table))
  suite(name, () => {
    for (const [expression, messages] of Object.entries(rows) as [string, readonly string[]][])
      test(expression, () => assert.deepEqual(messagesOf(expression), messages))
  })

test('all faults are reported, in their order, each with its line and a caret', () => {
  const { error } = compile('self.a ||\n\tself.b || "é" + 1 == "ü"', environment)
  assert.equal(
    error,
    [
      "ERROR: <input>:1:5: undefined field 'a'",
      ' | self.a ||',
      ' | ....^',
      "ERROR: <input>:2:6: undefined field 'b'",
      ' |  self.b || "é" + 1 == "ü"',
      ' | .....^',
      "ERROR: <input>:2:16: found no matching overload for '_+_' applied to '(string, int)'",
      ' |  self.b || "é" + 1 == "ü"',
      ' | ............．..^',
    ].join('\n'),
  )
})

test('patterns of find are made with the program, and those of matches before', () => {
  const unexpected = 'error parsing regexp: unexpected ): `)`'
  const made = { error: unexpected, foundBy: 'program instantiation' }
  assert.deepEqual(compile('self.s.find(")") == "a"', environment), made)
  assert.deepEqual(compile('self.s.findAll(")", 1) == []', environment), made)
  const { error, foundBy } = compile('self.s.matches(")")', environment) as typeof made
  assert.equal(error.split('\n')[0], 'ERROR: <input>:1:16: invalid matches argument')
  assert.equal(foundBy, 'compilation')
})

test('beyond a hundred, faults are counted', () => {
  const { error } = compile(Array.from({ length: 150 }, (_, i) => `x${i}`).join(' || '), environment)
  assert.equal(error?.split('\n').at(-1), '50 more errors were truncated')
})
