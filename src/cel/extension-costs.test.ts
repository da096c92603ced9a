// What functions that make lists and macros of two variables cost, by estimate and at run time, against the numbers of
// upstream's own tests.
// Source: cel-go ext/lists_test.go, TestListsCosts; ext/comprehensions_test.go, TestTwoVarComprehensionsCost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adaptUntyped } from './adapt.ts'
import { callCosts } from './call-costs.ts'
import { compileWith } from './compilation.ts'
import { Environment } from './environment.ts'
import { estimateCost } from './estimate.ts'
import { estimatorWith } from './estimator.ts'
import type { Library } from './functions.ts'
import { bindings, twoVariables } from './library/comprehensions.ts'
import { listTransforms } from './library/list-transforms.ts'
import { optionals } from './library/optionals.ts'
import { standard } from './library/standard.ts'
import * as t from './types.ts'

interface Variable {
  readonly type: t.Type
  readonly value: unknown
  /** The largest size, for estimates; and that of its parts. */
  readonly limit?: number
  readonly parts?: Readonly<Record<string, number>>
}

const full = (1n << 64n) - 1n

type Row = readonly [
  expression: string,
  min: number | bigint,
  max: number | bigint,
  actual: number,
  variables?: Readonly<Record<string, Variable>>,
]

const [ints, strings] = [t.list(t.int), t.list(t.string)]
const bounds = { x: { type: t.int, value: 1 }, y: { type: t.int, value: 3 } }
const pairs = { type: t.map(t.string, t.int), value: { 'legacy-solo': 1, 'legacy-pair': 2 }, limit: 5 }
const seven = { type: ints, value: [1, 2, 3, 4, 5, 6, 7], limit: 10 }

const lists: readonly Row[] = [
  ['lists.range(4) == [0, 1, 2, 3]', 26, 26, 26],
  ['lists.range(4 / 2) == [0, 1]', full, full, 25],
  ['lists.range(x) == [0, 1, 2, 3, 4]', full, full, 28, { x: { type: t.int, value: 5, limit: 10 } }],
  ['[[1, 2], 3].flatten(1) == [1, 2, 3]', 44, 44, 44],
  ['[[1, 2], 3].flatten(2) == [1, 2, 3]', 46, 46, 46],
  ['[[1, 2], 3].flatten(3) == [1, 2, 3]', 48, 48, 48],
  ['[[1], 2, 3].flatten() == [1, 2, 3]', 45, 45, 45],
  ['x.flatten() == [1, 2, 3]', 23, 26, 26, { x: { type: t.list(t.dyn), value: [[1], 2, 3], limit: 3 } }],
  ['[[1, 2], 3].flatten(x) == [1, 2, 3]', full, full, 53, { x: { type: t.int, value: 5, limit: 10 } }],
  ['[1, 2, 3].distinct() == [1, 2, 3]', 50, 50, 50],
  ['[1, 1, 1].distinct() == [1]', 50, 50, 50],
  ["x.distinct() == ['hello']", 23, 41, 31, { x: { type: strings, value: ['hello', 'hello'], limit: 3 } }],
  ['[1, 2, 3, 4, 5].slice(x, y) == [2, 3]', 39, 39, 36, bounds],
  ['z.slice(1, 3) == [2, 3]', 25, 25, 25, { z: seven }],
  ['z.slice(x, y) == [2, 3]', 35, 35, 27, { ...bounds, z: seven }],
  ['[1, 2, 3].slice(1, 3) == [2, 3]', 34, 34, 34],
  ['[3, 2, 1].reverse() == [1, 2, 3]', 35, 35, 35],
  ['x.reverse() == [1, 2, 3]', 23, 28, 26, { x: { type: ints, value: [3, 2, 1], limit: 5 } }],
  ['[2, 3, 1].sort() == [1, 2, 3]', 50, 50, 50],
  ['x.sort() == [1, 2, 3]', 23, 73, 41, { x: { type: ints, value: [3, 2, 1], limit: 5 } }],
  [
    'x.sort() == ["a", "a", "b", "b", "c", "c"]',
    23,
    233,
    98,
    { x: { type: strings, value: ['b', 'a', 'b', 'a', 'c', 'c'], limit: 10 } },
  ],
  ['x.sort() == []', 22, 222, 22, { x: { type: ints, value: [], limit: 10 } }],
  ["[{'x': 4}, {'x': 3}].sortBy(m, m['x']) == [{'x': 3}, {'x': 4}]", 211, 211, 211],
  [
    "x.sortBy(m, m['x']) == [{'x': 3}, {'x': 4}]",
    106,
    226,
    142,
    { x: { type: t.list(t.dyn), value: [{ x: 4 }, { x: 3 }], limit: 5 } },
  ],
  [
    "x.sortBy(m, m['x']) == [{'x': 'a'}, {'x': 'b'}, {'x': 'c'}]",
    136,
    197,
    196,
    { x: { type: t.list(t.map(t.string, t.string)), value: [{ x: 'b' }, { x: 'c' }, { x: 'a' }], limit: 3 } },
  ],
]

