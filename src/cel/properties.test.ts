// Properties of arithmetic, order, strings and times, on random values, against plain computations.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../base/testing.ts'
import { adaptUntyped } from './adapt.ts'
import { compileWith } from './compilation.ts'
import { parseIP } from '../api/ip.ts'
import { addressFault } from './library/go-address.ts'
import { kubernetes } from './kubernetes.ts'
import { toJson } from './to-json.ts'
import * as t from './types.ts'
import { Failure, Uint, type Value } from './values.ts'

const environment = kubernetes.extend({ variables: { a: t.dyn, b: t.dyn, c: t.dyn } })

/** A function that evaluates the expression; failures are their messages. */
function evaluator(expression: string): (variables: Record<string, Value>) => Value {
  const compiled = compileWith(expression, environment, { costs: () => undefined })
  if (compiled.error !== undefined) assert.fail(compiled.error)
  const { program } = compiled
  return variables => {
    const { value } = program.evaluate(variables)
    return value instanceof Failure ? `failed: ${value.message}` : value
  }
}

const int = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })
const uint = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const text = fc.string({ unit: 'grapheme', maxLength: 20 })

const check = <T extends unknown[]>(arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> }, run: (...args: T) => void) =>
  fc.assert(fc.property(fc.tuple(...arbitraries), args => run(...(args as T))))

suite('addresses', () => {
  const piece = fc.constantFrom(':', ':', '::', '.', '0', '1', '255', '256', 'ffff', '1.2.3.4', 'x', '')
  test('a text is an address or has a fault', () => {
    check([fc.array(piece, { maxLength: 17 })], pieces => {
      const address = pieces.join('')
      assert.equal(addressFault(address) === undefined, parseIP(address) !== undefined, address)
    })
  })
})

suite('integers', () => {
  const fits = (n: bigint) => n >= -(1n << 63n) && n < 1n << 63n
  const operations: Readonly<Record<string, (x: bigint, y: bigint) => bigint | undefined>> = {
    'a + b': (x, y) => x + y,
    'a - b': (x, y) => x - y,
    'a * b': (x, y) => x * y,
    'a / b': (x, y) => (y === 0n ? undefined : x / y),
  }
  for (const [expression, compute] of Object.entries(operations)) {
    const evaluate = evaluator(expression)
    test(`${expression} is exact or overflows`, () =>
      check([int, int], (x, y) => {
        const exact = compute(x, y)
        const expected =
          exact === undefined ? 'failed: division by zero' : fits(exact) ? exact : 'failed: integer overflow'
        assert.equal(evaluate({ a: x, b: y }), expected)
      }))
    test(`${expression} of uint is exact or overflows`, () =>
      check([uint, uint], (x, y) => {
        const exact = compute(x, y)
        const found = evaluate({ a: new Uint(x), b: new Uint(y) })
        if (exact === undefined) assert.equal(found, 'failed: division by zero')
        else if (exact < 0n || exact >= 1n << 64n) assert.equal(found, 'failed: unsigned integer overflow')
        else assert.deepEqual(found, new Uint(exact))
      }))
  }
  test('quotient and remainder make the number again', () => {
    const evaluate = evaluator('b == 0 || (a / b) * b + a % b == a')
    check([int, int], (x, y) => {
      fc.pre(!(x === -(1n << 63n) && y === -1n))
      assert.equal(evaluate({ a: x, b: y }), true)
    })
  })
  test('int(string(a)) is a', () => {
    const evaluate = evaluator('int(string(a)) == a && uint(string(b)) == b')
    check([int, uint], (x, y) => assert.equal(evaluate({ a: x, b: new Uint(y) }), true))
  })
})

suite('doubles', () => {
  test('double(string(a)) is a', () => {
    const evaluate = evaluator('double(string(a)) == a')
    check([fc.double({ noNaN: true, noDefaultInfinity: true })], x => assert.equal(evaluate({ a: x }), true))
  })
  test('%.3f rounds to the nearest', () => {
    const evaluate = evaluator("'%.3f'.format([a])")
    check([fc.double({ min: -1e6, max: 1e6, noNaN: true })], x => {
      const found = Number(String(evaluate({ a: x })).replaceAll(',', ''))
      assert.ok(Math.abs(found - x) <= 0.0005 + 1e-9, `${x} became ${found}`)
    })
  })
})

