// What expressions cost, by estimate and at run time, against the numbers of upstream's own tests.
// Source: apiserver pkg/cel/library/cost_test.go.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { callCosts } from './call-costs.ts'
import { compileWith } from './compilation.ts'
import { estimateCost } from './estimate.ts'
import { estimatorWith } from './estimator.ts'
import { kubernetes } from './kubernetes.ts'
import { authorizerType, makeAuthorizer } from './library/authorizer.ts'
import { Failure } from './values.ts'

const environment = kubernetes.extend({ variables: { authorizer: authorizerType } })
/** As upstream's tests have it: texts and bytes have up to twelve characters. */
const estimator = estimatorWith(({ type }) =>
  type.kind === 'string' || type.kind === 'bytes' ? { min: 0n, max: 12n } : undefined,
)

type Row = readonly [expression: string, min: number | bigint, max: number | bigint, actual: number]

function check([expression, min, max, actual]: Row): void {
  // Upstream's tests run without folding constants.
  const compiled = compileWith(expression, environment, { costs: callCosts, fold: false })
  if (compiled.error !== undefined) assert.fail(compiled.error)
  const estimate = estimateCost(compiled.program.node, estimator)
  assert.deepEqual(estimate, { min: BigInt(min), max: BigInt(max) }, expression)
  const authorizer = makeAuthorizer(() => ({ allowed: true, reason: '' }))
  const { value, cost } = compiled.program.evaluate({ authorizer })
  assert.ok(!(value instanceof Failure), `${expression}: ${value instanceof Failure && value.message}`)
  assert.equal(cost, actual, expression)
}

function table(name: string, rows: readonly Row[]): void {
  suite(name, () => {
    for (const row of rows) test(row[0], () => check(row))
  })
}

const ints = '[1, 2, 3, 4, 5]'
const uints = '[uint(1), uint(2), uint(3), uint(4), uint(5)]'
const doubles = '[1.0, 2.0, 3.0, 4.0, 5.0]'
const bools = '[false, true, false, true, false]'
const strings = `[${Array.from({ length: 5 }, () => "'012345678901'").join(', ')}]`
const bytes = `[${Array.from({ length: 5 }, () => "bytes('012345678901')").join(', ')}]`
const durations = `[${[1, 2, 3, 4, 5].map(n => `duration('${n}s')`).join(', ')}]`
const timestamps = `[${[1, 2, 3, 4, 5].map(n => `timestamp('2011-01-0${n}T00:00:00.000+01:00')`).join(', ')}]`

table('sums', [
  [`${ints}.sum()`, 15, 15, 15],
  [`${uints}.sum()`, 20, 20, 20],
  [`${doubles}.sum()`, 15, 15, 15],
  [`${durations}.sum()`, 20, 20, 20],
])

table(
  'comparisons of the elements of lists',
  ['.isSorted()', '.max()', '.min()'].flatMap((call): Row[] => [
    [ints + call, 15, 15, 15],
    [uints + call, 20, 20, 20],
    [doubles + call, 15, 15, 15],
    [bools + call, 15, 15, 15],
    [strings + call, 15, 25, 15],
    [bytes + call, 25, 35, 25],
    [durations + call, 20, 20, 20],
    [timestamps + call, 20, 20, 20],
  ]),
)

table(
  'searches',
  ['indexOf', 'lastIndexOf'].flatMap((name): Row[] => [
    [`${ints}.${name}(3)`, 15, 15, 15],
    [`${uints}.${name}(uint(3))`, 21, 21, 21],
    [`${doubles}.${name}(3.0)`, 15, 15, 15],
    [`${bools}.${name}(true)`, 15, 15, 15],
    [`${strings}.${name}('x')`, 15, 25, 15],
    [`${bytes}.${name}(bytes('x'))`, 26, 36, 26],
    [`${durations}.${name}(duration('3s'))`, 21, 21, 21],
    [`${timestamps}.${name}(timestamp('2011-01-03T00:00:00.000+01:00'))`, 21, 21, 21],
    [`'${'0123456789'.repeat(5)}'.${name}('123')`, 5, 5, 5],
  ]),
)

table(
  'URLs',
  ['getScheme', 'getHostname', 'getHost', 'getPort', 'getEscapedPath', 'getQuery'].map(
    (name): Row => [`url('https:://kubernetes.io/').${name}()`, 4, 4, 4],
  ),
)

const v6 = "ip('2001:db8:3333:4444:5555:6666:7777:8888')"
table('addresses', [
  ["ip('192.168.0.1')", 2, 2, 2],
  [v6, 4, 4, 4],
  ...['family', 'isUnspecified', 'isLoopback', 'isLinkLocalMulticast', 'isLinkLocalUnicast', 'isGlobalUnicast'].flatMap(
    (name): Row[] => [
      [`ip('192.168.0.1').${name}()`, 3, 3, 3],
      [`${v6}.${name}()`, 5, 5, 5],
    ],
  ),
  ["ip.isCanonical('192.168.0.1')", 3, 3, 3],
  ["ip.isCanonical('2001:db8:3333:4444:5555:6666:7777:8888')", 8, 8, 8],
  ["ip.isCanonical('2001:db8::abcd')", 3, 3, 3],
])