const comprehensions: readonly Row[] = [
  ['[1, 2, 3, 4].all(i, v, i < 5 && v > 0)', 23, 39, 39],
  ['{1: 1, 2: 2, 3: 3}.all(i, v, i < 5 && v > 0)', 40, 52, 52],
  ['!{0: 0}.all(i, v, i < 5 && v > 0)', 35, 39, 39],
  [
    'm.all(k, v, k < v)',
    2,
    23,
    14,
    {
      m: {
        type: t.map(t.string, t.string),
        value: { he: 'hello', go: 'goodbye' },
        limit: 3,
        parts: { '@keys': 16, '@values': 128 },
      },
    },
  ],
  ['[].transformList(i, v, v) == []', 31, 31, 31],
  ['[1].transformList(i, v, i) == [0]', 45, 45, 45],
  ['[3, 2, 1].transformList(i, v, v > i, v) == [3, 2]', 44, 80, 67],
  ['[].transformMap(k, v, v + 1) == {}', 71, 71, 71],
  ['{}.transformMap(k, v, v + 1) == {}', 91, 91, 91],
  ['{1: 2}.transformMap(k, v, v + 1) == {1: 3}', 97, 97, 97],
  ['cel.bind(m, {"hello": "hello"}, m.transformMap(k, v, v + "world")) == {"hello": "helloworld"}', 108, 108, 108],
  ['{1: 2, 3: 4, 5: 6}.transformMap(k, v, k % 3 == 0, v + 1) == {3: 5}', 104, 116, 106],
  [
    "m.transformMap(k, v, k.startsWith('legacy') && v.size() == 1, v + [2]) == {'legacy-solo': [1, 2]}",
    73,
    173,
    100,
    {
      m: {
        type: t.map(t.string, ints),
        value: { 'legacy-solo': [1], 'legacy-pair': [3, 2] },
        limit: 5,
        parts: { '@keys': 16, '@values': 10, '@values.@items': 2 },
      },
    },
  ],
  ['{1: 2}.transformMapEntry(k, v, {v: k}) == {2: 1}', 126, 126, 126],
  [
    'm.transformMapEntry(k, v, {v: k}) == m.transformMapEntry(k, v, {v: k})',
    65,
    405,
    201,
    { m: { ...pairs, parts: { '@keys': 16, '@values': 10 } } },
  ],
]

function check(libraries: readonly Library[], [expression, min, max, actual, variables = {}]: Row): void {
  const each = Object.entries(variables)
  const environment = new Environment({
    libraries,
    variables: Object.fromEntries(each.map(([name, { type }]) => [name, type])),
  })
  // Upstream's tests run without folding constants.
  const compiled = compileWith(expression, environment, { costs: callCosts, fold: false })
  if (compiled.error !== undefined) assert.fail(compiled.error)
  const estimator = estimatorWith(({ path }) => {
    const [name, ...steps] = path ?? []
    const variable = name === undefined ? undefined : variables[name]
    const limit = steps.length ? variable?.parts?.[steps.join('.')] : variable?.limit
    return limit === undefined ? undefined : { min: 0n, max: BigInt(limit) }
  })
  assert.deepEqual(estimateCost(compiled.program.node, estimator), { min: BigInt(min), max: BigInt(max) })
  const values = Object.fromEntries(each.map(([name, { value }]) => [name, adaptUntyped(value)]))
  assert.deepEqual(compiled.program.evaluate(values), { value: true, cost: actual })
}

for (const row of lists) test(row[0], () => check([standard, listTransforms], row))
const all = [standard, optionals, bindings, twoVariables, listTransforms]
for (const row of comprehensions) test(row[0], () => check(all, row))