suite('order', () => {
  const scalar = fc.oneof(
    int,
    uint.map(n => new Uint(n)),
    fc.double({ noNaN: true }),
  )
  test('exactly one of <, == and > holds for numbers of all types', () => {
    const evaluate = evaluator(
      '[a < b, a == b, a > b].filter(x, x).size() == 1 && (a <= b) == !(a > b) && (a < b) == (b > a)',
    )
    check([scalar, scalar], (x, y) => assert.equal(evaluate({ a: x, b: y }), true))
  })
  test('strings are in the order of their bytes', () => {
    const evaluate = evaluator('a < b')
    check([text, text], (x, y) => {
      assert.equal(evaluate({ a: x, b: y }), Buffer.compare(Buffer.from(x), Buffer.from(y)) < 0)
    })
  })
  test('a list is sorted when no neighbours are out of order', () => {
    const evaluate = evaluator('a.isSorted() && a[0] == a.min() && a[a.size() - 1] == a.max()')
    check([fc.array(fc.integer(), { minLength: 1 })], numbers => {
      assert.equal(evaluate({ a: adaptUntyped(numbers.toSorted((x, y) => x - y)) }), true)
    })
  })
})

suite('strings', () => {
  test('size counts code points', () => {
    const evaluate = evaluator('a.size()')
    check([text], s => assert.equal(evaluate({ a: s }), BigInt(Array.from(s).length)))
  })
  test('parts of a string are where indexOf finds them', () => {
    const evaluate = evaluator('a.substring(a.indexOf(b)).startsWith(b) && a.substring(a.lastIndexOf(b)).startsWith(b)')
    check([text, text, text], (x, y, z) => assert.equal(evaluate({ a: x + y + z, b: y }), true))
  })
  test('split and join make the string again', () => {
    const evaluate = evaluator('a.split(b).join(b) == a')
    check([text, text], (x, y) => {
      fc.pre(y !== '')
      assert.equal(evaluate({ a: x, b: y }), true)
    })
  })
  test('replace is split and join', () => {
    const evaluate = evaluator('a.replace(b, c) == a.split(b).join(c)')
    check([text, text, text], (x, y, z) => {
      fc.pre(y !== '')
      assert.equal(evaluate({ a: x, b: y, c: z }), true)
    })
  })
  test('characters are those that charAt gives', () => {
    const evaluate = evaluator("a.split('').transformList(i, c, a.charAt(i) == c).all(x, x)")
    check([text], s => assert.equal(evaluate({ a: s }), true))
  })
  test('a quoted string is a literal of it', () => {
    const quote = evaluator('strings.quote(a)')
    check([fc.string({ unit: 'grapheme', maxLength: 20 })], s => {
      assert.equal(evaluator(String(quote({ a: s })))({}), s.toWellFormed())
    })
  })
  test('bytes and back', () => {
    const evaluate = evaluator('string(bytes(a)) == a && bytes(a).size() >= a.size()')
    check([text], s => assert.equal(evaluate({ a: s.toWellFormed() }), true))
  })
})

suite('times', () => {
  const nanos = fc.bigInt({ min: -62135596800_000_000_000n, max: 253402300799_000_000_000n })
  test('timestamp(string(a)) is a', () => {
    const evaluate = evaluator('timestamp(string(timestamp(a))) == timestamp(a)')
    check([nanos.map(n => n / 1_000_000_000n)], seconds => assert.equal(evaluate({ a: seconds }), true))
  })
  test('the parts of a time are those of Date', () => {
    const evaluate = evaluator('timestamp(a).getFullYear() == b && timestamp(a).getMonth() == c')
    check([fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })], date => {
      const variables = {
        a: BigInt(Math.floor(date.getTime() / 1000)),
        b: BigInt(date.getUTCFullYear()),
        c: BigInt(date.getUTCMonth()),
      }
      assert.equal(evaluate(variables), true)
    })
  })
  test('what is added can be taken away again', () => {
    const evaluate = evaluator('timestamp(a) + duration(b) - timestamp(a) == duration(b)')
    const near = fc.bigInt({ min: -1_000_000_000n, max: 1_000_000_000n })
    check([near, near], (seconds, n) => assert.equal(evaluate({ a: seconds, b: n }), true))
  })
})

suite('JSON', () => {
  test('comes out as it went in', () => {
    // JSON has no -0 that would differ from 0.
    const sent = fc.jsonValue().map((json): unknown => JSON.parse(JSON.stringify(json)))
    check([sent], json => assert.deepEqual(toJson(adaptUntyped(json)), json))
  })
  test('equals itself, and its copies', () => {
    const evaluate = evaluator('a == b')
    check([fc.jsonValue()], json => {
      assert.equal(evaluate({ a: adaptUntyped(json), b: adaptUntyped(structuredClone(json)) }), true)
    })
  })
})