const cidr4 = "cidr('192.168.0.0/16')"
const cidr6 = "cidr('2001:db8::/32')"
table('ranges', [
  [cidr4, 2, 2, 2],
  [`${cidr4}.ip()`, 3, 3, 3],
  [`${cidr4}.prefixLength()`, 3, 3, 3],
  [`${cidr6}.masked()`, 3, 3, 3],
  [`${cidr4}.containsCIDR(cidr('192.0.0.0/30'))`, 7, 11, 7],
  [`${cidr4}.containsCIDR(cidr('192.168.0.0/16'))`, 7, 11, 7],
  [`${cidr4}.containsCIDR('192.0.0.0/30')`, 7, 11, 7],
  [`${cidr4}.containsIP(ip('192.0.0.1'))`, 4, 7, 4],
  [`${cidr4}.containsIP(ip('192.169.169.250'))`, 5, 8, 5],
  [`${cidr4}.containsIP('192.0.0.1')`, 4, 7, 4],
  [`${cidr4}.containsIP('192.169.0.1')`, 5, 8, 5],
  [`${cidr6}.containsCIDR(cidr('2001:db8::/126'))`, 7, 11, 7],
  [`${cidr6}.containsCIDR('2001:db8::/32')`, 7, 11, 7],
  [`${cidr6}.containsIP(${v6})`, 7, 10, 7],
  [`${cidr6}.containsIP('2001:db8::1')`, 5, 8, 5],
])

const text = "'abc 123 def 123'"
const letters = "['aa', 'bb', 'cc', 'd', 'e', 'f', 'g', 'h', 'i', 'j']"
table('strings', [
  ["'ABCDEFGHIJ abcdefghij'.lowerAscii()", 3, 3, 3],
  ["'ABCDEFGHIJ abcdefghij'.lowerAscii() == 'abcdefghij ABCDEFGHIJ'.lowerAscii()", 7, 9, 9],
  ["'ABCDEFGHIJ abcdefghij'.upperAscii()", 3, 3, 3],
  ["strings.quote('ABCDEFGHIJ abcdefghij')", 3, 3, 3],
  ["strings.quote('ABCDEFGHIJ abcdefghij') == strings.quote('ABCDEFGHIJ abcdefghij')", 7, 11, 9],
  [`${text}.replace('123', '456')`, 3, 3, 3],
  [`${text}.replace('', 'x')`, 3, 3, 3],
  [`${text}.replace('123', '456', 1)`, 3, 3, 3],
  [`${text}.split(' ')`, 3, 3, 3],
  [`${text}.split(' ', 1)`, 3, 3, 3],
  [`${text}.substring(5)`, 2, 2, 2],
  [`${text}.substring(5, 8)`, 2, 2, 2],
  ["'  abc 123 def 123  '.trim()", 2, 2, 2],
  [`${letters}.join(' ')`, 11, 23, 15],
  [`${letters}.join()`, 10, 22, 13],
  [`${text}.find('123')`, 2, 2, 2],
  [`${text}.findAll('123')`, 2, 2, 2],
  [`${text}.findAll('123', 1)`, 2, 2, 2],
])

const check350 =
  "authorizer.group('apps').resource('deployments').subresource('status').namespace('test').name('backend')"
table('authorization', [
  ["authorizer.path('/healthz')", 2, 2, 2],
  [check350, 6, 6, 6],
  ["authorizer.path('/healthz').check('get').allowed()", 350_003, 350_003, 350_003],
  ...['allowed', 'reason', 'errored', 'error'].map(
    (name): Row => [`${check350}.check('create').${name}()`, 350_007, 350_007, 350_007],
  ),
])

table('quantities', [
  ['quantity("12Mi")', 1, 1, 1],
  ['isQuantity("20M")', 1, 1, 1],
  ['quantity("200M") == quantity("0.2G")', 3, 3, 3],
  ['quantity("2M") == quantity("0.002G") && quantity("2000k") == quantity("2M")', 3, 6, 6],
  ['quantity("50M").isLessThan(quantity("50Mi"))', 3, 3, 3],
  ['quantity("200M").compareTo(quantity("0.2G")) > 0', 4, 4, 4],
  ['quantity("50k").add(quantity("20")) == quantity("50.02k")', 5, 5, 5],
  ['quantity("50k").sub(20) == quantity("49980")', 4, 4, 4],
  ['quantity("50k").add(20).sub(quantity("100k")).sub(-50000).asInteger() > 0', 7, 7, 7],
  ['quantity("50.703k").asApproximateFloat() > 0.0', 3, 3, 3],
])

table('sets', [
  ['sets.contains([], [])', 21, 21, 21],
  ['sets.contains([1], [1, 1])', 23, 23, 23],
  ['sets.contains([1, 2, 3, 4], [2, 3])', 29, 29, 29],
  ['sets.contains([[1], [2, 3]], [[2, 3]])', 53, 53, 53],
  ['!sets.contains([1], [2])', 23, 23, 23],
  ['sets.equivalent([1], [1, 1])', 25, 25, 25],
  ['sets.equivalent([1, 2, 3], [3, 2, 1])', 39, 39, 39],
  ['sets.equivalent([[1], [2, 3]], [[1], [2, 3]])', 69, 69, 69],
  ['!sets.equivalent([1, 2], [2, 2, 2])', 34, 34, 34],
  ['sets.intersects([1], [1, 2])', 23, 23, 23],
  ['!sets.intersects([], [])', 22, 22, 22],
])
