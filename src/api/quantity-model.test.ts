// Quantities are compared with exact fractions, when they are parsed, written, added and compared.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  isQuantity,
  quantityError,
  quantityMilli,
  quantityNanos,
  quantityValue,
  subtractQuantities,
} from './quantity.ts'

const tens: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const twos: Record<string, bigint> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n }
const nano = 10n ** 9n
/** No quantity is larger than an int64 of units. */
const most = (2n ** 63n - 1n) * nano

interface Written {
  negative: boolean
  whole: string
  fraction: string
  suffix: string
}

const digits = (max: number) => fc.stringMatching(new RegExp(`^\\d{0,${max}}$`))
const suffix = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...Object.keys(tens)) },
  { weight: 3, arbitrary: fc.constantFrom(...Object.keys(twos)) },
  fc
    .tuple(fc.constantFrom('e', 'E', 'e+', 'e-', 'E-'), fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 310 })))
    .map(([letter, exponent]) => `${letter}${exponent}`),
)
const written: fc.Arbitrary<Written> = fc
  .record({
    negative: fc.boolean(),
    whole: fc.oneof(digits(4), digits(24)),
    fraction: fc.oneof(fc.constant(''), digits(3), digits(14)),
    suffix,
  })
  .filter(({ whole, fraction }) => whole + fraction !== '')

const textOf = ({ negative, whole, fraction, suffix: unit }: Written) =>
  `${negative ? '-' : ''}${whole}${fraction && `.${fraction}`}${unit}`

/** The number in billionths, rounded away from zero, and limited to the largest quantity. */
function meaning({ negative, whole, fraction, suffix: unit }: Written): bigint {
  let numerator = BigInt(whole + fraction) * nano
  let denominator = 10n ** BigInt(fraction.length)
  const exponent = unit in tens ? tens[unit]! : /^[eE][-+]?\d/.test(unit) ? Number(unit.slice(1)) : 0
  if (exponent >= 0) numerator *= 10n ** BigInt(exponent)
  else denominator *= 10n ** BigInt(-exponent)
  numerator <<= twos[unit] ?? 0n
  const rounded = (numerator + denominator - 1n) / denominator
  const size = rounded > most ? most : rounded
  return negative ? -size : size
}

const awayFromZero = (a: bigint, b: bigint) => (a < 0n ? -((-a + b - 1n) / b) : (a + b - 1n) / b)

test('a quantity is the number in its text, to the billionth', () => {
  fc.assert(
    fc.property(written, given => {
      const text = textOf(given)
      const nanos = meaning(given)
      assert.equal(isQuantity(text), true, text)
      assert.equal(quantityNanos(text), nanos, text)
      assert.equal(quantityValue(text), Number(awayFromZero(nanos, nano)), text)
      assert.equal(quantityMilli(text), Number(awayFromZero(nanos, 10n ** 6n)), text)
    }),
    { numRuns: 2000 },
  )
})

test('the canonical form is the same number, is stable, and has the largest unit without a fraction', () => {
  fc.assert(
    fc.property(written, given => {
      const canonical = canonicalQuantity(textOf(given))
      assert.equal(quantityNanos(canonical), meaning(given), canonical)
      assert.equal(canonicalQuantity(canonical), canonical)
      if (canonical === '0') return
      const [, mantissa = '', unit = ''] = /^-?([1-9]\d*)(\D.*)?$/.exec(canonical) ?? []
      assert.notEqual(mantissa, '', `${canonical} has neither a fraction nor leading zeros`)
      const size = BigInt(mantissa)
      if (unit in twos) assert.ok(unit === 'Ei' || size % 1024n !== 0n, canonical)
      else if (unit.startsWith('e')) assert.equal(Math.abs(Number(unit.slice(1))) % 3, 0, canonical)
      else assert.ok(unit in tens && (unit === 'E' || size % 1000n !== 0n || given.suffix in twos), canonical)
      // The family of units stays, except for binary units that cannot express the number.
      if (unit in twos) assert.ok(given.suffix in twos)
      if (unit.startsWith('e')) assert.match(given.suffix, /^[eE]/)
    }),
    { numRuns: 2000 },
  )
})

test('quantities are compared, added and subtracted as numbers', () => {
  const sign = (n: bigint) => (n < 0n ? -1 : n > 0n ? 1 : 0)
  fc.assert(
    fc.property(written, written, (a, b) => {
      const [x, y] = [textOf(a), textOf(b)]
      const [m, n] = [meaning(a), meaning(b)]
      assert.equal(compareQuantities(x, y), sign(m - n), `${x} and ${y}`)
      const total = (text: string) => (/^-?\d/.test(text) ? text : assert.fail(text))
      // A sum beyond the largest quantity would be limited when it is parsed again.
      const sum = m + n > most ? most : m + n < -most ? -most : m + n
      assert.equal(quantityNanos(total(addQuantities(x, y))), sum, `${x} + ${y}`)
      const rest = m - n > most ? most : m - n < -most ? -most : m - n
      assert.equal(quantityNanos(total(subtractQuantities(x, y))), rest, `${x} - ${y}`)
      assert.equal(addQuantities(subtractQuantities(x, x), y), canonicalQuantity(y), 'zero has no family of units')
    }),
    { numRuns: 2000 },
  )
})

test('a text is a quantity or is refused with one message, and a number is parsed as its decimal form', () => {
  const pieces = fc.constantFrom('1', '0', '.', '-', '+', 'e', 'E', 'i', 'K', 'k', 'm', 'M', ' ', 'x')
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 6 }).map(parts => parts.join('')),
    fc.string(),
  )
  fc.assert(
    fc.property(text, given => {
      if (isQuantity(given)) assert.equal(canonicalQuantity(canonicalQuantity(given)), canonicalQuantity(given))
      // Spaces around a quantity are removed when it is decoded.
      else if (!isQuantity(given.trim())) assert.throws(() => canonicalQuantity(given), { message: quantityError })
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.integer(), n => {
      assert.equal(quantityNanos(canonicalQuantity(n)), BigInt(n) * nano)
    }),
  )
})
